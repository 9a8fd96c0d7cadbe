/**
 * The small language model of the experiment: trained on lines and their programs, and kept by the hash of its recipe.
 */
import { writeGguf } from "bletchley/formats";
import {
  buildDecoder,
  type Decoder,
  decoderAsGguf,
  LocalSequenceModel,
  loadDecoder,
  openGguf,
  type SequenceModel,
  sequenceLogits,
} from "bletchley/lm";
import { initialize, normal } from "bletchley/nn";
import { adamW, schedule } from "bletchley/optim";
import { openFolder } from "bletchley/runtime";
import { crossEntropy, type Tensor } from "bletchley/tensor";
import { numberedBatches, Trainer, TrainStep } from "bletchley/train";
import { fail, memorySource, NDArray, Random } from "bletchley/util";
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
const version = 3;

/** A trained model, ready to decode. */
export interface TrainedModel {
  readonly model: SequenceModel;
  /** Number of parameters. */
  readonly parameters: number;
  /** Mean loss of the last steps, in nats a token of the programs. */
  readonly loss: number;
  dispose(): Promise<void>;
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function untrained({ layers, width, seed }: ModelRecipe, vocabSize: number): Decoder {
  const headDim = 32;
  const headCount = width / headDim;
  const decoder = buildDecoder({
    family: "llama",
    vocabSize,
    hiddenSize: width,
    layerCount: layers,
    headCount,
    kvHeadCount: headCount,
    headDim,
    intermediateSize: 3 * width,
    contextLength: 256,
    normEpsilon: 1e-5,
    rope: { base: 10_000, scale: 1 },
    localLayers: Array.from({ length: layers }, () => false),
    attentionScale: 1 / Math.sqrt(headDim),
    embeddingScale: 1,
    tiedEmbeddings: true,
    attentionBias: false,
  });
  initialize(decoder, seed, [
    [/(o_proj|down_proj)\.weight$/, normal(1 / Math.sqrt(2 * layers * width))],
    [/_proj\.weight$/, normal(1 / Math.sqrt(width))],
    [/lm_head\.weight$/, normal(0.05)],
  ]);
  return decoder;
}

/** A row of examples, one after the other, and which of its tokens belong to programs: lines are given, and need not be learned. */
interface Row {
  readonly ids: readonly number[];
  readonly learned: readonly boolean[];
}

function packedRows({ examples, seed }: ModelRecipe, words: Words): Row[] {
  const rows: { readonly ids: number[]; readonly learned: boolean[] }[] = [];
  for (const { prompt, program } of drawExamples(examples, seed)) {
    const line = words.encode(prompt);
    const answer = [...words.encode(program), words.end];
    const length = line.length + answer.length;
    if (length > rowLength) fail("internal", `an example has ${length} tokens, and a row ${rowLength}`);
    let row = rows[rows.length - 1];
    if (!row || row.ids.length + length > rowLength) {
      row = { ids: [], learned: [] };
      rows.push(row);
    }
    row.ids.push(...line, ...answer);
    row.learned.push(...line.map(() => false), ...answer.map(() => true));
  }
  return rows;
}

/** Class number of what is not learned. */
const ignored = -1;

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
  const loss = (inputs: { readonly tokens: Tensor; readonly targets: Tensor }) => {
    const logits = sequenceLogits(decoder, inputs.tokens);
    return crossEntropy(logits.reshape([-1, logits.shape[2]!]), inputs.targets.reshape([-1]), { ignoreIndex: ignored });
  };
  const betas = [0.9, 0.98] as const;
  await using step = await TrainStep.compile({
    module: decoder,
    inputs: { tokens: ids, targets: ids },
    loss,
    optimizer: adamW({ betas, weightDecay: 0.05 }),
    groups: [{ paths: /norm/, optimizer: adamW({ betas, weightDecay: 0 }) }],
    clipNorm: 1,
  });
  const batches = numberedBatches((position) => {
    const random = new Random(seed, 3).split(position);
    const tokens = new BigInt64Array(batch * rowLength);
    const targets = new BigInt64Array(batch * rowLength).fill(BigInt(ignored));
    for (let i = 0; i < batch; i++) {
      const { ids: row, learned } = rows[random.integer(rows.length)]!;
      row.forEach((token, j) => {
        tokens[i * rowLength + j] = BigInt(token);
        if (j && learned[j]) targets[i * rowLength + j - 1] = BigInt(token);
      });
    }
    return {
      tokens: new NDArray(tokens, [batch, rowLength], "i64"),
      targets: new NDArray(targets, [batch, rowLength], "i64"),
    };
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
  const hash = await sha256(JSON.stringify([version, recipe, words.tokens, drawExamples(50, recipe.seed)]));
  const home = `${folder}/${hash.slice(0, 16)}`;
  const files = await openFolder(home);
  const decoder = untrained(recipe, words.tokens.length);
  if (!(await files.names()).includes("model.json")) {
    const loss = await train(decoder, recipe, words, `${home}/training`, progress);
    const chunks: Uint8Array[] = [];
    const file = decoderAsGguf(decoder, {
      name: "pipelines",
      // the file's own tokenizer is not used
      vocabulary: { pre: "gpt-2", tokens: words.tokens, merges: [], controlCount: 1 },
      endOfText: words.tokens[words.end]!,
      type: "F32",
    });
    for await (const chunk of writeGguf(file)) chunks.push(chunk);
    await files.write("model.gguf", chunks);
    await files.write("model.json", [new TextEncoder().encode(JSON.stringify({ loss, recipe }))]);
  }
  const read = async (name: string) =>
    (await files.read(name)) ?? fail("not-found", `${home}/${name} is gone; run again to train it`);
  const { loss } = JSON.parse(new TextDecoder().decode(await read("model.json"))) as { loss: number };
  const bytes = await read("model.gguf");
  const loaded = await loadDecoder(await openGguf(memorySource(bytes), `${home}/model.gguf`), {
    form: "f32",
    cacheFolder: `${home}/converted`,
    sha256: hash,
    threads: 1,
  });
  let parameters = 0;
  for (const [, parameter] of decoder.parameters()) parameters += parameter.shape.reduce((a, b) => a * b, 1);
  return { model: new LocalSequenceModel(loaded.model), parameters, loss, dispose: () => loaded.dispose() };
}
