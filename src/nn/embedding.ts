/**
 * Tables of vectors.
 */
import { embedding, Parameter, type Tensor } from "../tensor/index.ts";
import { Module } from "./module.ts";

/** A vector per token. */
export class Embedding extends Module {
  /** `[vocabulary, features]`. */
  readonly weight: Parameter;

  constructor(vocabulary: number, features: number) {
    super();
    this.weight = new Parameter("weight", "f32", [vocabulary, features]);
  }

  /** `i64[…] → f32[…, features]`. */
  forward(ids: Tensor): Tensor {
    return embedding(this.weight.tensor, ids);
  }
}
