/**
 * Sequences with branches of placeholders, packed into one pass: from an anchor in the text, a branch looks ahead without seeing what
 * follows. It is what training for look-ahead decoding needs; what the branches should say is not known here.
 */
import {
  add,
  broadcastTo,
  concat,
  constant,
  lessEqual,
  reshape,
  shapeText,
  slice,
  type Tensor,
  unsqueeze,
  where,
} from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { Decoder } from "./decoder.ts";
import { sequenceLogits } from "./whole-sequences.ts";

/** Logits of a packed pass. */
export interface BranchedLogits {
  /** After every token of the text, `[batch, n, vocabulary]`: those of a pass without branches. */
  readonly main: Tensor;
  /** After every placeholder, `[batch, branches · k, vocabulary]`, branch by branch. */
  readonly branches: Tensor;
}

/** Finite, and far enough below 0 that its exponential is exactly 0. */
const hidden = -1e30;

/**
 * What order alone says of who sees whom, `[1, n + branches · k, n + branches · k]`: the text sees itself causally and no branch, a
 * placeholder sees itself and those before it in its own branch. How much of the text a branch sees is left open.
 */
function orderBias(n: number, branches: number, k: number): Tensor {
  const width = n + branches * k;
  const bias = new Float32Array(width * width).fill(hidden);
  for (let i = 0; i < n; i++) bias.fill(0, i * width, i * width + i + 1);
  for (let branch = 0; branch < branches; branch++)
    for (let r = 0; r < k; r++) {
      const row = (n + branch * k + r) * width;
      const own = row + n + branch * k;
      bias.fill(0, row, row + n);
      bias.fill(0, own, own + r + 1);
    }
  return constant(new NDArray(bias, [1, width, width], "f32"));
}

const integers = (values: readonly number[], shape: readonly number[]) => constant(NDArray.from(values, shape, "i64"));

/**
 * Logits after every token of some texts, and after placeholders that follow some of their tokens: placeholder r of a branch stands at the
 * anchor's position + r and sees the text up to the anchor and its own branch up to itself, exactly as if it were run alone.
 * @param tokens `i64[batch, n]` of known sizes. @param anchors places of tokens, `i64[batch, branches]`.
 * @param placeholders token of each of a branch's k places.
 * @throws `shape` for sizes that are not known or do not fit, and what {@link sequenceLogits} throws.
 */
export function branchedLogits(
  decoder: Decoder,
  tokens: Tensor,
  anchors: Tensor,
  placeholders: readonly number[],
): BranchedLogits {
  const [batch, n] = tokens.shape;
  const branches = anchors.shape[1];
  const k = placeholders.length;
  if (
    tokens.rank !== 2 ||
    anchors.rank !== 2 ||
    anchors.shape[0] !== batch ||
    typeof batch !== "number" ||
    typeof n !== "number" ||
    typeof branches !== "number" ||
    !k
  )
    return fail(
      "shape",
      `branchedLogits: needs tokens [batch, n], anchors [batch, branches] of known sizes and at least one placeholder, got ${shapeText(tokens.shape)}, ${shapeText(anchors.shape)} and ${k}`,
    );
  const places = branches * k;
  /** Of each placeholder the anchor of its branch. */
  const anchorOf = reshape(broadcastTo(unsqueeze(anchors, 2), [batch, branches, k]), [batch, places]);
  const ahead = integers(
    Array.from({ length: places }, (_, i) => 1 + (i % k)),
    [1, places],
  );
  const fed = integers(
    Array.from({ length: places }, (_, i) => placeholders[i % k]!),
    [1, places],
  );
  const own = integers(
    Array.from({ length: n }, (_, i) => i),
    [1, n],
  );
  /** Last place of the text that each row may see, and of each column its place: before all limits for placeholders. */
  const limits = concat([broadcastTo(integers([n], [1, 1]), [batch, n]), anchorOf], 1);
  const columns = integers(
    Array.from({ length: n + places }, (_, i) => (i < n ? i : -1)),
    [1, 1, n + places],
  );
  const within = where(lessEqual(columns, unsqueeze(limits, 2)), 0, hidden);
  const logits = sequenceLogits(decoder, concat([tokens, broadcastTo(fed, [batch, places])], 1), {
    positions: concat([broadcastTo(own, [batch, n]), add(anchorOf, ahead)], 1),
    bias: unsqueeze(add(within, orderBias(n, branches, k)), 1),
  });
  const part = (start: number, end: number) => slice(logits, [{ axis: 1, start, end }]);
  return { main: part(0, n), branches: part(n, n + places) };
}
