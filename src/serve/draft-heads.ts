/**
 * Draft heads of loaded models: what they need of the model's own file, how they are trained on its answers, and where they are kept.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import {
  answerLength,
  chooseTree,
  frequentTokens,
  type HeadDesign,
  HeadDrafter,
  HeadRunner,
  headRanks,
  likeliestTree,
  type ModelDrafters,
  newDraftHeads,
  type RatedTree,
  readHeads,
  recordTrace,
  type SavedHeads,
  splitTrace,
  type TokenEmbeddings,
  TokenRecycling,
  type TreeCosts,
  traceHash,
  trainDraftHeads,
  writeHeads,
} from "../decode/index.ts";
import { buildDecoder, formNamed } from "../lm/index.ts";
import { openFolder } from "../runtime/index.ts";
import { RowFile } from "../runtime/node/row-file.ts";
import { cacheFolder } from "../sources/index.ts";
import { BletchleyError, fail } from "../util/errors.ts";
import type { ProgressListener } from "../util/progress.ts";
import { openCheckpoint } from "./engine/open-checkpoint.ts";
import type { Model } from "./model.ts";

/** Vectors of a model's tokens. */
export interface TokenVectors extends AsyncDisposable {
  /** What the model reads. */
  readonly embeddings: TokenEmbeddings;
  /** Rows of the LM head for some tokens, `[tokens, hidden]`. */
  lmHead(tokens: Int32Array): Float32Array;
}

/** Opens the file of a model's tokens; close it when done. @throws `unsupported` for an encoder, `format`. */
export async function openTokenVectors(model: Model): Promise<TokenVectors> {
  const { kind, weights, files } = model.source;
  await using opened = await openCheckpoint({ kind, weights, files });
  const { checkpoint } = opened;
  const { config } = checkpoint;
  if (config.family === "bert") return fail("unsupported", "an encoder has no LM head that could draft");
  const embeddingPath = buildDecoder(config)._embeddingPath;
  const embeddings = new RowFile(checkpoint.table(embeddingPath));
  const headPath = "lm_head.weight";
  const head = checkpoint.has(headPath) ? new RowFile(checkpoint.table(headPath)) : embeddings;
  const size = config.hiddenSize;
  return {
    embeddings,
    lmHead(tokens) {
      const out = new Float32Array(tokens.length * size);
      tokens.forEach((token, i) => {
        head.read(token, out, i * size);
      });
      return out;
    },
    async [Symbol.asyncDispose]() {
      embeddings.close();
      if (head !== embeddings) head.close();
    },
  };
}

/** Name of a model's own heads among drafters. */
export const headsName = "draft-heads";

/** Where the heads of a model in a weight form are kept. */
export function headsPath(sha256: string, form: string): string {
  return cacheFolder("heads", `${sha256}-${form}.safetensors`);
}

/** Form of the heads' weights: in bytes only where the model's own form relies on exact products of bytes, too. */
const headForm = (model: Model) => (formNamed(model.form).needsExactProducts ? "int8-fast" : "f32");

/** Paths that are less likely than this are not drafted: a row costs about a tenth of a step. */
const leastChance = 0.05;

/** Heads as a drafter of a model, which keeps them. */
async function headDrafter(model: Model, { heads, tree }: SavedHeads): Promise<ModelDrafters> {
  const runner = await HeadRunner.compile(heads, { form: headForm(model), threads: 1 });
  model.keep(runner);
  const { embeddings, ...vectors } = await openTokenVectors(model);
  model.keep(vectors);
  return { [headsName]: () => new HeadDrafter({ runner, embeddings, tree, leastChance, name: headsName }) };
}

/** A model's drafters of heads that were trained for it earlier; none when there are no heads, or when they cannot be read. */
export async function keptHeads(model: Model): Promise<ModelDrafters> {
  const path = headsPath(model.source.sha256, model.form);
  if (!existsSync(path)) return {};
  try {
    return await headDrafter(model, await readHeads(await readFile(path), path));
  } catch (thrown) {
    // heads are only about speed
    if (thrown instanceof BletchleyError) return {};
    throw thrown;
  }
}

