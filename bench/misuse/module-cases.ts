/**
 * Wrong calls of modules and of what is done to trees of them.
 */
import * as nn from "../../src/nn/index.ts";
import { Parameter, type Tensor } from "../../src/tensor/index.ts";
import type { ErrorCode } from "../../src/util/errors.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";
import { b, f, i, type MisuseCase } from "./case.ts";

/** A model of one layer, so that errors have a path to name. */
class Model extends nn.Module {
  readonly layer: nn.Module;
  readonly _call: () => unknown;

  constructor(layer: nn.Module, call: () => unknown) {
    super();
    this.layer = layer;
    this._call = call;
  }

  forward(): unknown {
    return this._call();
  }
}

type Layer = nn.Module & { forward(...inputs: never[]): unknown };

function within(layer: Layer, ...inputs: readonly unknown[]): () => unknown {
  const model = new Model(layer, () => layer.forward(...(inputs as never[])));
  return () => model.forward();
}

class Bare extends nn.Module {
  readonly weight = new Parameter("weight", "f32", [2]);

  forward(x: Tensor): Tensor {
    return x.mul(this.weight.tensor);
  }
}

const linear = () => {
  const module = new nn.Linear(3, 4, { bias: true });
  nn.initialize(module, 1);
  return module;
};

/** A state dict of a linear layer, changed. */
function loading(change: (dict: Map<string, NDArray>) => void): () => unknown {
  return () => {
    const dict = nn.stateDict(linear());
    change(dict);
    nn.loadStateDict(linear(), dict);
  };
}

type Row = readonly [name: string, code: ErrorCode, says: readonly string[], call: () => unknown];
const inLayer = "(in layer";

