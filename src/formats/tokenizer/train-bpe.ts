/**
 * Learns a byte-level BPE vocabulary from texts (Sennrich et al. 2016): the pair of tokens that stands side by side most often
 * becomes a token, again and again. Knows nothing of files and models.
 */
import { fail } from "../../util/errors.ts";
import { charOfByte, spellingOf } from "./bytes.ts";
import { patternsOfPre } from "./patterns.ts";
import { splitByPatterns } from "./stages.ts";
import { maxVocabulary } from "./tokenizer.ts";

/** Options of {@link trainBpe}. */
export interface TrainBpeOptions {
  /** Tokens in all: control tokens, the 256 bytes, and what is learnt. */
  readonly vocabSize: number;
  /** Control tokens, such as `<|endoftext|>`; they come first. */
  readonly control?: readonly string[];
  /** How texts are split before pairs are counted, by the name that GGUF files use; `gpt-2` by default. */
  readonly pre?: string;
}

/** A vocabulary. */
export interface BpeVocabulary {
  /** Tokens by id, as byte-level vocabularies spell them. */
  readonly tokens: readonly string[];
  /** Merges, the first ones first, as `left right`. */
  readonly merges: readonly string[];
  /** Number of control tokens, which come first. */
  readonly controlCount: number;
  readonly pre: string;
}

/** A piece of text and how often it occurs. */
interface Piece {
  readonly count: number;
  ids: number[];
}

/** Counts of pairs, and which pieces hold them. */
class Pairs {
  readonly #counts = new Map<number, number>();
  readonly #pieces = new Map<number, Set<Piece>>();

  static key(left: number, right: number): number {
    return left * maxVocabulary + right;
  }

  /** Adds a piece's pairs, or with a sign of −1 takes them away. */
  note(piece: Piece, sign: 1 | -1): void {
    for (let i = 1; i < piece.ids.length; i++) {
      const key = Pairs.key(piece.ids[i - 1]!, piece.ids[i]!);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + sign * piece.count);
      const pieces = this.#pieces.get(key) ?? new Set();
      this.#pieces.set(key, pieces);
      if (sign > 0) pieces.add(piece);
      else pieces.delete(piece);
    }
  }

  /** The most frequent pair, of equals the one of the earliest tokens; `undefined` when none occurs twice. */
  best(): readonly [left: number, right: number] | undefined {
    let [found, most] = [-1, 1];
    for (const [key, count] of this.#counts)
      if (count > most || (count === most && found >= 0 && key < found)) [found, most] = [key, count];
    return found < 0 ? undefined : [Math.floor(found / maxVocabulary), found % maxVocabulary];
  }

  holding(left: number, right: number): readonly Piece[] {
    return [...(this.#pieces.get(Pairs.key(left, right)) ?? [])];
  }

  forget(left: number, right: number): void {
    this.#counts.delete(Pairs.key(left, right));
    this.#pieces.delete(Pairs.key(left, right));
  }
}

function merged(ids: readonly number[], left: number, right: number, both: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < ids.length; i++)
    if (ids[i] === left && ids[i + 1] === right) {
      out.push(both);
      i++;
    } else out.push(ids[i]!);
  return out;
}

/**
 * Learns a vocabulary. It may stay smaller than asked for when no pair is left that occurs twice.
 * @throws `argument` for an impossible size, `unsupported` for an unknown way to split.
 */
export function trainBpe(texts: Iterable<string>, options: TrainBpeOptions): BpeVocabulary {
  const { vocabSize, control = [], pre = "gpt-2" } = options;
  const first = control.length + 256;
  if (!Number.isSafeInteger(vocabSize) || vocabSize < first || vocabSize > maxVocabulary)
    fail("argument", `a BPE vocabulary of ${vocabSize} tokens cannot be learnt; it takes ${first} to ${maxVocabulary}`);
  const split = splitByPatterns(
    patternsOfPre(pre) ?? fail("unsupported", `the pre-tokenizer ${pre} is not known`),
    false,
  );
  const bytes = Array.from(charOfByte, (code) => String.fromCharCode(code));
  const tokens = [...control, ...bytes];
  const ids = new Map(bytes.map((spelling, byte) => [spelling, control.length + byte]));
  const counts = new Map<string, number>();
  for (const text of texts) for (const piece of split(text)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  const pairs = new Pairs();
  for (const [text, count] of counts) pairs.note({ count, ids: [...spellingOf(text)].map((c) => ids.get(c)!) }, 1);
  const merges: string[] = [];
  while (tokens.length < vocabSize) {
    const best = pairs.best();
    if (!best) break;
    const [left, right] = best;
    const text = `${tokens[left]}${tokens[right]}`;
    // two ways may lead to one token, such as ab + c and a + bc
    const both = ids.get(text) ?? tokens.push(text) - 1;
    ids.set(text, both);
    for (const piece of pairs.holding(left, right)) {
      pairs.note(piece, -1);
      piece.ids = merged(piece.ids, left, right, both);
      pairs.note(piece, 1);
    }
    pairs.forget(left, right);
    merges.push(`${tokens[left]} ${tokens[right]}`);
  }
  return { tokens, merges, controlCount: control.length, pre };
}
