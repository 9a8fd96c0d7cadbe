/**
 * A real model under constraints: SmolLM2 answers with JSON for 200 schemas. Every finished answer must satisfy both validators, and the
 * price of constraining is measured against free decoding of as many tokens after the same prompt: with every token chosen by
 * the model, and with forced tokens and the names that are declared next fed as a draft. `--count N`, `--tokens N`.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readCases } from "../papers/structured-outputs/mask-cases.ts";
import { WatchedConstraint } from "../papers/structured-outputs/watched-constraint.ts";
import type { GenerateOptions } from "../src/decode/index.ts";
import { loadModel } from "../src/serve/index.ts";
import { dataRoot, median, runBar } from "./harness.ts";
import { judge } from "./structured/two-validators.ts";

/** Timed runs of each kind on a schema; the fastest counts. */
const rounds = 1;

/** Longest schema that is put into a prompt, in characters. */
const longestSchema = 4000;

interface Answer {
  readonly name: string;
  readonly schema: string;
  readonly text: string;
  readonly finished: boolean;
  readonly tokens: number;
  readonly forced: number;
  /** What the model wrote when it chose every token. */
  readonly chosenText: string;
  /** Milliseconds a token, after the first one: free, constrained, with forced tokens as drafts. */
  readonly free: number;
  readonly constrained: number;
  readonly forwarded: number;
}

await runBar("structured-generation", async ({ options, quick, log, measure }) => {
  const path = options.get("schemas") ?? join(dataRoot, "maskbench/schemas.jsonl.gz");
  if (!existsSync(path)) {
    measure({ name: "finished answers that satisfy both validators", value: null, unit: "%", bar: "100", pass: null });
    return;
  }
  const wanted = Number(options.get("count") ?? (quick ? 24 : 200));
  const maxTokens = Number(options.get("tokens") ?? 160);
  await using model = await loadModel("smollm2", { draft: false });
  const usable = readCases(readFileSync(path)).filter(({ schema }) => schema.length <= longestSchema);
  const cases = usable.filter(
    (_, i) => Math.floor((i * wanted) / usable.length) !== Math.floor(((i - 1) * wanted) / usable.length),
  );
  const answers: Answer[] = [];
  let refused = 0;
  for (const { name, schema } of cases) {
    const format = { kind: "json-schema", schema } as const;
    try {
      model.constraint(format);
    } catch (error) {
      refused++;
      log(`${name}: ${(error as Error).message.slice(0, 200)}`);
      continue;
    }
    const { tokens: prompt } = await model.chatPrompt([
      { role: "user", content: `Give an example, as JSON, of what this JSON Schema describes:\n${schema}` },
    ]);
    const run = (more: GenerateOptions) => model.collect(model.generate(prompt, { maxTokens, ...more }));
    const perToken = ({ stats }: Awaited<ReturnType<typeof run>>) => 1000 / stats.decodeTokensPerSecond;
    // the first runs fill the caches of prompt and masks, as a server's are; the timed ones take turns
    const warm = await run({ constraint: model.constraint(format) });
    const chosen = await run({ constraint: new WatchedConstraint(model.constraint(format), false) });
    const count = warm.tokens.length;
    const timed = count > 1 && chosen.tokens.length > 1;
    const times: [number[], number[], number[]] = [[], [], []];
    const arms = [
      () => run({ maxTokens: count, ignoreEos: true }),
      () => run({ constraint: new WatchedConstraint(model.constraint(format), false) }),
      () => run({ constraint: model.constraint(format) }),
    ];
    for (let round = 0; timed && round < rounds; round++)
      // none is always the first
      for (let i = 0; i < arms.length; i++) {
        const arm = (i + answers.length + round) % arms.length;
        times[arm]!.push(perToken(await arms[arm]!()));
      }
    const [free, constrained, forwarded] = times.map((values) => (timed ? Math.min(...values) : 0));
    const forced = warm.stats.drafting?.byProposer.constraint?.accepted ?? 0;
    const finished = warm.finishReason === "stop" && chosen.finishReason === "stop";
    answers.push({
      name,
      schema,
      text: warm.text,
      chosenText: chosen.text,
      finished,
      tokens: count,
      forced,
      free: free!,
      constrained: constrained!,
      forwarded: forwarded!,
    });
    if (answers.length % 10 === 0) log(`${answers.length} of ${cases.length} schemas`);
  }
  const finished = answers.filter((answer) => answer.finished);
  const verdicts = judge(finished.map(({ schema, text, chosenText }) => ({ schema, texts: [text, chosenText] })));
  let wrong = 0;
  for (const [i, pair] of verdicts.entries())
    for (const [j, { ajv, jsonschema }] of pair.entries()) {
      if (!ajv && !jsonschema) continue;
      const both = Boolean(ajv && jsonschema);
      if (both) wrong++;
      const { name, text, chosenText } = finished[i]!;
      log(
        `${name}: Ajv: ${ajv ?? "valid"}; jsonschema: ${jsonschema ?? "valid"}${both ? "" : " (they disagree)"}: ${[text, chosenText][j]!.slice(0, 300)}`,
      );
    }
  const asked = verdicts.flat().every(({ jsonschema }) => jsonschema !== undefined);
  measure({
    name: `finished answers that satisfy the validators, of ${2 * finished.length}; ${refused} schemas refused`,
    value: finished.length ? 100 - (50 * wrong) / finished.length : 0,
    unit: "%",
    bar: "100",
    pass: asked ? wrong === 0 && finished.length > 0 : null,
  });
  measure({
    name: `answers that finished within ${maxTokens} tokens`,
    value: (100 * finished.length) / answers.length,
    unit: "%",
    pass: null,
  });
  const timed = answers.filter(({ free }) => free > 0);
  const total = (of: (answer: Answer) => number) => timed.reduce((sum, answer) => sum + of(answer), 0);
  const milliseconds = (of: (answer: Answer) => number) => total((answer) => answer.tokens * of(answer));
  const speed = (of: (answer: Answer) => number) => (1000 * total(({ tokens }) => tokens)) / milliseconds(of);
  const [free, constrained, forwarded] = [
    speed((answer) => answer.free),
    speed((answer) => answer.constrained),
    speed((answer) => answer.forwarded),
  ];
  const price = constrained / free;
  measure({
    name: "speed under constraints, every token chosen, against free decoding",
    value: constrained,
    unit: "tokens/s",
    baseline: free,
    ratio: price,
    bar: "≥ 0.95×",
    pass: price >= 0.95,
  });
  const gains = timed.map((answer) => answer.free / answer.forwarded);
  const share = gains.filter((gain) => gain > 1).length / gains.length;
  measure({
    name: "schemas on which constrained decoding with forced tokens as drafts is faster than free decoding",
    value: 100 * share,
    unit: "%",
    bar: "≥ 50",
    pass: share >= 0.5,
  });
  measure({
    name: "speed with forced tokens as drafts, against free decoding",
    value: forwarded,
    unit: "tokens/s",
    baseline: free,
    ratio: forwarded / free,
    pass: null,
  });
  measure({ name: "the same, median of the schemas", value: median(gains), unit: "×", pass: null });
  measure({
    name: "tokens that were forced",
    value: (100 * total(({ forced }) => forced)) / total(({ tokens }) => tokens),
    unit: "%",
    pass: null,
  });
});
