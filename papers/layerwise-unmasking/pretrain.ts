/**
 * A small decoder that has read a lot of code causally; kept by the hash of all that it depends on.
 */
import { takeRows } from "bletchley/data";
import { readSafetensor, readSafetensors, writeSafetensors } from "bletchley/formats";
import { buildDecoder, type Decoder, sequenceLogits, smallLlama } from "bletchley/lm";
import { initialize, loadStateDict, normal, stateDict } from "bletchley/nn";
import { adamW, schedule } from "bletchley/optim";
import { textHash } from "bletchley/papers";
import { openFolder } from "bletchley/runtime";
import { crossEntropy, slice } from "bletchley/tensor";
import { shuffledBatches, Trainer, TrainStep } from "bletchley/train";
import { memorySource, type NDArray } from "bletchley/util";

/** Sizes of the decoder and of its training. */
export interface PretrainRecipe {
  readonly layers: number;
  readonly width: number;
  readonly steps: number;
  readonly batch: number;
  readonly learningRate: number;
}

/** Changes whenever the code below trains another model from the same recipe and text. */
const version = 1;

/** An untrained decoder. */
export function newDecoder(
  shape: { readonly layers: number; readonly width: number },
  vocabSize: number,
  seed: number,
): Decoder {
  const { layers, width } = shape;
  const decoder = buildDecoder(smallLlama({ vocabSize, layers, width, contextLength: 512 }));
  // as wide as the first values that layers have by themselves
  const spread = 0.58 / Math.sqrt(width);
  initialize(decoder, seed, [
    [/(o_proj|down_proj)\.weight$/, normal(spread / Math.sqrt(2 * layers))],
    [/_proj\.weight$/, normal(spread)],
    [/lm_head\.weight$/, normal(0.02)],
  ]);
  return decoder;
}

/**
 * Trains a decoder to say the next token of windows, or takes the one that an earlier run kept.
 * @param tokens `i64[windows, length]`. @returns the decoder, and its mean loss over the last tenth of the steps.
 */
export async function pretrained(
  tokens: NDArray,
  vocabSize: number,
  recipe: PretrainRecipe,
  options: {
    readonly folder: string;
    readonly seed: number;
    readonly signal: AbortSignal;
    readonly onStep: (done: number, total: number) => void;
  },
): Promise<{ readonly decoder: Decoder; readonly loss: number }> {
  const { seed } = options;
  const decoder = newDecoder(recipe, vocabSize, seed);
  const text = await textHash((tokens.data as BigInt64Array).join());
  const hash = await textHash(JSON.stringify([version, recipe, vocabSize, tokens.shape, text, seed]));
  const folder = `${options.folder}/${hash.slice(0, 16)}`;
  const files = await openFolder(folder);
  const name = "decoder.safetensors";
  const kept = await files.read(name);
  if (kept) {
    const file = await readSafetensors(memorySource(kept, name));
    const arrays = new Map<string, NDArray>();
    for (const path of file.tensors.keys()) arrays.set(path, await readSafetensor(file, path));
    loadStateDict(decoder, arrays);
    return { decoder, loss: Number(file.metadata.get("loss")) };
  }
  const { batch, steps, learningRate } = recipe;
  const length = tokens.shape[1]!;
  const betas = [0.9, 0.95] as const;
  await using step = await TrainStep.compile({
    module: decoder,
    inputs: { tokens: { dtype: "i64", shape: [batch, length] } },
    loss: ({ tokens }) => {
      const seen = slice(tokens, [{ axis: 1, start: 0, end: length - 1 }]);
      const next = slice(tokens, [{ axis: 1, start: 1, end: length }]);
      return crossEntropy(sequenceLogits(decoder, seen).reshape([-1, vocabSize]), next.reshape([-1]));
    },
    optimizer: adamW({ betas, weightDecay: 0.1 }),
    groups: [{ paths: /norm/, optimizer: adamW({ betas, weightDecay: 0 }) }],
    clipNorm: 1,
  });
  const losses: number[] = [];
  await new Trainer({
    step,
    batches: shuffledBatches({
      count: tokens.shape[0]!,
      batchSize: batch,
      seed,
      make: (numbers) => ({ tokens: takeRows(tokens, numbers) }),
    }),
    steps,
    learningRate: schedule({
      base: learningRate,
      minimum: learningRate / 30,
      warmupSteps: Math.ceil(steps / 12),
      totalSteps: steps,
      decay: "cosine",
    }),
    files: await openFolder(`${folder}/run`),
    onStep: (done, { loss }) => {
      losses.push(loss);
      options.onStep(done, steps);
    },
    signal: options.signal,
  }).run();
  const last = losses.slice(-Math.ceil(losses.length / 10));
  const loss = last.reduce((sum, value) => sum + value, 0) / Math.max(last.length, 1);
  await files.write(name, writeSafetensors(stateDict(decoder), new Map([["loss", String(loss)]])));
  return { decoder, loss };
}
