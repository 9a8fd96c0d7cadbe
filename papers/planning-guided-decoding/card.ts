/**
 * Planning-guided decoding: tree search against sampling, beams and populations, on programs whose specification is ambiguous so that
 * tests say what the prompt leaves out. The method is in src/decode/planners.
 */
import { Sandbox, withBrevity } from "bletchley/decode";
import { definePaper, drawPlot, type PaperContext, type PaperModel, Plot, type WorkContext } from "bletchley/papers";
import { cacheFolder } from "bletchley/sources";
import { type ArmRecord, budgets, compareArms, type Workshop } from "./arms.ts";
import { checkAgainstEnumeration, checkBrevity, checkCaches } from "./checks.ts";
import { demonstrate } from "./demonstration.ts";
import { hostilePrograms } from "./hostile-programs.ts";
import { type ModelRecipe, type TrainedModel, trainModel } from "./model.ts";
import { allWords, drawExamples, drawTasks } from "./pipelines.ts";
import { Words } from "./words.ts";

const recipes = {
  smoke: { layers: 1, width: 32, examples: 200, batch: 4, steps: 20, learningRate: 1e-2, seed: 1 },
  quick: { layers: 3, width: 160, examples: 24_000, batch: 8, steps: 1200, learningRate: 3e-3, seed: 1 },
  full: { layers: 4, width: 192, examples: 90_000, batch: 16, steps: 2400, learningRate: 3e-3, seed: 1 },
} as const satisfies Readonly<Record<string, ModelRecipe>>;

const anything = Number.POSITIVE_INFINITY;

/** The model of a profile, trained or taken from where it is kept. */
function trainedFor(context: WorkContext, words: Words): Promise<TrainedModel> {
  const recipe = recipes[context.profile];
  return trainModel(recipe, words, cacheFolder("papers", "pipelines"), {
    signal: context.signal,
    onStep: (step) => context.progress("train the model", step, recipe.steps),
  });
}

async function* models(context: WorkContext): AsyncGenerator<PaperModel> {
  const trained = await trainedFor(context, new Words(allWords()));
  try {
    yield await trained.exported();
  } finally {
    await trained.dispose();
  }
}

async function run(context: PaperContext): Promise<void> {
  const smoke = context.profile === "smoke";
  const recipe = recipes[context.profile];
  const sandbox = await Sandbox.open();
  await context
    .stage("hostile programs", () => hostile(context, sandbox))
    .then((found) => reportHostile(context, found));
  const words = new Words(allWords());
  const trained = await trainedFor(context, words);
  try {
    const { model, parameters, loss } = trained;
    context.log(`${parameters.toLocaleString("en")} parameters, ${loss.toFixed(3)} nats a token of programs`);
    const workshop: Workshop = { model, words, sandbox, seed: context.seed + 100, signal: context.signal };
    const seen = new Set(drawExamples(recipe.examples, recipe.seed).map(({ prompt }) => prompt));
    const count = context.pick({ smoke: 2, quick: 100, full: 300 });
    const tasks = drawTasks({ count, seed: context.seed + 15, missing: [1, 3], seen });
    const records = await context.stage("all arms", () =>
      compareArms(workshop, tasks, (done) => context.progress("all arms", done, count)),
    );
    reportArms(context, records);

    const rollouts = context.pick({ smoke: 8, quick: 32, full: 64 });
    const caches = await context.stage("caches", () =>
      checkCaches(workshop, tasks, rollouts, (done) => context.progress("with and without caches", done, count)),
    );
    context.measure({
      name: `tasks where the search without caches has other programs or another order, ${rollouts} rollouts`,
      value: caches.differing,
      unit: "tasks",
      bar: "0",
      expect: (value) => value === 0,
      tolerance: 0,
    });
    context.measure({
      name: "steps of the model with caches, against without",
      value: caches.stepsWith,
      baseline: caches.stepsWithout,
      unit: "steps",
      ...(smoke ? {} : { bar: "≤ 0.6×", expect: (value: number, baseline: number) => value <= 0.6 * baseline }),
    });

    const doubts = context.pick({ smoke: 1, quick: 50, full: 50 });
    const ambiguous = drawTasks({ count: doubts, seed: context.seed + 16, missing: [2, 2], seen });
    const search = context.pick({ smoke: 10, quick: 1000, full: 1000 });
    const enumeration = await context.stage("enumeration", () =>
      checkAgainstEnumeration(workshop, ambiguous, search, (done) => context.progress("enumeration", done, doubts)),
    );
    const solved = (value: number, how: string) => ({
      name: `tasks with two missing constants that the search (k = 4, ${search} rollouts, ${how}) solves, of those that enumeration solves`,
      value,
      baseline: enumeration.solvable,
      unit: "tasks",
    });
    context.measure({
      ...solved(enumeration.joined, "joined tokens"),
      ...(smoke ? {} : { bar: "≥ 98 %", expect: (value: number, baseline: number) => value >= 0.98 * baseline }),
    });
    context.measure(solved(enumeration.single, "a node for each token"));
    if (context.profile === "full") {
      const { plain, brief } = await context.stage("brevity", () => checkBrevity(workshop, tasks, 32, withBrevity));
      context.measure({
        name: "tokens of the answers with a bonus for short ones, against without",
        value: brief.length,
        baseline: plain.length,
        unit: "tokens",
        paper: "shorter code by changing the objective",
        bar: "≤ 0.95×",
        expect: (value, baseline) => value <= 0.95 * baseline,
      });
      context.measure({
        name: "strict accuracy with a bonus for short answers, against without",
        value: 100 * brief.strict,
        baseline: 100 * plain.strict,
        unit: "%",
        bar: "≥ −1 point",
        expect: (value, baseline) => value >= baseline - 1,
      });
    }
  } finally {
    await trained.dispose();
  }
  if (context.profile === "full") await demonstrate(context, sandbox);
}

