/**
 * What draft heads learn from a trace: which rows, which labels, and how likely the target itself found what came. All shifts are here:
 * at place t, head i (from 1 on) sees h_t and the tokens t + 1 … t + i, and its label is the token t + 1 + i, which the target drew from
 * its distribution at t + i.
 */
import { f16BitsToF32 } from "../../util/dtype.ts";
import { fail } from "../../util/errors.ts";
import { answerLength, type Trace, type TraceSequence } from "./trace.ts";

/** Reads rows of the target's token embedding as floats. */
export interface TokenEmbeddings {
  /** Writes the row of a token to `out` at `offset`. */
  read(token: number, out: Float32Array, offset: number): void;
}

/** Tokens that can be drafted, most frequent first, at most `count`: those of the answers, then of the prompts, then by id. */
export function frequentTokens({ sequences }: Trace, count: number, vocabSize: number): Int32Array {
  if (count >= vocabSize) return Int32Array.from({ length: vocabSize }, (_, id) => id);
  const score = new Float64Array(vocabSize);
  for (const { tokens, promptLength } of sequences)
    tokens.forEach((token, at) => {
      // a token of a prompt only decides between those that no answer has
      score[token]! += at < promptLength ? 1e-6 : 1;
    });
  const order = Array.from(score, (_, id) => id).sort((a, b) => score[b]! - score[a]! || a - b);
  return Int32Array.from(order.slice(0, count));
}

/** Share of the tokens of a trace's answers that can be drafted. */
export function coverage({ sequences }: Trace, tokens: Int32Array): number {
  const known = new Set(tokens);
  let [covered, all] = [0, 0];
  for (const { tokens: text, promptLength } of sequences)
    for (let at = promptLength; at < text.length; at++, all++) if (known.has(text[at]!)) covered++;
  return covered / Math.max(1, all);
}

/** A row: a place of a text whose hidden state the heads start from. */
export interface HeadRow {
  readonly sequence: TraceSequence;
  readonly place: number;
}

/**
 * Rows of a text from which at least the first head has something to learn: the target predicts the answer's first token at the last one
 * of the prompt, and the last two tokens have nothing after them.
 * @param length rows from this place on are left out.
 */
export function headRows(sequence: TraceSequence, length = Number.POSITIVE_INFINITY): HeadRow[] {
  const rows: HeadRow[] = [];
  for (let place = sequence.promptLength - 1; place + 2 < Math.min(sequence.tokens.length, length + 2); place++)
    if (place >= 0) rows.push({ sequence, place });
  return rows;
}

/** All rows of a trace. */
export function rowsOf({ sequences }: Trace, length?: number): HeadRow[] {
  return sequences.flatMap((sequence) => (answerLength(sequence) > 0 ? headRows(sequence, length) : []));
}

/** Place in the draft vocabulary by token, −1 for those that cannot be drafted. */
export function draftPlaces(tokens: Int32Array, vocabSize: number): Int32Array {
  const places = new Int32Array(vocabSize).fill(-1);
  tokens.forEach((token, place) => {
    if (places[token]! >= 0) fail("argument", `token ${token} occurs twice among those that can be drafted`);
    places[token] = place;
  });
  return places;
}

/** Makes arrays of rows. */
export class HeadLabels {
  readonly heads: number;
  readonly #hiddenSize: number;
  readonly #top: number;
  readonly #places: Int32Array;
  readonly #embeddings: TokenEmbeddings;

  /** @param places see {@link draftPlaces}. */
  constructor(
    { hiddenSize, top }: Pick<Trace, "hiddenSize" | "top">,
    { heads, places, embeddings }: { heads: number; places: Int32Array; embeddings: TokenEmbeddings },
  ) {
    this.heads = heads;
    this.#hiddenSize = hiddenSize;
    this.#top = top;
    this.#places = places;
    this.#embeddings = embeddings;
  }

