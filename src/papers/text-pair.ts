/**
 * A target and a draft model that share a vocabulary, trained on one text for papers about speculative sampling. Pairs are kept by
 * the hash of recipe and text, so that cards share them. Knows no paper, and no place but the folder it is given.
 */
import { consecutiveWindows, randomWindows } from "../data/index.ts";
import { type Tokenizer, tokenizerFromVocabulary, trainBpe } from "../formats/index.ts";
import { buildDecoder, type Decoder, sequenceLogits, smallLlama } from "../lm/index.ts";
import { initialize, normal } from "../nn/index.ts";
import { adamW, schedule } from "../optim/index.ts";
import { compile, openFolder } from "../runtime/index.ts";
import { crossEntropy, type Tensor } from "../tensor/index.ts";
import { numberedBatches, Trainer, TrainStep } from "../train/index.ts";
import type { DataNeed, PaperModel, WorkContext } from "./card.ts";
import { keepDecoder, keptDecoderModel, type LoadedSequenceModel, loadKeptDecoder, textHash } from "./kept-decoder.ts";

/** What a card needs to train pairs. */
export const shakespeareData: DataNeed = {
  path: "text/tinyshakespeare.txt",
  sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
};

/** Size and training of one model of a pair. */
export interface PairModelRecipe {
  readonly layers: number;
  /** Width of the residual stream, a multiple of 32: heads have 32 dimensions. */
  readonly width: number;
  readonly steps: number;
  readonly learningRate: number;
}

/** How a pair comes to be. */
export interface TextPairRecipe {
  readonly vocabSize: number;
  /** Characters of the text that are used, all of it when absent. */
  readonly characters?: number;
  /** Windows in a batch, and tokens in each. */
  readonly batch: number;
  readonly length: number;
  readonly target: PairModelRecipe;
  readonly draft: PairModelRecipe;
}

/** Pairs by profile: 2.0 and 0.11 million parameters for a quick look, 5.0 and 0.21 million for all that a claim needs. */
export const textPairRecipes = {
  smoke: {
    vocabSize: 288,
    characters: 60_000,
    batch: 4,
    length: 64,
    target: { layers: 2, width: 64, steps: 40, learningRate: 1e-2 },
    draft: { layers: 1, width: 32, steps: 40, learningRate: 1e-2 },
  },
  quick: {
    vocabSize: 1024,
    batch: 8,
    length: 128,
    target: { layers: 4, width: 192, steps: 600, learningRate: 3e-3 },
    draft: { layers: 1, width: 64, steps: 600, learningRate: 6e-3 },
  },
  full: {
    vocabSize: 1024,
    batch: 8,
    length: 192,
    target: { layers: 6, width: 256, steps: 1050, learningRate: 2e-3 },
    draft: { layers: 1, width: 96, steps: 1050, learningRate: 6e-3 },
  },
} as const satisfies Readonly<Record<string, TextPairRecipe>>;

/** A trained pair. */
export interface TextPair {
  /** GGUF file of the target, to be given to `loadModel`. */
  readonly targetPath: string;
  readonly tokenizer: Tokenizer;
  /** The last tenth of the text, which neither model has seen. */
  readonly heldOut: Int32Array;
  /** Mean loss of target and draft on it, in nats a token. */
  readonly losses: { readonly target: number; readonly draft: number };
  /** Loads the draft model, or the target, in this thread. */
  load(which: "target" | "draft"): Promise<LoadedSequenceModel>;
  /** The target or the draft as a function that can be exported. */
  model(which: "target" | "draft"): Promise<PaperModel>;
}

/** Options of {@link trainTextPair}. */
export interface TextPairOptions {
  readonly text: string;
  readonly recipe: TextPairRecipe;
  /** Folder of all pairs; each has one of its own in it. */
  readonly folder: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (task: string, done: number, total: number) => void;
}

/** Changes whenever the code below trains another model from the same recipe. */
const version = 1;
const endOfText = "<|endoftext|>";
const share = 0.9;

/** An untrained model. */
function untrained(
  { layers, width }: PairModelRecipe,
  vocabSize: number,
  contextLength: number,
  seed: number,
): Decoder {
  const heads = width / 32;
  const kvHeads = heads % 2 ? 1 : heads / 2;
  const decoder = buildDecoder(smallLlama({ vocabSize, layers, width, kvHeads, contextLength }));
  initialize(decoder, seed, [
    [/(o_proj|down_proj)\.weight$/, normal(0.02 / Math.sqrt(2 * layers))],
    [/(_proj|lm_head)\.weight$/, normal(0.02)],
  ]);
  return decoder;
}

