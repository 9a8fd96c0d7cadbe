/**
 * Several engines in one process: other vocabularies, and masks by the slow way.
 */
import { describe, expect, it } from "vitest";
import { ConstraintEngine } from "../../src/decode/constraints/index.ts";
import { byBytes, engine, newMask, tokenizer, tokensOf } from "./engine.ts";

const schema = {
  type: "object",
  properties: {
    a: { type: "string", maxLength: 5 },
    n: { type: "integer", minimum: -3 },
    t: { enum: ["x", 'q"y', 7] },
  },
  required: ["a"],
  additionalProperties: { type: "array", items: { type: "boolean" }, uniqueItems: true },
};
const texts = ['{"a": "foo", "n": 10, "z": [true, false]}', '{"t": "q\\"y", "a": "日本"}', '{"a": 1}'];

/** Masks along a text. */
function masksOf(one: ConstraintEngine, text: string): number[][] {
  const constraint = one.jsonSchema(schema).start();
  const mask = newMask();
  const out: number[][] = [];
  for (const token of byBytes(text)) {
    constraint.mask(mask);
    out.push(tokensOf(mask));
    if (!constraint.advance(token)) return out;
  }
  constraint.mask(mask);
  return [...out, tokensOf(mask)];
}

describe("engines", () => {
  it("of several vocabularies do not disturb each other", () => {
    const fewer = new ConstraintEngine({
      vocabSize: 257,
      specials: { eosIds: [3], addBos: false, addEos: false },
      tokenBytes: (id) => Uint8Array.of(id < 3 ? id : id - 1),
      isSpecial: (id) => id === 3,
    });
    const before = texts.map((text) => masksOf(engine, text));
    for (const text of texts) {
      const constraint = fewer.jsonSchema(schema).start();
      const mask = new Uint32Array(9);
      for (const byte of byBytes(text)) {
        constraint.mask(mask);
        const token = byte < 3 ? byte : byte + 1;
        expect((mask[token >>> 5]! & (1 << (token & 31))) !== 0).toBe(constraint.allows(token));
        if (!constraint.advance(token)) break;
      }
      if (constraint.isComplete()) {
        constraint.mask(mask);
        expect([...mask]).toEqual([1 << 3, 0, 0, 0, 0, 0, 0, 0, 0]);
      }
    }
    expect(texts.map((text) => masksOf(engine, text))).toEqual(before);
  });

  it("that walk the whole trie make the same masks", () => {
    const walked = new ConstraintEngine(tokenizer, { masks: "walked" });
    for (const text of texts) expect(masksOf(walked, text)).toEqual(masksOf(engine, text));
  });
});
