/**
 * Trains the models of a domain: one on the text as it is, and from it two of equal length, plainly and to look ahead. The recipe itself
 * is in src/train/lexical-units.ts; here are the steps around it, and a folder where models are kept by the hash of all that they depend on.
 */
import { type BpeVocabulary, type Tokenizer, tokenizerFromVocabulary, trainBpe } from "bletchley/formats";
import { branchedLogits, buildDecoder, type Decoder, sequenceLogits, smallLlama } from "bletchley/lm";
import { initialize, loadStateDict, normal, stateDict } from "bletchley/nn";
import { adamW, schedule } from "bletchley/optim";
import {
  keepDecoder,
  keptDecoderModel,
  type LoadedSequenceModel,
  loadKeptDecoder,
  type PaperModel,
  textHash,
} from "bletchley/papers";
import { compile, type FileStore, openFolder } from "bletchley/runtime";
import { crossEntropy, type Tensor } from "bletchley/tensor";
import {
  type BatchSource,
  type BatchTypes,
  lexicalUnits,
  lookAheadBatch,
  lookAheadLoss,
  shuffledBatches,
  Trainer,
  TrainStep,
  type UnitText,
  withoutToken,
} from "bletchley/train";
import { NDArray, Random } from "bletchley/util";

/** Steps of a training and its highest learning rate. */
interface Schedule {
  readonly steps: number;
  readonly learningRate: number;
}

/** How the models of a domain come to be. */
export interface Recipe {
  readonly vocabSize: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  /** Windows in a batch, and tokens in each. */
  readonly batch: number;
  readonly length: number;
  readonly base: Schedule;
  /** Both of the models that go on from the first. */
  readonly tune: Schedule;
  readonly placeholders: number;
  /** Branches of a window. */
  readonly branches: number;
  /** Probability above which a token belongs to a unit. */
  readonly threshold: number;
  /** Weight of what the placeholders say beside the text's own loss [λ]. */
  readonly branchWeight: number;
  readonly seed: number;
}

/** The models of a domain. */
export type ModelName = "plain" | "lookAhead";

/** What training came to. */
export interface TrainingReport {
  /** Mean loss on held-out text, in nats a token, of the model that both go on from, and of both. */
  readonly losses: { readonly base: number; readonly plain: number; readonly lookAhead: number };
  /** Share of the tokens that belong to units, and tokens in a unit. */
  readonly unitShare: number;
  readonly unitLength: number;
  /** Largest difference of a logit between branches in one pass and each branch by itself. */
  readonly packingError: number;
}

/** Trained models. */
export interface Trained {
  readonly tokenizer: Tokenizer;
  readonly placeholder: number;
  /** Ends a text, and stands before one. */
  readonly endOfText: number;
  readonly report: TrainingReport;
  /** Loads one of them in this thread. */
  load(which: ModelName): Promise<LoadedSequenceModel>;
  /** One of them as a function that can be exported. */
  model(which: ModelName): Promise<PaperModel>;
}

/** What is trained, and where it is kept. */
export interface TrainingOptions {
  readonly domain: string;
  readonly documents: readonly string[];
  readonly recipe: Recipe;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onProgress: (task: string, done: number, total: number) => void;
}

/** Changes whenever the code below trains another model from the same recipe. */
const version = 1;
const endOfText = "<|endoftext|>";
const padding = "<|pad|>";
/** Share of the text that is only measured by. */
const heldOutShare = 0.02;

function untrained({ layers, width, heads, seed }: Recipe, vocabSize: number): Decoder {
  const decoder = buildDecoder(
    smallLlama({ vocabSize, layers, width, heads, kvHeads: heads / 2, contextLength: 1024 }),
  );
  initialize(decoder, seed + 1, [
    [/(o_proj|down_proj)\.weight$/, normal(0.02 / Math.sqrt(2 * layers))],
    [/(_proj|lm_head)\.weight$/, normal(0.02)],
  ]);
  return decoder;
}

