/**
 * Mutations of text files: of JSON as a tree (values of the wrong kind, absurd numbers, deep nesting, hostile strings
 * and patterns) and of any text as characters.
 */
import type { Random } from "../../src/util/random.ts";
import { type Mutation, pick } from "./mutate-bytes.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Patterns whose backtracking takes for ever in a naive matcher. */
export const hostilePatterns: readonly string[] = [
  "(a+)+$",
  "(a|a)*b",
  "(a|aa)+$",
  "(.*a){20}",
  "(x+x+)+y",
  "^(([a-z])+.)+[A-Z]([a-z])+$",
  "(?:a?){30}a{30}",
  "((a*)*)*b",
  "(\\s*a\\s*)*$",
  "(?=(a+)+b)a",
  "(?!(a+)+b)a",
  "(?i:(A|a)+)+B",
  "[^]",
  "[\\p{L}\\p{Nope}]",
  "(((((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))))",
  "a{1000}{1000}",
  "(a{500}){500}",
  "((a?){100}){100}b",
  "(a{0,1000}){0,1000}b",
  "\\1(a)",
  "(?<=a+)b",
  "",
  "\\",
  "[",
  "(?",
  "a**",
  "\\u{110000}",
  "[z-a]",
  "(|a)+",
  "(a*){1000}",
];

const hostileStrings: readonly string[] = [
  "",
  "\0",
  "\ud800",
  "__proto__",
  "constructor",
  "toString",
  "<0x41>",
  "▁",
  "##",
  "a b",
  " ",
  "\u202e",
  "e\u0301\u0301\u0301",
  "ByteLevel",
  "Sequence",
  "Unigram",
  "WordPiece",
  "BPE",
];

const numbers: readonly number[] = [
  -1,
  -0,
  0,
  1,
  2,
  0.5,
  255,
  256,
  65_536,
  2 ** 21,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e308,
  -1e308,
  1e-320,
];

function nested(random: Random, depth: number): Json {
  let value: Json = 1;
  const wrap = random.integer(2) === 0;
  for (let i = 0; i < depth; i++) value = wrap ? [value] : { a: value };
  return value;
}

/** A value that does not belong where it is put. */
export function hostileValue(random: Random): Json {
  switch (random.integer(8)) {
    case 0:
      return pick(random, numbers);
    case 1:
      return pick(random, hostileStrings);
    case 2:
      return pick(random, hostilePatterns);
    case 3:
      return nested(random, pick(random, [1, 8, 40, 500]));
    case 4:
      return Array.from({ length: pick(random, [0, 1, 100, 5000]) }, () => pick(random, numbers));
    case 5:
      return "ab".repeat(pick(random, [100, 5000, 200_000]));
    case 6:
      return pick(random, [null, true, false]);
    default:
      return pick<Json>(random, [{}, [], { type: "Sequence", normalizers: [], pretokenizers: [] }, [[]], [["a", 0]]]);
  }
}

interface Place {
  readonly parent: Json[] | { [key: string]: Json };
  readonly key: number | string;
}

/** Places of a tree; of long lists only some, so that the rest of the file is hit as often. */
function placesOf(value: Json, random: Random, out: Place[] = []): Place[] {
  if (value === null || typeof value !== "object") return out;
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  const chosen = keys.length > 24 ? Array.from({ length: 6 }, () => pick<number | string>(random, keys)) : keys;
  for (const key of chosen) {
    out.push({ parent: value, key });
    placesOf((value as Record<string | number, Json>)[key]!, random, out);
  }
  return out;
}

function mutateTree(random: Random, tree: Json): string {
  const places = placesOf(tree, random);
  if (!places.length) return "nothing";
  const { parent, key } = pick(random, places);
  const slot = parent as Record<string | number, Json>;
  const kind = random.integer(6);
  const old = slot[key]!;
  if (kind === 0) {
    if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else delete parent[key];
    return `${key} removed`;
  }
  if (kind === 1) {
    const other = pick(random, places);
    slot[key] = structuredClone((other.parent as Record<string | number, Json>)[other.key]!);
    return `${key} replaced by ${other.key}`;
  }
  if (kind === 2 && typeof old === "number") {
    slot[key] = pick(random, [old + 1, old - 1, -old, old * 2 ** 32, old / 3]);
    return `${key}: ${old} → ${slot[key]}`;
  }
  if (kind === 3 && !Array.isArray(parent)) {
    parent[pick(random, hostileStrings) || "x"] = hostileValue(random);
    return `a key beside ${key} added`;
  }
  slot[key] = hostileValue(random);
  return `${key} → ${JSON.stringify(slot[key])?.slice(0, 40)}`;
}

/** Cuts, flips, copies and inserts on characters. */
export function mutateCharacters(random: Random, text: string): Mutation<string> {
  const at = random.integer(text.length + 1);
  const length = 1 + random.integer(40);
  switch (random.integer(6)) {
    case 0:
      return { what: `cut to ${at} characters`, value: text.slice(0, at) };
    case 1:
      return { what: `${length} characters taken out at ${at}`, value: text.slice(0, at) + text.slice(at + length) };
    case 2: {
      const from = random.integer(text.length + 1);
      return {
        what: `${length} characters copied`,
        value: text.slice(0, at) + text.slice(from, from + length) + text.slice(at),
      };
    }
    case 3: {
      const char = String.fromCharCode(random.integer(random.integer(2) ? 128 : 65_536));
      return { what: `a character put in at ${at}`, value: text.slice(0, at) + char + text.slice(at) };
    }
    case 4: {
      const opening = pick(random, ["[", '{"a":', '"', "[[", "(", "{{", "{%"]).repeat(pick(random, [1, 50, 20_000]));
      return { what: `brackets put in at ${at}`, value: text.slice(0, at) + opening + text.slice(at) };
    }
    default: {
      const number = pick(random, ["99999999999999999999", "-1", "1e999", "0.5", "null", '"x"', "00", "2147483648"]);
      const replaced = text.replace(/\d+/g, (old) => (random.integer(8) ? old : number));
      return { what: `numbers replaced by ${number}`, value: replaced };
    }
  }
}

/** One to three mutations of a JSON text, most of them on its tree. */
export function mutateJson(random: Random, original: string): Mutation<string> {
  const done: string[] = [];
  let text = original;
  for (let count = 1 + random.integer(3); count > 0; count--) {
    if (random.integer(4) === 0) {
      const { what, value } = mutateCharacters(random, text);
      done.push(what);
      text = value;
      continue;
    }
    let tree: Json;
    try {
      tree = JSON.parse(text) as Json;
    } catch {
      break;
    }
    done.push(mutateTree(random, tree));
    text = JSON.stringify(tree);
  }
  return { what: done.join("; "), value: text };
}
