/**
 * Structured outputs: how much of JSON Schema is really enforced, how fast, and what it does to the answers of a real model. The engine is
 * in src/decode/constraints/.
 */
import { loadModel, type Model } from "bletchley";
import { definePaper, drawPlot, type PaperContext, Plot, spread } from "bletchley/papers";
import { type Answer, type Answers, answerSchemas } from "./answers.ts";
import { compareMasks, followForced } from "./mask-arms.ts";
import { type MaskCase, maskBenchData, readCases } from "./mask-cases.ts";
import { CaseRunner, percentile, type Verdict } from "./mask-runner.ts";
import { runSuite, type SuiteResult } from "./schema-suite.ts";
import { suiteData, suiteFolder } from "./suite-files.ts";
import { type AjvCompiler, openAjv } from "./validator.ts";

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
/** Longest schema that is put into a prompt, in characters. */
const longestSchema = 1500;
/** Tokens before the limit from which on an answer may have been completed without the model. */
const completionRoom = 10;
const anyTolerance = { tolerance: Number.POSITIVE_INFINITY };

async function run(context: PaperContext): Promise<void> {
  const cases = readCases(await context.data(maskBenchData.path));
  const sample = cases.filter((_, i) => i % context.pick({ smoke: 150, quick: 3, full: 1 }) === 0);
  await using model = await loadModel("smollm2", { draft: false, signal: context.signal });
  const masks = maskBench(context, model, sample);
  const arms = naiveMasks(context, model, cases);
  await testSuite(context);
  await withModel(context, model, cases);
  if (context.profile !== "smoke") drawMasks(context, masks, arms);
}

