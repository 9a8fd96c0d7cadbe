/**
 * A tokenizer put together from its parts: added tokens, normaliser, splitter, model, and the way its vocabulary spells
 * bytes. Both file formats end up here.
 */
import { fail } from "../../util/index.ts";
import { type AddedToken, AddedTokenSplitter } from "./added.ts";
import type { StepBudget } from "./bounded-regexp.ts";
import { byteOfToken, bytesOfSpelling } from "./bytes.ts";
import type { TokenIds, TokenModel } from "./models.ts";
import type { DecodeOptions, EncodeOptions, Tokenizer, TokenizerSpecials } from "./tokenizer.ts";

/** How a vocabulary spells bytes: GPT-2's alphabet; `▁` for a space and `<0x0A>` for bytes; WordPiece's `##`; as they are. */
export type Spelling =
  | { readonly kind: "byte-level" }
  /** `stripLeading`: decoding drops the space that encoding put first. */
  | { readonly kind: "sentence-piece"; readonly space: string; readonly stripLeading: boolean }
  | { readonly kind: "word-piece"; readonly prefix: string; readonly decode: (texts: string[]) => string }
  | { readonly kind: "plain"; readonly decode: (texts: string[]) => string };

/** Parts of a tokenizer. */
export interface PipelineParts {
  /** Token texts by id. */
  readonly texts: readonly string[];
  readonly ids: TokenIds;
  readonly added: readonly AddedToken[];
  readonly normalize?: (text: string) => string;
  /** Splits a normalised section into pieces; `section` counts from 0 in each text. */
  readonly split?: (text: string, section: number) => string[];
  readonly model: TokenModel;
  readonly spelling: Spelling;
  readonly specials: TokenizerSpecials;
  /** Ids that `addSpecial` puts first and last. */
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
  /** Steps of the patterns in `normalize` and `split`, started anew for each text. */
  readonly budget?: StepBudget;
}

const utf8 = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The two stages of added tokens: before and after normalisation. */
interface Splitters {
  readonly original: AddedTokenSplitter;
  readonly normalized: AddedTokenSplitter;
}

class Pipeline implements Tokenizer {
  readonly vocabSize: number;
  readonly specials: TokenizerSpecials;
  readonly #parts: PipelineParts;
  readonly #special = new Set<number>();
  readonly #addedIds = new Set<number>();
  readonly #bytes: (Uint8Array | undefined)[] = [];
  readonly #all: Splitters;
  readonly #plain: Splitters;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.vocabSize = parts.texts.length;
    this.specials = parts.specials;
    for (const token of parts.added) {
      this.#addedIds.add(token.id);
      if (token.special) this.#special.add(token.id);
    }
    this.#all = this.#splitters(parts.added);
    this.#plain = this.#special.size ? this.#splitters(parts.added.filter((token) => !token.special)) : this.#all;
  }

  #splitters(tokens: readonly AddedToken[]): Splitters {
    const { normalize, budget } = this.#parts;
    budget?.start(tokens.reduce((sum, { content }) => sum + content.length, 0));
    const late = (token: AddedToken) => token.normalized && normalize !== undefined;
    return {
      original: new AddedTokenSplitter(tokens.filter((t) => !late(t)).map((t) => [t.content, t] as const)),
      normalized: new AddedTokenSplitter(tokens.filter(late).map((t) => [normalize!(t.content), t] as const)),
    };
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const { normalize, split, model, budget } = this.#parts;
    budget?.start(text.length);
    const splitters = options.parseSpecial ? this.#all : this.#plain;
    const out: number[] = options.addSpecial ? [...this.#parts.prefix] : [];
    let index = 0;
    for (const section of splitters.original.split(text)) {
      if (typeof section !== "string") {
        out.push(section.id);
        index++;
        continue;
      }
      const normal = normalize ? normalize(section) : section;
      for (const part of splitters.normalized.split(normal)) {
        if (typeof part !== "string") out.push(part.id);
        else if (split) for (const piece of split(part, index)) model.encode(piece, out);
        else model.encode(part, out);
      }
      index++;
    }
    if (options.addSpecial) for (const id of this.#parts.suffix) out.push(id);
    return out;
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const kept = Array.from(ids).filter((id) => !(options.skipSpecial && this.#special.has(id)));
    const { spelling } = this.#parts;
    if (spelling.kind === "word-piece" || spelling.kind === "plain")
      return spelling.decode(kept.map((id) => this.textOf(id)));
    let length = 0;
    for (const id of kept) length += this.tokenBytes(id).length;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const id of kept) {
      bytes.set(this.tokenBytes(id), at);
      at += this.tokenBytes(id).length;
    }
    const text = decoder.decode(bytes);
    const strip = spelling.kind === "sentence-piece" && spelling.stripLeading && text.startsWith(" ");
    return strip && !this.#special.has(kept[0]) ? text.slice(1) : text;
  }

  tokenBytes(id: number): Uint8Array {
    const known = this.#bytes[id];
    if (known) return known;
    const bytes = this.#spelled(this.textOf(id), id);
    this.#bytes[id] = bytes;
    return bytes;
  }

  #spelled(text: string, id: number): Uint8Array {
    const { spelling } = this.#parts;
    if (spelling.kind === "sentence-piece") {
      const byte = byteOfToken(text);
      if (byte >= 0) return Uint8Array.of(byte);
    }
    if (this.#addedIds.has(id)) return utf8.encode(text);
    switch (spelling.kind) {
      case "byte-level":
        return bytesOfSpelling(text);
      case "sentence-piece":
        return utf8.encode(text.replaceAll(spelling.space, " "));
      case "word-piece":
        return utf8.encode(text.startsWith(spelling.prefix) ? text.slice(spelling.prefix.length) : ` ${text}`);
      default:
        return utf8.encode(text);
    }
  }

  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  idOf(tokenText: string): number | undefined {
    return this.#parts.ids.get(tokenText);
  }

  textOf(id: number): string {
    return (
      this.#parts.texts[id] ?? fail("argument", `token id ${id} is not in the vocabulary of ${this.vocabSize} tokens`)
    );
  }
}

/** Makes a tokenizer of its parts. */
export function pipelineTokenizer(parts: PipelineParts): Tokenizer {
  return new Pipeline(parts);
}
