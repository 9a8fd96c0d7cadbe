/**
 * Moves weights between a checkpoint, a form's stored arrays, and a decoder's modules. Knows neither file formats nor
 * where converted weights are kept.
 */
import { Linear, LinearGroup, type LinearKernel, type Module } from "../nn/index.ts";
import { type FileSlice, Parameter } from "../tensor/index.ts";
import type { DType } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { ProgressListener } from "../util/progress.ts";
import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import type { LinearForm, LinearRole, LinearSpec } from "./forms/index.ts";

/** A linear layer, or a group that is computed as one, and what it reads from a checkpoint. */
export interface LinearSite {
  /** Path of the module. */
  readonly path: string;
  readonly spec: LinearSpec;
  /** Names of the weights that lie one below the other. */
  readonly weights: readonly string[];
  readonly module: { _kernel?: LinearKernel };
}

const roles: readonly (readonly [RegExp, LinearRole])[] = [
  [/\.(qkv|c_attn)$/, "attention.qkv"],
  [/\.(o_proj|attn\.c_proj)$/, "attention.output"],
  [/\.(gate_up|c_fc)$/, "mlp.in"],
  [/\.(down_proj|mlp\.c_proj)$/, "mlp.out"],
  [/^lm_head$/, "head"],
];

/** All linear layers of a decoder, groups as one. */
export function linearSites(decoder: Module): LinearSite[] {
  const out: LinearSite[] = [];
  const grouped = new Set<Module>();
  for (const [path, module] of decoder.modules()) {
    if (grouped.has(module)) continue;
    const role = roles.find(([pattern]) => pattern.test(path))?.[1];
    if (!role || !(module instanceof Linear || module instanceof LinearGroup)) continue;
    const parts = module instanceof Linear ? [module] : module.parts;
    for (const part of parts) grouped.add(part);
    out.push({
      path,
      spec: {
        role,
        inFeatures: parts[0]!.inFeatures,
        outFeatures: parts.reduce((sum, part) => sum + part.outFeatures, 0),
      },
      weights: parts.map((part) => part.weight.name),
      module,
    });
  }
  return out;
}

/** Receives converted arrays. */
export interface WeightSink {
  add(name: string, array: NDArray): Promise<void>;
}

/** Converted arrays by name. */
export type StoredWeights = ReadonlyMap<
  string,
  FileSlice & { readonly dtype: DType; readonly shape: readonly number[] }
>;

async function readRows(checkpoint: Checkpoint, site: LinearSite, fallback: string): Promise<Float32Array> {
  const { inFeatures, outFeatures } = site.spec;
  const out = new Float32Array(inFeatures * outFeatures);
  let at = 0;
  for (const name of site.weights) {
    const values = await checkpoint.read(checkpoint.has(name) || site.spec.role !== "head" ? name : fallback);
    if (at + values.length > out.length)
      fail("format", `${name} has ${values.length} values, more than [${outFeatures}, ${inFeatures}] holds`);
    out.set(values, at);
    at += values.length;
  }
  if (at !== out.length)
    fail(
      "format",
      `${site.weights.join(" + ")} have ${at} values, [${outFeatures}, ${inFeatures}] needs ${out.length}`,
    );
  return out;
}

/**
 * Converts everything that a decoder needs to a form's stored arrays.
 * @param embedding name of the tensor that a missing head is tied to.
 */
export async function convertWeights(
  decoder: Module,
  checkpoint: Checkpoint,
  form: LinearForm,
  embedding: string,
  sink: WeightSink,
  onProgress?: ProgressListener,
): Promise<void> {
  const sites = linearSites(decoder);
  const inLinear = new Set(sites.flatMap((site) => site.weights));
  const others = [...decoder.parameters()].filter(([path]) => !inLinear.has(path));
  const total = sites.length + others.length;
  let done = 0;
  const step = () => onProgress?.({ task: `convert weights to ${form.name}`, done: ++done, total, unit: "tensors" });
  for (const site of sites) {
    const arrays = form.convert(site.spec, await readRows(checkpoint, site, embedding));
    for (const [name, array] of Object.entries(arrays)) await sink.add(`${site.path}:${name}`, array);
    step();
  }
  for (const [path, parameter] of others) {
    const values = await checkpoint.read(path);
    await sink.add(path, new NDArray(values, parameter.shape, "f32"));
    step();
  }
}

/** Points a decoder's layers and parameters at stored arrays. @throws `format` when one is missing. */
export function installWeights(decoder: Module, form: LinearForm, stored: StoredWeights): void {
  const slice = (name: string) =>
    stored.get(name) ?? fail("format", `the converted weights lack ${name}; delete them from the cache`);
  const inLinear = new Set<string>();
  for (const site of linearSites(decoder)) {
    for (const name of site.weights) inLinear.add(name);
    const parameters: Record<string, Parameter> = {};
    for (const [name, { dtype, shape }] of Object.entries(form.stored(site.spec)))
      parameters[name] = new Parameter(`${site.path}:${name}`, dtype, shape, slice(`${site.path}:${name}`));
    site.module._kernel = form.kernel(site.spec, parameters);
  }
  for (const [path, parameter] of decoder.parameters()) if (!inLinear.has(path)) parameter.value = slice(path);
}
