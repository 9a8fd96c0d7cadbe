/**
 * Finds the fastest way to decode on this machine for prompts like yours. Answers stay what they are; only how fast they come changes.
 *
 *     npx tsx examples/tune.ts [MODEL] [TOKENS] [PROMPT ...]
 */
import { loadModel } from "bletchley";
import { tuneModel } from "bletchley/serve";

const [ref = "smollm2", tokens = "48", ...given] = process.argv.slice(2);
const prompts = given.length
  ? given
  : [
      "List the days of the week, one a line, then list them again.",
      "Repeat this sentence three times: the quick brown fox jumps over the lazy dog.",
      "What is 12 times 7? Explain step by step.",
      "Write a function in Python that adds two numbers, and one that subtracts them.",
    ];

await using model = await loadModel(ref);
const answer = async () => {
  const chunks = model.chat([{ role: "user", content: prompts[0]! }], { temperature: 0, maxTokens: Number(tokens) });
  return model.collect(chunks);
};
const before = await answer();
const { chosen, candidates, check } = await tuneModel(model, { prompts, maxTokens: Number(tokens) });
for (const { drafters, tokensPerStep, predictedSpeedup } of candidates)
  console.log(
    `${drafters.join(" + ") || "plain"}: ${tokensPerStep.toFixed(2)} tokens a step, ${predictedSpeedup.toFixed(2)}×`,
  );
console.log(
  `chosen: ${chosen.join(" + ") || "plain"}, ${check.measuredSpeedup.toFixed(2)}× on ${check.prompts} other prompts`,
);
const after = await answer();
console.log(
  after.text === before.text ? "the same answer as before" : "another answer: this is a bug, please report it",
);
