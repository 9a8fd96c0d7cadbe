/**
 * GGUF files under Hugging Face names: the name table, and the two places where llama.cpp stores other values (rows of
 * Llama's queries and keys in another order, Gemma's norms with 1 added).
 */
import {
  dequantizeInto,
  type GgufFile,
  type GgufTensorInfo,
  type GgufType,
  ggufTypes,
  readTensorF32,
} from "../../formats/index.ts";
import { fail } from "../../util/errors.ts";
import type { DecoderConfig } from "../config.ts";
import type { Checkpoint, RowTable } from "./checkpoint.ts";
import { ggufDecoderConfig } from "./gguf-config.ts";

const layerNames: Readonly<Record<string, string>> = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  input_layernorm: "attn_norm",
};

const gpt2Names: Readonly<Record<string, string>> = {
  ln_1: "attn_norm",
  ln_2: "ffn_norm",
  "attn.c_attn": "attn_qkv",
  "attn.c_proj": "attn_output",
  "mlp.c_fc": "ffn_up",
  "mlp.c_proj": "ffn_down",
};

/** GGUF name of a Hugging Face name, or `undefined` if there is none. */
export function ggufName(family: DecoderConfig["family"], name: string): string | undefined {
  if (name === "model.embed_tokens.weight" || name === "transformer.wte.weight") return "token_embd.weight";
  if (name === "transformer.wpe.weight") return "position_embd.weight";
  if (name === "lm_head.weight") return "output.weight";
  if (name.startsWith("model.norm.") || name.startsWith("transformer.ln_f."))
    return `output_norm.${name.split(".").pop()}`;
  const match = /^(?:model\.layers|transformer\.h)\.(\d+)\.(.+)\.(weight|bias)$/.exec(name);
  if (!match) return undefined;
  const [, layer, part, kind] = match as unknown as [string, string, string, string];
  const gemma = family === "gemma2" || family === "gemma3";
  const own =
    family === "gpt2"
      ? gpt2Names[part]
      : part === "post_attention_layernorm"
        ? gemma
          ? "post_attention_norm"
          : "ffn_norm"
        : part === "pre_feedforward_layernorm"
          ? "ffn_norm"
          : part === "post_feedforward_layernorm"
            ? "post_ffw_norm"
            : layerNames[part];
  return own && `blk.${layer}.${own}.${kind}`;
}

/** Undoes llama.cpp's reordering of rotary pairs: rows `[heads, dim / 2, 2, …]` back to `[heads, 2, dim / 2, …]`. */
function restorePairs(values: Float32Array, heads: number, rows: number): Float32Array {
  const width = values.length / rows;
  const dim = rows / heads;
  const out = new Float32Array(values.length);
  for (let h = 0; h < heads; h++)
    for (let j = 0; j < dim / 2; j++)
      for (let side = 0; side < 2; side++) {
        const from = (h * dim + 2 * j + side) * width;
        out.set(values.subarray(from, from + width), (h * dim + side * (dim / 2) + j) * width);
      }
  return out;
}

/** A GGUF file as a checkpoint. */
export class GgufCheckpoint implements Checkpoint {
  readonly config: DecoderConfig;
  readonly #file: GgufFile;
  readonly #path: string;

  /**
   * @param path the file's path, which row tables carry. @param ropeDivisors values of `rope_freqs.weight`, if the file
   * has that tensor. @throws `unsupported` or `format` from its metadata.
   */
  constructor(file: GgufFile, path: string, ropeDivisors?: Float32Array) {
    this.#file = file;
    this.#path = path;
    this.config = ggufDecoderConfig(file, ropeDivisors);
  }

  #info(name: string): GgufTensorInfo | undefined {
    const own = ggufName(this.config.family, name);
    return own === undefined ? undefined : this.#file.tensors.get(own);
  }

  #need(name: string): GgufTensorInfo {
    return (
      this.#info(name) ??
      fail(
        "format",
        `${this.#path} lacks the tensor for ${name} (${ggufName(this.config.family, name) ?? "no GGUF name"})`,
      )
    );
  }

  has(name: string): boolean {
    return this.#info(name) !== undefined;
  }

  shape(name: string): readonly number[] {
    return this.#need(name).shape;
  }

  async read(name: string): Promise<Float32Array> {
    const info = this.#need(name);
    const values = await readTensorF32(this.#file, info.name);
    const { family, headCount, kvHeadCount } = this.config;
    if (family === "llama" && /\.self_attn\.[qk]_proj\./.test(name))
      return restorePairs(values, name.includes("q_proj") ? headCount : kvHeadCount, info.shape[0]!);
    if ((family === "gemma2" || family === "gemma3") && /norm\.weight$/.test(name)) return values.map((x) => x - 1);
    return values;
  }

  table(name: string): RowTable {
    const { type, shape, offset } = this.#need(name);
    const [rows, columns] = shape as [number, number];
    const known = ggufTypes[type as GgufType] ?? fail("unsupported", `tensor for ${name} has the unknown type ${type}`);
    const rowBytes = (columns / known.blockSize) * known.bytesPerBlock;
    return {
      rows,
      columns,
      path: this.#path,
      offset,
      rowBytes,
      unpack: (bytes, out, outOffset) => dequantizeInto(type, bytes, 0, columns, out, outOffset),
    };
  }
}
