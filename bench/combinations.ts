/**
 * The combination matrix: every drafter (alone and together) with every verifier and every way of choosing tokens. What fits is run and
 * compared with plain decoding; what does not is refused with a reason.
 */
import {
  ContextRecycling,
  type Drafter,
  type GenerateOptions,
  generate,
  kSeqVerifier,
  ModelDrafter,
  matchVerifier,
  promptLookup,
  recursiveRejection,
  type Speculation,
  SuffixDrafter,
  speculativeSampling,
  TokenRecycling,
} from "../src/decode/index.ts";
import { byteTokenizer, ScriptedModel, vocabSize } from "../src/decode/testing/scripted.ts";
import { perturbed, toyLogits } from "../src/decode/testing/toy.ts";
import { BletchleyError } from "../src/util/errors.ts";
import { type BarContext, runBar } from "./harness.ts";

const tokenizer = byteTokenizer();
const target = toyLogits(3);
const prompt = [97, 98, 99, 97, 98];
const tokens = 150;

const modelDrafter = (shape: ConstructorParameters<typeof ModelDrafter>[0]["shape"]) =>
  new ModelDrafter({ model: new ScriptedModel(perturbed(target, 5)), shape, name: `draft-model/${shape.kind}` });

/** All drafters, fresh. */
const makers: readonly (() => Drafter)[] = [
  () => promptLookup(),
  () => new SuffixDrafter(),
  () => new TokenRecycling({ vocabSize }),
  () => new ContextRecycling({ vocabSize }),
  () => modelDrafter({ kind: "chain", length: 4 }),
  () => modelDrafter({ kind: "independent", count: 3, length: 3 }),
  () => modelDrafter({ kind: "branching", widths: [3, 2] }),
  () => modelDrafter({ kind: "beam", width: 3, depth: 3 }),
];

const verifiers = [matchVerifier, speculativeSampling, recursiveRejection, kSeqVerifier];

const samplings: Readonly<Record<string, GenerateOptions>> = {
  greedy: {},
  "greedy with penalties": { repetitionPenalty: 1.3, frequencyPenalty: 0.2 },
  sampled: { temperature: 1, seed: 7 },
  "sampled with filters": { temperature: 1.2, topK: 6, topP: 0.9, minP: 0.01, typicalP: 0.95, seed: 8 },
  "sampled with bias and penalties": { temperature: 0.8, logitBias: { 97: 1 }, presencePenalty: 0.3, seed: 9 },
};

async function textOf(speculation: Speculation | undefined, options: GenerateOptions): Promise<number[]> {
  const sequence = await new ScriptedModel(target).open();
  const text: number[] = [];
  for await (const chunk of generate(
    { sequence, tokenizer, prompt, contextLength: 4096, speculation },
    { ...options, maxTokens: tokens },
  ))
    text.push(...chunk.tokens);
  await sequence.close();
  return text;
}

await runBar("combinations", async ({ measure, log }: BarContext) => {
  const plain = new Map<string, string>();
  for (const [name, options] of Object.entries(samplings)) plain.set(name, String(await textOf(undefined, options)));
  const sizes = ["planned", "all", 5] as const;
  let ran = 0;
  let refused = 0;
  const wrong: string[] = [];
  const groups = [
    ...makers.map((make) => [make]),
    ...makers.flatMap((a, i) => makers.slice(i + 1).map((b) => [a, b])),
    makers,
  ];
  for (const group of groups)
    for (const verifier of verifiers)
      for (const [sampling, options] of Object.entries(samplings))
        for (const size of verifier === matchVerifier ? sizes : (["all"] as const)) {
          const drafters = group.map((make) => make());
          const name = `${drafters.map((d) => d.name).join(" + ")}, ${verifier.name}, ${sampling}, ${size}`;
          const fits =
            drafters.every(({ kind }) => verifier.kinds.includes(kind)) &&
            (verifier === matchVerifier || drafters.length === 1);
          try {
            const text = await textOf({ drafters, verifier, size }, options);
            ran++;
            if (!fits) wrong.push(`${name}: not refused`);
            // rules that use distributions draw other random numbers; their law is the bar "sampling"'s matter
            const same = verifier === matchVerifier || !options.temperature;
            if (text.length !== tokens || (same && String(text) !== plain.get(sampling)))
              wrong.push(`${name}: another text`);
          } catch (thrown) {
            refused++;
            if (fits || !(thrown instanceof BletchleyError) || thrown.code !== "argument" || thrown.message.length < 40)
              wrong.push(`${name}: ${thrown}`);
          }
        }
  for (const line of wrong.slice(0, 20)) log(line);
  measure({ name: "combinations that were run", value: ran, unit: "", bar: "≥ 500", pass: ran >= 500 });
  measure({
    name: "combinations that were refused with a reason",
    value: refused,
    unit: "",
    bar: "≥ 100",
    pass: refused >= 100,
  });
  measure({
    name: "combinations that gave another text than plain decoding, failed, or were not refused",
    value: wrong.length,
    unit: "",
    bar: "0",
    pass: wrong.length === 0,
  });
});
