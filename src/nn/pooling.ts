/**
 * Pooling and resizing as modules, for use in {@link Sequential}.
 */
import {
  type AveragePoolOptions,
  adaptiveAveragePool,
  adaptiveMaxPool,
  averagePool,
  type Dim,
  type MaxPoolOptions,
  maxPool,
  mulDims,
  type ResizeOptions,
  resize,
  type Tensor,
} from "../tensor/index.ts";
import { Module } from "./module.ts";

/** Maxima over windows. */
export class MaxPool extends Module {
  readonly _options: MaxPoolOptions;

  constructor(options: MaxPoolOptions) {
    super();
    this._options = options;
  }

  /** `[batch, channels, …space]` to fewer places. */
  forward(x: Tensor): Tensor {
    return maxPool(x, this._options);
  }
}

/** Means over windows. */
export class AveragePool extends Module {
  readonly _options: AveragePoolOptions;

  constructor(options: AveragePoolOptions) {
    super();
    this._options = options;
  }

  /** `[batch, channels, …space]` to fewer places. */
  forward(x: Tensor): Tensor {
    return averagePool(x, this._options);
  }
}

/** Means or maxima over as many windows as the output is large. */
export class AdaptivePool extends Module {
  readonly _kind: "average" | "max";
  readonly _size: number | readonly number[];

  constructor(kind: "average" | "max", outputSize: number | readonly number[]) {
    super();
    this._kind = kind;
    this._size = outputSize;
  }

  /** `[batch, channels, …space] → [batch, channels, …outputSize]`. */
  forward(x: Tensor): Tensor {
    return (this._kind === "average" ? adaptiveAveragePool : adaptiveMaxPool)(x, this._size);
  }
}

/** Enlarges space by a whole factor. */
export class Upsample extends Module {
  readonly _factor: number;
  readonly _options: ResizeOptions;

  constructor(factor: number, options: ResizeOptions) {
    super();
    this._factor = factor;
    this._options = options;
  }

  /** `[batch, channels, …space] → [batch, channels, …factor · space]`. */
  forward(x: Tensor): Tensor {
    const size: Dim[] = x.shape.slice(2).map((n) => mulDims(n, this._factor));
    return resize(x, size, this._options);
  }
}
