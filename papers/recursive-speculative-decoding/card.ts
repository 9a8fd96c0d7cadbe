/**
 * Recursive Speculative Decoding: trees drawn without replacement against other trees of the same depth and of the same number of
 * nodes, on a pair of models trained for it. The method is in src/decode/drafters/draft-shapes.ts and src/decode/verifiers.
 */
import { loadModel, type Model } from "bletchley";
import {
  type DraftShape,
  type DraftTree,
  distinctRejectionAcceptance,
  kSeqAcceptance,
  kSeqVerifier,
  nodeLaw,
  optimalAcceptance,
  recursiveRejection,
  repeatedRejectionAcceptance,
  speculativeSampling,
} from "bletchley/decode";
import type { SequenceModel } from "bletchley/lm";
import {
  compareDecoding,
  type DecodingRecords,
  type DistributionPair,
  definePaper,
  differingPrompts,
  distributionPairs,
  draftArm,
  drawPlot,
  drawToyTexts,
  efficiencyOf,
  type PaperContext,
  Plot,
  randomDistributions,
  type SiblingCounts,
  shakespeareData,
  spread,
  testLaw,
  textPairFor,
  textPairModels,
  toyLaw,
  toyPair,
} from "bletchley/papers";
import { cacheFolder } from "bletchley/sources";
import { Random } from "bletchley/util";

type Family = "SD" | "SpecTr" | "with replacement" | "RSD-C" | "RSD-S";

/** A way of drafting. */
interface Way {
  readonly name: string;
  readonly family: Family;
  readonly shape: DraftShape;
}

const chain = (length: number): Way => ({ name: `SD ${length}`, family: "SD", shape: { kind: "chain", length } });
const chains = (family: "SpecTr" | "with replacement", count: number, length: number): Way => ({
  name: `${family} ${count}×${length}`,
  family,
  shape: { kind: "independent", count, length },
});
const branching = (...widths: number[]): Way => ({
  name: `RSD-C ${widths.join("·")}`,
  family: "RSD-C",
  shape: { kind: "branching", widths },
});
const beam = (width: number, depth: number): Way => ({
  name: `RSD-S ${width}×${depth}`,
  family: "RSD-S",
  shape: { kind: "beam", width, depth },
});

const verifiers = {
  SD: speculativeSampling,
  SpecTr: kSeqVerifier,
  "with replacement": speculativeSampling,
  "RSD-C": recursiveRejection,
  "RSD-S": recursiveRejection,
} as const;

const isRsd = ({ family }: Way) => family.startsWith("RSD");
const families: readonly Family[] = ["SD", "SpecTr", "with replacement", "RSD-C", "RSD-S"];

/** Three siblings and a number of levels. */
const equalLength = (length: number): Way[] => [
  chain(length),
  chains("SpecTr", 3, length),
  chains("with replacement", 3, length),
  beam(3, length),
  branching(3, ...Array.from({ length: length - 1 }, () => 1)),
];

/** Drafts of the same number of nodes. Wide and shallow ones, which accept least here, are left to the full profile. */
const equalBudget: Readonly<Record<number, { readonly deep: readonly Way[]; readonly wide: readonly Way[] }>> = {
  4: {
    deep: [chain(4), chains("SpecTr", 2, 2), branching(2, 1), beam(2, 2)],
    wide: [chains("with replacement", 2, 2), branching(1, 1, 2), branching(4)],
  },
  6: {
    deep: [
      ...[chain(6), chains("SpecTr", 2, 3), chains("with replacement", 2, 3)],
      ...[branching(2, 1, 1), branching(2, 2), beam(2, 3)],
    ],
    wide: [chains("SpecTr", 3, 2), chains("with replacement", 3, 2), branching(3, 1), beam(3, 2)],
  },
  10: {
    deep: [chain(10), chains("SpecTr", 2, 5), branching(2, 1, 1, 1, 1), branching(2, 2, 1), beam(2, 5)],
    wide: [chains("SpecTr", 5, 2), chains("with replacement", 2, 5), branching(5, 1), beam(5, 2)],
  },
  14: {
    deep: [chain(14), chains("SpecTr", 2, 7), branching(2, 1, 1, 1, 1, 1, 1), branching(2, 2, 1, 1), beam(2, 7)],
    wide: [chains("SpecTr", 7, 2), chains("with replacement", 2, 7), branching(2, 2, 2), beam(7, 2)],
  },
};

