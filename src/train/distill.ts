/**
 * Knowledge distillation into a small decoder that shares its teacher's vocabulary (Hinton et al. 2015; for drafts Leviathan et al. 2023):
 * what it learns from, its loss over some candidates of a large vocabulary, and vectors to begin with. Knows no teacher, and no generation.
 */
import { embedding, gatherElements, logSoftmax, matmul, type Tensor, transpose } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { Random } from "../util/random.ts";
import { symmetricEigen } from "../util/symmetric.ts";

/** A text of the teacher, and what else it could have said. */
export interface TaughtText {
  readonly tokens: ArrayLike<number>;
  /** Tokens of the prompt; the others are the teacher's. */
  readonly promptLength: number;
  /** The likeliest next tokens after each token of the answer but the last: `[answer − 1, top]`. */
  readonly topTokens: ArrayLike<number>;
  /** Their logits. */
  readonly topLogits: ArrayLike<number>;
  /** Number of likeliest tokens [top]. */
  readonly top: number;
}

/** How batches are made. */
export interface DistillBatchOptions {
  /** Tokens of a row; longer texts lose their beginning. */
  readonly length: number;
  /** Share of the loss that the token which really follows has; the likeliest tokens share the rest. */
  readonly hardShare: number;
  /** Temperature of the teacher's distribution; 1 leaves it as it is. */
  readonly temperature: number;
  /** Tokens whose logits are computed, all that the batch needs among them; the rest is filled at random. */
  readonly candidates: number;
  /** Tokens that are always among the candidates. */
  readonly frequent: ArrayLike<number>;
  readonly vocabSize: number;
  /** Token that fills short rows. */
  readonly padding: number;
}

/** A batch of texts. */
export type DistillBatch = Readonly<
  Record<
    /** `i64[batch, length]`. */
    | "tokens"
    /** Tokens whose logits are computed, `i64[candidates]`. */
    | "candidates"
    /** Places among the candidates of what should be said after each token, `i64[batch · length, 1 + top]`. */
    | "places"
    /** How much each of them counts, `f32[batch · length, 1 + top]`; 0 where nothing is learned. */
    | "weights",
    NDArray
  >
>;

/**
 * Makes a batch. After tokens of the prompt the token that follows is all there is to learn, and counts a fifth. Where there may be no
 * more candidates, a likely token that is none is left out, and what follows counts for it.
 * @throws `argument` when what really follows needs more candidates than there may be.
 */
export function distillBatch(texts: readonly TaughtText[], options: DistillBatchOptions, random: Random): DistillBatch {
  const { length, hardShare, temperature, candidates, frequent, vocabSize, padding } = options;
  const top = texts[0]!.top;
  const width = 1 + top;
  const place = new Map<number, number>();
  const placeOf = (token: number) => {
    const known = place.get(token);
    if (known !== undefined) return known;
    place.set(token, place.size);
    return place.size - 1;
  };
  for (let i = 0; i < frequent.length; i++) placeOf(frequent[i]!);
  // what really follows comes first: it is never left out
  for (const text of texts)
    for (let at = Math.max(0, text.tokens.length - length) + 1; at < text.tokens.length; at++)
      placeOf(text.tokens[at]!);
  if (place.size > candidates)
    fail("argument", `a batch has ${place.size} different tokens; give at least as many candidates, not ${candidates}`);
  const tokens = new BigInt64Array(texts.length * length).fill(BigInt(padding));
  const places = new BigInt64Array(texts.length * length * width);
  const weights = new Float32Array(texts.length * length * width);
  for (const [n, text] of texts.entries()) {
    const start = Math.max(0, text.tokens.length - length);
    for (let at = start; at < text.tokens.length; at++) {
      const row = n * length + at - start;
      tokens[row] = BigInt(text.tokens[at]!);
      if (at + 1 === text.tokens.length) continue;
      places[row * width] = BigInt(placeOf(text.tokens[at + 1]!));
      const answered = at - text.promptLength;
      if (answered < 0) {
        weights[row * width] = 0.2;
        continue;
      }
      weights[row * width] = hardShare;
      let [most, sum] = [Number.NEGATIVE_INFINITY, 0];
      for (let k = 0; k < top; k++) most = Math.max(most, text.topLogits[answered * top + k]!);
      for (let k = 0; k < top; k++) sum += Math.exp((text.topLogits[answered * top + k]! - most) / temperature);
      for (let k = 0; k < top; k++) {
        const token = text.topTokens[answered * top + k]!;
        const share = Math.exp((text.topLogits[answered * top + k]! - most) / temperature) / sum;
        const known = place.has(token) || place.size < candidates;
        places[row * width + 1 + k] = BigInt(known ? placeOf(token) : placeOf(text.tokens[at + 1]!));
        weights[row * width + 1 + k] = (1 - hardShare) * share;
      }
    }
  }
  while (place.size < Math.min(candidates, vocabSize)) placeOf(random.integer(vocabSize));
  return {
    tokens: new NDArray(tokens, [texts.length, length], "i64"),
    candidates: NDArray.from([...place.keys()], [place.size], "i64"),
    places: new NDArray(places, [texts.length * length, width], "i64"),
    weights: new NDArray(weights, [texts.length * length, width], "f32"),
  };
}

/**
 * Mean over what counts of the cross entropy between what should be said and what is.
 * @param hidden `[batch, length, hidden]`. @param head the head's weights, `[vocabulary, hidden]`; the rest as {@link DistillBatch} says.
 */
export function distillLoss(
  hidden: Tensor,
  head: Tensor,
  { candidates, places, weights }: { readonly candidates: Tensor; readonly places: Tensor; readonly weights: Tensor },
): Tensor {
  const rows = hidden.reshape([-1, hidden.shape[2]!]);
  const logits = matmul(rows, transpose(embedding(head, candidates)));
  const said = gatherElements(logSoftmax(logits), places, 1);
  return said.mul(weights).sum().div(weights.sum()).mul(-1);
}

/**
 * Vectors of tokens in fewer dimensions: along the axes that hold most of the teacher's (its principal axes through 0), scaled.
 * @param vectors `[vocabulary, from]`. @param covariance `vectorsᵀ vectors`, `[from, from]`. @param deviation root mean square of a number.
 * @returns `[vocabulary, to]`. @throws `argument` for more dimensions than there are.
 */
export function reducedVectors(
  vectors: Float32Array,
  covariance: ArrayLike<number>,
  { from, to, deviation }: { readonly from: number; readonly to: number; readonly deviation: number },
): Float32Array {
  if (to > from) fail("argument", `reducedVectors: ${from} dimensions cannot become ${to}`);
  const eigen = symmetricEigen(covariance, from);
  const order = Array.from(eigen.values, (_, i) => i).sort((a, b) => eigen.values[b]! - eigen.values[a]!);
  const count = vectors.length / from;
  const axes = order
    .slice(0, to)
    .map((column) => Float64Array.from({ length: from }, (_, i) => eigen.vectors[i * from + column]!));
  const out = new Float32Array(count * to);
  let square = 0;
  for (let n = 0; n < count; n++)
    for (const [k, axis] of axes.entries()) {
      let sum = 0;
      for (let i = 0; i < from; i++) sum += axis[i]! * vectors[n * from + i]!;
      out[n * to + k] = sum;
      square += sum * sum;
    }
  const scale = deviation / (Math.sqrt(square / out.length) || 1);
  return out.map((value) => value * scale);
}
