/**
 * No dead ends: random walks over allowed tokens, then the shortest completion, on many schemas. Every walk must end in an
 * instance that two independent validators accept: Ajv, and Python's jsonschema where it is installed (`bench/setup python`).
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { CompiledConstraint } from "../src/decode/constraints/index.ts";
import { dataRoot, root, runBar } from "./harness.ts";
import { readCases } from "./structured/instances.ts";
import { openTokenizer } from "./structured/tokenizers.ts";
import { CaseRunner } from "./structured/verdict.ts";

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

/** What Ajv says of a schema; undefined where it cannot compile it. */
function ajvFor(text: string): ValidateFunction | undefined {
  const schema = JSON.parse(text) as unknown;
  const declared = (schema as { $schema?: string } | null)?.$schema ?? "";
  // Ajv has no draft 4: what it would misread there is left to the other validator
  if (/draft-0[34]/.test(declared)) return undefined;
  const options = { strict: false, allErrors: false, validateSchema: false, logger: false } as const;
  const ajv = /2020-12/.test(declared)
    ? new Ajv2020(options)
    : /2019-09/.test(declared)
      ? new Ajv2019(options)
      : new Ajv(options);
  (addFormats as unknown as (ajv: Ajv) => void)(ajv as Ajv);
  try {
    if (schema && typeof schema === "object") delete (schema as { $schema?: string }).$schema;
    return ajv.compile(schema as object);
  } catch {
    return undefined;
  }
}

runBar("dead-ends", async ({ options, quick, log, measure }) => {
  const path = options.get("schemas") ?? join(dataRoot, "maskbench/schemas.jsonl.gz");
  if (!existsSync(path)) {
    measure({ name: "walks that end wrong", value: null, unit: "walks", bar: "0", pass: null });
    return;
  }
  const runner = new CaseRunner(await openTokenizer(options.get("tokenizer") ?? "smollm2"));
  const all = readCases(path);
  const wanted = Number(options.get("count") ?? (quick ? 50 : 500));
  const step = Math.max(1, Math.floor(all.length / wanted));
  const only = options.get("only");
  const cases = only
    ? all.filter(({ name }) => name.includes(only))
    : all.filter((_, i) => i % step === 0).slice(0, wanted);
  const walks = Number(options.get("walks") ?? 20);
  const random = uniform(Number(options.get("seed") ?? 7));
  const results: { name: string; schema: string; texts: string[]; ajv: (string | null)[] }[] = [];
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
    if (schemas % 50 === 0) log(`${schemas} schemas, ${broken} broken walks`);
    const texts: string[] = [];
    for (let i = 0; i < walks; i++)
      try {
        texts.push(walk(runner, compiled, 5 + Math.floor(random() * 60), random));
      } catch (error) {
        broken++;
        log(`${name}: ${(error as Error).stack?.slice(0, 700)}`);
      }
    const validate = ajvFor(schema);
    const ajv = texts.map((text) =>
      !validate || validate(JSON.parse(text))
        ? null
        : (validate.errors?.map((error) => `${error.instancePath} ${error.message}`).join("; ") ?? "?"),
    );
    results.push({ name, schema, texts, ajv });
  }
  measure({
    name: `walks that break a promise, on ${schemas} schemas`,
    value: broken,
    unit: "walks",
    bar: "0",
    pass: broken === 0,
  });
  const python = join(root, "bench/.venv/bin/python");
  const input = results.map(({ schema, texts }) => JSON.stringify({ schema, texts })).join("\n");
  const ran = existsSync(python)
    ? spawnSync(python, [join(root, "bench/structured/validate.py")], { input, encoding: "utf8", maxBuffer: 1 << 28 })
    : undefined;
  const second =
    ran?.status === 0
      ? ran.stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as (string | null)[])
      : undefined;
  if (ran && !second) log(ran.stderr.slice(-1000));
  let wrong = 0;
  let disagree = 0;
  for (const [i, { name, texts, ajv }] of results.entries())
    for (const [j, text] of texts.entries()) {
      const [first, other] = [ajv[j], second?.[i]?.[j]];
      if (!first && !other) continue;
      if (first && other) wrong++;
      else disagree++;
      log(`${name}: Ajv: ${first ?? "valid"}; jsonschema: ${other ?? "valid"}: ${text.slice(0, 400)}`);
    }
  const total = results.reduce((sum, { texts }) => sum + texts.length, 0);
  measure({
    name: `texts that both validators refuse, of ${total}`,
    value: second ? wrong : null,
    unit: "texts",
    bar: "0",
    pass: second ? wrong === 0 : null,
  });
  measure({
    name: "texts on which they disagree (listed)",
    value: second ? disagree : null,
    unit: "texts",
    pass: null,
  });
});
