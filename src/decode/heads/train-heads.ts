/**
 * Trains draft heads on a trace: the target stays as it is, all rows of some texts are learned from at once, and heads see what really
 * came next. Knows labels from `head-labels.ts`, and no model.
 */
import { adamW, schedule } from "../../optim/index.ts";
import type { FileStore } from "../../runtime/index.ts";
import {
  cast,
  concat,
  crossEntropy,
  gather,
  gatherElements,
  greater,
  logSoftmax,
  mul,
  notEqual,
  range,
  slice,
  smoothL1,
  squeeze,
  sum,
  type Tensor,
  type TensorType,
  where,
} from "../../tensor/index.ts";
import { shuffledBatches, Trainer, TrainStep } from "../../train/index.ts";
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { draftPlaces, HeadLabels, headRows, type TokenEmbeddings } from "./head-labels.ts";
import type { DraftHeads } from "./head-modules.ts";
import type { Trace } from "./trace.ts";

/** How much each way of teaching counts; a weight of 0 leaves it out. */
export interface HeadLossWeights {
  /** Cross entropy with the token that came: 1 by default. */
  readonly hard?: number;
  /** Cross entropy with the target's own distribution: 0 by default. */
  readonly soft?: number;
  /** Smooth L1 distance to the target's own hidden state: 0 by default. */
  readonly states?: number;
}

/** How heads are trained. */
export interface HeadTrainingOptions {
  readonly trace: Trace;
  readonly embeddings: TokenEmbeddings;
  readonly epochs: number;
  /** Texts in a batch. */
  readonly batch: number;
  /** Longest text in tokens; what lies behind is not learned from. */
  readonly length: number;
  /** Highest rate: the first 100 steps, or a tenth of all, lead up to it, and a cosine down to a third of it. */
  readonly learningRate: number;
  readonly weights?: HeadLossWeights;
  /** Of soft labels; 1 by default. */
  readonly temperature?: number;
  /** Seed of the order and of dropout. */
  readonly seed: number;
  /** Where checkpoints are kept, so that an ended training goes on; none are by default. */
  readonly files?: FileStore;
  readonly signal?: AbortSignal;
  readonly onProgress?: (step: number, steps: number) => void;
}

/** What a head is given in a batch of n rows. */
interface HeadInputs {
  /** Hidden states, `[n, hidden]`, or whole texts `[batch, length, hidden]` for a prefix layer. */
  readonly hidden: Tensor;
  /** Rows of the texts, `i64[n]`, for a prefix layer. */
  readonly rows?: Tensor;
  /** Embeddings of the next tokens, `[n, heads · hidden]`, for heads that see them. */
  readonly next?: Tensor;
}

/** Logits `[n, draft vocabulary]` and guesses at hidden states `[n, hidden]` of every head, when all see what really came. */
export function headOutputs(
  heads: DraftHeads,
  { hidden, rows, next }: HeadInputs,
): readonly { readonly logits: Tensor; readonly states: Tensor }[] {
  const { hiddenSize } = heads._design;
  let start = hidden;
  if (heads.prefix) {
    const { y } = heads.prefix.forward(hidden, range(0, hidden.shape[1]!));
    start = gather(y.reshape([-1, hiddenSize]), rows!, 0);
  }
  return heads.heads.map((_, i) => {
    const x = next ? concat([start, slice(next, [{ axis: 1, start: 0, end: (i + 1) * hiddenSize }])], 1) : start;
    const states = heads.states(i, x);
    return { states, logits: heads.logits(i, states) };
  });
}

type Arrays = Record<string, NDArray>;

/** Types of a batch's arrays, and how they are made: only those that a design and its losses read. */
function batchOf(heads: DraftHeads, options: HeadTrainingOptions) {
  const { hiddenSize, kind, heads: count, vocabSize } = heads._design;
  const { trace, embeddings, batch, length, weights = {}, temperature = 1 } = options;
  const { hard = 1, soft = 0, states = 0 } = weights;
  const labels = new HeadLabels(trace, { heads: count, places: draftPlaces(heads._tokens, vocabSize), embeddings });
  const f32 = (...shape: (number | string)[]): TensorType => ({ dtype: "f32", shape });
  const i64 = (...shape: (number | string)[]): TensorType => ({ dtype: "i64", shape });
  const types: Record<string, TensorType> = {
    labels: i64("n", count),
    ...(heads.prefix ? { hidden: f32(batch, length, hiddenSize), rows: i64("n") } : { hidden: f32("n", hiddenSize) }),
    ...(kind === "hydra" && { next: f32("n", count * hiddenSize) }),
    ...(soft && { softPlaces: i64("n", count, trace.top), softWeights: f32("n", count, trace.top) }),
    ...(states && { later: f32("n", count, hiddenSize), known: f32("n", count) }),
  };
  if (!(hard || soft || states)) fail("argument", "heads learn nothing when all losses weigh 0; give one a weight");
  const make = (examples: Int32Array): Arrays => {
    const texts = Array.from(examples, (i) => trace.sequences[i]!);
    const perText = texts.map((text) => headRows(text, length));
    const rows = perText.flat();
    const n = rows.length;
    const places = perText.flatMap((some, text) => some.map(({ place }) => text * length + place));
    const own = labels.labels(rows);
    const arrays: Arrays = {
      labels: new NDArray(own, [n, count], "i64"),
      hidden: heads.prefix
        ? new NDArray(labels.texts(texts, length), [batch, length, hiddenSize], "f32")
        : new NDArray(labels.hidden(rows), [n, hiddenSize], "f32"),
    };
    if (heads.prefix) arrays.rows = NDArray.from(places, [n], "i64");
    if (kind === "hydra") arrays.next = new NDArray(labels.next(rows), [n, count * hiddenSize], "f32");
    if (soft) {
      const { places: softPlaces, weights: softWeights } = labels.soft(rows, temperature);
      arrays.softPlaces = new NDArray(softPlaces, [n, count, trace.top], "i64");
      arrays.softWeights = new NDArray(softWeights, [n, count, trace.top], "f32");
    }
    if (states) {
      arrays.later = new NDArray(labels.laterHidden(rows), [n, count, hiddenSize], "f32");
      // a label that cannot be drafted has a hidden state all the same, but after the end there is none
      const known = rows.flatMap(({ sequence, place }) =>
        Array.from({ length: count }, (_, i) => (place + i + 2 < sequence.tokens.length ? 1 : 0)),
      );
      arrays.known = NDArray.from(known, [n, count]);
    }
    return arrays;
  };
  return { types, make };
}

