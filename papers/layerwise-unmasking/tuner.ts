/**
 * Trains a token classifier under one configuration of masks after the other, and lets it label. The configuration is an input of the graphs,
 * so one compilation serves all. Knows arrays of tokens and labels; not what they mean.
 */
import { takeRows } from "bletchley/data";
import { type TokenClassifier, unmaskedLayers, unmaskedLayout } from "bletchley/lm";
import { type PathPattern, stateDict } from "bletchley/nn";
import { adamW, schedule } from "bletchley/optim";
import { compile, type Executable } from "bletchley/runtime";
import { argmax, type Tensor } from "bletchley/tensor";
import { shuffledBatches, Trainer, TrainStep, tokenLabelLoss } from "bletchley/train";
import { NDArray } from "bletchley/util";

/** Sequences with their labels, a row each. */
export interface Labelled {
  /** Tokens `i64[rows, n]`, or the residual stream after some blocks, `f32[rows, n, hidden]`. */
  readonly from: NDArray;
  /** 1 for tokens, 0 for padding, `i64[rows, n]`. */
  readonly mask: NDArray;
  /** `i64[rows, n]`. */
  readonly labels: NDArray;
}

/** How a classifier is tuned. */
export interface TuneRecipe {
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
}

/** One training. */
export interface TuneRun {
  /** Configuration of a step: constant, or drawn anew for each batch. */
  readonly configuration: string | ((step: number) => string);
  readonly data: Labelled;
  /** Seed of the order of batches. */
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStep: (done: number, total: number) => void;
}

/** All rows without padding. */
export function unpadded(tokens: NDArray, labels: NDArray): Labelled {
  const mask = NDArray.zeros(tokens.shape, "i64");
  (mask.data as BigInt64Array).fill(1n);
  return { from: tokens, mask, labels };
}

/** `bool[layers]` of a configuration. */
export function bitsOf(configuration: string, layers: number): NDArray {
  return NDArray.from(unmaskedLayers(configuration, layers).map(Number), [layers], "bool");
}

/** The arguments of the classifier's graphs. */
interface Arguments {
  readonly from: Tensor;
  readonly mask: Tensor;
  readonly unmask: Tensor;
}

/** A classifier with its graphs. */
export class Tuner {
  readonly #classifier: TokenClassifier;
  readonly #recipe: TuneRecipe;
  readonly #step: Awaited<ReturnType<typeof Tuner.compileStep>>;
  readonly #label: Executable<"labels" | "logits">;
  readonly #fresh: Readonly<Record<string, NDArray>>;

