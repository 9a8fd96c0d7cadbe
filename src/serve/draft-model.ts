/**
 * Draft models of loaded models: small decoders with the same vocabulary, trained here on the model's own answers, kept, and tried by the
 * tuner (Leviathan et al. 2023, arXiv 2211.17192, with a draft that is distilled).
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import {
  frequentTokens,
  ModelDrafter,
  type ModelDrafters,
  recordTrace,
  SuffixDrafter,
  splitTrace,
  TokenRecycling,
  type Trace,
  type TraceSubject,
  traceHash,
} from "../decode/index.ts";
import { writeGguf } from "../formats/index.ts";
import {
  buildDecoder,
  type Decoder,
  decoderAsGguf,
  LocalSequenceModel,
  loadDecoder,
  sequenceHidden,
  sequenceLogits,
  smallLlama,
} from "../lm/index.ts";
import { initialize, normal } from "../nn/index.ts";
import { adamW, schedule } from "../optim/index.ts";
import { compile, openFolder } from "../runtime/index.ts";
import { cacheFolder, cacheRoot, hashFile } from "../sources/index.ts";
import { argmax, matmul, transpose } from "../tensor/index.ts";
import { distillBatch, distillLoss, reducedVectors, shuffledBatches, Trainer, TrainStep } from "../train/index.ts";
import { BletchleyError, fail, throwIfAborted } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { ProgressListener } from "../util/progress.ts";
import { openTokenVectors } from "./draft-heads.ts";
import { openCheckpoint } from "./engine/open-checkpoint.ts";
import type { Model } from "./model.ts";

/** Name of a model's own draft model among drafters. */
export const draftModelName = "draft-model";

/** Where the draft model of a model in a weight form is kept. */
export function draftModelPath(sha256: string, form: string): string {
  return cacheFolder("drafts", `${sha256}-${form}.gguf`);
}

/** Most tokens that are drafted in a row, and the least chance of all of them together for another one. */
const [draftLength, leastChance] = [6, 0.3];

/** A model's draft model as a drafter; nothing when there is none, or when it cannot be read. */
export async function keptDraftModel(model: Model): Promise<ModelDrafters> {
  const path = draftModelPath(model.source.sha256, model.form);
  if (!existsSync(path)) return {};
  try {
    await using opened = await openCheckpoint({ kind: "gguf", weights: [path], files: {} });
    const loaded = await loadDecoder(opened.checkpoint, {
      form: model.form === "f32" ? "f32" : "int8",
      cacheFolder: `${cacheRoot()}/converted`,
      sha256: await hashFile(path),
      threads: 1,
    });
    if (loaded.model.config.vocabSize !== model.config.vocabSize) {
      await loaded.dispose();
      return {};
    }
    model.keep({ [Symbol.asyncDispose]: () => loaded.dispose() });
    const draft = new LocalSequenceModel(loaded.model);
    return {
      [draftModelName]: () =>
        new ModelDrafter({
          model: draft,
          shape: { kind: "chain", length: draftLength },
          leastChance,
          name: draftModelName,
        }),
    };
  } catch (thrown) {
    // drafts are only about speed
    if (thrown instanceof BletchleyError) return {};
    throw thrown;
  }
}