/** Column of a head, without its axis. */
const columnOf = (x: Tensor, head: number) => squeeze(slice(x, [{ axis: 1, start: head, end: head + 1 }]), [1]);

/** Sum of losses over rows, weighted, divided by the sum of weights. */
const weightedMean = (losses: Tensor, weights: Tensor) => sum(mul(losses, weights)).div(sum(weights).add(1e-6));

/** Losses by way of teaching, each the sum over heads. */
function lossesOf(
  heads: DraftHeads,
  batch: Readonly<Record<string, Tensor>>,
  { hard = 1, soft = 0, states = 0 }: HeadLossWeights,
) {
  const outputs = headOutputs(heads, batch as unknown as HeadInputs);
  const total = (loss: (head: number) => Tensor) =>
    outputs.map((_, head) => loss(head)).reduce((all, one) => all.add(one));
  return {
    ...(hard && {
      hard: total((i) => {
        const labels = columnOf(batch.labels!, i);
        const losses = crossEntropy(outputs[i]!.logits, labels, { ignoreIndex: -1, reduction: "sum" });
        // the last heads of a batch of short answers may have nothing to learn
        const count = sum(cast(notEqual(labels, -1), "f32"));
        return losses.div(where(greater(count, 0), count, 1));
      }),
    }),
    ...(soft && {
      soft: total((i) => {
        const weights = columnOf(batch.softWeights!, i);
        const picked = gatherElements(logSoftmax(outputs[i]!.logits, 1), columnOf(batch.softPlaces!, i), 1);
        return sum(mul(picked, weights)).mul(-1).div(sum(weights).add(1e-6));
      }),
    }),
    ...(states && {
      states: total((i) => {
        const distances = smoothL1(outputs[i]!.states, columnOf(batch.later!, i), 1, "none").mean([1]);
        return weightedMean(distances, columnOf(batch.known!, i));
      }),
    }),
  };
}

/**
 * Trains heads.
 * @returns the loss of the last steps, in nats, summed over heads; null when an earlier run made them all. @throws `argument` for a trace without a whole batch, `aborted`, `nan`.
 */
export async function trainDraftHeads(
  heads: DraftHeads,
  given: HeadTrainingOptions,
): Promise<{ readonly loss: number | null }> {
  const { epochs, batch, length, learningRate, weights = {}, seed, signal, onProgress } = given;
  // a prompt may be as long as the places that are trained on
  const sequences = given.trace.sequences.filter((sequence) => headRows(sequence, length).length);
  const options = { ...given, trace: { ...given.trace, sequences } };
  const count = sequences.length;
  if (count < batch)
    fail(
      "argument",
      `the trace has ${count} texts with answers before place ${length}, fewer than a batch of ${batch}; record a longer one`,
    );
  const steps = Math.max(1, Math.floor(count / batch) * epochs);
  const { types, make } = batchOf(heads, options);
  const { hard = 1, soft = 0, states = 0 } = weights;
  await using step = await TrainStep.compile({
    module: heads,
    inputs: types,
    loss: (arrays) => lossesOf(heads, arrays, weights),
    weights: { ...(hard && { hard }), ...(soft && { soft }), ...(states && { states }) },
    optimizer: adamW({ weightDecay: 0.1 }),
    groups: [{ paths: /norm|bias/, optimizer: adamW({ weightDecay: 0 }) }],
    clipNorm: 1,
    seed,
  });
  const last: number[] = [];
  await new Trainer({
    step,
    batches: shuffledBatches({ count, batchSize: batch, seed, make }),
    steps,
    learningRate: schedule({
      base: learningRate,
      minimum: learningRate / 3,
      warmupSteps: Math.min(100, Math.ceil(steps / 10)),
      totalSteps: steps,
      decay: "cosine",
    }),
    files: options.files,
    onStep: (done, result) => {
      last.push(result.loss);
      if (last.length > 20) last.shift();
      onProgress?.(done, steps);
    },
    signal,
  }).run();
  return { loss: last.length ? last.reduce((a, b) => a + b, 0) / last.length : null };
}
