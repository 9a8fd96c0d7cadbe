/**
 * Losses over classes and distributions: cross entropy, negative log likelihood, Kullback–Leibler divergence. Losses
 * of regression and binary labels live in `losses-regression.ts`.
 */
import { fail } from "../util/errors.ts";
import { dimSize } from "./arrange.ts";
import { sum } from "./broadcast.ts";
import { cast } from "./cast.ts";
import { greater, notEqual, where } from "./compare.ts";
import { type Dim, shapeText } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { exp, log, neg } from "./functions.ts";
import { checkIndices, gather } from "./gather.ts";
import { gatherElements, scatterAdd } from "./gather-elements.ts";
import { squeeze, unsqueeze } from "./movement.ts";
import { logSumExp, mean } from "./reduce.ts";
import { logSoftmax, softmax } from "./softmax.ts";
import { defineOp, type Tensor } from "./tensor.ts";

/** How single losses become one. */
export type LossReduction = "none" | "sum" | "mean";

/** Brings single losses together; `mean` divides by their number. */
export function reduceLoss(losses: Tensor, reduction: LossReduction): Tensor {
  if (reduction === "none") return losses;
  return reduction === "sum" ? sum(losses) : mean(losses);
}

// one op, because its gradient needs a third of the passes over the logits that its parts would make
const tokenLossOp = defineOp({
  name: "tokenLoss",
  infer([logits, target]) {
    checkIndices("crossEntropy", target!);
    if (logits!.dtype !== "f32") fail("dtype", `crossEntropy: needs f32 logits, got ${logits!.dtype}`);
    return [{ dtype: "f32", shape: target!.shape }];
  },
  lower(context, [logits, target]) {
    const axis = context.int64s([1]);
    // seven times as fast as ReduceLogSumExp
    const logProbabilities = context.node("LogSoftmax", [logits!], { axis: { int: 1 } });
    const column = context.node("Unsqueeze", [target!, axis]);
    const picked = context.node("GatherElements", [logProbabilities, column], { axis: { int: 1 } });
    return [context.node("Neg", [context.node("Squeeze", [picked, axis])])];
  },
  vjp({ inputs: [logits, target] }, [c]) {
    if (!c) return [undefined, undefined];
    const column = unsqueeze(c, 1);
    const spread = mul(softmax(logits!, 1), column);
    return [scatterAdd(spread, unsqueeze(target!, 1), neg(column), 1), undefined];
  },
});

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** `mean` by default. */
  readonly reduction?: LossReduction;
  /** Share of the target that is spread over all classes; 0 by default. */
  readonly labelSmoothing?: number;
  /** Targets of this value cost nothing and do not count. */
  readonly ignoreIndex?: number | null;
  /** Weight of each class, `[classes]`; `mean` divides by the sum of the targets' weights. */
  readonly classWeights?: Tensor;
}

function checkTarget(op: string, logits: Tensor, target: Tensor): void {
  const wanted: Dim[] = logits.shape.filter((_, i) => i !== 1);
  if (logits.rank < 2 || String(wanted) !== String(target.shape))
    fail(
      "shape",
      `${op}: targets ${shapeText(target.shape)} do not fit ${shapeText(logits.shape)}; classes are axis 1`,
    );
}

/** Weighs single losses and brings them together. */
function weighted(losses: Tensor, weights: Tensor | undefined, reduction: LossReduction): Tensor {
  if (!weights) return reduceLoss(losses, reduction);
  const each = mul(losses, weights);
  if (reduction === "none") return each;
  return reduction === "sum" ? sum(each) : div(sum(each), sum(weights));
}

interface Counted {
  /** Targets that may be looked up. */
  readonly safe: Tensor;
  /** By class and by being counted at all. */
  readonly weights: Tensor | undefined;
  /** Losses with nothing where a target is ignored: no weight of 0 does that, since what is looked up there may be infinite. */
  only(losses: Tensor): Tensor;
}

function counted(target: Tensor, options: CrossEntropyOptions): Counted {
  const { ignoreIndex = null, classWeights } = options;
  const counts = ignoreIndex === null ? undefined : notEqual(target, ignoreIndex);
  const safe = counts ? where(counts, target, 0) : target;
  const byClass = classWeights && gather(classWeights, safe);
  if (!counts) return { safe, weights: byClass, only: (losses) => losses };
  return {
    safe,
    weights: byClass ? where(counts, byClass, 0) : cast(counts, "f32"),
    only: (losses) => where(counts, losses, 0),
  };
}

/**
 * Cross entropy of logits `[n, classes, …]` with class numbers `[n, …]` or with probabilities of the logits' shape.
 * @throws `shape` when logits and target do not fit, `argument` for options that need class numbers.
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { reduction = "mean", labelSmoothing = 0 } = options;
  if (target.dtype === "f32") {
    if (options.classWeights || options.ignoreIndex != null || labelSmoothing)
      fail("argument", "crossEntropy: class weights, ignored classes and smoothing need class numbers as target");
    if (String(target.shape) !== String(logits.shape))
      fail(
        "shape",
        `crossEntropy: probabilities ${shapeText(target.shape)} as target need the shape of the logits ${shapeText(logits.shape)}`,
      );
    return reduceLoss(neg(sum(mul(target, logSoftmax(logits, 1)), 1)), reduction);
  }
  checkTarget("crossEntropy", logits, target);
  const { safe, weights, only } = counted(target, options);
  let losses = tokenLossOp([logits, safe], {})[0]!;
  if (labelSmoothing) {
    if (options.classWeights) fail("unsupported", "crossEntropy: class weights and label smoothing exclude each other");
    const uniform = sub(logSumExp(logits, 1), mean(logits, 1));
    losses = add(mul(losses, 1 - labelSmoothing), mul(uniform, labelSmoothing));
  }
  return weighted(only(losses), weights, reduction);
}

/** Negative log likelihood of class numbers `[n, …]` under log probabilities `[n, classes, …]`. */
export function nllLoss(logProbabilities: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkTarget("nllLoss", logProbabilities, target);
  const { safe, weights, only } = counted(target, options);
  const picked = squeeze(gatherElements(logProbabilities, unsqueeze(safe, 1), 1), 1);
  return weighted(only(neg(picked)), weights, options.reduction ?? "mean");
}

/**
 * Kullback–Leibler divergence, `target · (log target − logProbabilities)` element by element.
 * @param options `logTarget`: the target holds logarithms. `batchMean` divides the sum by the size of axis 0.
 */
export function klDivergence(
  logProbabilities: Tensor,
  target: Tensor,
  options: { readonly reduction?: LossReduction | "batchMean"; readonly logTarget?: boolean } = {},
): Tensor {
  const { reduction = "batchMean", logTarget = false } = options;
  let losses: Tensor;
  if (logTarget) losses = mul(exp(target), sub(target, logProbabilities));
  else {
    // 0 log 0 is 0
    const positive = greater(target, 0);
    const entropy = where(positive, mul(target, log(where(positive, target, 1))), 0);
    losses = sub(entropy, mul(target, logProbabilities));
  }
  if (reduction !== "batchMean") return reduceLoss(losses, reduction);
  return div(sum(losses), dimSize(losses.shape[0] ?? 1));
}
