/**
 * The kinds of draft heads that are compared, and how each comes to be: the same trace, the same number of steps, the same LM heads.
 */
import {
  type DraftHeads,
  draftPlaces,
  type HeadDesign,
  HeadLabels,
  type HeadLossWeights,
  headOutputs,
  headRanks,
  headRows,
  newDraftHeads,
  rankChain,
  readHeads,
  type TokenEmbeddings,
  type Trace,
  type TrueRanks,
  trainDraftHeads,
  writeHeads,
} from "bletchley/decode";
import { type PaperModel, textHash } from "bletchley/papers";
import { compile, type FileStore } from "bletchley/runtime";
import type { TensorType } from "bletchley/tensor";
import { NDArray } from "bletchley/util";

/** A kind of heads and how it is taught. */
export interface Variant {
  readonly name: string;
  readonly design: Pick<HeadDesign, "kind" | "blocks"> & { readonly prefix?: boolean };
  readonly weights?: HeadLossWeights;
  readonly temperature?: number;
}

/** Names of the variants. */
export const names = {
  medusa: "Medusa",
  hydra: "Hydra",
  plus: "Hydra++",
  soft: "Hydra, soft labels",
  sharp: "Hydra, soft labels at temperature 0.4",
} as const;

/**
 * All variants. Hydra++ has the labels of plain Hydra, so that its layers are all that differs, and no dropout: a trace is seen twice, and
 * with a rate of 0.1 it learned less.
 */
export const variants: readonly Variant[] = [
  { name: names.medusa, design: { kind: "medusa", blocks: 1 } },
  { name: names.hydra, design: { kind: "hydra", blocks: 1 } },
  { name: names.plus, design: { kind: "hydra", blocks: 4, prefix: true } },
  { name: names.soft, design: { kind: "hydra", blocks: 1 }, weights: { hard: 0, soft: 1 } },
  { name: names.sharp, design: { kind: "hydra", blocks: 1 }, weights: { hard: 0, soft: 1 }, temperature: 0.4 },
];

/** What all variants have in common. */
export interface TrainingRecipe {
  readonly heads: number;
  readonly lmHead: HeadDesign["lmHead"];
  readonly epochs: number;
  readonly batch: number;
  readonly length: number;
  readonly learningRate: number;
}

/** What heads are trained on and judged by. */
export interface Lesson {
  readonly recipe: TrainingRecipe;
  readonly training: Trace;
  readonly heldOut: Trace;
  /** Hash of everything that the traces depend on. */
  readonly hash: string;
  readonly vocabSize: number;
  readonly tokens: Int32Array;
  readonly lmHead: Float32Array;
  readonly embeddings: TokenEmbeddings;
  readonly files: FileStore;
  readonly signal: AbortSignal;
  readonly onProgress: (task: string, done: number, total: number) => void;
}

/** Trained heads, and what they guess on the trace that was held out. */
export interface TrainedVariant {
  readonly variant: Variant;
  readonly heads: DraftHeads;
  readonly truth: TrueRanks;
}

/** Changes whenever the code below trains other heads from the same lesson. */
const version = 1;

/** Trains a variant, or takes what an earlier run kept. @throws `aborted`, `disk`. */
export async function trainVariant(variant: Variant, lesson: Lesson, seed: number): Promise<TrainedVariant> {
  const { recipe, training, heldOut, vocabSize, tokens, lmHead, embeddings, files, signal, onProgress } = lesson;
  const { heads: count, lmHead: layout, ...schedule } = recipe;
  const { prefix, ...own } = variant.design;
  const { hiddenSize } = training;
  const hash = await textHash(JSON.stringify([version, variant, recipe, lesson.hash, tokens.length, seed]));
  const name = `${hash.slice(0, 16)}.safetensors`;
  const known = await files.read(name);
  let heads: DraftHeads;
  if (known) heads = (await readHeads(known, name)).heads;
  else {
    const design: HeadDesign = {
      ...own,
      heads: count,
      hiddenSize,
      lmHead: layout,
      vocabSize,
      ...(prefix && { prefixHeads: hiddenSize / 64 >= 4 ? Math.floor(hiddenSize / 64) : hiddenSize / 32 }),
    };
    heads = newDraftHeads(design, tokens, lmHead, 10 * seed + 1);
    await trainDraftHeads(heads, {
      ...schedule,
      trace: training,
      embeddings,
      weights: variant.weights,
      temperature: variant.temperature,
      seed,
      signal,
      onProgress: (done, total) => onProgress(`train ${variant.name}`, done, total),
    });
    await files.write(name, writeHeads({ heads, target: { sha256: lesson.hash, form: "" }, tree: rankChain(1) }));
  }
  return { variant, heads, truth: await headRanks(heads, heldOut, embeddings, signal) };
}

/** Trained heads as a function that can be exported, with rows of the held-out trace to try it on. */
export async function headsAsModel(name: string, heads: DraftHeads, lesson: Lesson): Promise<PaperModel> {
  const { heads: count, hiddenSize, kind } = heads._design;
  const { heldOut, embeddings, vocabSize, tokens } = lesson;
  const labels = new HeadLabels(heldOut, { heads: count, places: draftPlaces(tokens, vocabSize), embeddings });
  const sequence = heldOut.sequences[0]!;
  const rows = headRows(sequence).slice(0, 4);
  const length = sequence.tokens.length - 1;
  const f32 = (...shape: (number | string)[]): TensorType => ({ dtype: "f32", shape });
  const sees = kind === "hydra";
  const inputs: Record<string, TensorType> = {
    hidden: heads.prefix ? f32(1, "length", hiddenSize) : f32("n", hiddenSize),
    ...(heads.prefix && { rows: { dtype: "i64", shape: ["n"] } as const }),
    ...(sees && { next: f32("n", count * hiddenSize) }),
  };
  const executable = await compile(
    ({ hidden, ...more }) =>
      Object.fromEntries(
        headOutputs(heads, { hidden: hidden!, ...more }).map(({ logits }, i) => [`logits${i + 1}`, logits]),
      ),
    { inputs },
  );
  const places = rows.map(({ place }) => place);
  return {
    name: name.toLowerCase().replace("++", "-plus-plus"),
    about: `hidden states${heads.prefix ? " of a text, rows of it" : ""}${sees ? " and embeddings of the next tokens" : ""} to the logits of ${count} heads, [n, ${tokens.length}] each`,
    executable,
    example: {
      hidden: heads.prefix
        ? new NDArray(labels.texts([sequence], length), [1, length, hiddenSize], "f32")
        : new NDArray(labels.hidden(rows), [rows.length, hiddenSize], "f32"),
      ...(heads.prefix && { rows: NDArray.from(places, [rows.length], "i64") }),
      ...(sees && { next: new NDArray(labels.next(rows), [rows.length, count * hiddenSize], "f32") }),
    },
  };
}
