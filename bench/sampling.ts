/**
 * Sampling with drafts has the distribution of plain sampling: chi-square over the joint law of three tokens of a model whose law is
 * known, for every verifier with every shape of draft it takes. A verifier that is wrong on purpose is found out.
 */
import jstat from "jstat";
import {
  type DraftShape,
  type GenerateOptions,
  generate,
  kSeqVerifier,
  ModelDrafter,
  matchVerifier,
  recursiveRejection,
  Sampler,
  type Speculation,
  speculativeSampling,
  type Verifier,
} from "../src/decode/index.ts";
import { byteTokenizer, ScriptedModel } from "../src/decode/testing/scripted.ts";
import { perturbed, toyLogits, toyTokens } from "../src/decode/testing/toy.ts";
import { type BarContext, runBar } from "./harness.ts";

const tokenizer = byteTokenizer();
const target = toyLogits(3);
const draft = perturbed(target, 5);
const prompt = [97, 98];
const length = 3;

const shapes: Readonly<Record<string, DraftShape>> = {
  "chain of 3": { kind: "chain", length: 3 },
  "3 chains of 2": { kind: "independent", count: 3, length: 2 },
  "branching 3·2": { kind: "branching", widths: [3, 2] },
  "beam 3×3": { kind: "beam", width: 3, depth: 3 },
};

/** Accepts the first child that the target gives any probability to: close to right, and wrong. */
const careless: Verifier = {
  ...speculativeSampling,
  name: "careless",
  verify: (tree, logits, chooser) => {
    const first = tree.tokens.findIndex((_, i) => tree.parents[i] === -1);
    if (first < 0 || chooser.distribution(logits(-1))[tree.tokens[first]!]! < 0.05)
      return matchVerifier.verify({ tokens: [], parents: [] }, logits, chooser);
    chooser.take(tree.tokens[first]!);
    const next = chooser.choose(logits(first));
    chooser.take(next);
    return { path: [first], next };
  },
};

/** Probability of every text of three tokens under plain sampling. */
function jointLaw(options: GenerateOptions): Map<string, number> {
  const law = new Map<string, number>();
  const sampler = new Sampler(options);
  const grow = (tokens: number[], probability: number) => {
    if (tokens.length === length) {
      law.set(tokens.join(), probability);
      return;
    }
    const p = sampler.distribution(target([...prompt, ...tokens]));
    for (const token of toyTokens) if (p[token]! > 0) grow([...tokens, token], probability * p[token]!);
  };
  grow([], 1);
  return law;
}

/** p-value of counts under a law; cells that expect fewer than five are joined. */
function pValue(counts: ReadonlyMap<string, number>, law: ReadonlyMap<string, number>, draws: number): number {
  for (const text of counts.keys()) if (!law.has(text)) return 0;
  let statistic = 0;
  let cells = 0;
  let rest = { expected: 0, seen: 0 };
  const add = (expected: number, seen: number) => {
    statistic += (seen - expected) ** 2 / expected;
    cells++;
  };
  for (const [text, probability] of law) {
    const expected = probability * draws;
    const seen = counts.get(text) ?? 0;
    if (expected >= 5) add(expected, seen);
    else {
      rest = { expected: rest.expected + expected, seen: rest.seen + seen };
      if (rest.expected >= 5) {
        add(rest.expected, rest.seen);
        rest = { expected: 0, seen: 0 };
      }
    }
  }
  return 1 - jstat.chisquare.cdf(statistic, cells - 1);
}

async function drawTexts(speculation: Speculation | undefined, options: GenerateOptions, draws: number, seed: number) {
  const counts = new Map<string, number>();
  const model = new ScriptedModel(target);
  let steps = 0;
  for (let i = 0; i < draws; i++) {
    const sequence = await model.open();
    const tokens: number[] = [];
    const input = { sequence, tokenizer, prompt, contextLength: 64, speculation };
    // one token more than is counted, so that the last counted one may be a draft's
    for await (const chunk of generate(input, { ...options, seed: seed * 1_000_003 + i, maxTokens: length + 1 })) {
      tokens.push(...chunk.tokens);
      steps += chunk.stats?.steps ?? 0;
    }
    const text = tokens.slice(0, length).join();
    counts.set(text, (counts.get(text) ?? 0) + 1);
    await sequence.close();
  }
  return { counts, tokensPerStep: (draws * length) / steps };
}

await runBar("sampling", async ({ options, quick, measure, log }: BarContext) => {
  const draws = Number(options.get("draws") ?? (quick ? 2_000 : 20_000));
  const draftModel = new ScriptedModel(draft);
  const verifiers = [matchVerifier, speculativeSampling, recursiveRejection, kSeqVerifier];
  const drafters: readonly (readonly [name: string, drafter: ModelDrafter])[] = [
    ...Object.entries(shapes).map(([name, shape]) => [name, new ModelDrafter({ model: draftModel, shape })] as const),
    [
      "chain of 3 while likely",
      new ModelDrafter({ model: draftModel, shape: shapes["chain of 3"]!, leastChance: 0.2 }),
    ],
  ];
  const ways = verifiers.flatMap((verifier) =>
    drafters
      .map(([name, drafter]) => ({ name, verifier, drafter }))
      .filter(({ drafter }) => verifier.kinds.includes(drafter.kind)),
  );
  const settings: GenerateOptions[] = [0.5, 1, 1.5].flatMap((temperature) => [
    { temperature },
    { temperature, topP: 0.8 },
  ]);
  const tests = ways.length * settings.length;
  const least = 0.01 / tests;
  let seed = 1;
  for (const { name, verifier, drafter } of ways) {
    let worst = 1;
    let tokens = 0;
    for (const setting of settings) {
      const found = await drawTexts({ drafters: [drafter], verifier }, setting, draws, seed++);
      worst = Math.min(worst, pValue(found.counts, jointLaw(setting), draws));
      tokens = Math.max(tokens, found.tokensPerStep);
    }
    log(`${verifier.name}, ${name}: up to ${tokens.toFixed(2)} tokens a step`);
    measure({
      name: `${verifier.name}, ${name}: smallest p-value of ${settings.length} settings, ${draws} texts each`,
      value: worst,
      unit: "",
      bar: `> 0.01 / ${tests}`,
      pass: worst > least,
    });
  }
  const drafter = new ModelDrafter({ model: draftModel, shape: shapes["chain of 3"]! });
  const wrong = await drawTexts({ drafters: [drafter], verifier: careless }, { temperature: 1 }, draws, seed);
  const p = pValue(wrong.counts, jointLaw({ temperature: 1 }), draws);
  measure({
    name: "p-value of a verifier that is wrong on purpose",
    value: p,
    unit: "",
    bar: "< 1e-6",
    pass: p < 1e-6,
  });
});
