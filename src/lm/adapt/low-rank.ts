/**
 * Low-rank adapters (Hu et al. 2021): a frozen linear layer learns a change of few parameters, `y = W x + α/r · B A x`. Works on any module
 * tree, whatever form the frozen weights have; files are the business of its neighbour.
 */
import {
  Dropout,
  freeze,
  Linear,
  type LinearAdapter,
  linearDefault,
  Module,
  type PathPattern,
  pathMatcher,
  unfreeze,
} from "../../nn/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { Random } from "../../util/random.ts";

/** A change of low rank to one linear layer. */
export class LowRankAdapter extends Module implements LinearAdapter {
  override readonly _inline = true;
  /** `[rank, in]`. */
  readonly lora_A: Linear;
  /** `[out, rank]`; zeros at first, so that nothing changes before training. */
  readonly lora_B: Linear;
  readonly _dropout: Dropout;
  readonly _alpha: number;

  constructor(inFeatures: number, outFeatures: number, rank: number, alpha: number, dropout: number) {
    super();
    this.lora_A = new Linear(inFeatures, rank);
    this.lora_B = new Linear(rank, outFeatures);
    this._dropout = new Dropout(dropout);
    this._alpha = alpha;
  }

  /** Inner size of the product. */
  get rank(): number {
    return this.lora_A.outFeatures;
  }

  /** Factor on the product, α / rank. */
  get scale(): number {
    return this._alpha / this.rank;
  }

  /** `[…, in] → […, out]`. */
  forward(x: Tensor): Tensor {
    return this.lora_B.forward(this.lora_A.forward(this._dropout.forward(x))).mul(this.scale);
  }
}

/** Options of {@link addLowRank}. */
export interface LowRankOptions {
  /** Which linear layers, by path. */
  readonly targets: PathPattern;
  /** Inner size of the product [r]. */
  readonly rank: number;
  /** The product is multiplied by `alpha / rank`; `rank` by default. */
  readonly alpha?: number;
  /** Share of the inputs that training drops before the product; 0 by default. */
  readonly dropout?: number;
  /** Seed of the first values; 0 by default. */
  readonly seed?: number;
}

/** Linear layers that have an adapter, by path. */
export function lowRankAdapters(module: Module): ReadonlyMap<string, LowRankAdapter> {
  const out = new Map<string, LowRankAdapter>();
  for (const [path, layer] of linearLayers(module))
    if (layer.adapter instanceof LowRankAdapter) out.set(path, layer.adapter);
  return out;
}

/** Linear layers by the paths of their parameters, without those of adapters. */
function* linearLayers(module: Module, prefix = ""): Iterable<readonly [path: string, layer: Linear]> {
  for (const [name, child] of module.children()) {
    if (child instanceof LowRankAdapter) continue;
    const path = child._inline ? prefix : prefix ? `${prefix}.${name}` : name;
    if (child instanceof Linear) yield [path, child];
    yield* linearLayers(child, path);
  }
}

/**
 * Puts adapters beside linear layers and freezes everything else of the module: training steps that are compiled from now on change the
 * adapters alone.
 * @returns paths of the layers. @throws `argument` for impossible numbers, for paths that fit no layer, and for a layer that has one.
 */
export function addLowRank(module: Module, options: LowRankOptions): readonly string[] {
  const { targets, rank, alpha = rank, seed = 0 } = options;
  const { _rate: dropout } = new Dropout(options.dropout ?? 0);
  if (!Number.isSafeInteger(rank) || rank < 1)
    fail("argument", `addLowRank: the rank is ${rank}; it must be a whole number of at least 1`);
  if (!(Number.isFinite(alpha) && alpha > 0)) fail("argument", `addLowRank: alpha is ${alpha}; it must be positive`);
  const matches = pathMatcher(targets);
  const all = [...linearLayers(module)];
  const chosen = all.filter(([path]) => matches(path));
  if (!chosen.length)
    fail(
      "argument",
      `addLowRank: no linear layer is called "${String(targets)}"; the last of them is "${all.at(-1)?.[0] ?? ""}"`,
    );
  const taken = chosen.find(([, { adapter }]) => adapter);
  if (taken) fail("argument", `addLowRank: "${taken[0]}" has an adapter already; merge or remove it first`);
  freeze(module);
  const random = new Random(seed);
  for (const [i, [path, layer]] of chosen.entries()) {
    const adapter = new LowRankAdapter(layer.inFeatures, layer.outFeatures, rank, alpha, dropout);
    const { weight: a } = adapter.lora_A;
    const { weight: b } = adapter.lora_B;
    a.value = new NDArray(linearDefault(a.shape, random.split(i)), a.shape, "f32");
    b.value = NDArray.zeros(b.shape);
    for (const [name, parameter] of adapter.parameters(path)) parameter.name = name;
    unfreeze(adapter);
    layer.adapter = adapter;
  }
  return chosen.map(([path]) => path);
}

/** Takes adapters away; what they learnt is gone, and frozen parameters stay frozen. @returns their number. */
export function removeLowRank(module: Module): number {
  let count = 0;
  for (const [, layer] of linearLayers(module))
    if (layer.adapter instanceof LowRankAdapter) {
      layer.adapter = undefined;
      count++;
    }
  return count;
}

/** `W + α/r · B A`, in double precision. */
function merged(weight: NDArray, { lora_A, lora_B, rank, scale }: LowRankAdapter): NDArray {
  const [out, inFeatures] = weight.shape as readonly [number, number];
  const [w, a, b] = [weight, lora_A.weight.value as NDArray, lora_B.weight.value as NDArray].map(
    ({ data }) => data as Float32Array,
  ) as [Float32Array, Float32Array, Float32Array];
  const values = new Float32Array(w.length);
  const row = new Float64Array(inFeatures);
  for (let o = 0; o < out; o++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * b[o * rank + k]!;
      if (factor) for (let i = 0; i < inFeatures; i++) row[i]! += factor * a[k * inFeatures + i]!;
    }
    for (let i = 0; i < inFeatures; i++) values[o * inFeatures + i] = w[o * inFeatures + i]! + row[i]!;
  }
  return new NDArray(values, weight.shape, "f32");
}

/**
 * Adds what adapters learnt to the weights beside them and takes the adapters away. The arrays of weights are replaced, not written to.
 * @returns the number of adapters. @throws `unsupported` for weights that lie in a file or in another form than floats; then nothing is
 * changed.
 */
export function mergeLowRank(module: Module): number {
  const layers = [...linearLayers(module)].filter(([, { adapter }]) => adapter instanceof LowRankAdapter);
  for (const [path, layer] of layers)
    if (!(layer.weight.value instanceof NDArray) || layer.weight.value.dtype !== "f32")
      fail("unsupported", `mergeLowRank: the weights of "${path}" are no floats in memory; keep its adapter beside it`);
  for (const [, layer] of layers)
    layer.weight.value = merged(layer.weight.value as NDArray, layer.adapter as LowRankAdapter);
  return removeLowRank(module);
}