/** What an experiment at one temperature yields. */
interface Drafting {
  readonly temperature: number;
  readonly length: number;
  /** Ways of drafting by the number of nodes. */
  readonly budgets: ReadonlyMap<number, readonly Way[]>;
  readonly ways: readonly Way[];
  readonly records: DecodingRecords;
  readonly siblings: Readonly<Record<string, SiblingCounts>>;
}

async function run(context: PaperContext): Promise<void> {
  nodeRule(context);
  await exactTexts(context);
  syntheticPairs(context);

  const { pair, windows } = await textPairFor(context, cacheFolder("papers", "pairs"));
  const draft = await pair.load("draft");
  const target = await pair.load("target");
  await using model = await loadModel(pair.targetPath, {
    form: "f32",
    draft: false,
    threads: context.pick({ smoke: 1, quick: 1, full: 2 }),
    signal: context.signal,
  });
  try {
    await temperatures(context, { draft, target }, windows);
    const budgets = new Map(
      context.pick({ smoke: [4], quick: [4, 6, 10, 14], full: [4, 6, 10, 14] }).map((nodes) => {
        const { deep, wide } = equalBudget[nodes]!;
        return [nodes, context.profile === "full" ? [...deep, ...wide] : deep] as const;
      }),
    );
    const cold = await decode(context, model, draft, windows, 0.3, budgets);
    report(context, cold);
    for (const temperature of context.pick({ smoke: [], quick: [1], full: [1, 0.6] }))
      report(context, await decode(context, model, draft, windows, temperature, budgets));
    await greedyTexts(context, model, draft, windows);
  } finally {
    await draft.dispose();
    await target.dispose();
  }
}

/** The law of the rule at a node, by following every draw and every turn. */
function nodeRule(context: PaperContext): void {
  const random = new Random(context.seed + 1);
  let worst = 0;
  for (let i = 0; i < context.pick({ smoke: 30, quick: 200, full: 200 }); i++) {
    const { p, q } = randomDistributions(5, random);
    for (const children of [1, 2, 3]) {
      const { output } = nodeLaw(recursiveRejection.rule, p, q, children, "without-replacement");
      worst = Math.max(worst, ...output.map((x, token) => Math.abs(x - q[token]!)));
    }
  }
  context.measure({
    name: "largest difference between the rule's law at a node and the target, 1 to 3 children, V = 5",
    value: worst,
    unit: "",
    bar: "≤ 1e-12",
    expect: (value) => value <= 1e-12,
    tolerance: Number.POSITIVE_INFINITY,
  });
}

/** Children in the order of ascending ψ: the mistake that looks harmless. */
const ascending = (draft: DraftTree): DraftTree => ({
  ...draft,
  draws: new Map([...draft.draws!].map(([node, drawn]) => [node, drawn.toReversed()])),
});

