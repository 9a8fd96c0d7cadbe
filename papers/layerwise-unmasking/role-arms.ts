/**
 * The classifiers of roles that are compared: one for each configuration of masks, all from the same pre-trained decoder, and some from nothing.
 */
import { type Decoder, TokenClassifier } from "bletchley/lm";
import { initialize, loadStateDict, stateDict } from "bletchley/nn";
import type { WorkContext } from "bletchley/papers";
import { type LabelScores, labelScores } from "bletchley/train";
import type { NDArray } from "bletchley/util";
import type { Parts, TokenTexts } from "./corpus.ts";
import { newDecoder, type PretrainRecipe } from "./pretrain.ts";
import { roles } from "./roles.ts";
import { copyOfState, type Labelled, type TuneRecipe, Tuner, unpadded } from "./tuner.ts";

/** Labelled windows as arrays. */
export type RoleData = Readonly<Record<keyof Parts, Labelled>>;

/** What a classifier gets right. */
export interface ArmResult {
  readonly validation: LabelScores;
  readonly test: LabelScores;
  readonly otherFiles: LabelScores;
  /** What it labels the tokens of test windows with, a digit for each. */
  readonly labels: string;
  readonly seconds: number;
  readonly loss: number;
}

/** Windows as arrays; of the training part as many as are labelled. */
export function roleData(parts: Parts, texts: TokenTexts, labelled: number): RoleData {
  const of = (part: keyof Parts) => {
    const windows = part === "training" ? parts.training.slice(0, labelled) : parts[part];
    const { tokens, labels } = texts.arrays(windows);
    return unpadded(tokens, labels);
  };
  return { training: of("training"), validation: of("validation"), test: of("test"), otherFiles: of("otherFiles") };
}

/** Where classifiers begin. */
export type Start = "pretrained" | "scratch";

/** Trains classifiers of roles one after the other with the same graphs. */
export class RoleWorkshop {
  readonly classifier: TokenClassifier;
  readonly data: RoleData;
  readonly #context: WorkContext;
  readonly #tuner: Tuner;
  readonly #shape: PretrainRecipe;
  readonly #pretrained: ReadonlyMap<string, NDArray>;

  private constructor(
    context: WorkContext,
    classifier: TokenClassifier,
    data: RoleData,
    tuner: Tuner,
    shape: PretrainRecipe,
  ) {
    this.#context = context;
    this.classifier = classifier;
    this.data = data;
    this.#tuner = tuner;
    this.#shape = shape;
    this.#pretrained = copyOfState(classifier);
  }

  /** @param decoder pre-trained; it is changed. */
  static async open(
    context: WorkContext,
    decoder: Decoder,
    data: RoleData,
    recipes: { readonly tune: TuneRecipe; readonly pretrain: PretrainRecipe },
  ): Promise<RoleWorkshop> {
    const classifier = new TokenClassifier(decoder, { labels: roles.length });
    initialize(classifier.score, context.seed);
    const tuner = await Tuner.open(classifier, recipes.tune, data.training.labels.shape[1]!);
    return new RoleWorkshop(context, classifier, data, tuner, recipes.pretrain);
  }

  /** Number of layers. */
  get layers(): number {
    return this.#shape.layers;
  }

  #begin(start: Start, seed: number): void {
    loadStateDict(this.classifier, new Map([...this.#pretrained].map(([path, array]) => [path, array.copy()])));
    if (start === "scratch") {
      const { vocabSize } = this.classifier.decoder._config;
      loadStateDict(this.classifier.decoder, stateDict(newDecoder(this.#shape, vocabSize, seed + 1000)));
    }
    initialize(this.classifier.score, seed);
  }

  /** Trains one. @param configuration constant, or by step. @returns seconds, and the mean loss of the last tenth of the steps. */
  async train(
    name: string,
    configuration: string | ((step: number) => string),
    start: Start,
    seed: number,
  ): Promise<{ readonly seconds: number; readonly loss: number }> {
    this.#begin(start, seed);
    const began = performance.now();
    const losses = await this.#tuner.train({
      configuration,
      data: this.data.training,
      seed,
      signal: this.#context.signal,
      onStep: (done, total) => this.#context.progress(`train ${name}`, done, total),
    });
    const last = losses.slice(-Math.ceil(losses.length / 10));
    return { seconds: (performance.now() - began) / 1000, loss: last.reduce((a, b) => a + b, 0) / last.length };
  }

  /** Scores what it labels now. */
  async score(configuration: string, part: keyof RoleData): Promise<LabelScores> {
    return (await this.#measure(configuration, part)).scores;
  }

  async #measure(configuration: string, part: keyof RoleData) {
    const truth = Array.from(this.data[part].labels.data as BigInt64Array, Number);
    const labels = (await this.#tuner.label(configuration, this.data[part])).flat();
    return { labels, scores: labelScores(labels, truth, roles.length) };
  }

  /** Trains and scores one. */
  async arm(configuration: string, start: Start, seed: number): Promise<ArmResult> {
    const name = `${start === "scratch" ? "from scratch, " : ""}${configuration}, seed ${seed}`;
    return this.#context.stage(`roles: ${name}`, async () => {
      const { seconds, loss } = await this.train(name, configuration, start, seed);
      const { scores: test, labels } = await this.#measure(configuration, "test");
      const result = {
        validation: await this.score(configuration, "validation"),
        test,
        otherFiles: await this.score(configuration, "otherFiles"),
        labels: labels.join(""),
        seconds,
        loss,
      };
      this.#context.log(
        `${name}: accuracy ${test.accuracy.toFixed(4)}, macro-F1 ${test.macroF1.toFixed(4)}, ${seconds.toFixed(0)} s`,
      );
      return result;
    });
  }

  /** Frees the graphs. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#tuner[Symbol.asyncDispose]();
  }
}
