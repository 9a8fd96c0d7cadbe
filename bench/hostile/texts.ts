/**
 * Texts that tokenizers find hard, and what is done with a tokenizer that a hostile file gave us.
 */
import type { Tokenizer } from "../../src/formats/index.ts";

const long = 8000;

/** Texts as users and attackers write them. */
export const nastyTexts: readonly string[] = [
  "",
  "The quick brown fox can't jump 1234567 times, can it?\n\n\tNo!",
  "a".repeat(long),
  `${"a".repeat(3000)}b`,
  " ".repeat(long),
  "\n\r\n\t ".repeat(long / 5),
  "ab ".repeat(long / 3),
  "<|im_start|>user<|im_end|><s></s>[CLS][SEP]<unk>".repeat(100),
  "👩‍👩‍👧‍👦🏳️‍🌈é́́́́ﬁ½②﷽İı".repeat(60),
  "e\u0301".repeat(long / 2),
  "漢字かな交じり文、العربية עברית हिन्दी ไทย".repeat(100),
  "\ud800a\udc00b\ud83d\0\u0001\u007f\u0085\u2028\ufeff\ufffd",
  "<0x41><0x00>▁▁Ġthe##ing",
  `${"x".repeat(500)}Y ${"A".repeat(40)}!`,
  `${"0".repeat(5000)}1.5e10`,
];

/** Uses a tokenizer as a program does: all texts there and back, and every token by itself. */
export function useTokenizer(tokenizer: Tokenizer): void {
  for (const text of nastyTexts) {
    const ids = tokenizer.encode(text, { addSpecial: true, parseSpecial: true });
    for (const id of ids) if (!Number.isInteger(id) || id < 0) throw new Error(`encoding gave the id ${id}`);
    tokenizer.decode(ids);
    tokenizer.decode(tokenizer.encode(text), { skipSpecial: true });
  }
  for (let id = 0; id < Math.min(tokenizer.vocabSize, 2000); id++) {
    tokenizer.tokenBytes(id);
    tokenizer.isSpecial(id);
    tokenizer.idOf(tokenizer.textOf(id));
  }
}
