import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenTrie } from "./token-trie.ts";

/** All tokens that begin at a place, found by comparing. */
function beginningsOf(tokens: readonly string[], text: string): string[] {
  return [...new Set(tokens)].filter((token) => token && text.startsWith(token)).sort((a, b) => a.length - b.length);
}

describe("TokenTrie", () => {
  it("finds every token that begins at a place, and no other", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "é", "🙂", "\ud800"), maxLength: 8 });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), word, (tokens, text) => {
        const trie = new TokenTrie(tokens.map((token, index) => [token, index]));
        const found: string[] = [];
        let node = TokenTrie.root;
        for (let i = 0; i < text.length && node >= 0; i++) {
          node = trie.next(node, text.charCodeAt(i));
          if (node >= 0 && trie.valueAt(node) >= 0) found.push(tokens[trie.valueAt(node)]!);
        }
        expect(found).toEqual(beginningsOf(tokens, text));
        expect(trie.empty).toBe(tokens.every((token) => !token));
      }),
    );
  });

  it("lets the last of equal texts count, and walks over whole texts", () => {
    const trie = new TokenTrie([
      ["ab", 1],
      ["ab", 2],
    ]);
    expect(trie.valueAt(trie.walk("ab"))).toBe(2);
    expect(trie.valueAt(trie.walk("a"))).toBe(-1);
    expect(trie.walk("b")).toBe(-1);
    expect(trie.walk("")).toBe(TokenTrie.root);
  });

  it("refuses tokens that are too long, or too many", () => {
    expect(() => new TokenTrie([["a".repeat(513), 0]])).toThrow(expect.objectContaining({ code: "format" }));
    function* many() {
      for (let i = 0; ; i++) yield [`${i.toString(36)}${"x".repeat(500)}`, i] as const;
    }
    expect(() => new TokenTrie(many())).toThrow(expect.objectContaining({ code: "format" }));
  });
});
