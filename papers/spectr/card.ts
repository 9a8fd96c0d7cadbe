/**
 * SpecTr: several independent drafts and the rule k-SEQ, against one draft and against the best that any coupling could do. The method
 * is in src/decode/verifiers/k-seq.ts.
 */
import { loadModel, type Model } from "bletchley";
import {
  type DraftTree,
  kSeqAcceptance,
  kSeqResidual,
  kSeqRho,
  kSeqVerifier,
  optimalAcceptance,
  ruleVerifier,
  speculativeSampling,
} from "bletchley/decode";
import type { Sequence, SequenceModel } from "bletchley/lm";
import {
  compareDecoding,
  type DecodingRecords,
  definePaper,
  distributionPairs,
  draftArm,
  drawPlot,
  drawToyTexts,
  efficiencyOf,
  type PaperContext,
  Plot,
  randomDistributions,
  shakespeareData,
  spread,
  testLaw,
  textPairFor,
  textPairModels,
  toyLaw,
  toyPair,
} from "bletchley/papers";
import { cacheFolder } from "bletchley/sources";
import { NDArray, Random } from "bletchley/util";

/** Drafts, and tokens in each. */
type Setting = readonly [count: number, length: number];

const nameOf = ([count, length]: Setting) => (count === 1 ? `SD ${length}` : `SpecTr ${count}×${length}`);

async function run(context: PaperContext): Promise<void> {
  await exactTokens(context);
  await exactTexts(context);
  residuals(context);
  syntheticPairs(context);

  const { pair, windows } = await textPairFor(context, cacheFolder("papers", "pairs"));
  const draft = await pair.load("draft");
  const target = await pair.load("target");
  try {
    await bounds(context, { draft, target }, windows);
    await using model = await loadModel(pair.targetPath, {
      form: "f32",
      draft: false,
      threads: context.pick({ smoke: 1, quick: 1, full: 2 }),
      signal: context.signal,
    });
    const prompts = spread(windows, context.pick({ smoke: 2, quick: 40, full: 100 })).map((w) => w.slice(0, 32));
    await decoding(context, model, draft, prompts);
  } finally {
    await draft.dispose();
    await target.dispose();
  }
  if (context.profile !== "smoke") await verifierTime(context, await context.text(shakespeareData.path));
}

async function exactTokens(context: PaperContext): Promise<void> {
  const draws = context.pick({ smoke: 10_000, quick: 400_000, full: 400_000 });
  const pair = toyPair(6, context.seed + 1);
  const law = toyLaw(pair, 1);
  for (const [i, count] of [2, 3, 5].entries()) {
    context.progress("tokens of toy models", i, 3);
    const found = testLaw(
      await drawToyTexts({
        pair,
        shape: { kind: "independent", count, length: 1 },
        verifier: kSeqVerifier,
        length: 1,
        draws,
        seed: context.seed + 20 + i,
        signal: context.signal,
      }),
      law,
    );
    const name = `${draws.toLocaleString("en")} tokens of ${count} drafts, V = 6`;
    // frequencies stray by one over the root of their number
    const most = 0.005 * Math.sqrt(400_000 / draws);
    context.measure({
      name: `total variation, ${name}`,
      value: found.totalVariation,
      unit: "",
      bar: `< ${most.toPrecision(2)}`,
      expect: (value) => value < most,
      tolerance: Number.POSITIVE_INFINITY,
    });
    context.measure({
      name: `p-value, ${name}`,
      value: found.pValue,
      unit: "",
      bar: "> 0.01",
      expect: (value) => value > 0.01,
      tolerance: Number.POSITIVE_INFINITY,
    });
  }
}

/** Each token once, however often it was drawn. */
const withoutTwins = (draft: DraftTree): DraftTree => ({
  ...draft,
  draws: new Map([...draft.draws!].map(([node, drawn]) => [node, [...new Set(drawn)]])),
});

/** k-SEQ with the ρ and the residual of all drafts, also where some have dropped out. */
const reusedRho = (count: number) =>
  ruleVerifier("k-seq with one rho", kSeqVerifier.kinds, (q, p, drawn, chance) => {
    const rho = kSeqRho(p, q, count);
    for (const { node, token } of drawn) if (chance.happens(q[token]! / (rho * p[token]!))) return { child: node };
    const left = kSeqResidual(p, q, count, rho).map((weight) => Math.max(weight, 0));
    return {
      token: chance.draw(
        left,
        left.reduce((a, b) => a + b),
      ),
    };
  });

