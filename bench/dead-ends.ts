/**
 * No dead ends: random walks over allowed tokens, then the shortest completion, on many schemas. Every walk must end in an
 * instance that two independent validators accept: Ajv, and Python's jsonschema where it is installed (`bench/setup python`).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readCases } from "../papers/structured-outputs/mask-cases.ts";
import { CaseRunner } from "../papers/structured-outputs/mask-runner.ts";
import type { CompiledConstraint } from "../src/decode/constraints/index.ts";
import { dataRoot, runBar } from "./harness.ts";
import { openTokenizer } from "./structured/tokenizers.ts";
import { judge } from "./structured/two-validators.ts";

/** Numbers from 0 to 1, the same for the same seed. */
function uniform(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** A walk's text; throws where a promise of the interface is broken. */
function walk(runner: CaseRunner, compiled: CompiledConstraint, steps: number, random: () => number): string {
  const { vocabulary } = runner.engine;
  const mask = new Uint32Array(vocabulary.words);
  const constraint = compiled.start();
  const bytes: number[] = [];
  for (let i = 0; i < steps; i++) {
    constraint.mask(mask);
    const allowed: number[] = [];
    for (let word = 0; word < mask.length; word++)
      for (let bits = mask[word]!; bits; bits &= bits - 1) allowed.push(word * 32 + (31 - Math.clz32(bits & -bits)));
    if (!allowed.length) throw new Error(`a dead end behind ${new TextDecoder().decode(Uint8Array.from(bytes))}`);
    const token = allowed[Math.floor(random() * allowed.length)]!;
    if (!constraint.advance(token)) throw new Error(`the mask allows ${token}, and the constraint refuses it`);
    if (vocabulary.endTokens.includes(token))
      return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
    bytes.push(...vocabulary.bytesOf(token)!);
  }
  for (const token of constraint.shortestCompletion()) {
    if (!constraint.advance(token)) throw new Error("the shortest completion is refused");
    bytes.push(...vocabulary.bytesOf(token)!);
  }
  if (!constraint.isComplete())
    throw new Error(`the shortest completion does not complete ${new TextDecoder().decode(Uint8Array.from(bytes))}`);
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
}

runBar("dead-ends", async ({ options, quick, log, measure }) => {
  const path = options.get("schemas") ?? join(dataRoot, "maskbench/schemas.jsonl.gz");
  if (!existsSync(path)) {
    measure({ name: "walks that end wrong", value: null, unit: "walks", bar: "0", pass: null });
    return;
  }
  const runner = new CaseRunner(await openTokenizer(options.get("tokenizer") ?? "smollm2"));
  const all = readCases(readFileSync(path));
  const wanted = Number(options.get("count") ?? (quick ? 50 : 500));
  const step = Math.max(1, Math.floor(all.length / wanted));
  const only = options.get("only");
  const cases = only
    ? all.filter(({ name }) => name.includes(only))
    : all.filter((_, i) => i % step === 0).slice(0, wanted);
  const walks = Number(options.get("walks") ?? 20);
  const random = uniform(Number(options.get("seed") ?? 7));
  const results: { name: string; schema: string; texts: string[] }[] = [];
  let slowest = 1000;
  let broken = 0;
  let schemas = 0;
  for (const { name, schema } of cases) {
    let compiled: CompiledConstraint;
    try {
      compiled = runner.engine.jsonSchema(schema);
    } catch {
      continue;
    }
    schemas++;
    if (schemas % 50 === 0) log(`${schemas} of ${cases.length} schemas, ${broken} broken walks`);
    const began = performance.now();
    const texts: string[] = [];
    for (let i = 0; i < walks; i++)
      try {
        texts.push(walk(runner, compiled, 5 + Math.floor(random() * 60), random));
      } catch (error) {
        broken++;
        log(`${name}: ${(error as Error).stack?.slice(0, 700)}`);
      }
    results.push({ name, schema, texts });
    const took = performance.now() - began;
    if (took > slowest) {
      slowest = took;
      log(`${name}: ${(took / 1000).toFixed(1)} s`);
    }
  }
  measure({
    name: `walks that break a promise, on ${schemas} schemas`,
    value: broken,
    unit: "walks",
    bar: "0",
    pass: broken === 0,
  });
  const judged = judge(results);
  const both = judged.some((list) => list.some(({ jsonschema }) => jsonschema !== undefined));
  let wrong = 0;
  let disagree = 0;
  for (const [i, { name, texts }] of results.entries())
    for (const [j, text] of texts.entries()) {
      const { ajv, jsonschema } = judged[i]![j]!;
      if (!ajv && !jsonschema) continue;
      // a validator that cannot judge a text does not acquit it
      if ((ajv || ajv === undefined) && (jsonschema || jsonschema === undefined)) wrong++;
      else disagree++;
      const word = (said: string | null | undefined) => (said === undefined ? "cannot tell" : (said ?? "valid"));
      log(`${name}: Ajv: ${word(ajv)}; jsonschema: ${word(jsonschema)}: ${text.slice(0, 400)}`);
    }
  const total = results.reduce((sum, { texts }) => sum + texts.length, 0);
  measure({
    name: `texts that no validator accepts, of ${total}`,
    value: both ? wrong : null,
    unit: "texts",
    bar: "0",
    pass: both ? wrong === 0 : null,
  });
  measure({
    name: "texts on which they disagree (listed)",
    value: both ? disagree : null,
    unit: "texts",
    pass: null,
  });
});