/** How a model's heads are trained. */
export interface TrainHeadsOptions {
  /** Questions like those that will be asked. */
  readonly prompts: readonly string[];
  /** Tokens of the model's own answers to learn from; 60,000 by default. */
  readonly answerTokens?: number;
  /** Most tokens of an answer; 128 by default. */
  readonly maxTokens?: number;
  /** Kind of heads; three of Hydra's by default. */
  readonly design?: Partial<Pick<HeadDesign, "kind" | "heads" | "blocks" | "prefixHeads" | "dropout">>;
  /** Tokens that can be drafted; the 8,192 most frequent by default. */
  readonly draftVocabulary?: number;
  readonly epochs?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  /** What steps and drafts cost here; with it the result says what is to be expected. */
  readonly costs?: TreeCosts;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/** Share of the answers that heads are judged by. */
const heldOutShare = 0.1;

/**
 * Trains draft heads for a model on its own answers and keeps them, so that the next tuning tries them. A trace that was begun is gone on with.
 * @returns the heads, and the best tree with its predicted speed-up where costs were given and drafting pays.
 * @throws `argument` when there are too few answers, `aborted`, `disk`.
 */
export async function trainHeads(
  model: Model,
  options: TrainHeadsOptions,
): Promise<{ readonly saved: SavedHeads; readonly best?: RatedTree }> {
  const { answerTokens = 60_000, maxTokens = 128, epochs = 2, learningRate = 1e-3, seed = 0, signal } = options;
  const { vocabSize, hiddenSize } = model.config;
  const report = (task: string) => (done: number, total: number) =>
    options.onProgress?.({ task, done, total, unit: "steps" });
  const prompts: (readonly number[])[] = [];
  for (const content of options.prompts)
    prompts.push((await model.chatPrompt([{ role: "user", content }], { contextOverflow: "drop-oldest" })).tokens);
  const subject = { sha256: model.source.sha256, form: model.form, prompts, maxTokens };
  const before = model.speculation;
  const helper = new TokenRecycling({ vocabSize });
  try {
    const trace = await recordTrace({
      ...subject,
      files: await openFolder(cacheFolder("traces", await traceHash(subject))),
      answerTokens,
      decode: async (prompt, recorder) => {
        model.speculation = { drafters: [recorder, helper] };
        return (await model.collect(model.generate(prompt, { maxTokens, temperature: 0, signal }))).tokens;
      },
      signal,
      onProgress: report("listening to the model"),
    });
    // prompts may end before there are as many tokens as were asked for
    const recorded = trace.sequences.reduce((count, sequence) => count + answerLength(sequence), 0);
    const { training, heldOut } = splitTrace(trace, heldOutShare * recorded);
    const tokens = frequentTokens(training, options.draftVocabulary ?? 8192, vocabSize);
    await using vectors = await openTokenVectors(model);
    const { embeddings } = vectors;
    const design: HeadDesign = {
      kind: "hydra",
      heads: 3,
      blocks: 1,
      ...options.design,
      hiddenSize,
      vocabSize,
      lmHead: "shared",
    };
    const heads = newDraftHeads(design, tokens, vectors.lmHead(tokens), seed);
    await trainDraftHeads(heads, {
      trace: training,
      embeddings,
      epochs,
      batch: Math.min(4, training.sequences.length),
      length: 256,
      learningRate,
      seed,
      signal,
      onProgress: report("training draft heads"),
    });
    const truth = await headRanks(heads, heldOut, embeddings, signal);
    const best = options.costs && chooseTree(truth, options.costs);
    // more nodes than any machine pays for: step by step, those that do are chosen
    const { sha256, form } = subject;
    const saved: SavedHeads = { heads, target: { sha256, form }, tree: likeliestTree(truth, 16) };
    const path = headsPath(sha256, form);
    await (await openFolder(dirname(path))).write(basename(path), writeHeads(saved));
    return { saved, ...(best && { best }) };
  } finally {
    model.speculation = before;
  }
}
