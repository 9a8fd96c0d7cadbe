/**
 * A tokenizer of whole words and symbols, for lines and programs of a closed language.
 */
import { fail } from "bletchley/util";

/** Words as numbers. Number 0 ends a program, and fills rows. */
export class Words {
  /** The end, then all words. */
  readonly tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  constructor(words: readonly string[]) {
    this.tokens = ["<end>", ...words];
    this.#ids = new Map(this.tokens.map((word, id) => [word, id]));
  }

  /** Number of the token that ends a program. */
  get end(): number {
    return 0;
  }

  /** Numbers of words that are separated by spaces. @throws `argument` for an unknown word. */
  encode(text: string): number[] {
    return text
      .split(" ")
      .map(
        (word) => this.#ids.get(word) ?? fail("argument", `"${word}" is not one of the ${this.tokens.length} words`),
      );
  }

  /** The source of a program: words that would run together are kept apart. */
  source(tokens: readonly number[]): string {
    return tokens
      .map((id) => this.tokens[id]!)
      .map((word) => (word === "function" || word === "return" ? `${word} ` : word))
      .join("");
  }
}