async function exactTexts(context: PaperContext): Promise<void> {
  const draws = context.pick({ smoke: 4_000, quick: 150_000, full: 150_000 });
  const pair = toyPair(5, context.seed + 2);
  const law = toyLaw(pair, 2);
  const ways = [branching(3, 2), branching(2, 2), beam(2, 2), beam(3, 2)];
  const settings = { pair, verifier: recursiveRejection, length: 2, draws, signal: context.signal } as const;
  for (const [i, { name, shape }] of ways.entries()) {
    context.progress("texts of toy models", i, ways.length + 1);
    const counts = await drawToyTexts({ ...settings, shape, seed: context.seed + 10 + i });
    context.measure({
      name: `p-value of ${draws.toLocaleString("en")} texts of two tokens, ${name}`,
      value: testLaw(counts, law).pValue,
      unit: "",
      bar: "> 0.01",
      expect: (value) => value > 0.01,
      tolerance: Number.POSITIVE_INFINITY,
    });
  }
  const spoilt = await drawToyTexts({ ...settings, shape: beam(3, 2).shape, seed: context.seed + 9, spoil: ascending });
  const { chiSquare, totalVariation } = testLaw(spoilt, law);
  const least = (1000 * draws) / 150_000;
  context.measure({
    name: "χ² with children in ascending order, which must be found out",
    value: chiSquare,
    unit: "",
    bar: `> ${least.toFixed(0)} (24 degrees of freedom)`,
    expect: (value) => value > least,
  });
  context.measure({ name: "total variation with children in ascending order", value: totalVariation, unit: "" });
}

const rules = ["one draft", "with replacement", "k-SEQ", "best for independent draws", "without replacement"] as const;

/** Mean acceptance at nodes by formula, for every rule. */
function acceptances(
  pairs: readonly DistributionPair[],
  siblings: number,
  without: (pair: DistributionPair) => number,
): Record<(typeof rules)[number], number> {
  const mean = (f: (pair: DistributionPair) => number) => pairs.reduce((sum, pair) => sum + f(pair), 0) / pairs.length;
  return {
    "one draft": mean(({ p, q }) => repeatedRejectionAcceptance(p, q, 1)),
    "with replacement": mean(({ p, q }) => repeatedRejectionAcceptance(p, q, siblings)),
    "k-SEQ": mean(({ p, q }) => kSeqAcceptance(p, q, siblings)),
    "best for independent draws": mean(({ p, q }) => optimalAcceptance(p, q, siblings)[siblings - 1]!),
    "without replacement": mean(without),
  };
}

function syntheticPairs(context: PaperContext): void {
  const random = new Random(context.seed + 3);
  const pairs = Array.from({ length: context.pick({ smoke: 20, quick: 200, full: 200 }) }, () =>
    randomDistributions(8, random, 0.3),
  );
  for (const siblings of [2, 3, 4]) {
    const all = acceptances(pairs, siblings, ({ p, q }) => distinctRejectionAcceptance(p, q, siblings));
    context.measure({
      name: `acceptance of ${siblings} siblings against k-SEQ, exact, random pairs with V = 8`,
      value: all["without replacement"],
      baseline: all["k-SEQ"],
      unit: "",
    });
  }
}

/** Acceptance by formula at nodes of held-out text: what the temperature decides. */
async function temperatures(
  context: PaperContext,
  models: { readonly draft: SequenceModel; readonly target: SequenceModel },
  windows: readonly (readonly number[])[],
): Promise<void> {
  const siblings = 3;
  const texts = spread(windows, context.pick({ smoke: 1, quick: 10, full: 32 }));
  const tried = context.pick({
    smoke: [0.3],
    quick: [0.2, 0.3, 0.5, 0.7, 1],
    full: [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1, 1.2],
  });
  const points: { temperature: number; rule: string; acceptance: number }[] = [];
  for (const [i, temperature] of tried.entries()) {
    context.progress("acceptance by formula", i, tried.length);
    const { all, entropy } = await context.stage(`formulas at temperature ${temperature}`, async () => {
      const pairs = await distributionPairs(models, texts, { temperature });
      const random = new Random(context.seed + 4, i);
      const sampled = { random, ways: 4 };
      return {
        all: acceptances(pairs, siblings, ({ p, q }) => distinctRejectionAcceptance(p, q, siblings, sampled)),
        entropy: pairs.reduce((sum, { p }) => sum + entropyOf(p), 0) / pairs.length,
      };
    });
    for (const rule of rules) points.push({ temperature, rule, acceptance: all[rule] });
    if (temperature !== 0.3 && temperature !== 1) continue;
    context.measure({
      name: `acceptance of ${siblings} siblings against k-SEQ by formula, temperature ${temperature}`,
      value: all["without replacement"],
      baseline: all["k-SEQ"],
      unit: "",
    });
    context.measure({ name: `entropy of the draft, temperature ${temperature}`, value: entropy, unit: "nats" });
  }
  if (context.profile === "smoke") return;
  context.figure({
    name: "acceptance",
    caption:
      "How likely one of three siblings is accepted, by formula at nodes of held-out text. Where the draft is sure of itself, independent draws repeat each other, and no rule for them keeps up with draws without replacement.",
    svg: drawPlot({
      title: "Acceptance of three siblings",
      series: rules,
      x: { label: "temperature" },
      y: { label: "probability of acceptance", grid: true },
      marks: [Plot.line(points, { x: "temperature", y: "acceptance", stroke: "rule", marker: "dot" })],
    }),
  });
}

