/**
 * Hydra with Medusa as its baseline: draft heads that are trained on a trace of a frozen model and then draft for it. The method is in
 * src/decode/heads; here are the models, the kinds of heads, and what is measured.
 */
import {
  agreement,
  coverage,
  frequentTokens,
  likeliestTree,
  measureCosts,
  type RankTree,
  rankChain,
  recordTrace,
  simulateTree,
  TokenRecycling,
  type Trace,
  traceHash,
} from "bletchley/decode";
import { prefill } from "bletchley/lm";
import {
  compareDecoding,
  type DecodingArm,
  type DecodingRecord,
  type DecodingRecords,
  type DecodingSummary,
  definePaper,
  differingPrompts,
  type PaperContext,
  type PaperModel,
  specBenchData,
  summarizeDecoding,
  textHash,
  type WorkContext,
} from "bletchley/papers";
import { openFolder } from "bletchley/runtime";
import { openTokenVectors } from "bletchley/serve";
import { cacheFolder } from "bletchley/sources";
import { agreementFigure, type SizePoint, sizeFigure, speedFigure } from "./figures.ts";
import { chainOf, fifteen, fixedShapes, fixedTree, type Layout, layoutsOf, tuned } from "./layouts.ts";
import { type Target, targetFor, testData, trainData } from "./targets.ts";
import { headsAsModel, type Lesson, names, type TrainedVariant, trainVariant, variants } from "./variants.ts";

/** Numbers that depend on the machine. */
const machine = { tolerance: Number.POSITIVE_INFINITY };
/** Kinds of heads that decode; the others are measured on the trace alone. */
const decoding: readonly string[] = [names.medusa, names.hydra, names.plus];
/** Tokens before a step, about, in all prompts. */
const usualContext = 128;
/** Draft sizes in the picture. */
const sizes = [1, 2, 3, 4, 6, 8, 12, 16, 24];

/** Traces of a target, recorded or taken from where they are kept. */
async function traces(context: WorkContext, { model, prompts, answerTokens, maxTokens }: Target) {
  const { signal } = context;
  // others draft while a trace is recorded: the rows are the same, and there are fewer steps
  const helper = new TokenRecycling({ vocabSize: model.config.vocabSize });
  const record = async (part: "training" | "heldOut"): Promise<{ readonly trace: Trace; readonly hash: string }> => {
    const subject = { sha256: model.source.sha256, form: model.form, prompts: prompts[part], maxTokens };
    const hash = await traceHash(subject);
    const trace = await recordTrace({
      ...subject,
      files: await openFolder(cacheFolder(`traces/${hash}`)),
      answerTokens: answerTokens[part],
      decode: async (prompt, recorder) => {
        model.speculation = { drafters: [recorder, helper] };
        return (await model.collect(model.generate(prompt, { maxTokens, temperature: 0, signal }))).tokens;
      },
      signal,
      onProgress: (done, total) => context.progress(`trace, ${part}`, done, total),
    });
    return { trace, hash: `${hash} ${answerTokens[part]}` };
  };
  const training = await record("training");
  const heldOut = await record("heldOut");
  model.speculation = undefined;
  return { training: training.trace, heldOut: heldOut.trace, hash: `${training.hash} ${heldOut.hash}` };
}