function maskBench(context: PaperContext, model: Model, sample: readonly MaskCase[]): number[] {
  const runner = new CaseRunner(model.tokenizer);
  const verdicts: Verdict[] = [];
  for (const [i, one] of sample.entries()) {
    context.signal.throwIfAborted();
    if (i % 20 === 0) context.progress("schemas and their instances", i, sample.length);
    verdicts.push(runner.run(one));
  }
  const count = (status: Verdict["status"]) => verdicts.filter((verdict) => verdict.status === status).length;
  for (const { name, status, detail } of verdicts)
    if (status !== "pass") context.log(`${name}: ${status}: ${detail?.slice(0, 200)}`);
  context.measure({
    name: `schemas that accept an invalid instance, of ${sample.length}`,
    value: count("invalidation-error"),
    unit: "schemas",
    paper: "llguidance 0, XGrammar 1,368 of 11,306",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  const over = (100 * (count("validation-error") + count("error"))) / sample.length;
  context.measure({
    name: "schemas that refuse a valid instance",
    value: over,
    unit: "%",
    paper: "llguidance 20 of 11,306",
    bar: "≤ 0.3 %",
    expect: (value) => value <= 0.3,
    tolerance: 0,
  });
  context.measure({
    name: "schemas that the engine takes (declared coverage)",
    value: 100 - (100 * count("compile-error")) / sample.length,
    unit: "%",
    paper: "llguidance 79 %",
    bar: "≥ 90 %",
    expect: (value) => value >= 90,
    tolerance: 0,
  });
  context.measure({
    name: "schemas that pass",
    value: (100 * count("pass")) / sample.length,
    unit: "%",
    paper: "llguidance 8,909, XGrammar 8,122 of 11,306",
    tolerance: 0,
  });
  const masks = sorted(verdicts.flatMap(({ maskUs }) => maskUs));
  const compiles = sorted(
    verdicts.filter(({ status }) => status !== "compile-error").map(({ compileUs }) => compileUs),
  );
  const time = (name: string, value: number, unit: string, most?: number, paper?: string) =>
    context.measure({
      name,
      value,
      unit,
      ...(paper && { paper }),
      ...(most && context.profile !== "smoke" && { bar: `≤ ${most} ${unit}`, expect: (v: number) => v <= most }),
      ...anyTolerance,
    });
  time(`mask, mean of ${masks.length}, each made once`, mean(masks), "µs", 120, "llguidance 64, XGrammar 728");
  time("mask, median", percentile(masks, 50), "µs", undefined, "llguidance 46, XGrammar 9");
  time("mask, p99", percentile(masks, 99) / 1000, "ms", 3, "llguidance 0.53, XGrammar 5.7");
  time("mask, longest", percentile(masks, 100) / 1000, "ms", undefined, "llguidance 33, XGrammar 6,284");
  time("compiling a schema, median", percentile(compiles, 50) / 1000, "ms", 5, "llguidance 1.0, XGrammar 919");
  time("compiling a schema, p99", percentile(compiles, 99) / 1000, "ms", 150, "llguidance 18, XGrammar none in time");
  return masks;
}

function naiveMasks(context: PaperContext, model: Model, cases: readonly MaskCase[]): ReturnType<typeof compareMasks> {
  const { tokenizer } = model;
  const tested = cases.filter(({ tests }) => tests.length);
  const chosen = spread(tested, context.pick({ smoke: 2, quick: 220, full: tested.length }));
  const arms = compareMasks({
    tokenizer,
    cases: chosen,
    statesPerSchema: context.pick({ smoke: 4, quick: 10, full: 20 }),
    eachToken: context.pick({ smoke: 2, quick: 7, full: 17 }),
    onCase: (done) => {
      context.signal.throwIfAborted();
      context.progress("masks made naively", done, chosen.length);
    },
  });
  for (const line of arms.differing) context.log(`another mask: ${line}`);
  context.measure({
    name: `masks that differ from the naive ones, of ${arms.own.length} states (${arms.each.length} of them also token by token)`,
    value: arms.differing.length,
    unit: "masks",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  const timed = context.profile !== "smoke";
  const ratio = (name: string, slow: readonly number[], own: readonly number[], least: number) =>
    context.measure({
      name,
      value: mean(slow) / mean(own),
      unit: "×",
      ...(timed && { bar: `≥ ${least}×`, expect: (value: number) => value >= least }),
      ...anyTolerance,
    });
  ratio("mean time of walking the whole trie, over the engine's", arms.walked, arms.own, 5);
  ratio("mean time of looking at every token, over the engine's", arms.each, arms.ownBesideEach, 50);

  const forced = followForced(tokenizer, chosen);
  for (const line of forced.misspelt) context.log(`misspelt: ${line}`);
  context.measure({
    name: `forced runs that are not the tokenizer's own spelling, in ${forced.tokens} tokens of valid instances`,
    value: forced.misspelt.length,
    unit: "runs",
    paper: "97 % when bytes are forced naively",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  context.measure({
    name: "tokens of valid instances that are forced",
    value: (100 * forced.forced) / forced.tokens,
    unit: "%",
    paper: "13–15 %",
    ...(timed && { bar: "≥ 10 %", expect: (value: number) => value >= 10 }),
    tolerance: 0,
  });
  return arms;
}

async function testSuite(context: PaperContext): Promise<void> {
  const files: { path: string; draft: 2020; text: string }[] = [];
  const documents: Record<string, string> = {};
  for (const { path } of suiteData) {
    const text = await context.text(path);
    const within = path.slice(suiteFolder.length);
    if (within.startsWith("tests/")) files.push({ path: within.slice("tests/".length), draft: 2020, text });
    else documents[`http://localhost:1234/${within.slice("remotes/".length)}`] = text;
  }
  const chosen = context.profile === "smoke" ? files.filter((_, i) => i % 6 === 0) : files;
  const result = runSuite(chosen, documents, (line) => context.log(line));
  const counts = [...result.byKeyword.values()];
  const sum = (of: "right" | "under" | "over" | "refused") => counts.reduce((total, count) => total + count[of], 0);
  context.measure({
    name: `tests of the official suite (2020-12) that are wrong, of ${result.tests}`,
    value: sum("under") + sum("over"),
    unit: "tests",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  context.measure({
    name: `groups of the suite that are refused, of ${result.groups}`,
    value: (100 * result.refusedGroups) / result.groups,
    unit: "%",
    tolerance: 0,
  });
  if (context.profile !== "smoke") drawSuite(context, result);
}

/** The JSON in a free answer: what is fenced, or else reaches from its first to its last bracket. */
function jsonIn(text: string): string {
  const fenced = /```(?:json)?\s*([\s\S]*?)```/.exec(text)?.[1];
  const inside = fenced ?? text;
  const from = inside.search(/[[{]/);
  const to = Math.max(inside.lastIndexOf("]"), inside.lastIndexOf("}"));
  return from >= 0 && to > from ? inside.slice(from, to + 1) : inside.trim();
}

async function withModel(context: PaperContext, model: Model, cases: readonly MaskCase[]): Promise<void> {
  const usable = cases.filter(({ schema }) => schema.length <= longestSchema);
  const chosen = spread(usable, context.pick({ smoke: 1, quick: 32, full: 300 }));
  const maxTokens = context.pick({ smoke: 24, quick: 160, full: 256 });
  const answers = await context.stage("answers", () =>
    answerSchemas({
      model,
      cases: chosen,
      maxTokens,
      signal: context.signal,
      onCase: (done) => context.progress("answers of the model", done, chosen.length),
    }),
  );
  const ajv = await openAjv();
  if (ajv) validity(context, answers, ajv);
  else context.log("answers are not judged: npm install ajv ajv-formats ajv-draft-04");
  const changed = answers.reduce((sum, answer) => sum + answer.changed, 0);
  const allowing = answers.reduce((sum, answer) => sum + answer.allowing, 0);
  const legal = answers.filter(({ freeIsLegal }) => freeIsLegal);
  const altered = legal.filter(
    ({ free, constrained }) => free.tokens.length !== constrained.tokens.length || free.text !== constrained.text,
  );
  context.measure({
    name: `answers that a constraint changed although it allows the free one, of ${allowing + legal.length}`,
    value: changed + altered.length,
    unit: "answers",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  // answers that near the limit are completed in both ways without asking the model
  const own = answers.filter(({ constrained, forwarded }) =>
    [constrained, forwarded].every(({ tokens }) => tokens.length < maxTokens - completionRoom),
  );
  const total = (from: readonly Answers[], way: "constrained" | "forwarded", of: (answer: Answer) => number) =>
    from.reduce((sum, answer) => sum + of(answer[way]), 0);
  const speed = (from: readonly Answers[], way: "constrained" | "forwarded") =>
    (1000 * total(from, way, ({ tokens }) => Math.max(0, tokens.length - 1))) /
    total(from, way, ({ decodeMs }) => decodeMs);
  const timed = context.profile !== "smoke";
  context.measure({
    name: "tokens of the answers that were forced",
    value:
      (100 * total(answers, "forwarded", ({ forced }) => forced)) /
      total(answers, "forwarded", ({ tokens }) => tokens.length),
    unit: "%",
  });
  context.measure({
    name: `speed with forced and declared names as drafts, against choosing every token, ${own.length} answers that the model ended`,
    value: own.length ? speed(own, "forwarded") : null,
    baseline: own.length ? speed(own, "constrained") : null,
    unit: "tokens/s",
    paper: "up to 50 % faster end to end than free generation",
    ...(timed && { bar: "≥ 1.08×", expect: (value: number, baseline: number) => value >= 1.08 * baseline }),
    ...anyTolerance,
  });
  context.measure({
    name: "the same, with the answers that were completed at their limit",
    value: speed(answers, "forwarded"),
    baseline: speed(answers, "constrained"),
    unit: "tokens/s",
    ...anyTolerance,
  });
  context.measure({
    name: "share of decoding time that is spent in the constraint",
    value:
      (100 * total(answers, "constrained", ({ constraintMs }) => constraintMs)) /
      total(answers, "constrained", ({ decodeMs }) => decodeMs),
    unit: "%",
    ...(timed && { bar: "≤ 5 %", expect: (value: number) => value <= 5 }),
    ...anyTolerance,
  });
}

function validity(context: PaperContext, answers: readonly Answers[], ajv: AjvCompiler): void {
  const disputed: string[] = [];
  const validates = (schema: string, text: string): boolean | undefined => {
    const validate = ajv(schema);
    if (!validate) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return false;
    }
    if (validate(value)) return true;
    // Ajv takes no URI with an empty path, such as `a:`, which RFC 3986 allows
    const fault = validate.errors?.[0];
    if (fault?.params.format !== "uri") return false;
    const { instancePath } = fault;
    const uri = instancePath
      .split("/")
      .slice(1)
      .reduce<unknown>(
        (at, key) => (at as Record<string, unknown>)[key.replaceAll("~1", "/").replaceAll("~0", "~")],
        value,
      );
    if (!/^[a-z][a-z0-9+.-]*:$/i.test(String(uri))) return false;
    disputed.push(`${instancePath} ${uri}`);
    return true;
  };
  const judged = answers.filter(({ schema }) => ajv(schema));
  const ended = judged.flatMap(({ name, schema, constrained, forwarded }) =>
    [constrained, forwarded].filter(({ finished }) => finished).map(({ text }) => ({ name, schema, text })),
  );
  const wrong = ended.filter(({ schema, text }) => !validates(schema, text));
  for (const { name, text } of wrong) context.log(`${name}: Ajv refuses ${text.slice(0, 300)}`);
  for (const uri of disputed) context.log(`Ajv alone refuses the URI ${uri}`);
  const timed = context.profile !== "smoke";
  context.measure({
    name: `constrained answers that ended and satisfy Ajv, of ${ended.length} (compliance)`,
    value: ended.length ? 1 - wrong.length / ended.length : null,
    unit: "",
    bar: "1",
    expect: (value) => value === 1,
    tolerance: 0,
  });
  const share = (count: number) => (100 * count) / judged.length;
  const inTime = share(
    judged.filter(({ constrained, forwarded }) => constrained.finished && forwarded.finished).length,
  );
  context.measure({
    name: "schemas whose constrained answers ended in time",
    value: inTime,
    unit: "%",
    ...(timed && { bar: "≥ 80 %", expect: (value: number) => value >= 80 }),
  });
  const valid = (of: (answer: Answers) => string) =>
    share(judged.filter((answer) => validates(answer.schema, of(answer))).length);
  context.measure({
    name: "answers that satisfy their schema: constrained, against the JSON found in free ones",
    value: valid(({ constrained }) => constrained.text),
    baseline: valid(({ free }) => jsonIn(free.text)),
    unit: "%",
    ...(timed && { bar: "≥ 30 points more", expect: (value: number, baseline: number) => value >= baseline + 30 }),
  });
}

function drawMasks(context: PaperContext, masks: readonly number[], arms: ReturnType<typeof compareMasks>): void {
  const series = ["the engine", "walk of the whole trie", "every token by itself"];
  const points = [masks, sorted(arms.walked), sorted(arms.each)].flatMap((times, i) =>
    Array.from({ length: 200 }, (_, k) => ({
      way: series[i]!,
      share: (100 * (k + 1)) / 200,
      time: Math.max(0.1, percentile(times, (100 * (k + 1)) / 200)),
    })),
  );
  context.figure({
    name: "mask-times",
    caption: "Share of masks that are made within a time, MaskBench's instances over SmolLM2's 49,152 tokens.",
    svg: drawPlot({
      title: "Time of a mask",
      series,
      x: { type: "log", label: "µs", grid: true },
      y: { label: "% of masks", grid: true },
      marks: [Plot.line(points, { x: "time", y: "share", stroke: "way", strokeWidth: 2 })],
    }),
  });
}

function drawSuite(context: PaperContext, { byKeyword }: SuiteResult): void {
  const kinds = ["right", "refused", "over", "under"] as const;
  const series = ["right", "schema refused", "refuses a valid instance", "accepts an invalid one"];
  const bars = [...byKeyword].flatMap(([keyword, counts]) =>
    kinds.map((kind, i) => ({ keyword, kind: series[i]!, tests: counts[kind] })),
  );
  context.figure({
    name: "suite",
    caption: "The official test suite of draft 2020-12 by keyword.",
    svg: drawPlot({
      title: "JSON Schema Test Suite, draft 2020-12",
      series,
      height: 780,
      marginLeft: 170,
      x: { label: "tests", grid: true },
      y: { label: null },
      marks: [Plot.barX(bars, { x: "tests", y: "keyword", fill: "kind" }), Plot.ruleX([0])],
    }),
  });
}

export default definePaper({
  slug: "structured-outputs",
  title: "Generating Structured Outputs from Language Models: Benchmark and Studies",
  authors:
    "Saibo Geng, Hudson Cooper, Michał Moskal, Samuel Jenkins, Julian Berman, Nathan Ranchin, Robert West, Eric Horvitz, Harsha Nori",
  year: 2025,
  arxiv: "2501.10868",
  kind: "strategy",
  summary: "JSON that obeys a schema, whatever the model: every keyword enforced token by token, in microseconds",
  claim:
    "Engines differ by a factor of two in how much of JSON Schema they really enforce: of 11,306 schemas llguidance passes 8,909 and XGrammar 8,122, with mean masks of 64 and 728 µs and median compile times of 1 and 919 ms; constrained decoding can be up to 50 % faster than free decoding, and answers satisfy their schema.",
  scale:
    "A sample of 2,295 of the schemas (every third in the quick run) over SmolLM2's 49,152 tokens instead of 128 k, draft 2020-12 of the official suite, and SmolLM2-135M-Instruct as the model, on two CPU cores.",
  code: ["src/decode/constraints/"],
  data: [maskBenchData, ...suiteData],
  notes:
    "Because properties may come in any order, fewer names are forced than in engines that fix it; the name that is declared next is a draft instead, which the model checks and which changes no token. Properties may come in any order, and what no engine above enforces (uniqueItems, not, if, contains, unevaluated properties, overlapping oneOf) is tracked while the text is written. Masks that XGrammar precomputes for all states of a schema when it compiles are made here when a state is first reached, and kept; the real engines are measured beside this one by `npm run bar:structured-report` and `npm run bar:mask-speed`.",
  run,
});
