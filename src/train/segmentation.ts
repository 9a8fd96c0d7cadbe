/**
 * Segmentation: the usual sum of losses on classes of pixels, and how well two maps of labels overlap. Knows no network.
 */
import { constant, crossEntropy, diceLoss, oneHot, type Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";

/** Options of {@link segmentationLoss}. */
export interface SegmentationLossOptions {
  /** Added to numerator and denominator of the overlap; 1e-5 by default, as in MONAI. */
  readonly smooth?: number;
  /** Weight of each class in the cross entropy; all alike by default. @see medianFrequencyWeights */
  readonly classWeights?: readonly number[];
}

/**
 * Cross entropy and 1 − the mean Dice overlap of all classes but the background, as two terms for a training step.
 * @param logits `[n, classes, …space]`. @param labels `i32` or `i64` `[n, …space]`, 0 for the background.
 * @throws `shape` for logits of fewer than two classes, or of another number than there are weights.
 */
export function segmentationLoss(
  logits: Tensor,
  labels: Tensor,
  options: SegmentationLossOptions = {},
): { readonly crossEntropy: Tensor; readonly dice: Tensor } {
  const classes = logits.shape[1];
  if (typeof classes !== "number" || classes < 2)
    return fail("shape", `segmentationLoss: logits [${logits.shape.join(", ")}] need two classes or more on axis 1`);
  const target = oneHot(labels, classes, { axis: 1 });
  const { smooth = 1e-5, classWeights } = options;
  if (classWeights && classWeights.length !== classes)
    fail("shape", `segmentationLoss: ${classWeights.length} weights do not fit ${classes} classes`);
  return {
    crossEntropy: crossEntropy(logits, labels, {
      ...(classWeights && { classWeights: constant(NDArray.from(classWeights)) }),
    }),
    dice: diceLoss(logits, target, { activation: "softmax", smooth, includeBackground: false }),
  };
}

/**
 * Weights of classes by how rare they are: the median of their shares of all places over their own (Eigen and Fergus 2015). A class
 * that is nowhere weighs nothing.
 */
export function medianFrequencyWeights(labels: NDArray, classes: number): readonly number[] {
  const counts = new Float64Array(classes);
  for (const label of labels.data) counts[Number(label)]!++;
  const there = [...counts].filter((count) => count > 0).sort((a, b) => a - b);
  const middle = (there[Math.floor((there.length - 1) / 2)]! + there[Math.ceil((there.length - 1) / 2)]!) / 2;
  return Array.from(counts, (count) => (count ? middle / count : 0));
}

/**
 * Dice overlap of two maps of labels `[n, …space]`, for every picture and every class but 0: `[n][classes − 1]`. It is NaN where the
 * truth has nothing of the class, since such a picture says nothing of it (MONAI's convention).
 * @throws `shape` when the maps differ in size.
 */
export function diceScores(predicted: NDArray, truth: NDArray, classes: number): readonly (readonly number[])[] {
  if (String(predicted.shape) !== String(truth.shape))
    fail("shape", `diceScores: [${predicted.shape.join(", ")}] and [${truth.shape.join(", ")}] are not of one size`);
  const [count = 0] = truth.shape;
  const pixels = truth.size / count;
  return Array.from({ length: count }, (_, n) => {
    const both = new Float64Array(classes);
    const either = new Float64Array(classes);
    const there = new Float64Array(classes);
    for (let i = n * pixels; i < (n + 1) * pixels; i++) {
      const [a, b] = [Number(predicted.data[i]), Number(truth.data[i])];
      either[a]!++;
      either[b]!++;
      there[b]!++;
      if (a === b) both[a]!++;
    }
    return Array.from({ length: classes - 1 }, (_, c) =>
      there[c + 1] ? (2 * both[c + 1]!) / either[c + 1]! : Number.NaN,
    );
  });
}

/** Mean of the numbers that are not NaN; NaN of none. */
export function meanScore(scores: readonly number[]): number {
  const known = scores.filter((score) => !Number.isNaN(score));
  return known.reduce((sum, score) => sum + score, 0) / known.length;
}
