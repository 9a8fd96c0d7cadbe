/**
 * The small language model of the experiment: trained on lines and their programs, and kept by the hash of its recipe.
 */
import { buildDecoder, type Decoder, type SequenceModel, sequenceLogits, smallLlama } from "bletchley/lm";
import { initialize, normal } from "bletchley/nn";
import { adamW, schedule } from "bletchley/optim";
import { keepDecoder, keptDecoderModel, loadKeptDecoder, type PaperModel, textHash } from "bletchley/papers";
import { openFolder } from "bletchley/runtime";
import { crossEntropy, equal, lessEqual, logicalAnd, range, type Tensor, where } from "bletchley/tensor";
import { shuffledBatches, Trainer, TrainStep } from "bletchley/train";
import { fail, NDArray } from "bletchley/util";
import { drawExamples } from "./pipelines.ts";
import type { Words } from "./words.ts";

/** How the model comes to be. */
export interface ModelRecipe {
  readonly layers: number;
  /** Width of the residual stream, a multiple of 32. */
  readonly width: number;
  /** Different examples. */
  readonly examples: number;
  readonly batch: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** Tokens of a row, which holds two examples or more; no line with its program is longer. */
export const rowLength = 128;

/** Changes whenever the code trains another model from the same recipe. */
const version = 4;

/** A trained model, ready to decode. */
export interface TrainedModel {
  readonly model: SequenceModel;
  /** Number of parameters. */
  readonly parameters: number;
  /** Mean loss of the last steps, in nats a token of the programs. */
  readonly loss: number;
  /** The same as a function that can be exported. */
  exported(): Promise<PaperModel>;
  dispose(): Promise<void>;
}

function untrained({ layers, width, seed }: ModelRecipe, vocabSize: number): Decoder {
  const decoder = buildDecoder(smallLlama({ vocabSize, layers, width, contextLength: 256 }));
  initialize(decoder, seed, [
    [/(o_proj|down_proj)\.weight$/, normal(1 / Math.sqrt(2 * layers * width))],
    [/_proj\.weight$/, normal(1 / Math.sqrt(width))],
    [/lm_head\.weight$/, normal(0.05)],
  ]);
  return decoder;
}

/** A row of examples, one after the other; none sees another. */
interface Row {
  readonly ids: number[];
  /** Which tokens belong to programs: lines are given, and need not be learned. */
  readonly learned: boolean[];
  /** Of each token, its place in its example. */
  readonly positions: number[];
  /** Of each token, the number of its example in the row. */
  readonly owners: number[];
}

function packedRows({ examples, seed }: ModelRecipe, words: Words): Row[] {
  const rows: Row[] = [];
  for (const { prompt, program } of drawExamples(examples, seed)) {
    const line = words.encode(prompt);
    const answer = [...words.encode(program), words.end];
    const length = line.length + answer.length;
    if (length > rowLength) fail("internal", `an example has ${length} tokens, and a row ${rowLength}`);
    let row = rows[rows.length - 1];
    if (!row || row.ids.length + length > rowLength) {
      row = { ids: [], learned: [], positions: [], owners: [] };
      rows.push(row);
    }
    const owner = (row.owners.at(-1) ?? 0) + 1;
    row.ids.push(...line, ...answer);
    row.positions.push(...Array(length).keys());
    row.owners.push(...Array<number>(length).fill(owner));
    row.learned.push(...line.map(() => false), ...answer.map(() => true));
  }
  return rows;
}

/** Class number of what is not learned. */
const ignored = -1;

/** Rows as arrays `[rows, rowLength]`; what is left of a row belongs to no example. */
function batchOf(rows: readonly Row[]) {
  const filled = (value: number) =>
    new NDArray(new BigInt64Array(rows.length * rowLength).fill(BigInt(value)), [rows.length, rowLength], "i64");
  const arrays = { tokens: filled(0), targets: filled(ignored), positions: filled(0), owners: filled(0) };
  for (const [i, { ids, learned, positions, owners }] of rows.entries()) {
    const at = i * rowLength;
    for (const [j, token] of ids.entries()) {
      arrays.tokens.set(at + j, token);
      arrays.positions.set(at + j, positions[j]!);
      arrays.owners.set(at + j, owners[j]!);
      if (learned[j]) arrays.targets.set(at + j - 1, token);
    }
  }
  return arrays;
}

async function train(
  decoder: Decoder,
  recipe: ModelRecipe,
  words: Words,
  folder: string,
  { signal, onStep }: { readonly signal: AbortSignal; readonly onStep: (step: number) => void },
): Promise<number> {
  const { batch, steps, learningRate, seed } = recipe;
  const ids = { dtype: "i64", shape: [batch, rowLength] } as const;
  const rows = packedRows(recipe, words);
  const inputs = { tokens: ids, targets: ids, positions: ids, owners: ids } as const;
  const loss = ({ tokens, targets, positions, owners }: { readonly [K in keyof typeof inputs]: Tensor }) => {
    const places = range(0, rowLength);
    const past = lessEqual(places.reshape([1, rowLength]), places.reshape([rowLength, 1]));
    const own = equal(owners.reshape([batch, 1, rowLength]), owners.reshape([batch, rowLength, 1]));
    const bias = where(logicalAnd(own, past), 0, -1e9).reshape([batch, 1, rowLength, rowLength]);
    const logits = sequenceLogits(decoder, tokens, { positions, bias });
    return crossEntropy(logits.reshape([-1, logits.shape[2]!]), targets.reshape([-1]), { ignoreIndex: ignored });
  };
  const betas = [0.9, 0.98] as const;
  await using step = await TrainStep.compile({
    module: decoder,
    inputs,
    loss,
    optimizer: adamW({ betas, weightDecay: 0.05 }),
    groups: [{ paths: /norm/, optimizer: adamW({ betas, weightDecay: 0 }) }],
    clipNorm: 1,
  });
  const batches = shuffledBatches({
    count: rows.length,
    batchSize: batch,
    seed,
    make: (numbers) => batchOf(Array.from(numbers, (n) => rows[n]!)),
  });
  const { records } = await new Trainer({
    step,
    batches,
    steps,
    learningRate: schedule({
      base: learningRate,
      minimum: learningRate / 30,
      warmupSteps: Math.ceil(steps / 12),
      totalSteps: steps,
      decay: "cosine",
    }),
    files: await openFolder(folder),
    onStep,
    signal,
  }).run();
  const last = records.slice(-20).flatMap((record) => record.loss ?? []);
  return last.reduce((sum, value) => sum + value, 0) / last.length;
}

/** Trains the model of a recipe, or takes the one that an earlier run kept. @throws `aborted`, `disk`. */
export async function trainModel(
  recipe: ModelRecipe,
  words: Words,
  folder: string,
  progress: { readonly signal: AbortSignal; readonly onStep: (step: number) => void },
): Promise<TrainedModel> {
  const hash = await textHash(JSON.stringify([version, recipe, words.tokens, drawExamples(50, recipe.seed)]));
  const home = `${folder}/${hash.slice(0, 16)}`;
  const files = await openFolder(home);
  const decoder = untrained(recipe, words.tokens.length);
  if (!(await files.names()).includes("model.json")) {
    const loss = await train(decoder, recipe, words, `${home}/training`, progress);
    await keepDecoder(files, "model", decoder, {
      name: "pipelines",
      // the file's own tokenizer is not used
      vocabulary: { pre: "gpt-2", tokens: words.tokens, merges: [], controlCount: 1 },
      endOfText: words.tokens[words.end]!,
    });
    await files.write("model.json", [new TextEncoder().encode(JSON.stringify({ loss, recipe }))]);
  }
  const report =
    (await files.read("model.json")) ?? fail("not-found", `${home}/model.json is gone; run again to train it`);
  const { loss } = JSON.parse(new TextDecoder().decode(report)) as { loss: number };
  const model = await loadKeptDecoder({ files, folder: home, name: "model", hash });
  let parameters = 0;
  for (const [, parameter] of decoder.parameters()) parameters += parameter.shape.reduce((a, b) => a * b, 1);
  const exported = () => {
    const { prompt, program } = drawExamples(1, recipe.seed)[0]!;
    const example = words.encode(`${prompt} ${program}`);
    return keptDecoderModel({ files, folder: home, name: "model" }, "lines and their programs", example);
  };
  return { model, parameters, loss, exported, dispose: () => model.dispose() };
}
