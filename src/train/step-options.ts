/**
 * What a training step is made of and what it reports.
 */
import type { Module, PathPattern } from "../nn/index.ts";
import type { Optimizer, Schedule } from "../optim/index.ts";
import type { Engine } from "../runtime/index.ts";
import type { Parameter, Tensor, TensorType } from "../tensor/index.ts";
import type { NDArray } from "../util/ndarray.ts";

/** Types of a batch by name. */
export type BatchTypes = Readonly<Record<string, TensorType>>;

/** Arrays of a batch. */
export type Batch<Inputs extends BatchTypes = BatchTypes> = { readonly [K in keyof Inputs]: NDArray };

/** A scalar, or several by name whose weighted sum is made small. */
export type Loss = Tensor | Readonly<Record<string, Tensor>>;

/** Parameters that learn in another way than the rest. */
export interface ParameterGroup {
  /** Which parameters; the first group that matches counts. */
  readonly paths: PathPattern;
  /** Factor on the learning rate; 1 by default. */
  readonly rate?: number;
  /** Another rule, such as one without weight decay. */
  readonly optimizer?: Optimizer;
}

/** What a training step is made of. */
export interface TrainStepOptions<Inputs extends BatchTypes> {
  /** Whose parameters are trained; all of them have values. */
  readonly module: Module;
  /** Types of a batch. */
  readonly inputs: Inputs;
  /** The scalar that is made small, or several by name. */
  readonly loss: (batch: { readonly [K in keyof Inputs]: Tensor }) => Loss;
  /** Weights of the losses by name, constant or by step (from 0); 1 by default. */
  readonly weights?: Readonly<Record<string, number | Schedule>>;
  readonly optimizer: Optimizer;
  /** Parameters with another rate or rule. */
  readonly groups?: readonly ParameterGroup[];
  /** Gradients are scaled down together to at most this norm. */
  readonly clipNorm?: number;
  /** Whether a parameter is trained; all that are not frozen are by default. Others stay as they are. */
  readonly trains?: (path: string, parameter: Parameter) => boolean;
  /** Batches whose gradients are averaged before parameters change; 1 by default. */
  readonly accumulate?: number;
  /** Keeps a moving average of trained parameters: `average ← decay · average + (1 − decay) · parameter`; by step (from 0) if a function. */
  readonly averageDecay?: number | Schedule;
  /** Seed of dropout; 0 by default. */
  readonly seed?: number;
  readonly engine?: Engine;
  readonly threads?: number;
}

/** What a step reports; all numbers are those before the parameters changed. */
export interface TrainStepResult {
  /** Weighted sum of all losses; of accumulated batches the mean. */
  readonly loss: number;
  /** Losses by name, before weighting; empty when there is only one. */
  readonly terms: Readonly<Record<string, number>>;
  /** Euclidean norm over the gradients of all trained parameters, before clipping. */
  readonly gradientNorm: number;
}
