/**
 * A small vocabulary with all bytes and many overlapping tokens, and what the tests of constraints do with it.
 */
import { type CompiledConstraint, ConstraintEngine, type TokenBytes } from "../../src/decode/constraints/index.ts";

const encoder = new TextEncoder();
const merged = [
  '{"',
  '": ',
  '", "',
  '"}',
  "}, ",
  ", ",
  ": ",
  '": "',
  "true",
  "false",
  "null",
  "10",
  "100",
  "ab",
  "abc",
  "the",
  "[1",
  "]]",
  '["',
  '"]',
  'a"',
  "é",
  "日",
  "日本",
  "  ",
  "\n",
  "-1",
  ".5",
  "e1",
  "aa",
  "aaaa",
  'aa"',
  'x", "y',
  "\\n",
  "\\u00",
  "foo",
  "bar",
  '"foo"',
  "1, 2",
  "if",
  "(",
  "))",
];
const bytes = [
  ...Array.from({ length: 256 }, (_, i) => Uint8Array.of(i)),
  ...merged.map((text) => encoder.encode(text)),
];

/** The token that ends a text. */
export const endToken = bytes.length;

/** The vocabulary of all tests here. */
export const tokenizer: TokenBytes = {
  vocabSize: bytes.length + 1,
  specials: { eosIds: [endToken], addBos: false, addEos: false },
  tokenBytes: (id) => bytes[id] ?? encoder.encode("<end>"),
  isSpecial: (id) => id === endToken,
};

/** The engine of all tests here. */
export const engine = new ConstraintEngine(tokenizer);

/** Ids of a text, one byte each. */
export const byBytes = (text: string): number[] => [...encoder.encode(text)];

/** Ids of a text, with tokens chosen by `choose` among those that fit. */
export function spelled(text: string, choose: (count: number) => number): number[] {
  const rest = encoder.encode(text);
  const out: number[] = [];
  for (let at = 0; at < rest.length; ) {
    const fits = bytes.flatMap((own, id) => (own.every((byte, i) => rest[at + i] === byte) ? [id] : []));
    const id = fits[choose(fits.length)]!;
    out.push(id);
    at += bytes[id]!.length;
  }
  return out;
}

/** Tokens of a mask. */
export function tokensOf(mask: Uint32Array): number[] {
  const out: number[] = [];
  for (let id = 0; id <= endToken; id++) if (mask[id >>> 5]! & (1 << (id & 31))) out.push(id);
  return out;
}

/** An empty mask. */
export const newMask = (): Uint32Array => new Uint32Array(engine.vocabulary.words);

/** Whether a text is accepted from end to end, by masks and by verdicts on single tokens alike. */
export function accepts(compiled: CompiledConstraint, text: string, tokens = byBytes(text)): boolean {
  const constraint = compiled.start();
  const mask = newMask();
  for (const token of tokens) {
    constraint.mask(mask);
    const allowed = (mask[token >>> 5]! & (1 << (token & 31))) !== 0;
    if (allowed !== constraint.allows(token)) throw new Error(`mask and verdict on token ${token} differ in ${text}`);
    if (!constraint.advance(token)) return false;
  }
  return constraint.isComplete();
}

/** Text of tokens. */
export const textOf = (tokens: readonly number[]): string =>
  new TextDecoder().decode(Uint8Array.from(tokens.flatMap((id) => [...bytes[id]!])));