/** Consecutive windows of a text and the token after each. */
function windowsOf(ids: readonly number[], length: number): number[][] {
  return Array.from({ length: Math.floor((ids.length - 1) / length) }, (_, i) =>
    ids.slice(i * length, (i + 1) * length + 1),
  );
}

/** The work on one domain's models. */
class Workshop {
  readonly #options: TrainingOptions;
  readonly #files: FileStore;
  readonly #folder: string;
  readonly #vocabulary: BpeVocabulary;
  readonly #training: readonly (readonly number[])[];
  readonly #heldOut: readonly (readonly number[])[];
  readonly #placeholder: number;

  constructor(
    options: TrainingOptions,
    files: FileStore,
    folder: string,
    vocabulary: BpeVocabulary,
    tokenizer: Tokenizer,
  ) {
    this.#options = options;
    this.#files = files;
    this.#folder = folder;
    this.#vocabulary = vocabulary;
    this.#placeholder = vocabulary.tokens.indexOf(padding);
    const end = vocabulary.tokens.indexOf(endOfText);
    const ids = [end, ...options.documents.flatMap((text) => [...tokenizer.encode(text), end])];
    const split = Math.floor(ids.length * (1 - heldOutShare));
    this.#training = windowsOf(ids.slice(0, split), options.recipe.length);
    this.#heldOut = windowsOf(ids.slice(split), options.recipe.length);
  }

