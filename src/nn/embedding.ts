/**
 * Tables of vectors.
 */
import { embedding, type Parameter, type Tensor } from "../tensor/index.ts";
import { newParameter } from "./initialize.ts";
import { normal } from "./initializers.ts";
import { Module } from "./module.ts";

/** A vector per token. */
export class Embedding extends Module {
  /** `[vocabulary, features]`. */
  readonly weight: Parameter;

  constructor(vocabulary: number, features: number) {
    super();
    this.weight = newParameter("weight", [vocabulary, features], normal());
  }

  /** `i64[…] → f32[…, features]`. */
  forward(ids: Tensor): Tensor {
    return embedding(this.weight.tensor, ids);
  }
}
