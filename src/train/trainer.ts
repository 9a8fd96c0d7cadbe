/**
 * A whole training run: batches, steps, evaluation, early stopping, metrics, checkpoints. A run that was killed goes on from its
 * last checkpoint and ends with the same bits. Knows neither models nor where files lie.
 */
import type { Schedule } from "../optim/index.ts";
import type { FileStore } from "../runtime/index.ts";
import { BletchleyError, fail, throwIfAborted } from "../util/errors.ts";
import type { ProgressListener } from "../util/progress.ts";
import type { BatchSource } from "./batches.ts";
import { type RunState, resumeLatest, saveCheckpoint } from "./checkpoint.ts";
import { drawCurves } from "./loss-curve.ts";
import { MetricLog, type MetricRecord } from "./metrics.ts";
import type { Batch, BatchTypes, TrainStepResult } from "./step-options.ts";
import type { TrainStep } from "./train-step.ts";

/** When a run ends before its last step. */
export interface EarlyStopping {
  /** Name of the evaluation's number that decides. */
  readonly metric: string;
  /** `minimum` by default. */
  readonly goal?: "minimum" | "maximum";
  /** Evaluations without a better value after which the run ends. */
  readonly patience: number;
  /** What counts as better; 0 by default. */
  readonly leastChange?: number;
}

/** What a run is made of. */
export interface TrainerOptions<Inputs extends BatchTypes> {
  readonly step: TrainStep<Inputs>;
  readonly batches: BatchSource<Batch<Inputs>>;
  /** Steps of the whole run, counted from its very beginning. */
  readonly steps: number;
  /** Constant, or by step (from 0). */
  readonly learningRate: number | Schedule;
  /** Measures the model as it is now; called every so many steps and after the last. */
  readonly evaluate?: {
    readonly every: number;
    /** Numbers by name, such as a validation loss. */
    run(): Promise<Readonly<Record<string, number>>>;
  };
  /** Needs `evaluate`. */
  readonly earlyStopping?: EarlyStopping;
  /** Where checkpoints, `metrics.jsonl` and `loss.svg` go; nothing is kept without. A run that is there is gone on with. */
  readonly files?: FileStore;
  /** Steps between checkpoints; 100 by default. */
  readonly checkpointEvery?: number;
  /** Checkpoints that are kept; 2 by default. */
  readonly keepCheckpoints?: number;
  /** Steps between records of the loss; 1 by default. */
  readonly logEvery?: number;
  readonly onProgress?: ProgressListener;
  /** Is called after every step. */
  readonly onStep?: (step: number, result: TrainStepResult) => void;
  /** Ends the run after the step that is being made; it is saved, so that it can be gone on with. */
  readonly signal?: AbortSignal;
}

/** How a run ended. */
export interface TrainResult {
  /** Steps made in all, also before this run was gone on with. */
  readonly steps: number;
  readonly reason: "finished" | "early";
  readonly records: readonly MetricRecord[];
  /** Loss and evaluations as an SVG. */
  readonly curve: string;
}

const positive = (name: string, value: number): number =>
  Number.isSafeInteger(value) && value >= 1
    ? value
    : fail("argument", `Trainer: ${name} is ${value}; it must be a whole number of at least 1`);

/** Runs training steps over batches. */
export class Trainer<Inputs extends BatchTypes> {
  readonly #options: TrainerOptions<Inputs>;
  readonly #log: MetricLog;
  #run: RunState = { step: 0, position: 0, stale: 0 };

  /** @throws `argument` for impossible numbers. */
  constructor(options: TrainerOptions<Inputs>) {
    const { checkpointEvery = 100, keepCheckpoints = 2, logEvery = 1, evaluate, earlyStopping } = options;
    positive("steps", options.steps);
    positive("checkpointEvery", checkpointEvery);
    positive("keepCheckpoints", keepCheckpoints);
    positive("logEvery", logEvery);
    if (evaluate) positive("evaluate.every", evaluate.every);
    if (earlyStopping) {
      positive("earlyStopping.patience", earlyStopping.patience);
      if (!evaluate) fail("argument", "Trainer: earlyStopping needs evaluate, which measures what decides");
    }
    this.#options = options;
    this.#log = new MetricLog(options.files);
  }

