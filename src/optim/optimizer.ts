/**
 * What an optimiser is: a rule, written as tensor functions, that turns a parameter, its gradient and some state into the next
 * parameter and the next state. It runs inside the graph of a training step; what depends on the step's number alone is
 * computed outside of it, in double precision.
 */
import type { Tensor } from "../tensor/index.ts";

/** A parameter and what an optimiser knows of it; all of one shape. */
export interface OptimizerInput {
  readonly value: Tensor;
  readonly gradient: Tensor;
  /** One tensor per slot of {@link Optimizer.slots}. */
  readonly state: Readonly<Record<string, Tensor>>;
  /** Scalar. */
  readonly learningRate: Tensor;
  /** Scalars of {@link Optimizer.scalars} by name. */
  readonly scalars: Readonly<Record<string, Tensor>>;
}

/** The next parameter and state. */
export interface OptimizerOutput {
  readonly value: Tensor;
  readonly state: Readonly<Record<string, Tensor>>;
}

/** A rule for changing parameters. */
export interface Optimizer {
  /** Name, as in a checkpoint. */
  readonly name: string;
  /** Names of the tensors that it keeps for each parameter, of the parameter's shape; they begin as zeros. */
  readonly slots: readonly string[];
  /** Numbers that depend on the step alone. @param step counts from 1. */
  scalars(step: number): Readonly<Record<string, number>>;
  /** Writes the rule. */
  update(input: OptimizerInput): OptimizerOutput;
}