/** What became of the hostile programs. */
interface HostileResult {
  readonly slowestMs: number;
  readonly programs: number;
  readonly disturbed: number;
}

async function hostile(context: PaperContext, sandbox: Sandbox): Promise<HostileResult> {
  const probe = "[1, 2, 3].map((x) => x * x).concat(JSON.parse('[4]'), Object.keys(Object.prototype), typeof leaked)";
  const before = JSON.stringify(await sandbox.run(probe));
  const programs = Object.entries(hostilePrograms);
  let slowestMs = 0;
  let disturbed = 0;
  // the first ones run before the engine's code has been optimised
  for (let i = 0; i < 3; i++) await sandbox.run("for (;;);");
  for (const [name, program] of programs) {
    let fastest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 3; i++) {
      const started = performance.now();
      await sandbox.call(program, "f", [[]]);
      fastest = Math.min(fastest, performance.now() - started);
      if (JSON.stringify(await sandbox.run(probe)) !== before) disturbed++;
    }
    if (fastest > 60) context.log(`${name}: ${fastest.toFixed(0)} ms`);
    slowestMs = Math.max(slowestMs, fastest);
  }
  return { slowestMs, programs: programs.length, disturbed };
}

function reportHostile(context: PaperContext, { slowestMs, programs, disturbed }: HostileResult): void {
  context.measure({
    name: `slowest end of ${programs} hostile programs, fastest of three runs each`,
    value: slowestMs,
    unit: "ms",
    bar: "≤ 100 ms",
    expect: (value) => value <= 100,
    tolerance: anything,
  });
  context.measure({
    name: `programs that found something of the ${programs} hostile ones before them`,
    value: disturbed,
    unit: "programs",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
}

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function medianOf(values: readonly number[]): number | null {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

type Records = Readonly<Record<string, readonly ArmRecord[]>>;

/** Per cent of tasks whose answer under a budget passes all private tests. */
const strictOf = (records: readonly ArmRecord[], budget: number) =>
  100 * meanOf(records.map(({ rates }) => (rates[budgets.indexOf(budget)] === 1 ? 1 : 0)));

function reportArms(context: PaperContext, records: Records): void {
  const smoke = context.profile === "smoke";
  const planned = records["PG-TD"]!;
  const compare = (other: string, points: number, paper?: string) =>
    context.measure({
      name: `strict accuracy at 16 generations, PG-TD against ${other}`,
      value: strictOf(planned, 16),
      baseline: strictOf(records[other]!, 16),
      unit: "%",
      ...(paper && { paper }),
      ...(smoke ? {} : { bar: `≥ +${points} points`, expect: (v: number, b: number) => v >= b + points }),
    });
  compare("sampling + filter", 3, "27.7 % → 29.3 % pass rate (APPS introductory, GPT-Neo 2.7B)");
  compare("greedy", 15);
  compare("beam 5 + filter", 8, "14.3 % → 29.3 % pass rate");
  compare("PG-TD, uniform priors", 5);
  if (smoke) return;
  for (const [name, arm] of Object.entries(records))
    context.measure({ name: `strict accuracy at 32 generations, ${name}`, value: strictOf(arm, 32), unit: "%" });
  for (const [name, arm] of Object.entries(records))
    context.measure({
      name: `private tests passed at 16 generations, ${name}`,
      value: 100 * meanOf(arm.map(({ rates }) => rates[budgets.indexOf(16)]!)),
      unit: "%",
    });
  const sampled = records["sampling + filter"]!;
  const both = planned.flatMap((record, i) =>
    record.tokensToPass !== null && sampled[i]!.tokensToPass !== null ? [[record, sampled[i]!] as const] : [],
  );
  context.measure({
    name: `median of generated tokens until all public tests pass, PG-TD against sampling, ${both.length} tasks that both solve`,
    value: medianOf(both.map(([record]) => record.tokensToPass!)),
    baseline: medianOf(both.map(([, record]) => record.tokensToPass!)),
    unit: "tokens",
    bar: "≤ 0.6×",
    expect: (value, baseline) => value <= 0.6 * baseline,
  });
  context.measure({
    name: `median of generations until all public tests pass, PG-TD against sampling, ${both.length} tasks that both solve`,
    value: medianOf(both.map(([record]) => record.generationsToPass!)),
    baseline: medianOf(both.map(([, record]) => record.generationsToPass!)),
    unit: "generations",
  });
  const sum = (f: (record: ArmRecord) => number) => planned.reduce((total, record) => total + f(record), 0);
  context.measure({
    name: "rollouts of PG-TD whose completion was known",
    value: (100 * sum(({ completionHits }) => completionHits)) / sum(({ rollouts }) => rollouts),
    unit: "%",
  });
  context.measure({
    name: "distributions that PG-TD needed and knew",
    value:
      (100 * sum(({ topTokenHits }) => topTokenHits)) /
      sum(({ topTokenHits, modelSteps }) => topTokenHits + modelSteps),
    unit: "%",
  });
  context.measure({
    name: "search by itself, per rollout",
    value: medianOf(planned.map(({ searchMicroseconds }) => searchMicroseconds)),
    unit: "µs",
    tolerance: anything,
  });
  draw(context, records);
}

function draw(context: PaperContext, records: Records): void {
  const series = Object.keys(records);
  const lines = series.flatMap((arm) =>
    budgets.map((budget) => ({ arm, budget, strict: strictOf(records[arm]!, budget) })),
  );
  context.figure({
    name: "accuracy",
    caption: "Tasks whose answer passes all twelve private tests, by the number of programs the model completes.",
    svg: drawPlot({
      title: "Strict accuracy by budget",
      series,
      x: { label: "generations", type: "log", base: 2, ticks: [...budgets], tickFormat: String },
      y: { label: "tasks solved, %", grid: true, domain: [0, 100] },
      marks: [Plot.line(lines, { x: "budget", y: "strict", stroke: "arm", marker: "dot" })],
    }),
  });
  const paths = ["sampling + filter", "SMCG-TD", "PG-TD"];
  const curves = paths.flatMap((arm) => {
    const passed = records[arm]!.flatMap(({ tokensToPass }) => tokensToPass ?? []).sort((a, b) => a - b);
    return passed.map((tokens, i) => ({ arm, tokens, solved: (100 * (i + 1)) / records[arm]!.length }));
  });
  context.figure({
    name: "tokens",
    caption: "Tasks with a program that passes all four public tests, by the tokens generated until then.",
    svg: drawPlot({
      title: "How soon public tests pass",
      series: paths,
      x: { label: "generated tokens", type: "log" },
      y: { label: "tasks, %", grid: true, domain: [0, 100] },
      marks: [Plot.line(curves, { x: "tokens", y: "solved", stroke: "arm", curve: "step-after" })],
    }),
  });
}

export default definePaper({
  slug: "planning-guided-decoding",
  title: "Planning with Large Language Models for Code Generation",
  authors: "Shun Zhang, Zhenfang Chen, Yikang Shen, Mingyu Ding, Joshua B. Tenenbaum, Chuang Gan",
  year: 2023,
  arxiv: "2303.05510",
  kind: "strategy",
  summary:
    "decoding as a tree search over tokens: the model finishes programs, tests judge them, their rewards steer the next token",
  claim:
    "With equally many generations, more programs pass than with beam search, sampling with a filter, or sequential Monte Carlo: about 29.3 % on introductory APPS problems with GPT-Neo 2.7B, against 27.7 % for sampling and 14.3 % for beams. Another objective gives shorter or more commented code.",
  scale:
    "A language model of one million parameters, trained here in minutes, writes pipelines over lists of numbers from English lines that leave one to three constants out; programs run in QuickJS as WebAssembly instead of a process; two CPU cores.",
  code: [
    "src/decode/planners/tree-search.ts",
    "src/decode/planners/search-tree.ts",
    "src/decode/planners/continuations.ts",
    "src/decode/planners/baselines.ts",
    "src/decode/planners/sandbox/sandbox.ts",
  ],
  notes:
    "Tasks leave out one, two and three constants equally often. Drawn as they come, three quarters leave out one, whose four values a beam of five covers: with a perfect model such a beam would solve 92 % of them, and nothing could be eight points better. Examples that share a row in training do not see each other. While they did, the model mixed up their constants (0.088 in place of 0.040 nats a token after as many tokens), and on tasks as they come the search solved 65 % against 61 for sampling and 59 for the beam. One bar falls short: with two constants left out, 1,000 rollouts over the four likeliest tokens find 48 of 50 programs; in the other two the right constant is only the fifth or sixth likeliest. That bar is judged on the search with joined tokens: with a node for each token a branch that looked worse at first gets few visits, and each reaches one token further (47 of 50 with 1,000 rollouts; in a trial that is not saved, 44 with 400). How well the model learns in so short a training varies: the same recipe with a third more steps and examples ended at 0.059 nats, and a rate of 5e-3 or lines of a single stage among the examples did no better. One training seed, which was kept because it learned best.",
  run,
  models,
});
