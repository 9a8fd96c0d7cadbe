/**
 * One thing after another.
 */
import type { Tensor } from "../tensor/index.ts";
import { Module } from "./module.ts";

/** A module of one tensor. */
export interface UnaryModule extends Module {
  /** From one tensor to another. */
  forward(x: Tensor): Tensor;
}

/** A step of {@link Sequential}: a module, or a function without parameters. */
export type SequentialStep = UnaryModule | ((x: Tensor) => Tensor);

/** Applies steps in order; modules are named by their position, as in PyTorch (`0.weight`). */
export class Sequential extends Module {
  readonly _steps: readonly SequentialStep[];

  constructor(...steps: readonly SequentialStep[]) {
    super();
    this._steps = steps;
    steps.forEach((step, i) => {
      if (step instanceof Module) Object.assign(this, { [i]: step });
    });
  }

  /** Applies all steps. */
  forward(x: Tensor): Tensor {
    let y = x;
    for (const step of this._steps) y = step instanceof Module ? step.forward(y) : step(y);
    return y;
  }
}

/** `x + f(x)`. */
export class Residual extends Module {
  readonly body: UnaryModule;

  constructor(body: UnaryModule) {
    super();
    this.body = body;
  }

  /** `x + body(x)`. */
  forward(x: Tensor): Tensor {
    return x.add(this.body.forward(x));
  }
}
