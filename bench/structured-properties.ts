/**
 * Properties of the constraint engine on random schemas: an instance is accepted under every tokenisation, a mutation's verdict is
 * the validator's, and taking tokens back restores the masks. Then schemas that are meant to hurt, each in a process of its
 * own. `--runs N`, `--seed N`.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import * as fc from "fast-check";
import { type CompiledConstraint, type Constraint, ConstraintEngine } from "../src/decode/constraints/index.ts";
import { BletchleyError } from "../src/util/errors.ts";
import { root, runBar } from "./harness.ts";
import { hostileSchemas } from "./structured/hostile-schemas.ts";
import { type Draw, type JsonValue, loosely, makeSchema, mutated, type Sampled } from "./structured/random-schemas.ts";
import { openTokenizer } from "./structured/tokenizers.ts";

const encoder = new TextEncoder();

/** Most seconds and MiB that a hostile schema may take, process included. */
const [mostSeconds, mostMiB] = [30, 2048];

await runBar("structured-properties", async ({ options, quick, log, measure }) => {
  const tokenizer = await openTokenizer("smollm2");
  const engine = new ConstraintEngine(tokenizer);
  const { vocabulary } = engine;
  const byText = new Map<string, number[]>();
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const bytes = vocabulary.bytesOf(id);
    if (!bytes?.length) continue;
    const key = Buffer.from(bytes).toString("latin1");
    byText.set(key, [...(byText.get(key) ?? []), id]);
  }
  const longest = Math.max(...[...byText.keys()].map((key) => key.length));
  const singles = Array.from({ length: 256 }, (_, byte) => byText.get(String.fromCharCode(byte))?.[0]);
  const maskOf = (constraint: Constraint) => {
    const mask = new Uint32Array(vocabulary.words);
    constraint.mask(mask);
    return mask;
  };
  const same = (a: Uint32Array, b: Uint32Array) => a.every((word, i) => word === b[i]);
  /** Takes a text byte by byte: where every byte is a token, what it accepts is what it accepts of any tokenisation. */
  const accepts = (compiled: CompiledConstraint, text: string) => {
    const constraint = compiled.start();
    for (const byte of encoder.encode(text)) {
      const token = singles[byte];
      if (token === undefined || !constraint.advance(token)) return false;
    }
    return constraint.isComplete();
  };

  let refused = 0;
  let unsatisfied = 0;
  const counts = { instances: 0, edges: 0, mutations: 0, accepted: 0, rollbacks: 0 };
  const compile = (schema: JsonValue) => {
    const ajv = new Ajv2020({ strict: false, logger: false });
    (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
    try {
      const compiled = engine.jsonSchema(JSON.stringify(schema), { draft: 2020, whitespace: "flexible" });
      return { compiled, validate: ajv.compile(schema as object) };
    } catch (error) {
      if (!(error instanceof BletchleyError)) throw error;
      refused++;
      return undefined;
    }
  };
  /** Every token that spells a piece of the text is allowed where the piece begins, and random ways of taking it end alike. */
  const everyTokenisation = (draw: Draw, compiled: CompiledConstraint, text: string) => {
    const bytes = Buffer.from(text).toString("latin1");
    const constraint = compiled.start();
    const states: Constraint[] = [];
    for (let i = 0; i <= bytes.length; i++) {
      states.push(constraint.clone());
      for (let end = i + 1; end <= Math.min(bytes.length, i + longest); end++)
        for (const token of byText.get(bytes.slice(i, end)) ?? []) {
          counts.edges++;
          if (!constraint.allows(token))
            throw new Error(`${JSON.stringify(text)}: token ${JSON.stringify(bytes.slice(i, end))} is refused at ${i}`);
        }
      if (i < bytes.length && !constraint.advance(singles[bytes.charCodeAt(i)]!))
        throw new Error(`${JSON.stringify(text)} is refused at byte ${i}`);
    }
    if (!constraint.isComplete()) throw new Error(`${JSON.stringify(text)} is not complete at its end`);
    const other = compiled.start();
    for (let i = 0; i < bytes.length; ) {
      const ends: (readonly [end: number, token: number])[] = [];
      for (let end = i + 1; end <= Math.min(bytes.length, i + longest); end++)
        for (const token of byText.get(bytes.slice(i, end)) ?? []) ends.push([end, token]);
      const [end, token] = ends[draw(fc.integer, { min: 0, max: ends.length - 1 })]!;
      if (!other.advance(token)) throw new Error(`${JSON.stringify(text)}: a way through it ends at ${i}`);
      i = end;
      if (!same(maskOf(other), maskOf(states[i]!)))
        throw new Error(`${JSON.stringify(text)}: masks at ${i} depend on how the text was spelled`);
    }
    // back to some prefix, by tokens
    const steps = other.length;
    const back = steps ? draw(fc.integer, { min: 1, max: steps }) : 0;
    const before = other.clone();
    if (back) {
      other.rollback(back);
      const fresh = other.clone();
      if (!same(maskOf(other), maskOf(fresh))) throw new Error("a clone's mask differs");
    }
    counts.rollbacks++;
    return before;
  };

  const check = (draw: Draw, sampled: Sampled) => {
    const made = compile(sampled.schema);
    if (!made) return;
    const { compiled, validate } = made;
    const instance = sampled.sample(draw);
    const text = loosely(draw, instance);
    if (validate(JSON.parse(text))) {
      counts.instances++;
      everyTokenisation(draw, compiled, text);
      // masks before and after taking tokens back, at every prefix of the tokenizer's own spelling
      const constraint = compiled.start();
      const tokens = tokenizer.encode(text);
      const masks = tokens.map((token) => {
        const mask = maskOf(constraint);
        if (!constraint.advance(token)) throw new Error(`${JSON.stringify(text)}: its own spelling is refused`);
        return mask;
      });
      for (let i = tokens.length - 1; i >= 0; i--) {
        constraint.rollback(1);
        if (!same(maskOf(constraint), masks[i]!)) throw new Error(`${JSON.stringify(text)}: a mask is not restored`);
      }
    } else {
      unsatisfied++;
      if (accepts(compiled, text)) throw new Error(`${JSON.stringify(text)} is accepted, Ajv refuses it`);
    }
    for (let i = 0; i < 3; i++) {
      const changed = loosely(draw, mutated(draw, instance));
      const want = validate(JSON.parse(changed)) as boolean;
      counts.mutations++;
      if (want) counts.accepted++;
      if (accepts(compiled, changed) !== want)
        throw new Error(`${changed} is ${want ? "refused, Ajv accepts it" : "accepted, Ajv refuses it"}`);
    }
    // cut somewhere, it is no JSON
    const cut = text.slice(0, draw(fc.integer, { min: 0, max: Math.max(0, text.length - 1) }));
    let parses = true;
    try {
      JSON.parse(cut);
    } catch {
      parses = false;
    }
    if (!parses && accepts(compiled, cut)) throw new Error(`${JSON.stringify(cut)} is accepted, and is no JSON`);
  };
  let found = "";
  const property = fc.property(fc.gen(), (draw) => {
    const sampled = makeSchema(draw, 3);
    try {
      check(draw, sampled);
    } catch (error) {
      found = `${(error as Error).message}\nschema: ${JSON.stringify(sampled.schema)}`;
      throw error;
    }
  });
  const runs = Number(options.get("runs") ?? (quick ? 300 : 3000));
  const seed = Number(options.get("seed") ?? 1);
  const started = performance.now();
  const result = fc.check(property, { numRuns: runs, seed, endOnFailure: !options.has("shrink") });
  log(
    `${counts.instances} instances over ${counts.edges} token edges, ${counts.mutations} mutations (${counts.accepted} valid), ${unsatisfied} samples invalid, ${refused} schemas refused, ${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
  if (result.failed) log(found);
  measure({
    name: `random schemas with a wrong verdict, mask or roll-back, of ${result.numRuns}`,
    value: result.failed ? 1 : 0,
    unit: "schemas",
    bar: "0",
    pass: !result.failed && counts.instances > runs / 2 && counts.mutations > runs,
  });

  const only = options.get("only");
  let bad = 0;
  let number = 0;
  for (const name of Object.keys(hostileSchemas)) {
    if (only && name !== only) continue;
    number++;
    const from = performance.now();
    const ran = spawnSync(
      process.execPath,
      ["--import", "tsx", join(root, "bench/structured/hostile-schemas.ts"), name],
      { encoding: "utf8", timeout: mostSeconds * 1000, maxBuffer: 1 << 26 },
    );
    const seconds = (performance.now() - from) / 1000;
    const answer = ran.stdout.trim().split("\n").at(-1) ?? "";
    const peak = Number(/peak (\d+) MiB/.exec(answer)?.[1] ?? Number.NaN);
    const fine = ran.status === 0 && seconds <= mostSeconds && peak <= mostMiB;
    if (!fine) bad++;
    log(
      `${fine ? "·" : "✗"} ${name}: ${answer || ran.stderr.slice(-300) || `ended by ${ran.signal}`}, ${seconds.toFixed(1)} s`,
    );
  }
  measure({
    name: `hostile schemas that took more than ${mostSeconds} s or ${mostMiB} MiB, or ended in anything but masks or a typed error, of ${number}`,
    value: bad,
    unit: "schemas",
    bar: "0",
    pass: bad === 0,
  });
});