  /** Trains everything and writes it down. */
  async run(): Promise<TrainingReport> {
    const { recipe, domain } = this.#options;
    const decoder = untrained(recipe, this.#vocabulary.tokens.length);
    await this.#train(decoder, "base", recipe.base, this.#plainBatches(this.#training, 1), this.#plainLoss(decoder));
    const base = stateDict(decoder);
    const kept = new Map(
      [...base].map(([path, { data, shape, dtype }]) => [path, new NDArray(data.slice(), shape, dtype)]),
    );
    const losses = { base: await this.#heldOutLoss(decoder), plain: 0, lookAhead: 0 };
    // the same texts in the same order for both
    const texts = await this.#findUnits(decoder);
    const tokens = texts.map((text) => text.tokens as readonly number[]);
    await this.#train(decoder, "plain", recipe.tune, this.#plainBatches(tokens, 2), this.#plainLoss(decoder));
    losses.plain = await this.#finish(decoder, "plain");
    loadStateDict(decoder, kept);
    await this.#trainLookAhead(decoder, texts);
    losses.lookAhead = await this.#finish(decoder, "lookAhead");
    const packingError = await this.#packingError(decoder, texts[0]!);
    const units = texts.flatMap((text) => text.units);
    const inUnits = units.reduce((sum, { start, end }) => sum + end - start, 0);
    const report = {
      losses,
      unitShare: inUnits / (texts.length * recipe.length),
      unitLength: inUnits / Math.max(units.length, 1),
      packingError,
    };
    await this.#files.write("report.json", [new TextEncoder().encode(JSON.stringify({ domain, ...report, recipe }))]);
    return report;
  }

  #ids(...shape: number[]) {
    return { dtype: "i64", shape } as const;
  }

  #plainInputs() {
    const { batch, length } = this.#options.recipe;
    return { tokens: this.#ids(batch, length), targets: this.#ids(batch, length) } as const;
  }

  /** Losses of all tokens, `[batch · length]`. */
  #tokenLosses(decoder: Decoder, { tokens, targets }: { readonly tokens: Tensor; readonly targets: Tensor }): Tensor {
    const logits = sequenceLogits(decoder, tokens);
    const rows = withoutToken(logits.reshape([-1, logits.shape[2]!]), this.#placeholder);
    return crossEntropy(rows, targets.reshape([-1]), { reduction: "none" });
  }

  #plainLoss(decoder: Decoder) {
    const loss = (batch: { readonly tokens: Tensor; readonly targets: Tensor }) =>
      this.#tokenLosses(decoder, batch).mean();
    return { inputs: this.#plainInputs(), loss } as const;
  }

  #plainBatches(windows: readonly (readonly number[])[], stream: number) {
    const { batch, length, seed } = this.#options.recipe;
    return shuffledBatches({
      count: windows.length,
      batchSize: batch,
      seed: 10 * seed + stream,
      make: (examples) =>
        this.#batchOf(
          Array.from(examples, (i) => windows[i]!),
          length,
        ),
    });
  }

  #batchOf(windows: readonly (readonly number[])[], length: number) {
    const part = (shift: number) =>
      NDArray.from(
        windows.flatMap((window) => window.slice(shift, shift + length)),
        [windows.length, length],
        "i64",
      );
    return { tokens: part(0), targets: part(1) };
  }

  async #train<Inputs extends BatchTypes>(
    decoder: Decoder,
    name: string,
    { steps, learningRate }: Schedule,
    batches: BatchSource<{ readonly [K in keyof Inputs]: NDArray }>,
    objective: Pick<Parameters<typeof TrainStep.compile<Inputs>>[0], "inputs" | "loss" | "weights">,
  ): Promise<void> {
    const { signal, onProgress, domain } = this.#options;
    const betas = [0.9, 0.99] as const;
    await using step = await TrainStep.compile<Inputs>({
      ...objective,
      module: decoder,
      optimizer: adamW({ betas, weightDecay: 0.1 }),
      groups: [{ paths: /norm/, optimizer: adamW({ betas, weightDecay: 0 }) }],
      clipNorm: 1,
    });
    await new Trainer({
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
      files: await openFolder(`${this.#folder}/${name}`),
      onStep: (done) => onProgress(`train ${name}, ${domain}`, done, steps),
      signal,
    }).run();
  }

  async #trainLookAhead(decoder: Decoder, texts: readonly UnitText[]): Promise<void> {
    const { batch, branches, placeholders, seed, tune, branchWeight } = this.#options.recipe;
    const inputs = {
      ...this.#plainInputs(),
      anchors: this.#ids(batch, branches),
      labels: this.#ids(batch, branches * placeholders),
    };
    const fed = Array<number>(placeholders).fill(this.#placeholder);
    const batches = shuffledBatches({
      count: texts.length,
      batchSize: batch,
      seed: 10 * seed + 2,
      make: (examples, random) => {
        const { tokens, targets, anchors, labels } = lookAheadBatch(
          Array.from(examples, (i) => texts[i]!),
          { placeholders, branches, random },
        );
        return { tokens, targets, anchors, labels };
      },
    });
    await this.#train<typeof inputs>(decoder, "lookAhead", tune, batches, {
      inputs,
      weights: { branches: branchWeight },
      loss: (arrays) => ({
        ...lookAheadLoss(branchedLogits(decoder, arrays.tokens, arrays.anchors, fed), arrays, this.#placeholder),
      }),
    });
  }

  /** Compares a text's branches, packed, with a pass of its own for each. */
  async #packingError(decoder: Decoder, text: UnitText): Promise<number> {
    const { branches, placeholders, length, seed } = this.#options.recipe;
    const fed = Array<number>(placeholders).fill(this.#placeholder);
    const { tokens, anchors } = lookAheadBatch([text], { placeholders, branches, random: new Random(seed) });
    await using packed = await compile(
      (arrays) => ({ logits: branchedLogits(decoder, arrays.tokens, arrays.anchors, fed).branches }),
      { inputs: { tokens: this.#ids(1, length), anchors: this.#ids(1, branches) } },
    );
    await using alone = await compile((arrays) => ({ logits: sequenceLogits(decoder, arrays.tokens) }), {
      inputs: { tokens: { dtype: "i64", shape: [1, "n"] } },
    });
    const together = (await packed.run({ tokens, anchors })).logits.data as Float32Array;
    const size = placeholders * this.#vocabulary.tokens.length;
    let largest = 0;
    for (let branch = 0; branch < branches; branch++) {
      const own = [...Array.from(text.tokens).slice(0, anchors.at(branch) + 1), ...fed];
      const { logits } = await alone.run({ tokens: NDArray.from(own, [1, own.length], "i64") });
      const data = logits.data as Float32Array;
      for (let i = 0; i < size; i++)
        largest = Math.max(largest, Math.abs(together[branch * size + i]! - data[data.length - size + i]!));
    }
    return largest;
  }

  /** Losses of every token of some windows, in whole batches. */
  async #measure(decoder: Decoder, windows: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const { batch, length } = this.#options.recipe;
    const { inputs } = this.#plainLoss(decoder);
    await using measured = await compile((arrays) => ({ losses: this.#tokenLosses(decoder, arrays) }), {
      inputs,
      parameters: "inputs",
    });
    const out: Float32Array[] = [];
    for (let at = 0; at + batch <= windows.length; at += batch) {
      const { losses } = await measured.run(this.#batchOf(windows.slice(at, at + batch), length));
      for (let i = 0; i < batch; i++) out.push((losses.data as Float32Array).slice(i * length, (i + 1) * length));
    }
    return out;
  }

  async #heldOutLoss(decoder: Decoder): Promise<number> {
    const rows = await this.#measure(decoder, this.#heldOut);
    return rows.flatMap((row) => [...row]).reduce((sum, loss) => sum + loss, 0) / (rows.length * rows[0]!.length);
  }

  /** The texts that both models go on with, and what the model finds predictable in them. */
  async #findUnits(decoder: Decoder): Promise<UnitText[]> {
    const { batch, tune, placeholders, threshold } = this.#options.recipe;
    const windows = this.#training.slice(0, batch * tune.steps);
    const losses = await this.#measure(decoder, windows);
    return losses.map((row, i) => ({
      tokens: windows[i]!,
      units: lexicalUnits([0, ...row.map((loss) => Math.exp(-loss))], { threshold, longest: placeholders + 1 }),
    }));
  }

  /** Measures and writes a model. @returns its loss on held-out text. */
  async #finish(decoder: Decoder, name: ModelName): Promise<number> {
    const about = { name: `${this.#options.domain}, ${name}`, vocabulary: this.#vocabulary, endOfText };
    await keepDecoder(this.#files, name, decoder, about);
    return this.#heldOutLoss(decoder);
  }
}

/** Trains the models of a domain, or takes those that an earlier run kept; an ended training goes on the next time. */
export async function trainModels(options: TrainingOptions): Promise<Trained> {
  const { documents, recipe, domain } = options;
  const hash = await textHash(JSON.stringify([version, domain, recipe, await textHash(documents.join("\0"))]));
  const folder = `${options.folder}/${hash.slice(0, 16)}`;
  const files = await openFolder(folder);
  const vocabulary = trainBpe(documents, { vocabSize: recipe.vocabSize, control: [endOfText, padding] });
  const tokenizer = tokenizerFromVocabulary(vocabulary, endOfText);
  const known = await files.read("report.json");
  const report = known
    ? (JSON.parse(new TextDecoder().decode(known)) as TrainingReport)
    : await new Workshop(options, files, folder, vocabulary, tokenizer).run();
  return {
    tokenizer,
    placeholder: vocabulary.tokens.indexOf(padding),
    endOfText: vocabulary.tokens.indexOf(endOfText),
    report,
    load: async (which) => loadKeptDecoder({ files, folder, name: which, hash: await textHash(`${hash} ${which}`) }),
    model: (which) => {
      const about = which === "plain" ? `${domain}, trained plainly` : `${domain}, trained to look ahead`;
      return keptDecoderModel({ files, folder, name: which }, about, tokenizer.encode(documents[0]!).slice(0, 64));
    },
  };
}
