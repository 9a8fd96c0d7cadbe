/**
 * Safetensors files with a Hugging Face `config.json` as a checkpoint. Settles the ways in which published files differ
 * from each other: prefixes of names, GPT-2's transposed matrices, old names of norms, heads that are tied all the same.
 */
import { readSafetensor, type SafetensorsFile, type SafetensorsTensorInfo } from "../../formats/index.ts";
import type { FileSlice } from "../../tensor/index.ts";
import { f16Values } from "../../util/dtype.ts";
import { fail } from "../../util/errors.ts";
import type { NDArray } from "../../util/ndarray.ts";
import type { DecoderConfig, EncoderConfig } from "../config.ts";
import { transposeMatrix } from "../forms/float32.ts";
import type { Checkpoint, RowTable } from "./checkpoint.ts";
import { configFromHf } from "./hf-config.ts";

/** How tensors of one group of families are named: the prefix that modules have here, and those that files use. */
interface Naming {
  readonly prefix: string;
  readonly others: readonly string[];
  /** A tensor that every checkpoint has, without its prefix. */
  readonly landmark: string;
}

const llamaNaming: Naming = {
  prefix: "model.",
  others: ["", "language_model.model.", "model.language_model."],
  landmark: "embed_tokens.weight",
};
const gpt2Naming: Naming = { prefix: "transformer.", others: [""], landmark: "wte.weight" };
const bertNaming: Naming = { prefix: "", others: ["bert."], landmark: "embeddings.word_embeddings.weight" };

function namingOf({ family }: DecoderConfig | EncoderConfig): Naming {
  return family === "bert" ? bertNaming : family === "gpt2" ? gpt2Naming : llamaNaming;
}

type FloatType = "F32" | "F16" | "BF16";

const bytesOfFloat: Readonly<Record<FloatType, number>> = { F32: 4, F16: 2, BF16: 2 };

/** Values of a half type as floats, one after the other. */
function widen(bits: Uint16Array, type: "F16" | "BF16", out: Float32Array, outOffset: number): void {
  if (type === "F16") {
    const table = f16Values();
    for (let i = 0; i < bits.length; i++) out[outOffset + i] = table[bits[i]!]!;
  } else {
    const patterns = new Uint32Array(out.buffer, out.byteOffset + 4 * outOffset, bits.length);
    for (let i = 0; i < bits.length; i++) patterns[i] = bits[i]! << 16;
  }
}

function floatsOf({ data, shape, dtype }: NDArray): Float32Array {
  if (dtype === "f32") return data as Float32Array;
  const out = new Float32Array(data.length);
  if (dtype === "f16" || dtype === "bf16") widen(data as Uint16Array, dtype === "f16" ? "F16" : "BF16", out, 0);
  else fail("unsupported", `a tensor of [${shape.join(", ")}] has element type ${dtype}; weights must be floats`);
  return out;
}

/** Safetensors files as a checkpoint. */
export class SafetensorsCheckpoint implements Checkpoint {
  readonly config: DecoderConfig | EncoderConfig;
  readonly #file: SafetensorsFile;
  readonly #naming: Naming;
  /** The prefix that this file uses. */
  readonly #prefix: string;

  /**
   * @param file the weights, all shards together. @param configJson text of `config.json`.
   * @param configPath its path, for messages. @throws `unsupported` or `format` from the configuration.
   */
  constructor(file: SafetensorsFile, configJson: string, configPath = "config.json") {
    this.#file = file;
    this.config = configFromHf(configJson, configPath);
    this.#naming = namingOf(this.config);
    const { prefix, others, landmark } = this.#naming;
    this.#prefix = [prefix, ...others].find((p) => file.tensors.has(p + landmark)) ?? prefix;
  }

  #info(name: string): SafetensorsTensorInfo | undefined {
    const { tensors } = this.#file;
    if (name === "lm_head.weight") {
      // a tied head is the embedding, whatever else the file holds
      if (this.config.family !== "bert" && this.config.tiedEmbeddings) return undefined;
      return tensors.get(name) ?? tensors.get(`language_model.${name}`);
    }
    const { prefix } = this.#naming;
    if (!name.startsWith(prefix)) return undefined;
    const own = this.#prefix + name.slice(prefix.length);
    const old = () =>
      own.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta");
    return tensors.get(own) ?? (this.config.family === "bert" ? tensors.get(old()) : undefined);
  }

  #need(name: string): SafetensorsTensorInfo {
    const info =
      this.#info(name) ??
      fail("format", `the safetensors weights lack the tensor ${name}; is the checkpoint complete?`);
    if (!Object.hasOwn(bytesOfFloat, info.type))
      fail("unsupported", `tensor ${info.name} has element type ${info.type}; weights must be F32, F16 or BF16`);
    return info;
  }

  /** GPT-2 stores its matrices as `[in, out]`. */
  #isTransposed(name: string): boolean {
    return this.config.family === "gpt2" && /\.(c_attn|c_proj|c_fc)\.weight$/.test(name);
  }

  has(name: string): boolean {
    return this.#info(name) !== undefined;
  }

  shape(name: string): readonly number[] {
    const { shape } = this.#need(name);
    return this.#isTransposed(name) ? shape.toReversed() : shape;
  }

  async read(name: string): Promise<Float32Array> {
    const info = this.#need(name);
    const values = floatsOf(await readSafetensor(this.#file, info.name));
    if (!this.#isTransposed(name)) return values;
    const [rows, columns] = info.shape as [number, number];
    return transposeMatrix(values, rows, columns, new Float32Array(values.length));
  }

  /**
   * Where a tensor's values lie in a file, if they are there just as {@link read} would give them; the engine can then
   * map them instead of holding a copy.
   */
  slice(name: string): FileSlice | undefined {
    const { type, offset, byteLength, source } = this.#need(name);
    if (type !== "F32" || offset % 4 || this.#isTransposed(name)) return undefined;
    return { path: source.name, offset, length: byteLength };
  }

  table(name: string): RowTable {
    const { type, shape, offset, source } = this.#need(name);
    const [rows, columns] = shape as [number, number];
    const width = bytesOfFloat[type as FloatType];
    return {
      rows,
      columns,
      path: source.name,
      offset,
      rowBytes: columns * width,
      unpack(bytes, out, outOffset) {
        const { buffer, byteOffset } = bytes;
        if (type === "F32") out.set(new Float32Array(buffer, byteOffset, columns), outOffset);
        else widen(new Uint16Array(buffer, byteOffset, columns), type as "F16" | "BF16", out, outOffset);
      },
    };
  }
}