async function exactTexts(context: PaperContext): Promise<void> {
  const draws = context.pick({ smoke: 5_000, quick: 200_000, full: 200_000 });
  const pair = toyPair(5, context.seed + 2);
  const law = toyLaw(pair, 3);
  const shape = { kind: "independent", count: 3, length: 2 } as const;
  const settings = { pair, shape, length: 3, draws, seed: context.seed + 30, signal: context.signal } as const;
  const exact = testLaw(await drawToyTexts({ ...settings, verifier: kSeqVerifier }), law);
  context.measure({
    name: `p-value of ${draws.toLocaleString("en")} texts of three tokens, 3 drafts of 2`,
    value: exact.pValue,
    unit: "",
    bar: "> 0.01",
    expect: (value) => value > 0.01,
    tolerance: Number.POSITIVE_INFINITY,
  });
  const controls = {
    "drafts without their twins": { verifier: kSeqVerifier, spoil: withoutTwins },
    "the ρ of all drafts where some have dropped out": { verifier: reusedRho(3) },
  } as const;
  for (const [name, control] of Object.entries(controls)) {
    const { pValue, chiSquare } = testLaw(await drawToyTexts({ ...settings, ...control }), law);
    context.log(`${name}: χ² ${chiSquare.toFixed(0)}`);
    context.measure({
      name: `p-value with ${name}, which must be found out`,
      value: pValue,
      unit: "",
      bar: "< 1e-6",
      expect: (value) => value < 1e-6,
      tolerance: Number.POSITIVE_INFINITY,
    });
  }
}

function residuals(context: PaperContext): void {
  const random = new Random(context.seed + 3);
  let least = 0;
  for (let i = 0; i < 1000; i++) {
    const { p, q } = randomDistributions(2 + random.integer(31), random, 0.1 + random.next());
    const count = 2 + random.integer(7);
    least = Math.min(least, ...kSeqResidual(p, q, count, kSeqRho(p, q, count)));
  }
  context.measure({
    name: "least weight of the residual, 1,000 random instances",
    value: least,
    unit: "",
    bar: "≥ -1e-12",
    expect: (value) => value >= -1e-12,
    tolerance: Number.POSITIVE_INFINITY,
  });
}

const meanOf = <T>(items: readonly T[], f: (item: T) => number) =>
  items.reduce((sum, item) => sum + f(item), 0) / items.length;

function syntheticPairs(context: PaperContext): void {
  const random = new Random(context.seed + 4);
  const pairs = Array.from({ length: context.pick({ smoke: 50, quick: 200, full: 200 }) }, () =>
    randomDistributions(8, random),
  );
  for (const count of [2, 3, 4])
    context.measure({
      name: `acceptance of ${count} drafts against the best possible, random pairs with V = 8`,
      value: meanOf(pairs, ({ p, q }) => kSeqAcceptance(p, q, count)),
      baseline: meanOf(pairs, ({ p, q }) => optimalAcceptance(p, q, count)[count - 1]!),
      unit: "",
    });
}

/** What formulas say of one number of drafts. */
interface Acceptances {
  readonly temperature: number;
  readonly drafts: number;
  readonly kSeq: number;
  readonly best: number;
  readonly meanRatio: number;
  readonly outside: number;
}

