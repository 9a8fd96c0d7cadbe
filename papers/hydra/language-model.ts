/**
 * The small language model of the experiment: grade-school problems and their answers, trained once and kept by the hash of all that it
 * depends on. Knows nothing of draft heads.
 */
import { randomWindows } from "bletchley/data";
import { tokenizerFromVocabulary, trainBpe } from "bletchley/formats";
import { buildDecoder, sequenceLogits, smallLlama } from "bletchley/lm";
import { initialize, normal } from "bletchley/nn";
import { adamW, schedule } from "bletchley/optim";
import { keepDecoder, textHash } from "bletchley/papers";
import { openFolder } from "bletchley/runtime";
import { crossEntropy } from "bletchley/tensor";
import { numberedBatches, Trainer, TrainStep } from "bletchley/train";

/** Size and training of the model. */
export interface LanguageModelRecipe {
  readonly vocabSize: number;
  readonly layers: number;
  /** Width of the residual stream, a multiple of 64: heads have 32 dimensions, and two share their keys. */
  readonly width: number;
  /** Windows in a batch, and tokens in each. */
  readonly batch: number;
  readonly length: number;
  readonly steps: number;
  readonly learningRate: number;
}

/** A problem and its answer. */
export interface Problem {
  readonly question: string;
  readonly answer: string;
}

/** Problems of a file with one in each line; the calculator's notes (`<<48/2=24>>`) are no language. */
export function problemsOf(jsonLines: string): Problem[] {
  return jsonLines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Problem)
    .map(({ question, answer }) => ({ question, answer: answer.replace(/<<[^>]*>>/g, "") }));
}

/** Changes whenever the code below trains another model from the same recipe. */
const version = 1;
/** Ends a text, and stands before one. */
export const endOfText = "<|endoftext|>";

/** Trains the model, or takes the one that an earlier run kept. @returns the path of its GGUF file. @throws `aborted`, `disk`. */
export async function trainLanguageModel(options: {
  readonly problems: readonly Problem[];
  readonly recipe: LanguageModelRecipe;
  /** Folder of all such models; each has one of its own in it. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}): Promise<string> {
  const { problems, recipe, signal, onProgress } = options;
  const { vocabSize, layers, width, batch, length, steps } = recipe;
  const documents = problems.map(({ question, answer }) => `${question}\n${answer}`);
  const hash = await textHash(JSON.stringify([version, recipe, await textHash(documents.join("\0"))]));
  const folder = `${options.folder}/${hash.slice(0, 16)}`;
  const files = await openFolder(folder);
  const path = `${folder}/model.gguf`;
  if ((await files.names()).includes("model.gguf")) return path;
  const vocabulary = trainBpe(documents, { vocabSize, control: [endOfText] });
  const tokenizer = tokenizerFromVocabulary(vocabulary, endOfText);
  const end = vocabulary.tokens.indexOf(endOfText);
  const ids = Int32Array.from([end, ...documents.flatMap((text) => [...tokenizer.encode(text), end])]);
  const decoder = buildDecoder(
    smallLlama({ vocabSize: vocabulary.tokens.length, layers, width, kvHeads: width / 64, contextLength: 1024 }),
  );
  initialize(decoder, 1, [
    [/(o_proj|down_proj)\.weight$/, normal(0.02 / Math.sqrt(2 * layers))],
    [/(_proj|lm_head)\.weight$/, normal(0.02)],
  ]);
  const types = { dtype: "i64", shape: [batch, length] } as const;
  const betas = [0.9, 0.99] as const;
  await using step = await TrainStep.compile({
    module: decoder,
    inputs: { tokens: types, targets: types },
    loss: ({ tokens, targets }) => {
      const logits = sequenceLogits(decoder, tokens);
      return crossEntropy(logits.reshape([-1, logits.shape[2]!]), targets.reshape([-1]));
    },
    optimizer: adamW({ betas, weightDecay: 0.1 }),
    groups: [{ paths: /norm/, optimizer: adamW({ betas, weightDecay: 0 }) }],
    clipNorm: 1,
  });
  await new Trainer({
    step,
    batches: numberedBatches(randomWindows(ids, { batch, length, seed: 1 })),
    steps,
    learningRate: schedule({
      base: recipe.learningRate,
      minimum: recipe.learningRate / 30,
      warmupSteps: Math.ceil(steps / 12),
      totalSteps: steps,
      decay: "cosine",
    }),
    files: await openFolder(`${folder}/training`),
    onStep: (done) => onProgress(done, steps),
    signal,
  }).run();
  await keepDecoder(files, "model", decoder, { name: "grade-school problems", vocabulary, endOfText });
  return path;
}