const rows: readonly Row[] = [
  ["Linear(3) of [2, 5]", "shape", ["matmul", "[2, 5]", inLayer], within(new nn.Linear(3, 4), f(2, 5))],
  ["Linear of i64", "dtype", ["matmul", "i64", inLayer], within(new nn.Linear(3, 4), i(2, 3))],
  ["LinearGroup of [2, 5]", "shape", ["[2, 5]", "(in left)"], within(new nn.LinearGroup(3, { left: 2 }), f(2, 5))],
  ["Embedding of f32", "dtype", ["f32", inLayer], within(new nn.Embedding(5, 2), f(2))],
  ["LayerNorm(3) of [2, 4]", "shape", ["layerNorm", "[2, 4]", "[3]", inLayer], within(new nn.LayerNorm(3), f(2, 4))],
  [
    "RmsNorm(3) of [2, 4]",
    "shape",
    ["rmsNorm", "[2, 4]", "[3]", inLayer],
    within(new nn.RmsNorm(3, { epsilon: 1e-5 }), f(2, 4)),
  ],
  ["BatchNorm(3) of 4 channels", "shape", ["[2, 4, 5]", "[3]", inLayer], within(new nn.BatchNorm(3), f(2, 4, 5))],
  [
    "GroupNorm of 5 channels in 2 groups",
    "shape",
    ["groupNorm", "5", "2", inLayer],
    within(new nn.GroupNorm(2, 4), f(2, 5, 3)),
  ],
  [
    "InstanceNorm(3) of 4 channels",
    "shape",
    ["[2, 4, 5]", "[3]", inLayer],
    within(new nn.InstanceNorm(3, { affine: true }), f(2, 4, 5)),
  ],
  [
    "Conv(3) of 4 channels",
    "shape",
    ["conv", "[1, 4, 8, 8]", "[2, 3, 3, 3]", inLayer],
    within(new nn.Conv(3, 2, { kernel: 3 }), f(1, 4, 8, 8)),
  ],
  [
    "Conv in 2 dimensions of a sequence",
    "shape",
    ["conv", "[1, 3, 8]", inLayer],
    within(new nn.Conv(3, 2, { kernel: 3 }), f(1, 3, 8)),
  ],
  [
    "Conv with groups that do not divide",
    "shape",
    ["Conv", "3", "2"],
    () => new nn.Conv(3, 4, { kernel: 3, groups: 2 }),
  ],
  [
    "ConvTranspose(3) of 4 channels",
    "shape",
    ["convTranspose", "[1, 4, 8]", inLayer],
    within(new nn.ConvTranspose(3, 2, { kernel: [3] }), f(1, 4, 8)),
  ],
  [
    "ConvTranspose with groups that do not divide",
    "shape",
    ["ConvTranspose", "5", "2"],
    () => new nn.ConvTranspose(4, 5, { kernel: 3, groups: 2 }),
  ],
  [
    "MaxPool of a window too large",
    "shape",
    ["maxPool", inLayer],
    within(new nn.MaxPool({ kernel: 4 }), f(1, 1, 2, 2)),
  ],
  [
    "AveragePool of a matrix",
    "shape",
    ["averagePool", "[2, 2]", inLayer],
    within(new nn.AveragePool({ kernel: 2 }), f(2, 2)),
  ],
  ["Dropout of everything", "argument", ["Dropout", "1"], () => new nn.Dropout(1)],
  ["Dropout of NaN", "argument", ["Dropout", "NaN"], () => new nn.Dropout(Number.NaN)],
  ["Attention of 10 features in 3 heads", "shape", ["Attention", "10", "3"], () => new nn.Attention(10, { heads: 3 })],
  [
    "Attention with 4 heads on 3",
    "shape",
    ["Attention", "4", "3"],
    () => new nn.Attention(8, { heads: 4, keyHeads: 3 }),
  ],
  [
    "Attention of a matrix",
    "shape",
    ["Attention", "[5, 8]", inLayer],
    within(new nn.Attention(8, { heads: 2 }), f(5, 8)),
  ],
  [
    "Attention of 6 features",
    "shape",
    ["[1, 5, 6]", "(in layer.queryKeyValue)"],
    within(new nn.Attention(8, { heads: 2 }), f(1, 5, 6)),
  ],
  [
    "Attention across without a context",
    "argument",
    ["Attention", "context", inLayer],
    within(new nn.Attention(8, { heads: 2, contextFeatures: 4 }), f(1, 5, 8)),
  ],
  [
    "Attention to itself with a context",
    "argument",
    ["Attention", "context", inLayer],
    within(new nn.Attention(8, { heads: 2 }), f(1, 5, 8), { context: f(1, 3, 8) }),
  ],
  [
    "Attention with an f32 mask",
    "dtype",
    ["where", "f32", inLayer],
    within(new nn.Attention(8, { heads: 2 }), f(1, 5, 8), { mask: f(5, 5) }),
  ],
  [
    "Attention with a mask of another size",
    "shape",
    ["where", "[4, 4]", inLayer],
    within(new nn.Attention(8, { heads: 2 }), f(1, 5, 8), { mask: b(4, 4) }),
  ],
  [
    "Attention with a window and no order",
    "argument",
    ["window", inLayer],
    within(new nn.Attention(8, { heads: 2, window: 3 }), f(1, 5, 8)),
  ],
  [
    "attend with other dims",
    "shape",
    ["attend", "[1, 2, 3, 4]", "[1, 2, 3, 5]"],
    () => nn.attend(f(1, 2, 3, 4), f(1, 2, 3, 5), f(1, 2, 3, 5)),
  ],
  [
    "attend with values of another length",
    "shape",
    ["attend", "[1, 2, 3, 4]", "[1, 2, 5, 4]"],
    () => nn.attend(f(1, 2, 3, 4), f(1, 2, 3, 4), f(1, 2, 5, 4)),
  ],
  [
    "RelativeBias of symbolic sizes",
    "unsupported",
    ["RelativeBias", "n", inLayer],
    within(new nn.RelativeBias(2), "n", 4),
  ],
  ["Mlp(4) of [2, 5]", "shape", ["[2, 5]", "(in layer.up)"], within(new nn.Mlp(4, 8), f(2, 5))],
  ["GatedMlp(4) of [2, 5]", "shape", ["[2, 5]", "(in layer.gate)"], within(new nn.GatedMlp(4, 8), f(2, 5))],
  ["Lstm(3) of 5 features", "shape", ["lstm", "[4, 2, 5]", "[8, 3]", inLayer], within(new nn.Lstm(3, 2), f(4, 2, 5))],
  [
    "Gru with another first state",
    "shape",
    ["gru", "[1, 2, 7]", inLayer],
    within(new nn.Gru(3, 2), f(4, 2, 3), { hidden: f(1, 2, 7) }),
  ],
  [
    "TransformerBlock of 6 features",
    "shape",
    ["[1, 5, 6]", "(in layer.norm1)"],
    within(new nn.TransformerBlock(8, { heads: 2 }), f(1, 5, 6)),
  ],
  [
    "Transformer of 6 features",
    "shape",
    ["[1, 5, 6]", "(in layer.blocks.0.norm1)"],
    within(new nn.Transformer(8, 2, { heads: 2 }), f(1, 5, 6)),
  ],
  [
    "Sequential at its second step",
    "shape",
    ["[2, 4]", "(in layer.1)"],
    within(new nn.Sequential(new nn.Linear(3, 4), new nn.Linear(5, 2)), f(2, 3)),
  ],
  [
    "UNet of a size that does not halve",
    "shape",
    ["concat", inLayer],
    within(new nn.UNet({ inChannels: 1, outChannels: 1, channels: [2, 4] }), f(1, 1, 7, 7)),
  ],
  [
    "UNet of 3 channels",
    "shape",
    ["conv", "[1, 3, 8, 8]", "(in layer.down.0.first.conv)"],
    within(new nn.UNet({ inChannels: 1, outChannels: 1, channels: [2, 4] }), f(1, 3, 8, 8)),
  ],
  [
    "UNet without levels",
    "argument",
    ["UNet", "channels"],
    () => new nn.UNet({ inChannels: 1, outChannels: 1, channels: [] }),
  ],
  ["ConvBlock with an even kernel", "argument", ["ConvBlock", "4"], () => new nn.ConvBlock(1, 1, { kernel: 4 })],
  ["stateDict without values", "name", ["stateDict", "weight"], () => nn.stateDict(new nn.Linear(3, 4))],
  ["loadStateDict that lacks a name", "name", ["missing", "bias"], loading((dict) => dict.delete("bias"))],
  [
    "loadStateDict with a stranger",
    "name",
    ["unexpected", "head"],
    loading((dict) => dict.set("head", NDArray.zeros([1]))),
  ],
  [
    "loadStateDict with another shape",
    "shape",
    ["weight", "[3, 4]", "[4, 3]"],
    loading((dict) => dict.set("weight", NDArray.zeros([3, 4]))),
  ],
  [
    "loadStateDict with another dtype",
    "shape",
    ["bias", "i32", "f32"],
    loading((dict) => dict.set("bias", NDArray.zeros([4], "i32"))),
  ],
  ["initialize without an initialiser", "argument", ["initialize", "weight"], () => nn.initialize(new Bare(), 1)],
  ["xavierUniform of a vector", "shape", ["[3]"], () => nn.xavierUniform()([3], new Random(1))],
  ["orthogonal of a vector", "shape", ["orthogonal", "[3]"], () => nn.orthogonal()([3], new Random(1))],
  ["truncatedNormal without room", "argument", ["truncatedNormal", "0"], () => nn.truncatedNormal(1, 0, 0)],
  ["dropoutMask outside of a trace", "argument", ["dropout", "trace"], () => nn.dropoutMask([2], 0.5)],
];

/** Wrong calls of modules. */
export const moduleCases: readonly MisuseCase[] = rows.map(([name, code, says, call]) => ({ name, code, says, call }));
