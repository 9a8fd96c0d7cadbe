/**
 * Random schemas with random instances that satisfy them by construction, for properties of the constraint engine. Knows JSON
 * Schema (draft 2020-12), and nothing of the engine.
 */
import type * as fc from "fast-check";
import { array, boolean, constantFrom, double, integer, string } from "fast-check";

/** Draws a value of an arbitrary, as `fc.gen()` does. */
export type Draw = fc.GeneratorValue;

/** Any JSON value. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** A schema, and how instances of it are drawn. */
export interface Sampled {
  readonly schema: JsonValue;
  sample(draw: Draw): JsonValue;
}

const letters = () => string({ unit: constantFrom(...'abcxyz09 é"\\/\n', "𝄞"), maxLength: 6 });
// not the empty name, which Ajv never misses
const keys = ["a", "b", "name", "x-1", "größe", 'q"uote', " "] as const;

/** A permutation of `values`. */
function shuffled<T>(draw: Draw, values: readonly T[]): T[] {
  const left = [...values];
  const out: T[] = [];
  while (left.length) out.push(...left.splice(draw(integer, { min: 0, max: left.length - 1 }), 1));
  return out;
}

/** Some of `values`, in their order. */
const some = <T>(draw: Draw, values: readonly T[]) => values.filter(() => draw(boolean));
const pick = <T>(draw: Draw, values: readonly T[]): T => values[draw(integer, { min: 0, max: values.length - 1 })]!;

/** Patterns with texts that they match. */
const patterns: readonly (readonly [string, (draw: Draw) => string])[] = [
  ["^[a-z]{2,4}$", (draw) => draw(array, constantFrom(..."abcz".split("")), { minLength: 2, maxLength: 4 }).join("")],
  ["\\d+", (draw) => `${pick(draw, ["", "x"])}${draw(integer, { min: 0, max: 999 })}${pick(draw, ["", "é"])}`],
  ["^(?!no)\\w+$", (draw) => pick(draw, ["yes", "on", "n0", "No"])],
  ["^a|b$", (draw) => pick(draw, ["a", "ab", "xb", "a\n"])],
];
const formats: readonly (readonly [string, readonly string[]])[] = [
  ["date", ["2024-02-29", "1999-12-31"]],
  ["time", ["12:00:00Z", "23:59:59.5+01:30"]],
  ["uuid", ["123e4567-e89b-12d3-a456-426614174000"]],
  ["ipv4", ["0.0.0.0", "255.1.20.3"]],
];

function text(draw: Draw): Sampled {
  switch (draw(integer, { min: 0, max: 3 })) {
    case 0: {
      const [minLength, more] = [draw(integer, { min: 0, max: 2 }), draw(integer, { min: 0, max: 3 })];
      return {
        schema: { type: "string", minLength, maxLength: minLength + more },
        sample: (d) => d(array, constantFrom("a", "é", "𝄞", '"'), { minLength, maxLength: minLength + more }).join(""),
      };
    }
    case 1: {
      const [pattern, sample] = pick(draw, patterns);
      return { schema: { type: "string", pattern }, sample };
    }
    case 2: {
      const [format, texts] = pick(draw, formats);
      return { schema: { type: "string", format }, sample: (d) => pick(d, texts) };
    }
    default:
      return { schema: { type: "string" }, sample: (d) => d(letters) };
  }
}

function numeric(draw: Draw): Sampled {
  const low = draw(integer, { min: -20, max: 20 });
  const high = low + draw(integer, { min: 0, max: 40 });
  switch (draw(integer, { min: 0, max: 2 })) {
    case 0:
      return {
        schema: { type: "integer", minimum: low, maximum: high },
        sample: (d) => d(integer, { min: low, max: high }),
      };
    case 1: {
      const multipleOf = pick(draw, [2, 5, 7]);
      return {
        schema: { type: "integer", multipleOf },
        sample: (d) => multipleOf * d(integer, { min: -30, max: 30 }),
      };
    }
    default:
      return {
        schema: { type: "number", exclusiveMinimum: low - 1, exclusiveMaximum: high + 1 },
        sample: (d) => Math.round(8 * d(double, { min: low, max: high, noNaN: true })) / 8 + 0,
      };
  }
}

function list(draw: Draw, depth: number): Sampled {
  const items = makeSchema(draw, depth - 1);
  const front = draw(boolean) ? [makeSchema(draw, depth - 1)] : [];
  const minItems = draw(integer, { min: 0, max: 2 });
  const maxItems = minItems + draw(integer, { min: 0, max: 2 });
  const unique = draw(integer, { min: 0, max: 3 }) === 0;
  return {
    schema: {
      type: "array",
      items: items.schema,
      minItems,
      maxItems,
      ...(front.length ? { prefixItems: front.map(({ schema }) => schema) } : {}),
      ...(unique ? { uniqueItems: true } : {}),
    },
    sample: (d) =>
      Array.from({ length: d(integer, { min: minItems, max: maxItems }) }, (_, i) => (front[i] ?? items).sample(d)),
  };
}