const entropyOf = (p: Float64Array) => p.reduce((sum, x) => (x > 0 ? sum - x * Math.log(x) : sum), 0);

async function decode(
  context: PaperContext,
  model: Model,
  draft: SequenceModel,
  windows: readonly (readonly number[])[],
  temperature: number,
  budgets: Drafting["budgets"],
): Promise<Drafting> {
  const length = 3;
  const lengths = context.pick({ smoke: [length], quick: [length], full: [2, length, 4] });
  const byLength = lengths.flatMap(equalLength);
  const byNodes = [...budgets.values()].flat().filter(({ name }) => !byLength.some((way) => way.name === name));
  const parts = { length: byLength, nodes: byNodes };
  // differences at equal length are small: more prompts
  const counts = context.pick({
    smoke: { length: 2, nodes: 2 },
    quick: temperature < 1 ? { length: 64, nodes: 24 } : { length: 32, nodes: 16 },
    full: { length: 100, nodes: 60 },
  });
  const records: Record<string, DecodingRecords[string]> = { plain: [] };
  const siblings: Record<string, SiblingCounts> = {};
  for (const part of ["length", "nodes"] as const) {
    const task = `drafts of equal ${part} at temperature ${temperature}`;
    const found = await context.stage(task, async () => {
      const arms = parts[part].map(({ name, family, shape }) => draftArm(name, draft, shape, verifiers[family]));
      const decoded = await compareDecoding({
        model,
        prompts: promptsOf(windows, counts[part]),
        arms: [{ name: "plain" }, ...arms],
        maxTokens: context.pick({ smoke: 24, quick: 96, full: 128 }),
        options: { temperature, seed: context.seed + 5, ignoreEos: true },
        signal: context.signal,
        onPrompt: (done) => context.progress(task, done, counts[part]),
      });
      return { decoded, drawn: Object.fromEntries(arms.map((arm) => [arm.name, arm.siblings()])) };
    });
    const { plain, ...drafted } = found.decoded;
    Object.assign(records, drafted, { plain: [...records.plain!, ...plain!] });
    Object.assign(siblings, found.drawn);
  }
  return { temperature, length, budgets, ways: [...byLength, ...byNodes], records, siblings };
}

/** Beginnings of windows of held-out text. */
const promptsOf = (windows: readonly (readonly number[])[], count: number) =>
  spread(windows, count).map((window) => window.slice(0, 32));