  private constructor(
    classifier: TokenClassifier,
    recipe: TuneRecipe,
    step: Awaited<ReturnType<typeof Tuner.compileStep>>,
    label: Executable<"labels" | "logits">,
  ) {
    this.#classifier = classifier;
    this.#recipe = recipe;
    this.#step = step;
    this.#label = label;
    this.#fresh = Object.fromEntries(
      Object.entries(step.state).map(([name, { shape, dtype }]) => [name, NDArray.zeros(shape, dtype)]),
    );
  }

  /** @param blocks blocks that made what is fed, when that is not tokens. */
  static async open(classifier: TokenClassifier, recipe: TuneRecipe, length: number, blocks?: number): Promise<Tuner> {
    const { inputs, logits } = describe(classifier, recipe.batch, length, blocks);
    const step = await Tuner.compileStep(classifier, recipe, length, blocks);
    const label = await compile(
      (args) => {
        const y = logits(args);
        return { logits: y, labels: argmax(y, -1) };
      },
      { inputs, parameters: "inputs" },
    );
    return new Tuner(classifier, recipe, step, label);
  }

  /** The graph of a step. */
  static compileStep(classifier: TokenClassifier, recipe: TuneRecipe, length: number, blocks?: number) {
    const { inputs, logits } = describe(classifier, recipe.batch, length, blocks);
    const betas = [0.9, 0.95] as const;
    const plain: PathPattern = /norm|bias/;
    return TrainStep.compile({
      module: classifier,
      inputs: { ...inputs, labels: { dtype: "i64", shape: [recipe.batch, length] } as const },
      loss: ({ labels, ...args }) => tokenLabelLoss(logits(args), labels),
      optimizer: adamW({ betas, weightDecay: 0.1 }),
      groups: [{ paths: plain, optimizer: adamW({ betas, weightDecay: 0 }) }],
      clipNorm: 1,
    });
  }

  /** Trains from the values that the classifier has now. @returns loss of each step. */
  async train({ configuration, data, seed, signal, onStep }: TuneRun): Promise<readonly number[]> {
    const { epochs, batch, learningRate } = this.#recipe;
    const rows = data.labels.shape[0]!;
    const steps = epochs * Math.floor(rows / batch);
    const layers = this.#classifier.decoder._config.layerCount;
    this.#step.restore(0, this.#fresh);
    const losses: number[] = [];
    await new Trainer({
      step: this.#step,
      batches: shuffledBatches({
        count: rows,
        batchSize: batch,
        seed,
        make: (numbers) => ({
          from: takeRows(data.from, numbers),
          mask: takeRows(data.mask, numbers),
          labels: takeRows(data.labels, numbers),
          unmask: bitsOf(typeof configuration === "string" ? configuration : configuration(losses.length), layers),
        }),
      }),
      steps,
      learningRate: schedule({
        base: learningRate,
        totalSteps: steps,
        warmupSteps: Math.ceil(steps / 20),
        decay: "cosine",
      }),
      onStep: (done, { loss }) => {
        losses.push(loss);
        onStep(done, steps);
      },
      signal,
    }).run();
    return losses;
  }

  async #run<Name extends "labels" | "logits">(name: Name, configuration: string, { from, mask }: Labelled) {
    const { batch } = this.#recipe;
    const rows = mask.shape[0]!;
    const unmask = bitsOf(configuration, this.#classifier.decoder._config.layerCount);
    const out: number[][] = [];
    for (let at = 0; at < rows; at += batch) {
      // the last part overlaps the one before, or repeats its last row
      const numbers = Array.from({ length: batch }, (_, i) =>
        Math.min(rows - 1, Math.max(0, Math.min(at, rows - batch)) + i),
      );
      const result = await this.#label.run(
        { from: takeRows(from, numbers), mask: takeRows(mask, numbers), unmask },
        { outputs: [name] },
      );
      const size = result[name].size / batch;
      for (const [i, row] of numbers.entries())
        if (row === out.length) out.push(Array.from(result[name].data.subarray(i * size, (i + 1) * size), Number));
    }
    return out;
  }

  /** Labels of all tokens, by row. */
  label(configuration: string, data: Labelled): Promise<readonly (readonly number[])[]> {
    return this.#run("labels", configuration, data);
  }

  /** Logits of all tokens one after the other, by row. */
  logits(configuration: string, data: Labelled): Promise<readonly (readonly number[])[]> {
    return this.#run("logits", configuration, data);
  }

  /** Frees the graphs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#step.dispose();
    await this.#label.dispose();
  }
}

function describe(classifier: TokenClassifier, batch: number, length: number, blocks: number | undefined) {
  const { hiddenSize, layerCount } = classifier.decoder._config;
  const inputs = {
    from: blocks
      ? ({ dtype: "f32", shape: [batch, length, hiddenSize] } as const)
      : ({ dtype: "i64", shape: [batch, length] } as const),
    mask: { dtype: "i64", shape: [batch, length] },
    unmask: { dtype: "bool", shape: [layerCount] },
  } as const;
  const logits = ({ from, mask, unmask }: Arguments) =>
    classifier.forward(
      blocks ? { blocks, residual: from } : from,
      unmaskedLayout({ unmask, length, attentionMask: mask }),
    );
  return { inputs, logits };
}

/** A copy of a module's values, which training leaves as they are. */
export function copyOfState(classifier: TokenClassifier): ReadonlyMap<string, NDArray> {
  return new Map([...stateDict(classifier)].map(([path, array]) => [path, array.copy()]));
}
