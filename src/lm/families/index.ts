/** Decoder families by name. */

import { nameParameters } from "../../nn/index.ts";
import type { DecoderConfig, DecoderFamily } from "../config.ts";
import type { Decoder } from "../decoder.ts";
import { Gemma } from "./gemma.ts";
import { Gpt2 } from "./gpt2.ts";
import { Llama } from "./llama.ts";

const families: Readonly<Record<DecoderFamily, new (config: DecoderConfig) => Decoder>> = {
  llama: Llama,
  qwen2: Llama,
  qwen3: Llama,
  gemma2: Gemma,
  gemma3: Gemma,
  gpt2: Gpt2,
};

/** Builds the module tree that a configuration describes; its parameters have names but no values. */
export function buildDecoder(config: DecoderConfig): Decoder {
  const decoder = new families[config.family](config);
  nameParameters(decoder);
  return decoder;
}