  /** Hidden states `[rows, hidden]`, as the trace rounded them. */
  hidden(rows: readonly HeadRow[]): Float32Array {
    const out = new Float32Array(rows.length * this.#hiddenSize);
    rows.forEach(({ sequence, place }, row) => {
      this.#copyHidden(sequence, place, out, row * this.#hiddenSize);
    });
    return out;
  }

  /** Hidden states of the tokens that the heads' labels follow, `[rows, heads, hidden]`; zeros after the end. */
  laterHidden(rows: readonly HeadRow[]): Float32Array {
    const out = new Float32Array(rows.length * this.heads * this.#hiddenSize);
    this.#each(rows, (sequence, place, at) => {
      this.#copyHidden(sequence, place, out, at * this.#hiddenSize);
    });
    return out;
  }

  /** Hidden states of whole texts, `[texts, length, hidden]`; zeros after the end. */
  texts(sequences: readonly TraceSequence[], length: number): Float32Array {
    const out = new Float32Array(sequences.length * length * this.#hiddenSize);
    sequences.forEach((sequence, text) => {
      const count = Math.min(length, sequence.tokens.length - 1);
      for (let place = 0; place < count; place++)
        this.#copyHidden(sequence, place, out, (text * length + place) * this.#hiddenSize);
    });
    return out;
  }

  #copyHidden({ hidden }: TraceSequence, place: number, out: Float32Array, offset: number): void {
    const from = place * this.#hiddenSize;
    for (let i = 0; i < this.#hiddenSize; i++) out[offset + i] = f16BitsToF32(hidden[from + i]!);
  }

  /** Embeddings of the next tokens, `[rows, heads · hidden]`: head i reads the first i of a row; zeros after the end. */
  next(rows: readonly HeadRow[]): Float32Array {
    const out = new Float32Array(rows.length * this.heads * this.#hiddenSize);
    rows.forEach(({ sequence: { tokens }, place }, row) => {
      for (let i = 1; i <= this.heads && place + i < tokens.length; i++)
        this.#embeddings.read(tokens[place + i]!, out, (row * this.heads + i - 1) * this.#hiddenSize);
    });
    return out;
  }

  /** Labels as places in the draft vocabulary, `[rows, heads]`; −1 after the end and for tokens that cannot be drafted. */
  labels(rows: readonly HeadRow[]): BigInt64Array {
    const out = new BigInt64Array(rows.length * this.heads).fill(-1n);
    this.#each(rows, ({ tokens }, place, at) => {
      out[at] = BigInt(this.#places[tokens[place + 1]!]!);
    });
    return out;
  }

  /**
   * The target's own distributions, of the tokens that were kept and can be drafted: places `[rows, heads, top]` in the draft vocabulary,
   * and weights that sum to 1, or to 0 after the end.
   * @param temperature of the softmax; small ones come near to the hard label.
   */
  soft(
    rows: readonly HeadRow[],
    temperature: number,
  ): { readonly places: BigInt64Array; readonly weights: Float32Array } {
    if (!(temperature > 0)) fail("argument", `soft labels of temperature ${temperature}; it must be above 0`);
    const top = this.#top;
    const places = new BigInt64Array(rows.length * this.heads * top);
    const weights = new Float32Array(places.length);
    this.#each(rows, ({ promptLength, topTokens, topLogits }, place, at) => {
      const from = (place - promptLength) * top;
      let total = 0;
      for (let k = 0; k < top; k++) {
        const known = this.#places[topTokens[from + k]!]!;
        if (known < 0) continue;
        const weight = Math.exp((topLogits[from + k]! - topLogits[from]!) / temperature);
        places[at * top + k] = BigInt(known);
        weights[at * top + k] = weight;
        total += weight;
      }
      for (let k = 0; k < top && total > 0; k++) weights[at * top + k]! /= total;
    });
    return { places, weights };
  }

  /** For every row and head whose label exists: the place t + i that the label follows. */
  #each(rows: readonly HeadRow[], visit: (sequence: TraceSequence, place: number, at: number) => void): void {
    rows.forEach(({ sequence, place }, row) => {
      for (let i = 1; i <= this.heads && place + i + 1 < sequence.tokens.length; i++)
        visit(sequence, place + i, row * this.heads + i - 1);
    });
  }
}