  /**
   * Runs to the end, from the last checkpoint if there is one.
   * @throws `nan` when a loss is not finite, and `aborted` by the signal: the state before is saved first. `argument` when batches
   * end too soon or the evaluation lacks the metric that stops early; `disk`.
   */
  async run(): Promise<TrainResult> {
    const { step, batches, steps, files, signal, checkpointEvery = 100 } = this.#options;
    const resumed = files && (await resumeLatest(files, step));
    this.#run = resumed ?? { step: step.steps, position: batches.position, stale: 0 };
    await this.#log.resume(this.#run.step);
    batches.seek(this.#run.position);
    const source = batches[Symbol.asyncIterator]();
    let reason: TrainResult["reason"] = this.#isStale() ? "early" : "finished";
    let saved = resumed?.step;
    try {
      while (this.#run.step < steps && reason === "finished") {
        throwIfAborted(signal);
        await this.#step(source);
        if (await this.#evaluate()) reason = "early";
        if (files && this.#run.step % checkpointEvery === 0) {
          await this.#save();
          saved = this.#run.step;
        }
      }
    } catch (thrown) {
      // the parameters are those before the step that failed, and so are the run's numbers
      const kept = thrown instanceof BletchleyError && (thrown.code === "nan" || thrown.code === "aborted");
      if (kept && files && saved !== this.#run.step) await this.#save();
      throw thrown;
    } finally {
      await source.return?.();
    }
    const curve = this.#curve();
    if (files) {
      if (saved !== this.#run.step) await this.#save();
      await files.write("loss.svg", [new TextEncoder().encode(curve)]);
    }
    return { steps: this.#run.step, reason, records: this.#log.records, curve };
  }

  #save(): Promise<void> {
    const { files, step, keepCheckpoints = 2 } = this.#options;
    return saveCheckpoint(files!, step, this.#run, keepCheckpoints);
  }

  async #step(source: AsyncIterator<Batch<Inputs>>): Promise<void> {
    const { step, steps, learningRate, logEvery = 1, onStep, onProgress, batches } = this.#options;
    const { accumulate = 1 } = step.options;
    const taken: Batch<Inputs>[] = [];
    while (taken.length < accumulate) {
      const { done, value } = await source.next();
      if (done)
        fail(
          "argument",
          `Trainer: the batches ended after ${batches.position}, before step ${this.#run.step + 1} of ${steps}`,
        );
      taken.push(value);
    }
    const rate = typeof learningRate === "number" ? learningRate : learningRate(this.#run.step);
    const result = await step.run(taken, rate);
    this.#run = { ...this.#run, step: step.steps, position: batches.position };
    const at = this.#run.step;
    if (at % logEvery === 0 || at === steps)
      await this.#log.add({
        step: at,
        loss: result.loss,
        gradientNorm: result.gradientNorm,
        learningRate: rate,
        ...result.terms,
      });
    onStep?.(at, result);
    onProgress?.({ task: "train", done: at, total: steps, unit: "steps", detail: `loss ${result.loss.toFixed(4)}` });
  }

  /** Evaluates when it is time; returns whether the run is to end. */
  async #evaluate(): Promise<boolean> {
    const { evaluate, earlyStopping, steps } = this.#options;
    const { step } = this.#run;
    if (!evaluate || (step % evaluate.every !== 0 && step !== steps)) return false;
    const metrics = await evaluate.run();
    await this.#log.add({ step, ...metrics });
    if (!earlyStopping) return false;
    const { metric, goal = "minimum", leastChange = 0 } = earlyStopping;
    const value =
      metrics[metric] ??
      fail(
        "argument",
        `Trainer: the evaluation has no "${metric}"; it has ${Object.keys(metrics).join(", ") || "nothing"}`,
      );
    const { best } = this.#run;
    const change = best === undefined ? Number.POSITIVE_INFINITY : goal === "minimum" ? best - value : value - best;
    // no number beats what is not finite, so that never becomes the best
    const gain = Number.isFinite(value) ? change : Number.NEGATIVE_INFINITY;
    this.#run =
      gain > leastChange ? { ...this.#run, best: value, stale: 0 } : { ...this.#run, stale: this.#run.stale + 1 };
    return this.#isStale();
  }

  #isStale(): boolean {
    const { earlyStopping } = this.#options;
    return earlyStopping !== undefined && this.#run.stale >= earlyStopping.patience;
  }

  #curve(): string {
    const known = new Set(["step", "gradientNorm", "learningRate"]);
    const names = new Set(this.#log.records.flatMap((record) => Object.keys(record)));
    return drawCurves(this.#log.curves([...names].filter((name) => !known.has(name))));
  }
}
