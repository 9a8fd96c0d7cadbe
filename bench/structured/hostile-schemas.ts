/**
 * Schemas and patterns that are meant to hurt. As a program, `hostile-schemas.ts NAME` compiles one, walks through some masks and the
 * shortest completion, and says what came of it with the memory that it took.
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type CompiledConstraint, ConstraintEngine } from "../../src/decode/constraints/index.ts";
import { BletchleyError } from "../../src/util/errors.ts";
import { openTokenizer } from "./tokenizers.ts";

type Make = (engine: ConstraintEngine) => CompiledConstraint;

const schema =
  (make: () => unknown): Make =>
  (engine) => {
    const made = make();
    return engine.jsonSchema(typeof made === "string" ? made : JSON.stringify(made));
  };
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Schema text that repeats an opening, a middle and a closing. */
const nested = (open: string, close: string, depth: number) => `${open.repeat(depth)}true${close.repeat(depth)}`;

/** Hostile inputs by name. */
export const hostileSchemas: Readonly<Record<string, Make>> = {
  "2^30 allOf of anyOf": schema(() => ({
    allOf: range(30).map((i) => ({ anyOf: [{ required: [`a${i}`] }, { required: [`b${i}`] }] })),
  })),
  "30 overlapping oneOf": schema(() => ({
    oneOf: range(30).map((i) => ({ type: "object", properties: { [`p${i}`]: { type: "integer" } } })),
  })),
  "nested anyOf that doubles": schema(() => {
    const level = (i: number) => ({ $ref: `#/definitions/level${i}` });
    const definitions: Record<string, unknown> = { level0: { type: "integer" } };
    for (const i of range(24))
      definitions[`level${i + 1}`] = {
        anyOf: [{ not: { not: level(i) } }, { type: "array", items: level(i), minItems: i }],
      };
    return { ...level(24), definitions };
  }),
  "not of many properties": schema(() => ({
    not: { properties: Object.fromEntries(range(200).map((i) => [`k${i}`, { type: "string" }])) },
  })),
  "200 required in any order": schema(() => ({
    type: "object",
    properties: Object.fromEntries(range(200).map((i) => [`key${i}`, { type: "integer" }])),
    required: range(200).map((i) => `key${i}`),
    additionalProperties: false,
  })),
  "10,000 arrays deep": schema(() => nested('{"type":"array","items":', "}", 10_000)),
  "10,000 objects deep": schema(() => nested('{"properties":{"a":', "}}", 10_000)),
  "100,000 brackets that never close": schema(() => '{"a":'.repeat(100_000)),
  "recursive $ref without progress": schema(() => ({
    $ref: "#/$defs/a",
    $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } },
  })),
  "a $ref to itself": schema(() => ({ $ref: "#" })),
  "a list that contains itself and must not end": schema(() => ({ type: "array", minItems: 1, items: { $ref: "#" } })),
  "a tree by $ref": schema(() => ({
    type: "object",
    properties: { left: { $ref: "#" }, right: { $ref: "#" }, value: { type: "integer" } },
    required: ["value"],
  })),
  "a catastrophic pattern": schema(() => ({ type: "string", pattern: "^(a+)+(b|a+)*$" })),
  "a pattern of many choices": schema(() => ({ type: "string", pattern: "^(a|b|ab)*(x|y)?[ab]{50,90}c$" })),
  "a pattern of two counters": schema(() => ({ type: "string", pattern: "(.{1,500}a){1,200}.*(b.{1,300}){2,100}" })),
  "look-aheads in a row": schema(() => ({
    type: "string",
    pattern: `^${range(16)
      .map((i) => `(?=.*${String.fromCharCode(97 + i)})`)
      .join("")}.*$`,
  })),
  "a counter of a million": schema(() => ({ type: "string", pattern: "^(ab?c){1000000}$" })),
  "maxLength of 2^53": schema(() => ({ type: "string", minLength: 262_144, maxLength: 2 ** 53 })),
  "uniqueItems of many": schema(() => ({
    type: "array",
    uniqueItems: true,
    items: { enum: range(300) },
    minItems: 300,
  })),
  "more unique items than there are": schema(() => ({
    type: "array",
    uniqueItems: true,
    items: { enum: range(40) },
    minItems: 41,
  })),
  "a multiple of a tiny decimal": schema(() => ({ type: "number", multipleOf: 1e-30, minimum: 0.1, maximum: 0.2 })),
  "bounds of 300 digits": schema(() => `{"type":"integer","minimum":${"9".repeat(300)},"maximum":1${"0".repeat(300)}}`),
  "an enum of 10 MB": schema(() => ({ enum: range(400_000).map((i) => `value number ${i} of many`) })),
  "10 MB of properties": schema(() => ({
    type: "object",
    properties: Object.fromEntries(
      range(150_000).map((i) => [`property number ${i}`, { type: "string", maxLength: i }]),
    ),
  })),
  "patternProperties that overlap": schema(() => ({
    type: "object",
    patternProperties: Object.fromEntries(range(24).map((i) => [`.*${i}.*`, { minimum: i }])),
    additionalProperties: false,
  })),
  "a regular expression alone": (engine) => engine.regex("(x+x+)+y"),
  "an ambiguous grammar": (engine) => engine.grammar('start: s\ns: s s | s s s | "a" | ', "lark"),
  "a grammar without an end": (engine) => engine.grammar('start: "a" start', "lark"),
  "a grammar of long repeats": (engine) => engine.grammar('root ::= ("a" | "b"){0,20000} ("c"){500}', "gbnf"),
};

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const engine = new ConstraintEngine(await openTokenizer("smollm2"));
  let outcome: string;
  try {
    const constraint = hostileSchemas[process.argv[2]!]!(engine).start();
    const mask = new Uint32Array(engine.vocabulary.words);
    for (let i = 0; i < 12 && !constraint.isComplete(); i++) {
      constraint.mask(mask);
      const word = mask.findIndex(Boolean);
      if (word < 0) throw new Error("a dead end");
      const token = 32 * word + 31 - Math.clz32(mask[word]! & -mask[word]!);
      if (!constraint.advance(token)) throw new Error("the mask allows what is refused");
    }
    const rest = constraint.shortestCompletion();
    outcome = `12 masks, ${rest.length} tokens to the end`;
  } catch (error) {
    if (!(error instanceof BletchleyError)) throw error;
    outcome = `${error.code}: ${error.message.slice(0, 120)}`;
  }
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) >> 10;
  process.stdout.write(`${outcome}; peak ${peak} MiB\n`);
}
