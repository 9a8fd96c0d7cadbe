/**
 * Linear layers, alone and in groups that read the same input. How the product is computed can be replaced (8-bit
 * columns, 4-bit blocks …) without the layer's owner knowing.
 */
import { concat, matmul, type Parameter, split, type Tensor, transpose } from "../tensor/index.ts";
import { newParameter } from "./initialize.ts";
import { linearDefault, uniformByFan } from "./initializers.ts";
import { Module } from "./module.ts";

/** Another way to compute `x × Wᵀ`, with parameters of its own. */
export interface LinearKernel {
  /** The stored arrays, by a short name. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  /** The product without bias: `[n, in] → [n, out]`. */
  apply(x: Tensor): Tensor;
}

/** What is added to a linear layer's result, such as a product of low rank; it reads the same input. */
export interface LinearAdapter extends Module {
  /** `[…, in] → […, out]`. */
  forward(x: Tensor): Tensor;
}

/** `y = x Wᵀ + b`, and what an adapter adds. */
export class Linear extends Module {
  /** `[out, in]`. */
  readonly weight: Parameter;
  /** `[out]`. */
  readonly bias?: Parameter;
  /** Its parameters are named as if they were the layer's own. */
  adapter?: LinearAdapter;
  /** Replaces the product by `weight`. */
  _kernel?: LinearKernel;

  constructor(inFeatures: number, outFeatures: number, options: { readonly bias?: boolean } = {}) {
    super();
    this.weight = newParameter("weight", [outFeatures, inFeatures], linearDefault);
    if (options.bias) this.bias = newParameter("bias", [outFeatures], uniformByFan(inFeatures));
  }

  /** Number of inputs. */
  get inFeatures(): number {
    return this.weight.shape[1]!;
  }

  /** Number of outputs. */
  get outFeatures(): number {
    return this.weight.shape[0]!;
  }

  /** `[…, in] → […, out]`. */
  forward(x: Tensor): Tensor {
    const y = this._kernel ? this._kernel.apply(x) : matmul(x, transpose(this.weight.tensor));
    const biased = this.bias ? y.add(this.bias.tensor) : y;
    return this.adapter ? biased.add(this.adapter.forward(x)) : biased;
  }
}

/** Several linear layers that read the same input, computed as one product where a kernel is set. */
export class LinearGroup extends Module {
  override readonly _inline = true;
  readonly _names: readonly string[];
  _kernel?: LinearKernel;

  /** @param outFeatures outputs by the layer's name, in the order in which they lie side by side. */
  constructor(
    inFeatures: number,
    outFeatures: Readonly<Record<string, number>>,
    options: { readonly bias?: boolean } = {},
  ) {
    super();
    this._names = Object.keys(outFeatures);
    for (const [name, out] of Object.entries(outFeatures))
      Object.assign(this, { [name]: new Linear(inFeatures, out, options) });
  }

  /** The layers, in order. */
  get parts(): readonly Linear[] {
    return this._names.map((name) => (this as unknown as Record<string, Linear>)[name]!);
  }

  /** All results side by side, `[n, Σ out]`. */
  packed(x: Tensor): Tensor {
    const parts = this.parts;
    if (!this._kernel)
      return concat(
        parts.map((part) => part.forward(x)),
        -1,
      );
    const product = this._kernel.apply(x);
    const y = parts[0]!.bias
      ? product.add(
          concat(
            parts.map((part) => part.bias!.tensor),
            -1,
          ),
        )
      : product;
    if (!parts.some(({ adapter }) => adapter)) return y;
    const own = split(
      y,
      parts.map(({ outFeatures }) => outFeatures),
      -1,
    );
    return concat(
      parts.map(({ adapter }, i) => (adapter ? own[i]!.add(adapter.forward(x)) : own[i]!)),
      -1,
    );
  }

  /** The results one by one. */
  forward(x: Tensor): readonly Tensor[] {
    if (!this._kernel) return this.parts.map((part) => part.forward(x));
    return split(
      this.packed(x),
      this.parts.map((part) => part.outFeatures),
      -1,
    );
  }
}