/** Share of the held-out tokens that are the commonest one, for every head: what guessing without looking would reach. */
function commonest({ sequences }: Trace, heads: number): number[] {
  const counts = new Map<number, number>();
  let all = 0;
  for (const { tokens, promptLength } of sequences)
    for (const token of tokens.subarray(promptLength)) {
      counts.set(token, (counts.get(token) ?? 0) + 1);
      all++;
    }
  return Array<number>(heads).fill(Math.max(...counts.values()) / all);
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** What heads guess on the held-out trace: bars on dependence, and the numbers behind the first picture. */
function reportAgreement(context: PaperContext, runs: readonly (readonly TrainedVariant[])[]): void {
  const smoke = context.profile === "smoke";
  const of = (name: string, top: number) => {
    const perSeed = runs.flatMap((run) =>
      run.filter(({ variant }) => variant.name === name).map(({ truth }) => agreement(truth, top)),
    );
    return perSeed[0]!.map((_, head) => mean(perSeed.map((shares) => shares[head]!)));
  };
  for (const {
    variant: { name },
  } of runs[0]!) {
    const [first, five] = [of(name, 1), of(name, 5)];
    first.forEach((share, i) => {
      context.measure({
        name: `agreement of head ${i + 1}, ${name}`,
        value: share,
        unit: "",
        ...(name !== names.medusa && { baseline: of(names.medusa, 1)[i]! }),
        ...(name === names.hydra &&
          i > 0 &&
          !smoke && {
            paper: "significantly better",
            bar: "≥ Medusa + 0.10",
            expect: (value: number, baseline: number) => value >= baseline + 0.1,
          }),
      });
    });
    context.measure({
      name: `true tokens among the first five guesses of the last head, ${name}`,
      value: five[five.length - 1]!,
      unit: "",
    });
  }
}

/** Texts, tokens a step, and what Hydra++ adds. */
function reportSteps(
  context: PaperContext,
  records: DecodingRecords,
  runs: readonly (readonly TrainedVariant[])[],
): void {
  const smoke = context.profile === "smoke";
  const of = (variant: string, shape: string) => summarizeDecoding(records[`${variant}, ${shape}`]!).tokensPerStep;
  const differing = Object.keys(records).reduce(
    (sum, name) => sum + differingPrompts(records.plain!, records[name]!).length,
    0,
  );
  context.measure({
    name: "texts that differ from plain greedy decoding, all heads and shapes",
    value: differing,
    unit: "texts",
    paper: "lossless",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  const compared = (
    name: string,
    value: number,
    baseline: number,
    bar: { readonly least: number; readonly paper?: string } | undefined,
  ) =>
    context.measure({
      name,
      value,
      baseline,
      unit: "",
      ...(bar?.paper && { paper: bar.paper }),
      ...(bar && !smoke && { bar: `≥ ${bar.least}×`, expect: (v: number, b: number) => v >= bar.least * b }),
    });
  const three = chainOf(3);
  const [medusa, hydra, plus] = [of(names.medusa, three), of(names.hydra, three), of(names.plus, three)];
  compared("tokens a step with a chain of 3, Hydra against Medusa", hydra, medusa, {
    least: 1.12,
    paper: "3.26 / 2.31 = 1.41×",
  });
  compared("tokens a step beyond the first with a chain of 3, Hydra against Medusa", hydra - 1, medusa - 1, {
    least: 1.2,
  });
  compared("tokens a step with a chain of 3, Hydra++ against Hydra, same labels", plus, hydra, { least: 1.03 });
  const onTrace = (name: string, tree: RankTree) => {
    const { truth } = runs[0]!.find(({ variant }) => variant.name === name)!;
    return simulateTree(tree, truth);
  };
  for (const [tree, shape] of [
    [rankChain(3), three],
    [fixedTree, fifteen],
  ] as const) {
    const pair = (name: string, other: string) =>
      compared(
        `tokens a step with a ${shape} on the held-out trace, ${name} against ${other}`,
        onTrace(name, tree),
        onTrace(other, tree),
        undefined,
      );
    pair(names.hydra, names.medusa);
    pair(names.plus, names.hydra);
    if (context.profile !== "full") for (const name of [names.soft, names.sharp]) pair(name, names.hydra);
  }
}

/** Speed, and how well it was foreseen. */
function reportSpeed(
  context: PaperContext,
  layouts: readonly Layout[],
  summaries: Readonly<Record<string, DecodingSummary>>,
): void {
  const full = context.profile === "full";
  const plain = summaries.plain!.tokensPerSecond;
  const speedOf = ({ name }: Layout) => summaries[name]!.tokensPerSecond;
  const bestOf = (some: readonly Layout[]) => some.reduce((a, b) => (speedOf(b) > speedOf(a) ? b : a));
  // what the tuner would serve: the layout that promises most, or plain decoding when none promises enough
  const pickOf = (some: readonly Layout[]) =>
    some
      .filter(({ shape }) => shape === tuned)
      .reduce<Layout | undefined>((a, b) => (!a || b.predicted.speedup > a.predicted.speedup ? b : a), undefined);
  const served = (pick: Layout | undefined) => (pick ? speedOf(pick) : plain);
  const hydra = layouts.filter(({ variant }) => variant !== names.medusa);
  const medusa = layouts.filter(({ variant }) => variant === names.medusa);
  const [hydraPick, medusaPick] = [pickOf(hydra), pickOf(medusa)];
  context.log(
    `chosen: ${hydraPick?.name ?? "plain"} (${hydraPick?.tree.parents.length ?? 0} nodes), ${medusaPick?.name ?? "plain"}`,
  );
  context.measure({
    name: "speed with the tree chosen for this machine, best Hydra against plain decoding",
    value: served(hydraPick),
    baseline: plain,
    unit: "tokens/s",
    paper: "2.71× (GPU, batch 1)",
    bar: "≥ 1.05×",
    expect: (value, baseline) => value >= 1.05 * baseline,
    ...machine,
  });
  context.measure({
    name: "speed with the trees chosen for this machine, best Hydra against Medusa",
    value: served(hydraPick),
    baseline: served(medusaPick),
    unit: "tokens/s",
    paper: "1.31×",
    // a step of the small model takes no longer than three runs of a head, so that only the large one says who is faster
    ...(full && { bar: "≥ 1.03×", expect: (value: number, baseline: number) => value >= 1.03 * baseline }),
    ...machine,
  });
  const errors = layouts.map((layout) => Math.abs(layout.predicted.tokensPerSecond / speedOf(layout) - 1));
  context.measure({
    name: "largest error of a predicted speed",
    value: Math.max(...errors),
    unit: "",
    ...(full && { bar: "≤ 10 %", expect: (value: number) => value <= 0.1 }),
    ...machine,
  });
  context.measure({ name: "mean error of a predicted speed", value: mean(errors), unit: "", ...machine });
  const best = bestOf(layouts);
  context.log(`fastest: ${best.name}`);
  context.measure({
    name: "speed of what the tuner picks against the fastest layout",
    value: served(pickOf([...hydra, ...medusa])),
    baseline: Math.max(plain, speedOf(best)),
    unit: "tokens/s",
    ...(full && { bar: "≥ 0.97×", expect: (value: number, baseline: number) => value >= 0.97 * baseline }),
    ...machine,
  });
  for (const { name, shape, variant, tree, predicted } of layouts) {
    const { tokensPerSecond, draftMsPerStep } = summaries[name]!;
    context.log(
      `${name}: ${(tokensPerSecond / plain).toFixed(2)}× (predicted ${predicted.speedup.toFixed(2)}×), ${draftMsPerStep.toFixed(2)} ms of drafting a step (predicted ${predicted.draftMs.toFixed(2)})`,
    );
    if (shape !== tuned) continue;
    context.measure({
      name: `speed against plain decoding, ${variant}, chosen tree`,
      value: tokensPerSecond,
      baseline: plain,
      unit: "tokens/s",
      ...machine,
    });
    context.measure({ name: `nodes of the chosen tree, ${variant}`, value: tree.parents.length, unit: "", ...machine });
    context.measure({
      name: `drafting a step, ${variant}, chosen tree`,
      value: draftMsPerStep,
      unit: "ms",
      ...machine,
    });
  }
}

/** A target and what heads learn from it. */
interface Course extends AsyncDisposable {
  readonly target: Target;
  readonly lesson: Lesson;
}

/** Opens a profile's target and records its traces. */
async function courseFor(context: WorkContext): Promise<Course> {
  const target = await targetFor(context);
  const { model, recipe, draftVocabulary } = target;
  const { vocabSize } = model.config;
  const { training, heldOut, hash } = await traces(context, target);
  const vectors = await openTokenVectors(model);
  const tokens = frequentTokens(training, draftVocabulary ?? vocabSize, vocabSize);
  const lesson: Lesson = {
    recipe,
    training,
    heldOut,
    hash: await textHash(hash),
    vocabSize,
    tokens,
    lmHead: vectors.lmHead(tokens),
    embeddings: vectors.embeddings,
    files: await openFolder(cacheFolder("papers/hydra")),
    signal: context.signal,
    onProgress: (task, done, total) => context.progress(task, done, total),
  };
  return {
    target,
    lesson,
    async [Symbol.asyncDispose]() {
      await vectors[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    },
  };
}

/** The trained heads, as functions of a text's hidden states and embeddings. */
async function* models(context: WorkContext): AsyncGenerator<PaperModel> {
  await using course = await courseFor(context);
  for (const variant of variants.filter(({ name }) => decoding.includes(name))) {
    const { heads } = await trainVariant(variant, course.lesson, context.seed);
    yield await headsAsModel(variant.name, heads, course.lesson);
  }
}

async function run(context: PaperContext): Promise<void> {
  const { signal } = context;
  await using course = await courseFor(context);
  const { target, lesson } = course;
  const { model, recipe } = target;
  const { heldOut, tokens, embeddings } = lesson;
  const seeds = context.profile === "quick" ? [context.seed, context.seed + 1] : [context.seed];
  const runs: TrainedVariant[][] = [];
  for (const [i, seed] of seeds.entries()) {
    // the second seed is for the bars on dependence; in the full profile, labels are left to the quick one
    const some = variants.filter(({ name }) => {
      if (i > 0) return name === names.medusa || name === names.hydra;
      return decoding.includes(name) || context.profile !== "full";
    });
    const trained: TrainedVariant[] = [];
    for (const variant of some) trained.push(await trainVariant(variant, lesson, seed));
    runs.push(trained);
  }
  reportAgreement(context, runs);
  context.measure({ name: "held-out tokens that can be drafted", value: coverage(heldOut, tokens), unit: "" });

  const costs = await measureCosts(model, {
    contexts: [usualContext],
    rows: context.pick({
      smoke: [1, 4, 16],
      quick: [1, 2, 3, 4, 6, 8, 16, 24],
      full: [1, 2, 3, 4, 5, 6, 8, 12, 16, 24],
    }),
    repeats: context.pick({ smoke: 1, quick: 9, full: 9 }),
    signal,
  });
  // what the loop takes beside the model's steps, as far as plain decoding shows it
  const stepMs = async (arm: DecodingArm) => {
    const warm = await compareDecoding({
      model,
      prompts: target.prompts.heldOut.slice(0, context.pick({ smoke: 1, quick: 6, full: 6 })),
      arms: [arm],
      maxTokens: 64,
      signal,
    });
    const sum = (f: (record: DecodingRecord) => number) =>
      warm[arm.name]!.reduce((total, record) => total + f(record), 0);
    return sum(({ milliseconds }) => milliseconds) / sum(({ steps }) => steps);
  };
  const loopMs = Math.max(0, (await stepMs({ name: "plain" })) - costs.milliseconds(1, usualContext));
  const step = (rows: number) => costs.milliseconds(rows, usualContext) + loopMs;
  context.log(
    `a step takes ${[1, 2, 3, 4, 8, 16].map((rows) => step(rows).toFixed(2)).join(" / ")} ms for 1 / 2 / 3 / 4 / 8 / 16 rows, ${loopMs.toFixed(2)} ms of it around the model`,
  );
  const trial = await model.open();
  await prefill(trial, target.prompts.decoding[0]!.slice(0, 60));
  const between = () => trial.step({ tokens: [1] });
  const layouts: Layout[] = [];
  const runners: AsyncDisposable[] = [];
  const decoded = runs[0]!.filter(({ variant }) => decoding.includes(variant.name));
  for (const trained of decoded) {
    const made = await layoutsOf(trained, {
      step,
      // half an hour does not suffice for the tree that this machine does not want
      shapes: context.pick({
        smoke: fixedShapes.slice(2),
        quick: fixedShapes,
        full: fixedShapes.slice(0, 3),
      }),
      form: target.headForm,
      embeddings,
      decode: stepMs,
      between,
      repeats: context.pick({ smoke: 1, quick: 15, full: 15 }),
      signal,
    });
    layouts.push(...made.layouts);
    runners.push(made.runner);
  }
  await trial.close();
  const records = await compareDecoding({
    model,
    prompts: target.prompts.decoding,
    arms: [{ name: "plain" }, ...layouts.map(({ arm }) => arm)],
    maxTokens: context.pick({ smoke: 16, quick: 64, full: 64 }),
    signal,
    onPrompt: (done) => context.progress("decode", done, target.prompts.decoding.length),
  });
  for (const runner of runners) await runner[Symbol.asyncDispose]();
  const summaries = Object.fromEntries(Object.entries(records).map(([name, some]) => [name, summarizeDecoding(some)]));
  reportSteps(context, records, runs);
  if (context.profile === "smoke") return;
  reportSpeed(context, layouts, summaries);
  const points: SizePoint[] = decoded.flatMap(({ variant, truth }) =>
    sizes.map((nodes) => ({
      variant: variant.name,
      nodes,
      tokensPerStep: simulateTree(likeliestTree(truth, nodes), truth),
    })),
  );
  const dots: SizePoint[] = layouts
    .filter(({ shape }) => shape !== tuned)
    .map(({ name, variant, tree }) => ({
      variant,
      nodes: tree === fixedTree ? 15 : tree.parents.length,
      tokensPerStep: summaries[name]!.tokensPerStep,
    }));
  context.figure(agreementFigure(runs[0]!, commonest(heldOut, recipe.heads)));
  context.figure(sizeFigure(points, dots, decoding));
  context.figure(
    speedFigure(
      layouts.map((layout) => ({ ...layout, measured: summaries[layout.name]!.tokensPerSecond })),
      summaries.plain!.tokensPerSecond,
      decoding,
    ),
  );
}

export default definePaper({
  slug: "hydra",
  title: "Hydra: Sequentially-Dependent Draft Heads for Medusa Decoding",
  authors:
    "Zachary Ankner, Rishab Parthasarathy, Aniruddha Nrusimha, Christopher Rinard, Jonathan Ragan-Kelley, William Brandon",
  year: 2024,
  arxiv: "2402.05109",
  kind: "strategy",
  summary:
    "small heads on a frozen model draft its next tokens, each seeing what the heads before it drafted: lossless",
  claim:
    "Hydra++ decodes up to 1.31 times as fast as Medusa and 2.71 times as fast as plain decoding (Vicuna, greedy, batch 1); measured by others on an A100: 3.26 tokens a step against Medusa's 2.31 (Vicuna 7B, Spec-Bench).",
  scale:
    "Quick: a language model of 2 million parameters in 32 bits, trained on grade-school problems, three heads with an LM head of their own each. Full: SmolLM2-135M-Instruct in 8 bits, three heads that share the rows of its LM head for the 8,192 most frequent tokens. Greedy traces of both, two CPU cores, trees chosen for the machine.",
  code: ["src/decode/heads", "src/serve/draft-heads.ts"],
  data: [trainData, testData, { ...specBenchData, profiles: ["full"] }],
  notes:
    "Dependence shows as in the paper: what the heads before drafted is worth 9 points of agreement to the first head and 28 to the third, and a fifth more tokens a step. Hydra++'s prefix layer and its four blocks add some 4 % with the labels of plain Hydra; they did not while prompts whose beginning lay in a cache were not read again, since the layer then saw the answer alone. Hard labels beat soft ones of temperature 1 on greedy traces, and equal those of 0.4. Tried for Hydra++: dropout of 0.1 (less agreement after two epochs), learning rates of 1, 2 and 4 thousandths, three epochs (Hydra gains as much as Hydra++), and soft labels (1.02 times Hydra with the same). The small model's step takes 0.7 ms, as long as some runs of a head, so that Medusa, whose heads run together, is as fast as Hydra there in spite of fewer tokens a step, Hydra++ is slower than plain decoding, and speeds are foreseen with an error of 15 % in the mean and up to 27 %, since what the loop does around a step with a draft is no small part of it. Who is faster is for the full profile to say. Heads run in one thread: with two, theirs and the model's wait for each other, and a step of SmolLM2 took twice as long.",
  run,
  models,
});