/** How a draft model is distilled. */
export interface DistillOptions {
  /** Questions that the model answers; when absent it asks itself, by writing the user's turn of a chat. */
  readonly prompts?: readonly string[];
  /** Tokens of answers to learn from; 150,000 by default. */
  readonly answerTokens?: number;
  /** Most tokens of an answer; 160 by default. */
  readonly maxTokens?: number;
  /** Blocks of the draft model; 3 by default. */
  readonly layers?: number;
  /** Width of its residual stream, a multiple of 32; 128 by default, which makes 6.9 million parameters for a vocabulary of 49,152. */
  readonly width?: number;
  /** How often every answer is learned from; 6 by default. */
  readonly epochs?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/** A draft model that was distilled. */
export interface DistilledDraft {
  /** Its file. */
  readonly path: string;
  readonly parameters: number;
  /** Tokens of answers that it learned from. */
  readonly answerTokens: number;
  /** Share of the tokens of held-out answers that it would have drafted rightly. */
  readonly agreement: number;
}

/** Share of the answers that drafts are judged by. */
const heldOutShare = 0.05;
/** Texts in a batch, and tokens in each. */
const [batch, length] = [8, 256];
/** Tokens whose logits a training step computes. */
const [frequentCount, candidateCount] = [6144, 10_240];
/** Changes whenever the code below distils another model from the same options. */
const version = 1;

/**
 * Questions that a chat model asks itself: it writes the user's turn (the data of Magpie, Xu et al. 2024, come to be that way). They are
 * kept, and the same the next time.
 * @throws `aborted`, `unsupported` for a model whose template does not put a message between fixed tokens.
 */
export async function ownQuestions(
  model: Model,
  count: number,
  { seed = 0, signal, onProgress }: Pick<DistillOptions, "seed" | "signal" | "onProgress"> = {},
): Promise<string[]> {
  const { name } = model.source;
  const [a, b] = await Promise.all(
    ["apple", "Why?"].map(async (content) => (await model.chatPrompt([{ role: "user", content }])).tokens),
  );
  let shared = 0;
  while (shared < a!.length && a![shared] === b![shared]) shared++;
  if (!shared) fail("unsupported", `the template of ${name} begins with the message; bring prompts of your own`);
  const files = await openFolder(cacheFolder("traces", `questions-${model.source.sha256.slice(0, 16)}-${seed}`));
  const kept = await files.read("questions.json");
  const state = kept
    ? (JSON.parse(new TextDecoder().decode(kept)) as { tries: number; questions: string[] })
    : { tries: 0, questions: [] };
  const { questions } = state;
  const known = new Set(questions);
  const save = () => files.write("questions.json", [new TextEncoder().encode(JSON.stringify(state))]);
  const most = state.tries + 4 * count + 50;
  while (questions.length < count) {
    throwIfAborted(signal);
    if (state.tries > most) fail("unsupported", `${name} writes no questions of its own; bring prompts of your own`);
    const options = { temperature: 1, topP: 0.95, maxTokens: 64, seed: 100_000 * seed + state.tries++, signal };
    const { text } = await model.collect(model.generate(a!.slice(0, shared), options));
    const question = text.trim();
    // one that came twice would be learned from and judged by
    if (question.length < 8 || known.has(question)) continue;
    known.add(question);
    questions.push(question);
    if (questions.length % 50 === 0) await save();
    onProgress?.({ task: "questions", done: questions.length, total: count, unit: "steps" });
  }
  await save();
  return questions.slice(0, count);
}

async function subjectOf(model: Model, questions: readonly string[], maxTokens: number): Promise<TraceSubject> {
  const prompts: (readonly number[])[] = [];
  for (const content of questions)
    prompts.push((await model.chatPrompt([{ role: "user", content }], { contextOverflow: "drop-oldest" })).tokens);
  return { sha256: model.source.sha256, form: model.form, prompts, maxTokens };
}

async function traceFor(
  model: Model,
  subject: TraceSubject,
  { answerTokens, signal, onProgress }: { readonly answerTokens: number } & DistillOptions,
): Promise<Trace> {
  const helpers = [new SuffixDrafter(), new TokenRecycling({ vocabSize: model.config.vocabSize })];
  const before = model.speculation;
  try {
    return await recordTrace({
      ...subject,
      files: await openFolder(cacheFolder("traces", await traceHash(subject))),
      answerTokens,
      decode: async (prompt, recorder) => {
        model.speculation = { drafters: [recorder, ...helpers] };
        return (await model.collect(model.generate(prompt, { maxTokens: subject.maxTokens, temperature: 0, signal })))
          .tokens;
      },
      signal,
      onProgress: (done, total) => onProgress?.({ task: "answers", done, total, unit: "tokens" }),
    });
  } finally {
    model.speculation = before;
  }
}

/** A small decoder whose vectors of tokens are those of the large one in fewer dimensions. */
async function newDraft(model: Model, { layers = 3, width = 128, seed = 0 }: DistillOptions): Promise<Decoder> {
  const { vocabSize, hiddenSize } = model.config;
  const decoder = buildDecoder(smallLlama({ vocabSize, layers, width, contextLength: model.config.contextLength }));
  initialize(decoder, seed + 1, [
    [/(o_proj|down_proj)\.weight$/, normal(0.02 / Math.sqrt(2 * layers))],
    [/(_proj|lm_head)\.weight$/, normal(0.02)],
  ]);
  await using vectors = await openTokenVectors(model);
  const all = vectors.lmHead(Int32Array.from({ length: vocabSize }, (_, id) => id));
  await using product = await compile(({ x }) => ({ covariance: matmul(transpose(x), x) }), {
    inputs: { x: { dtype: "f32", shape: [vocabSize, hiddenSize] } },
  });
  const { covariance } = await product.run({ x: new NDArray(all, [vocabSize, hiddenSize], "f32") });
  const reduced = reducedVectors(all, covariance.data as Float32Array, {
    from: hiddenSize,
    to: width,
    deviation: 0.04,
  });
  decoder.lm_head.weight.value = new NDArray(reduced, [vocabSize, width], "f32");
  return decoder;
}

const tokensOf = ({ sequences }: Trace) =>
  sequences.reduce((sum, { tokens, promptLength }) => sum + tokens.length - promptLength, 0);

/** Share of the tokens of answers that a decoder finds likeliest after those before them. */
async function agreementOf(decoder: Decoder, { sequences }: Trace): Promise<number> {
  await using guess = await compile(({ tokens }) => ({ best: argmax(sequenceLogits(decoder, tokens), 2) }), {
    inputs: { tokens: { dtype: "i64", shape: [1, "n"] } },
  });
  let [right, all] = [0, 0];
  for (const { tokens, promptLength } of sequences) {
    const { best } = await guess.run({ tokens: NDArray.from(tokens, [1, tokens.length], "i64") });
    for (let at = promptLength; at < tokens.length; at++, all++) if (best.at(at - 1) === tokens[at]) right++;
  }
  return right / Math.max(1, all);
}

/**
 * Distils a draft model from a model's own answers and keeps it, so that the next tuning tries it. An interrupted run goes on where it was.
 * @throws `argument` for options that make no sense, `unsupported` for an encoder, `aborted`, `disk`.
 */
export async function distillDraft(model: Model, options: DistillOptions = {}): Promise<DistilledDraft> {
  const {
    answerTokens = 150_000,
    maxTokens = 160,
    epochs = 6,
    learningRate = 2e-3,
    seed = 0,
    signal,
    onProgress,
  } = options;
  const { sha256 } = model.source;
  // answers are shorter than they may be
  const prompts = options.prompts ?? (await ownQuestions(model, Math.ceil((1.5 * answerTokens) / maxTokens), options));
  const subject = await subjectOf(model, prompts, maxTokens);
  const trace = await traceFor(model, subject, { ...options, answerTokens });
  const { training, heldOut } = splitTrace(trace, heldOutShare * tokensOf(trace));
  if (!training.sequences.length || !heldOut.sequences.length)
    fail("argument", `${trace.sequences.length} answers are too few to learn from and to judge by; give more prompts`);
  const decoder = await newDraft(model, options);
  const { vocabSize } = model.config;
  const frequent = frequentTokens(training, Math.min(frequentCount, vocabSize), vocabSize);
  const candidates = Math.min(candidateCount, vocabSize);
  const rows = Math.min(batch, training.sequences.length);
  const steps = Math.ceil((epochs * training.sequences.length) / rows);
  const ids = (...shape: number[]) => ({ dtype: "i64", shape }) as const;
  const width = 1 + trace.top;
  const betas = [0.9, 0.98] as const;
  await using step = await TrainStep.compile({
    module: decoder,
    inputs: {
      tokens: ids(rows, length),
      candidates: ids(candidates),
      places: ids(rows * length, width),
      weights: { dtype: "f32", shape: [rows * length, width] },
    },
    loss: ({ tokens, ...labels }) =>
      distillLoss(sequenceHidden(decoder, tokens), decoder.lm_head.weight.tensor, labels),
    optimizer: adamW({ betas, weightDecay: 0.05 }),
    groups: [{ paths: /norm/, optimizer: adamW({ betas, weightDecay: 0 }) }],
    clipNorm: 1,
  });
  const { layers = 3, width: modelWidth = 128 } = options;
  const recipe = [version, layers, modelWidth, epochs, learningRate, seed, answerTokens];
  const folder = cacheFolder(
    "drafts",
    `training-${await traceHash({ ...subject, form: JSON.stringify([subject.form, ...recipe]) })}`,
  );
  await new Trainer({
    step,
    batches: shuffledBatches({
      count: training.sequences.length,
      batchSize: rows,
      seed,
      make: (numbers, random) =>
        distillBatch(
          Array.from(numbers, (n) => ({ ...training.sequences[n]!, top: trace.top })),
          { length, hardShare: 0.5, temperature: 1, candidates, frequent, vocabSize, padding: 0 },
          random,
        ),
    }),
    steps,
    learningRate: schedule({
      base: learningRate,
      minimum: learningRate / 30,
      warmupSteps: Math.ceil(steps / 20),
      totalSteps: steps,
      decay: "cosine",
    }),
    files: await openFolder(folder),
    onStep: (done) => onProgress?.({ task: "training the draft model", done, total: steps, unit: "steps" }),
    signal,
  }).run();
  const path = draftModelPath(sha256, model.form);
  const chunks: Uint8Array[] = [];
  const file = decoderAsGguf(decoder, {
    name: `draft of ${model.source.name}`,
    // tokens are the large model's; nothing is encoded with this file
    vocabulary: {
      pre: "gpt-2",
      tokens: Array.from({ length: vocabSize }, (_, id) => `<${id}>`),
      merges: [],
      controlCount: 1,
    },
    endOfText: "<0>",
    type: "F32",
  });
  for await (const chunk of writeGguf(file)) chunks.push(chunk);
  await (await openFolder(dirname(path))).write(basename(path), chunks);
  // checkpoints are ten times as large as the model
  await rm(folder, { recursive: true, force: true });
  let parameters = 0;
  for (const [, { shape }] of decoder.parameters()) parameters += shape.reduce((product, n) => product * n, 1);
  return { path, parameters, answerTokens: tokensOf(training), agreement: await agreementOf(decoder, heldOut) };
}