function record(draw: Draw, depth: number): Sampled {
  const names = some(draw, keys);
  const properties = new Map(names.map((name) => [name, makeSchema(draw, depth - 1)]));
  const required = some(draw, names);
  const extra = pick(draw, ["none", "any", "typed"] as const);
  const others = makeSchema(draw, 0);
  const [pair] = names.length > 1 && draw(boolean) ? [[names[0]!, names[1]!] as const] : [];
  return {
    schema: {
      type: "object",
      properties: Object.fromEntries([...properties].map(([name, { schema }]) => [name, schema])),
      required,
      ...(extra === "any" ? {} : { additionalProperties: extra === "none" ? false : others.schema }),
      ...(pair ? { dependentRequired: { [pair[0]]: [pair[1]] } } : {}),
    },
    sample(d) {
      const present = new Set([...required, ...some(d, names)]);
      if (pair && present.has(pair[0])) present.add(pair[1]);
      const fields: [string, JsonValue][] = [...present].map((name) => [name, properties.get(name)!.sample(d)]);
      if (extra !== "none" && d(boolean)) fields.push(["other", others.sample(d)]);
      return Object.fromEntries(shuffled(d, fields));
    },
  };
}

function combined(draw: Draw, depth: number): Sampled {
  const [first, second] = [makeSchema(draw, depth - 1), makeSchema(draw, depth - 1)];
  const either = (d: Draw) => pick(d, [first, second]).sample(d);
  switch (draw(integer, { min: 0, max: 4 })) {
    case 0:
      return { schema: { anyOf: [first.schema, second.schema] }, sample: either };
    case 1:
      return { schema: { oneOf: [first.schema, second.schema] }, sample: either };
    case 2:
      return { schema: { allOf: [first.schema, { not: second.schema }] }, sample: (d) => first.sample(d) };
    case 3:
      return { schema: { if: first.schema, else: second.schema }, sample: either };
    default:
      return { schema: { allOf: [first.schema, { anyOf: [true, second.schema] }] }, sample: (d) => first.sample(d) };
  }
}

/** A schema of at most this depth. Most of its samples satisfy it: a `not`, `oneOf` or `uniqueItems` may not. */
export function makeSchema(draw: Draw, depth: number): Sampled {
  const kind = draw(integer, { min: 0, max: depth > 0 ? 8 : 4 });
  if (kind <= 1) return text(draw);
  if (kind === 2) return numeric(draw);
  if (kind === 3) return { schema: { type: ["boolean", "null"] }, sample: (d) => pick(d, [true, false, null]) };
  if (kind === 4) {
    const values = [draw(letters), draw(integer, { min: -5, max: 5 }), null, [1, "a"], { k: true }] as JsonValue[];
    return { schema: { enum: values }, sample: (d) => pick(d, values) };
  }
  if (kind === 5) return list(draw, depth);
  return kind <= 7 ? record(draw, depth) : combined(draw, depth);
}

/** JSON text with up to two spaces or line ends between tokens. */
export function loosely(draw: Draw, value: JsonValue): string {
  const gap = () => pick(draw, ["", "", " ", "\n "]);
  const write = (v: JsonValue): string => {
    if (Array.isArray(v)) return `[${gap()}${v.map(write).join(`${gap()},${gap()}`)}${gap()}]`;
    if (v && typeof v === "object")
      return `{${gap()}${Object.entries(v)
        .map(([key, inner]) => `${JSON.stringify(key)}${gap()}:${gap()}${write(inner)}`)
        .join(`${gap()},${gap()}`)}${gap()}}`;
    return JSON.stringify(v);
  };
  return write(value);
}

/** The value with one thing changed somewhere in it. */
export function mutated(draw: Draw, value: JsonValue): JsonValue {
  if (Array.isArray(value) && value.length && draw(boolean)) {
    const at = draw(integer, { min: 0, max: value.length - 1 });
    if (draw(boolean)) return value.filter((_, i) => i !== at);
    return value.map((v, i) => (i === at ? mutated(draw, v) : v));
  }
  if (value && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length && draw(boolean)) {
    const at = pick(draw, Object.keys(value));
    const action = draw(integer, { min: 0, max: 2 });
    const fields = Object.entries(value).flatMap(([key, v]): [string, JsonValue][] => {
      if (key !== at) return [[key, v]];
      if (action === 0) return [];
      return action === 1 ? [[key, mutated(draw, v)]] : [[`${key}!`, v]];
    });
    return Object.fromEntries(fields);
  }
  if (typeof value === "number" && draw(boolean)) return value + pick(draw, [1, -1, 0.5, 100]);
  if (typeof value === "string" && draw(boolean))
    return draw(boolean) ? [...value].slice(1).join("") : value + pick(draw, ["a", "0", "é"]);
  return pick<JsonValue>(draw, [null, true, 0, "", "zz", [], {}, [value], { a: value }]);
}
