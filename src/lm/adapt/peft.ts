/**
 * Low-rank adapters as files, under the names that Hugging Face's PEFT library gives them: `adapter_model.safetensors` and
 * `adapter_config.json`. Knows bytes, and no folders.
 */
import { readSafetensor, readSafetensors, writeSafetensors } from "../../formats/index.ts";
import type { Module } from "../../nn/index.ts";
import { memorySource } from "../../util/bytes.ts";
import { fail } from "../../util/errors.ts";
import type { NDArray } from "../../util/ndarray.ts";
import { addLowRank, lowRankAdapters, removeLowRank } from "./low-rank.ts";

/** The two files of an adapter. */
export interface AdapterFiles {
  /** `adapter_model.safetensors`. */
  readonly weights: Uint8Array;
  /** `adapter_config.json`. */
  readonly config: string;
}

const prefix = "base_model.model.";

/** What of the configuration is needed here. */
interface AdapterConfig {
  readonly peft_type: string;
  readonly r: number;
  readonly lora_alpha: number;
  readonly lora_dropout?: number;
}

/**
 * A module's adapters as files. @param baseModel name of the model that they belong to.
 * @throws `argument` when there are none, or when their ranks, factors or dropouts differ: the format has one of each.
 */
export function saveLowRank(module: Module, baseModel?: string): AdapterFiles {
  const adapters = lowRankAdapters(module);
  const [first] = adapters.values();
  if (!first) return fail("argument", "saveLowRank: the module has no adapters; add some with addLowRank");
  const arrays = new Map<string, NDArray>();
  for (const [path, adapter] of adapters) {
    const { rank, _alpha, _dropout } = adapter;
    if (rank !== first.rank || _alpha !== first._alpha || _dropout._rate !== first._dropout._rate)
      fail("argument", `saveLowRank: the adapter of "${path}" has another rank, alpha or dropout than the first one`);
    arrays.set(`${prefix}${path}.lora_A.weight`, adapter.lora_A.weight.value as NDArray);
    arrays.set(`${prefix}${path}.lora_B.weight`, adapter.lora_B.weight.value as NDArray);
  }
  const chunks = [...writeSafetensors(arrays, new Map([["format", "pt"]]))];
  const weights = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    weights.set(chunk, at);
    at += chunk.length;
  }
  const config = {
    peft_type: "LORA",
    base_model_name_or_path: baseModel ?? null,
    r: first.rank,
    lora_alpha: first._alpha,
    lora_dropout: first._dropout._rate,
    target_modules: [...adapters.keys()],
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
  };
  return { weights, config: `${JSON.stringify(config, undefined, 2)}\n` };
}

function configOf(text: string): AdapterConfig {
  const refuse = (why: string): never => fail("format", `adapter_config.json: ${why}`);
  let config: Partial<Record<string, unknown>>;
  try {
    config = JSON.parse(text) as typeof config;
  } catch {
    return refuse("is no JSON");
  }
  if (config?.peft_type !== "LORA")
    return refuse(`peft_type is ${JSON.stringify(config?.peft_type)}; only LORA is known`);
  for (const name of ["r", "lora_alpha"])
    if (typeof config[name] !== "number")
      return refuse(`${name} is ${JSON.stringify(config[name])}; it must be a number`);
  for (const name of ["use_dora", "use_rslora", "fan_in_fan_out"])
    if (config[name]) return refuse(`${name} is set, which is not supported`);
  for (const name of ["alpha_pattern", "rank_pattern"])
    if (Object.keys((config[name] as object | null | undefined) ?? {}).length)
      return refuse(`${name} gives layers sizes of their own, which is not supported`);
  return config as unknown as AdapterConfig;
}

/**
 * Puts adapters from files beside the layers that they were made for; freezes the rest, as {@link addLowRank} does.
 * @returns paths of the layers. @throws `format` for files that are no such adapters, or whose sizes or layers the module does not have:
 * then it has no adapters.
 */
export async function loadLowRank(module: Module, files: AdapterFiles): Promise<readonly string[]> {
  const { r, lora_alpha, lora_dropout = 0 } = configOf(files.config);
  const file = await readSafetensors(memorySource(files.weights, "adapter_model.safetensors"));
  const pattern = /^base_model\.model\.(.+)\.lora_[AB]\.weight$/;
  const paths = new Set<string>();
  for (const name of file.tensors.keys())
    paths.add(
      pattern.exec(name)?.[1] ??
        fail("format", `adapter_model.safetensors holds "${name}", which is no low-rank matrix`),
    );
  const added = addLowRank(module, { targets: [...paths], rank: r, alpha: lora_alpha, dropout: lora_dropout });
  try {
    const absent = [...paths].find((path) => !added.includes(path));
    if (absent)
      fail(
        "format",
        `adapter_model.safetensors has an adapter for "${absent}", which is no linear layer of the module`,
      );
    for (const [path, adapter] of lowRankAdapters(module))
      for (const name of ["lora_A", "lora_B"] as const) {
        const key = `${prefix}${path}.${name}.weight`;
        if (!file.tensors.has(key)) fail("format", `adapter_model.safetensors lacks ${key}`);
        const read = await readSafetensor(file, key);
        const array = read.dtype === "f32" ? read : read.toF32();
        const { weight } = adapter[name];
        if (String(array.shape) !== String(weight.shape))
          fail("format", `${key} is [${array.shape}], the layer needs [${weight.shape}]`);
        weight.value = array;
      }
  } catch (thrown) {
    removeLowRank(module);
    throw thrown;
  }
  return added;
}