async function bounds(
  context: PaperContext,
  models: { readonly draft: SequenceModel; readonly target: SequenceModel },
  windows: readonly (readonly number[])[],
): Promise<void> {
  const most = 8;
  const texts = spread(windows, context.pick({ smoke: 1, quick: 32, full: 64 }));
  const rows: Acceptances[] = [];
  let positions = 0;
  for (const temperature of [0.7, 1]) {
    const found = await context.stage(`formulas at temperature ${temperature}`, async () => {
      const pairs = await distributionPairs(models, texts, { temperature });
      const byDrafts = Array.from({ length: most }, () => ({ kSeq: 0, best: 0, meanRatio: 0, outside: 0 }));
      for (const [i, { p, q }] of pairs.entries()) {
        if (i % 64 === 0) context.progress(`formulas at temperature ${temperature}`, i, pairs.length);
        const best = optimalAcceptance(p, q, most);
        for (const [at, sums] of byDrafts.entries()) {
          const k = at + 1;
          const accepted = kSeqAcceptance(p, q, k);
          sums.kSeq += accepted / pairs.length;
          sums.best += best[at]! / pairs.length;
          sums.meanRatio += accepted / best[at]! / pairs.length;
          if (accepted > best[at]! + 1e-9 || accepted < (1 - (1 - 1 / k) ** k) * best[at]! - 1e-9) sums.outside++;
        }
      }
      return { positions: pairs.length, rows: byDrafts.map((sums, at) => ({ temperature, drafts: at + 1, ...sums })) };
    });
    positions += found.positions;
    rows.push(...found.rows);
  }
  context.measure({
    name: `positions outside of the bounds (1 − (1 − 1/k)^k) α* and α*, k = 1 to ${most}, ${positions} positions`,
    value: rows.reduce((sum, { outside }) => sum + outside, 0),
    unit: "",
    paper: "proven",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  for (const { temperature, drafts, kSeq, best, meanRatio } of rows) {
    if (drafts === 4)
      context.measure({
        name: `mean of acceptance over the best possible, 4 drafts, temperature ${temperature}`,
        value: meanRatio,
        unit: "",
        paper: "≥ 1 − 1/e",
        ...(context.profile === "smoke" ? {} : { bar: "≥ 0.92", expect: (value: number) => value >= 0.92 }),
      });
    if ([1, 2, 4, 8].includes(drafts))
      context.measure({
        name: `acceptance of ${drafts} ${drafts === 1 ? "draft" : "drafts"} against the best possible, temperature ${temperature}`,
        value: kSeq,
        baseline: best,
        unit: "",
      });
  }
  if (context.profile === "smoke") return;
  const series = ["k-SEQ", "best possible"];
  const lines = rows.flatMap(({ temperature, drafts, kSeq, best }) => [
    { temperature: `temperature ${temperature}`, drafts, rule: series[0], acceptance: kSeq },
    { temperature: `temperature ${temperature}`, drafts, rule: series[1], acceptance: best },
  ]);
  context.figure({
    name: "acceptance",
    caption: "How likely one of k independent drafts is accepted, by formula at positions of held-out text.",
    svg: drawPlot({
      title: "Acceptance and what is left on the table",
      series,
      fx: { label: null },
      x: { label: "drafts" },
      y: { label: "probability of acceptance", grid: true },
      marks: [
        Plot.line(lines, { fx: "temperature", x: "drafts", y: "acceptance", stroke: "rule", marker: "dot" }),
        Plot.frame({ stroke: "#ccc" }),
      ],
    }),
  });
}

async function decoding(
  context: PaperContext,
  model: Model,
  draft: SequenceModel,
  prompts: readonly (readonly number[])[],
): Promise<void> {
  const settings: readonly Setting[] = context.pick<readonly Setting[]>({
    smoke: [
      [1, 4],
      [4, 4],
    ],
    quick: [
      [1, 2],
      [1, 4],
      [1, 8],
      [2, 2],
      [2, 4],
      [4, 2],
      [4, 4],
      [8, 4],
    ],
    // a step checks 63 tokens and the root: 8 drafts may have 7
    full: [1, 2, 4, 8].flatMap((count) => [2, 4, count === 8 ? 7 : 8].map((length) => [count, length] as const)),
  });
  const arms = settings.map(([count, length]) =>
    count === 1
      ? draftArm(nameOf([count, length]), draft, { kind: "chain", length }, speculativeSampling)
      : draftArm(nameOf([count, length]), draft, { kind: "independent", count, length }, kSeqVerifier),
  );
  const records: DecodingRecords = await context.stage("all arms", () =>
    compareDecoding({
      model,
      prompts,
      arms: [{ name: "plain" }, ...arms],
      maxTokens: context.pick({ smoke: 24, quick: 96, full: 128 }),
      options: { temperature: 1, seed: context.seed + 5, ignoreEos: true },
      signal: context.signal,
      onPrompt: (done) => context.progress("all arms", done, prompts.length),
    }),
  );
  const of = (setting: Setting) => efficiencyOf(records[nameOf(setting)]!);
  const smoke = context.profile === "smoke";
  const compare = (one: Setting, other: Setting, least: number, paper?: string) =>
    context.measure({
      name: `tokens per call, ${nameOf(one)} against ${nameOf(other)}`,
      value: of(one).tokensPerCall.value,
      baseline: of(other).tokensPerCall.value,
      unit: "tokens",
      ...(paper && { paper }),
      ...(smoke ? {} : { bar: `≥ ${least}×`, expect: (v: number, b: number) => v >= least * b }),
    });
  compare([4, 4], [1, 4], 1.15, "1.37× in wall clock at 8×8");
  if (smoke) return;
  compare([8, 4], [4, 4], 1.02, "rises with the number of drafts");
  context.measure({
    name: "standard error of the tokens per call, SpecTr 4×4",
    value: of([4, 4]).tokensPerCall.error,
    unit: "tokens",
    tolerance: Number.POSITIVE_INFINITY,
  });
  context.measure({
    name: "tokens checked for each one gained, SpecTr 4×4 against SD 4",
    value: of([4, 4]).checkedPerToken,
    baseline: of([1, 4]).checkedPerToken,
    unit: "tokens",
  });
  const nodes = records[nameOf([4, 4])]!;
  context.measure({
    name: "tokens that a trie checks against those of four separate rows, SpecTr 4×4",
    value: nodes.reduce((sum, { drafted }) => sum + drafted, 0),
    baseline: nodes.reduce((sum, { steps }) => sum + 16 * steps, 0),
    unit: "tokens",
  });
  const speedOf = (setting: Setting) => of(setting).tokensPerSecond;
  const fastest = (several: boolean) =>
    settings.filter(([count]) => count > 1 === several).reduce((a, b) => (speedOf(b) > speedOf(a) ? b : a));
  const best = fastest(true);
  context.log(`fastest: ${nameOf(best)}, ${nameOf(fastest(false))}`);
  context.measure({
    name: "speed of the fastest SpecTr against plain decoding",
    value: speedOf(best),
    baseline: efficiencyOf(records.plain!).tokensPerSecond,
    unit: "tokens/s",
    paper: "2.13×",
    tolerance: Number.POSITIVE_INFINITY,
    ...(context.profile === "full" ? { bar: "≥ 1.2×", expect: (v: number, b: number) => v >= 1.2 * b } : {}),
  });
  context.measure({
    name: "speed of the fastest SpecTr against the fastest single draft",
    value: speedOf(best),
    baseline: speedOf(fastest(false)),
    unit: "tokens/s",
    paper: "1.37×",
    tolerance: Number.POSITIVE_INFINITY,
  });
  const rows = settings.map((setting) => {
    const { value, error } = of(setting).tokensPerCall;
    const drafts = `${setting[0]} ${setting[0] === 1 ? "draft" : "drafts"}`;
    return { name: nameOf(setting), drafts, tokens: value, low: value - error, high: value + error };
  });
  context.figure({
    name: "tokens-per-call",
    caption: "Tokens per call of the target at temperature 1, with standard errors over prompts.",
    svg: drawPlot({
      title: "Tokens per call",
      series: [...new Set(rows.map(({ drafts }) => drafts))],
      marginLeft: 110,
      x: { label: "tokens per call", grid: true },
      y: { label: null, domain: rows.map(({ name }) => name) },
      marks: [
        Plot.barX(rows, { y: "name", x: "tokens", fill: "drafts" }),
        Plot.ruleY(rows, { y: "name", x1: "low", x2: "high", stroke: "#222" }),
        Plot.ruleX([0]),
      ],
    }),
  });
}

/** A model whose logits have noise: a draft for a model that has none, to see what its verifier costs. */
function noisy(model: Model, spread: number): SequenceModel {
  const noise = new Random(11).normals(1 << 16, spread);
  let shift = 0;
  const wrap = (inner: Sequence): Sequence => ({
    get length() {
      return inner.length;
    },
    get room() {
      return inner.room;
    },
    async step(request) {
      const { logits, extra } = await inner.step(request);
      shift += 12_345;
      const data = (logits.data as Float32Array).map((x, i) => x + noise[(i + shift) & 0xffff]!);
      return { logits: new NDArray(data, logits.shape, "f32"), extra };
    },
    commit: (rows) => inner.commit(rows),
    truncate: (length) => inner.truncate(length),
    fork: async () => wrap(await inner.fork()),
    close: () => inner.close(),
  });
  return { config: model.config, open: async () => wrap(await model.open()) };
}

/** What the rule costs where the vocabulary is large. */
async function verifierTime(context: PaperContext, text: string): Promise<void> {
  await using model = await loadModel("smollm2", { draft: false, signal: context.signal });
  let ruleMs = 0;
  const timed = ruleVerifier(kSeqVerifier.name, kSeqVerifier.kinds, (...node) => {
    const start = performance.now();
    const verdict = kSeqVerifier.rule(...node);
    ruleMs += performance.now() - start;
    return verdict;
  });
  const name = nameOf([2, 2]);
  const arm = draftArm(name, noisy(model, 0.7), { kind: "independent", count: 2, length: 2 }, timed);
  const tokens = model.tokenizer.encode(text.slice(-20_000));
  const prompts = Array.from({ length: context.pick({ smoke: 1, quick: 4, full: 10 }) }, (_, i) =>
    tokens.slice(300 * i, 300 * i + 100),
  );
  const records = await compareDecoding({
    model,
    prompts,
    arms: [arm],
    maxTokens: 48,
    options: { temperature: 1, topP: 0.95, seed: context.seed + 6, ignoreEos: true },
    signal: context.signal,
  });
  const sum = (f: (record: DecodingRecords[string][number]) => number) =>
    records[name]!.reduce((total, record) => total + f(record), 0);
  const verifyMs = sum((record) => record.verifyMs);
  const checkMs = verifyMs + sum((record) => record.modelMs);
  const where = `${name}, SmolLM2-135M with V = 49,152 and top-p 0.95`;
  context.measure({
    name: `share of a step that k-SEQ takes, ${where}`,
    value: ruleMs / checkMs,
    unit: "",
    bar: "≤ 5 %",
    expect: (value) => value <= 0.05,
    tolerance: Number.POSITIVE_INFINITY,
  });
  context.measure({
    name: `share of a step for k-SEQ and the distributions that it reads, which plain sampling needs as well, ${where}`,
    value: verifyMs / checkMs,
    unit: "",
    tolerance: Number.POSITIVE_INFINITY,
  });
}

export default definePaper({
  slug: "spectr",
  title: "SpecTr: Fast Speculative Decoding via Optimal Transport",
  authors: "Ziteng Sun, Ananda Theertha Suresh, Jae Hun Ro, Ahmad Beirami, Himanshu Jain, Felix Yu",
  year: 2023,
  arxiv: "2310.15141",
  kind: "strategy",
  summary: "several independent drafts coupled with the target by one number, close to optimal transport: exact",
  claim:
    "2.13× faster than plain decoding in wall clock and 1.37× faster than speculative decoding with one draft (8 drafts of 8 tokens); acceptance at least 1 − 1/e of the best possible.",
  scale:
    "A pair of decoders trained here on tiny Shakespeare (2.0 and 0.11 million parameters, V = 1,024; 5.0 and 0.21 in the full profile), in f32 on two CPU cores; at most 8 drafts of 7 tokens, since a step has 64 rows.",
  code: ["src/decode/verifiers/k-seq.ts", "src/decode/verifiers/acceptance.ts", "src/decode/drafters/model-drafter.ts"],
  data: [shakespeareData],
  notes:
    "The bars hold. In wall clock several drafts are no faster than one on this pair: a step's price grows with its nodes, so the fastest settings are small (SpecTr 2×2, SD 2), and the gain in tokens per call shows at 4×4 and 8×4. Of a step at a large vocabulary k-SEQ itself takes about 1 %; the distributions that it reads, one for each token as in plain sampling, take far more. The experiment on SmolLM2 with a draft model of its own is left out: the pair here is the only one that is trained for it.",
  run,
  models: (context) => textPairModels(context, cacheFolder("papers", "pairs")),
});
