/**
 * A trie over token texts, for finding which tokens begin at a place of a text. Nodes are numbers in one flat hash table:
 * a vocabulary of a million tokens must not cost a million objects.
 */
import { fail } from "../../util/index.ts";
import { PairTable } from "./merge.ts";

/** Longest token that can be looked for; text of n characters then costs at most n times this. */
const maxTokenLength = 512;
const maxNodes = 1 << 22;

/** Tokens by their UTF-16 units. */
export class TokenTrie {
  /** The node that every walk begins with. */
  static readonly root = 0;
  readonly #children = new PairTable(1024);
  readonly #values: number[] = [-1];

  /**
   * @param tokens texts, each with a value that is not negative; of equal texts the last counts, empty ones are left out.
   * @throws `format` when a text is longer than 512 UTF-16 units, or all of them together are too many.
   */
  constructor(tokens: Iterable<readonly [text: string, value: number]>) {
    for (const [text, value] of tokens) {
      if (text.length > maxTokenLength)
        fail(
          "format",
          `the tokenizer has a token of ${text.length} characters, at most ${maxTokenLength} are allowed: ${JSON.stringify(text.slice(0, 40))}…`,
        );
      if (text) this.#values[this.#add(text)] = value;
    }
  }

  #add(text: string): number {
    let node = TokenTrie.root;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      let child = this.#children.get(node, code);
      if (child === undefined) {
        child = this.#values.length;
        if (child >= maxNodes) fail("format", `the tokens have more than ${maxNodes} different beginnings`);
        this.#children.set(node, code, child);
        this.#values.push(-1);
      }
      node = child;
    }
    return node;
  }

  /** Whether there are no tokens. */
  get empty(): boolean {
    return this.#values.length === 1;
  }

  /** The node behind one more UTF-16 unit; -1 when no token goes on with it. */
  next(node: number, code: number): number {
    return this.#children.get(node, code) ?? -1;
  }

  /** Value of the token that ends at a node; -1 when none does. */
  valueAt(node: number): number {
    return this.#values[node]!;
  }

  /** The node behind a text; -1 when no token begins with it. */
  walk(text: string): number {
    let node = TokenTrie.root;
    for (let i = 0; i < text.length && node >= 0; i++) node = this.next(node, text.charCodeAt(i));
    return node;
  }
}
