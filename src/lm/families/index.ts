/** Decoder families by name. */

import { nameParameters } from "../../nn/index.ts";
import type { DecoderConfig } from "../config.ts";
import type { Decoder } from "../decoder.ts";
import { Gemma } from "./gemma.ts";
import { Llama } from "./llama.ts";

/** Builds the module tree that a configuration describes; its parameters have names but no values. */
export function buildDecoder(config: DecoderConfig): Decoder {
  const decoder = config.family === "gemma2" || config.family === "gemma3" ? new Gemma(config) : new Llama(config);
  nameParameters(decoder);
  return decoder;
}
