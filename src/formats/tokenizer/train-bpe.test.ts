/** Vocabularies that are learnt. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tokenizerFromGguf } from "./from-gguf.ts";
import { type BpeVocabulary, trainBpe } from "./train-bpe.ts";

const tokenizerOf = ({ tokens, merges, pre }: BpeVocabulary) =>
  tokenizerFromGguf(
    new Map<string, string | string[]>([
      ["tokenizer.ggml.model", "gpt2"],
      ["tokenizer.ggml.pre", pre],
      ["tokenizer.ggml.tokens", [...tokens]],
      ["tokenizer.ggml.merges", [...merges]],
    ]),
  );

describe("trainBpe", () => {
  it("merges the pairs that are most frequent, as worked out by hand", () => {
    // "low" 5 times, "lower" 2, "newest" 6, "widest" 3 (Sennrich et al. 2016): es, est, lo, low …
    const words = [..."11111"]
      .map(() => "low")
      .concat(["lower", "lower"], new Array(6).fill("newest"), new Array(3).fill("widest"));
    const { merges } = trainBpe(words, { vocabSize: 260 });
    expect(merges.slice(0, 2)).toEqual(["e s", "es t"]);
    expect(new Set(merges.slice(2))).toEqual(new Set(["l o", "lo w"]));
  });

  it("puts control tokens first and ends where no pair occurs twice", () => {
    const { tokens, merges, controlCount } = trainBpe(["abab"], { vocabSize: 1000, control: ["<x>"] });
    expect([tokens[0], controlCount, tokens.length]).toEqual(["<x>", 1, 258]);
    expect(merges).toEqual(["a b"]);
  });

  it("gives tokenizers that keep every text", () => {
    const vocabulary = trainBpe(["the cat sat on the mat", "a cat, a mat, the end"], { vocabSize: 280 });
    const tokenizer = tokenizerOf(vocabulary);
    expect(tokenizer.encode(" the cat").length).toBeLessThan(5);
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
  });

  it("refuses impossible sizes and unknown ways to split", () => {
    expect(() => trainBpe(["a"], { vocabSize: 255 })).toThrow(/255/);
    expect(() => trainBpe(["a"], { vocabSize: 300, pre: "nonsense" })).toThrow(/nonsense/);
  });
});
