/**
 * Plans a line for a reward of one's own: here, as many words as possible that begin with the same letter. Runs on the small model that
 * ships in the package. For programs there are `testReward` and `Sandbox`, which runs what a model wrote.
 *
 *     npx tsx examples/plan.ts "First Citizen:" s
 */
import { loadModel } from "bletchley";
import { BranchingModel, greedyPlanner, planningGuided, samplingPlanner } from "bletchley/decode";

const prompt = `${process.argv[2] ?? "First Citizen:"}\n`;
const letter = process.argv[3] ?? "s";

await using model = await loadModel("tiny");
const { tokenizer } = model;
const wordsOf = (tokens: readonly number[]) =>
  tokenizer
    .decode([...tokens])
    .toLowerCase()
    .match(/[a-z']+/g) ?? [];
const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id);
const branching = new BranchingModel(model);
const problem = {
  model: branching,
  prompt: model.promptTokens(prompt),
  // a line ends where the next one begins
  ends: new Set([...tokenizer.specials.eosIds, ...ids.filter((id) => tokenizer.decode([id]).includes("\n"))]),
  horizon: 24,
  reward: ({ tokens }: { readonly tokens: readonly number[] }) => {
    const words = wordsOf(tokens);
    return words.length < 4 ? 0 : words.filter((word) => word.startsWith(letter)).length / words.length;
  },
  limits: { generations: 100 },
};

for (const planner of [greedyPlanner(), samplingPlanner({ seed: 1 }), planningGuided({ branches: 5 })]) {
  const { best, statistics } = await planner.plan(problem);
  const { generations, modelSteps } = statistics;
  console.log(`${planner.name}: ${(100 * best.reward).toFixed(0)} % after ${generations} lines, ${modelSteps} steps`);
  console.log(`  ${tokenizer.decode([...best.tokens]).trim()}`);
}
await branching.close();