/** Trains a model, or goes on where an earlier run was ended. @returns mean loss on held-out tokens, in nats. */
async function train(
  decoder: Decoder,
  { steps, learningRate }: PairModelRecipe,
  tokens: { readonly training: Int32Array; readonly heldOut: Int32Array },
  windows: { readonly batch: number; readonly length: number },
  folder: string,
  { signal, onProgress }: Pick<TextPairOptions, "signal"> & { readonly onProgress: (done: number) => void },
): Promise<number> {
  const ids = { dtype: "i64", shape: [windows.batch, windows.length] } as const;
  const inputs = { tokens: ids, targets: ids } as const;
  const loss = (batch: { readonly tokens: Tensor; readonly targets: Tensor }) => {
    const logits = sequenceLogits(decoder, batch.tokens);
    return crossEntropy(logits.reshape([-1, logits.shape[2]!]), batch.targets.reshape([-1]));
  };
  const betas = [0.9, 0.99] as const;
  await using step = await TrainStep.compile({
    module: decoder,
    inputs,
    loss,
    optimizer: adamW({ betas, weightDecay: 0.1 }),
    groups: [{ paths: /norm/, optimizer: adamW({ betas, weightDecay: 0 }) }],
    clipNorm: 1,
  });
  await new Trainer({
    step,
    batches: numberedBatches(randomWindows(tokens.training, { ...windows, seed: 1 })),
    steps,
    learningRate: schedule({
      base: learningRate,
      minimum: learningRate / 30,
      warmupSteps: Math.ceil(steps / 12),
      totalSteps: steps,
      decay: "cosine",
    }),
    files: await openFolder(folder),
    onStep: onProgress,
    signal,
  }).run();
  await using measured = await compile((batch) => ({ loss: loss(batch) }), { inputs, parameters: "inputs" });
  let sum = 0;
  const parts = consecutiveWindows(tokens.heldOut, windows);
  for (const part of parts) sum += (await measured.run({ ...part })).loss.at(0);
  return sum / parts.length;
}

/** Trains a pair, or takes the one that an earlier run kept. @throws `aborted`, `disk`; an ended training goes on the next time. */
export async function trainTextPair(options: TextPairOptions): Promise<TextPair> {
  const { recipe, signal, onProgress } = options;
  const { vocabSize, batch, length } = recipe;
  const text = options.text.slice(0, recipe.characters);
  const at = text.indexOf("\n\n", Math.floor(text.length * share));
  const vocabulary = trainBpe([text.slice(0, at)], { vocabSize, control: [endOfText] });
  const tokenizer = tokenizerFromVocabulary(vocabulary);
  const tokens = {
    training: Int32Array.from(tokenizer.encode(text.slice(0, at))),
    heldOut: Int32Array.from(tokenizer.encode(text.slice(at))),
  };
  const hash = await textHash(JSON.stringify([version, recipe, await textHash(text)]));
  const folder = `${options.folder}/${hash.slice(0, 16)}`;
  const files = await openFolder(folder);
  const losses = { target: 0, draft: 0 };
  for (const [seed, which] of (["target", "draft"] as const).entries()) {
    const known = await files.read(`${which}.json`);
    if (known && (await files.names()).includes(`${which}.gguf`)) {
      losses[which] = (JSON.parse(new TextDecoder().decode(known)) as { heldOut: number }).heldOut;
      continue;
    }
    const decoder = untrained(recipe[which], vocabulary.tokens.length, 512, seed + 1);
    losses[which] = await train(decoder, recipe[which], tokens, { batch, length }, `${folder}/${which}`, {
      signal,
      onProgress: (done) => onProgress?.(`train the ${which}`, done, recipe[which].steps),
    });
    await keepDecoder(files, which, decoder, { name: `Shakespeare, ${which}`, vocabulary, endOfText });
    await files.write(`${which}.json`, [new TextEncoder().encode(JSON.stringify({ heldOut: losses[which], recipe }))]);
  }
  return {
    targetPath: `${folder}/target.gguf`,
    tokenizer,
    heldOut: tokens.heldOut,
    losses,
    load: async (which) => loadKeptDecoder({ files, folder, name: which, hash: await textHash(`${hash} ${which}`) }),
    model: (which) =>
      keptDecoderModel({ files, folder, name: which }, `the ${which} of the pair`, [...tokens.heldOut.subarray(0, 48)]),
  };
}

/**
 * The pair that an experiment's profile asks for, and what was held out in windows of 64 tokens.
 * @param folder where pairs are kept. @throws as {@link trainTextPair}.
 */
export async function textPairFor(
  context: WorkContext,
  folder: string,
): Promise<{ readonly pair: TextPair; readonly windows: readonly (readonly number[])[] }> {
  const pair = await trainTextPair({
    text: await context.text(shakespeareData.path),
    recipe: textPairRecipes[context.profile],
    folder,
    signal: context.signal,
    onProgress: (task, done, total) => context.progress(task, done, total),
  });
  context.log(`held out: target ${pair.losses.target.toFixed(3)}, draft ${pair.losses.draft.toFixed(3)} nats a token`);
  const windows = Array.from({ length: Math.floor(pair.heldOut.length / 64) }, (_, i) => [
    ...pair.heldOut.subarray(64 * i, 64 * i + 64),
  ]);
  return { pair, windows };
}

/** The models of the pair that a profile asks for. @throws as {@link trainTextPair}. */
export async function* textPairModels(context: WorkContext, folder: string): AsyncGenerator<PaperModel> {
  const { pair } = await textPairFor(context, folder);
  for (const which of ["target", "draft"] as const) yield await pair.model(which);
}