function report(context: PaperContext, drafting: Drafting): void {
  const { temperature, length, budgets, ways, records, siblings } = drafting;
  const smoke = context.profile === "smoke";
  const at = `temperature ${temperature}`;
  const of = (name: string) => efficiencyOf(records[name]!);
  const perCall = ({ name }: Way) => of(name).tokensPerCall.value;
  const bestOf = (some: readonly Way[]) => some.reduce((a, b) => (perCall(b) > perCall(a) ? b : a));
  for (const [rival, least] of [
    [chains("SpecTr", 3, length), 1.05],
    [chains("with replacement", 3, length), 1.08],
  ] as const)
    context.measure({
      name: `tokens per call, RSD-S 3×${length} against ${rival.name}, ${at}`,
      value: perCall(beam(3, length)),
      baseline: perCall(rival),
      unit: "tokens",
      paper: "consistently better",
      ...(smoke ? {} : { bar: `≥ ${least}×`, expect: (v: number, b: number) => v >= least * b }),
    });
  let clear = 0;
  for (const [nodes, all] of budgets) {
    const best = bestOf(all.filter(isRsd));
    const rival = bestOf(all.filter((way) => !isRsd(way)));
    if (perCall(best) >= 1.03 * perCall(rival)) clear++;
    context.log(
      `${nodes} nodes, ${at}: ${best.name} ${perCall(best).toFixed(3)}, ${rival.name} ${perCall(rival).toFixed(3)}`,
    );
    context.measure({
      name: `tokens per call, ${nodes} nodes, best RSD against best other, ${at}`,
      value: perCall(best),
      baseline: perCall(rival),
      unit: "tokens",
      paper: "better in most cases",
      ...(smoke ? {} : { bar: "≥ 1×", expect: (v: number, b: number) => v >= b }),
    });
  }
  const needed = Math.ceil(0.75 * budgets.size);
  if (!smoke)
    context.measure({
      name: `numbers of nodes at which RSD is at least 1.03 times as good, ${at}`,
      value: clear,
      unit: `of ${budgets.size}`,
      bar: `≥ ${needed}`,
      expect: (value) => value >= needed,
      tolerance: 0.5,
    });
  const share = (some: readonly Way[]) => {
    const nodes = some.reduce((sum, { name }) => sum + siblings[name]!.nodes, 0);
    return some.reduce((sum, { name }) => sum + siblings[name]!.withTwins, 0) / nodes;
  };
  context.measure({
    name: `nodes whose children repeat each other, RSD, ${at}`,
    value: share(ways.filter(isRsd)),
    unit: "",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  context.measure({
    name: `nodes whose children repeat each other, with replacement, ${at}`,
    value: share(ways.filter(({ family }) => family === "with replacement")),
    unit: "",
    tolerance: 0.2,
    ...(smoke ? {} : { bar: "> 10 %", expect: (value: number) => value > 0.1 }),
  });
  if (smoke) return;
  const fastest = ways
    .filter(isRsd)
    .reduce((a, b) => (of(b.name).tokensPerSecond > of(a.name).tokensPerSecond ? b : a));
  const full = context.profile === "full" && temperature === 1;
  context.measure({
    name: `speed of the fastest RSD, ${at}`,
    value: of(fastest.name).tokensPerSecond,
    baseline: of("plain").tokensPerSecond,
    unit: "tokens/s",
    tolerance: Number.POSITIVE_INFINITY,
    ...(full ? { bar: "≥ 1.25×", expect: (v: number, b: number) => v >= 1.25 * b } : {}),
  });
  context.measure({
    name: `share of the time that drafting takes, ${fastest.name}, ${at}`,
    value: of(fastest.name).draftShare,
    unit: "",
    tolerance: Number.POSITIVE_INFINITY,
  });
  const rows = ways.map((way) => {
    const { value, error } = of(way.name).tokensPerCall;
    return { way: way.name, family: way.family, tokens: value, low: value - error, high: value + error };
  });
  context.figure({
    name: `tokens-per-call-${String(temperature).replace(".", "-")}`,
    caption: `Tokens per call of the target at temperature ${temperature}, with standard errors over prompts.`,
    svg: drawPlot({
      title: `Tokens per call, ${at}`,
      series: families,
      marginLeft: 150,
      height: 60 + 22 * rows.length,
      x: { label: "tokens per call", grid: true },
      y: { label: null, domain: rows.toSorted((a, b) => b.tokens - a.tokens).map(({ way }) => way) },
      marks: [
        Plot.barX(rows, { y: "way", x: "tokens", fill: "family" }),
        Plot.ruleY(rows, { y: "way", x1: "low", x2: "high", stroke: "#222" }),
        Plot.ruleX([0]),
      ],
    }),
  });
}

async function greedyTexts(
  context: PaperContext,
  model: Model,
  draft: SequenceModel,
  windows: readonly (readonly number[])[],
): Promise<void> {
  const arms = [branching(2, 2), beam(3, 3)].map(({ name, shape }) => draftArm(name, draft, shape, recursiveRejection));
  const records = await context.stage("greedy texts", () =>
    compareDecoding({
      model,
      prompts: promptsOf(windows, context.pick({ smoke: 2, quick: 16, full: 60 })),
      arms: [{ name: "plain" }, ...arms],
      maxTokens: context.pick({ smoke: 24, quick: 96, full: 128 }),
      options: { ignoreEos: true },
      signal: context.signal,
    }),
  );
  context.measure({
    name: "prompts whose greedy tokens differ from plain decoding",
    value: arms.reduce((sum, { name }) => sum + differingPrompts(records.plain!, records[name]!).length, 0),
    unit: "prompts",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
}

export default definePaper({
  slug: "recursive-speculative-decoding",
  title: "Recursive Speculative Decoding: Accelerating LLM Inference via Sampling Without Replacement",
  authors: "Wonseok Jeon, Mukul Gagrani, Raghavv Goel, Junyoung Park, Mingu Lee, Christopher Lott",
  year: 2024,
  arxiv: "2402.14160",
  kind: "strategy",
  summary: "draft trees whose siblings are drawn without replacement, verified by recursive rejection: exact",
  claim:
    "With Llama 2 and OPT targets, trees drawn without replacement accept consistently more than other trees at the same draft length, and in most cases also at the same number of tokens that the target checks.",
  scale:
    "A pair of decoders trained here on tiny Shakespeare (2.0 and 0.11 million parameters, V = 1,024; 5.0 and 0.21 in the full profile), in f32 on two CPU cores. At temperature 1 the draft has 4.1 nats of entropy, which is far less sure than a large model; temperature 0.3 (1.1 nats) stands beside it.",
  code: [
    "src/decode/drafters/draft-shapes.ts",
    "src/decode/drafters/model-drafter.ts",
    "src/decode/verifiers/rejection.ts",
    "src/decode/verifiers/acceptance.ts",
  ],
  data: [shakespeareData],
  notes:
    "Exactness shows; the advantage depends on how sure the draft is. By formula, one of three siblings is accepted 1.105 times as often as under k-SEQ at temperature 0.3, and 0.974 times at temperature 1; decoding agrees (0.76 against 0.70, and 0.80 against 0.81, below the root). Where the draft is flat, independent draws hardly repeat each other, and k-SEQ is the better rule for a node. So the bars at equal length and equal budget are missed at temperature 1, and at 0.3 they are missed narrowly at equal length (1.025 and 1.075 times, with standard errors near 2 %) and kept from 6 nodes on at an equal budget, where the 1.03 that was asked for is reached at 10 nodes only. With 4 nodes a single chain is best: acceptance is 0.6 and more per level, so depth beats width. Tried: temperature 0.2 (equal length: 1.067 and 1.072 times, 40 prompts), top-p 0.8 and top-k 10 at temperature 1 (by formula 0.979 and 1.004 times k-SEQ), drafts closer to the target (mixtures of both, by formula: 0.973 and 0.987 times), constant branching and other shapes. A chain counts as SD here, although RSD-C with one child everywhere is the same.",
  run,
  models: (context) => textPairModels(context, cacheFolder("papers", "pairs")),
});
