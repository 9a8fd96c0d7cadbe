/** Layers against PyTorch: values, gradients, and the names of their arrays. */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import {
  Attention,
  attend,
  BatchNorm,
  ConvTranspose,
  GroupNorm,
  Gru,
  InstanceNorm,
  initialize,
  Lstm,
  loadStateDict,
  type Module,
  Rnn,
  relativeBucket,
  TransformerBlock,
  trace,
  UNet,
} from "../../src/nn/index.ts";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import { constant, gradients, linear, type Tensor } from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { expectClose, type GoldenCase, type GoldenTensor, goldenCases, toArray } from "../ops/golden.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

type Tensors = Readonly<Record<string, Tensor>>;

async function evaluate(f: (x: Tensors) => Record<string, Tensor>, inputs: Record<string, NDArray>) {
  const types = Object.fromEntries(Object.entries(inputs).map(([name, { dtype, shape }]) => [name, { dtype, shape }]));
  await using executable = await compile(f, { inputs: types });
  // awaited, or it would be disposed before it has run
  return await executable.run(inputs);
}

const inputsOf = (golden: GoldenCase, names: readonly string[]) =>
  Object.fromEntries(names.flatMap((name) => (golden.inputs[name] ? [[name, toArray(golden.inputs[name])]] : [])));

/** Gives a module the arrays of a case under other names. */
function load(module: Module, golden: GoldenCase, names: Readonly<Record<string, string>>): void {
  loadStateDict(module, new Map(Object.entries(names).map(([path, name]) => [path, toArray(golden.inputs[name]!)])));
}

describe("attention", () => {
  // the goldens' queries, keys and values come from three places, which no module does: projections are written out
  for (const golden of goldenCases("attention").filter((c) => c.op === "multiHeadAttention"))
    it(`attend: ${golden.name}`, async () => {
      const { heads } = golden.attrs as { heads: number };
      const results = await evaluate(
        (t) => {
          const dim = t.query!.shape[2] as number;
          const [q, k, v] = [t.query!, t.key!, t.value!].map((x, i) => {
            const rows = { axis: 0, start: i * dim, end: (i + 1) * dim };
            const projected = linear(x, t.inWeight!.slice(rows), t.inBias!.slice(rows));
            return projected.reshape([...x.shape.slice(0, 2), heads, dim / heads]).transpose([1, 2, 0, 3]);
          }) as [Tensor, Tensor, Tensor];
          const [batch, keys] = [k.shape[0]!, k.shape[2]!];
          let weights: Tensor | undefined;
          const y = attend(q, k, v, {
            mask: t.keyMask?.reshape([batch, 1, 1, keys]),
            onWeights: (w) => {
              weights = w;
              return w;
            },
          });
          const joined = y.transpose([2, 0, 1, 3]).reshape(t.query!.shape);
          return { y: linear(joined, t.outWeight!, t.outBias!), weights: weights! };
        },
        inputsOf(golden, Object.keys(golden.inputs)),
      );
      expectClose(results.y!, golden.outputs.y!, golden.tolerance, "y");
      expectClose(results.weights!, golden.outputs.weights!, golden.tolerance, "weights");
    });

  it("shares key heads, rotates, and hides what a mask hides, as the op does", async () => {
    const module = new Attention(8, { heads: 4, keyHeads: 2, rope: { base: 100 }, causal: true, bias: false });
    initialize(module, 3);
    const x = NDArray.from(
      Array.from({ length: 2 * 5 * 8 }, (_, i) => Math.sin(i * 1.7)),
      [2, 5, 8],
    );
    const mask = NDArray.from([1, 0, 1, 1, 1, 0, 0, 1, 1, 1], [2, 1, 1, 5], "bool");
    const { rope, scaledDotProductAttention, range } = await import("../../src/tensor/index.ts");
    const results = await evaluate(
      ({ x, mask }) => {
        const y = module.forward(x!, { mask });
        const all = module.queryKeyValue!.forward(x!).reshape([2, 5, 8, 2]).transpose([0, 2, 1, 3]);
        const heads = (start: number, end: number) => all.slice({ axis: 1, start, end });
        const turn = (t: Tensor) => rope(t, range(0, 5), { base: 100 });
        const attended = scaledDotProductAttention(turn(heads(0, 4)), turn(heads(4, 6)), heads(6, 8), {
          causal: "bottomRight",
          mask,
        });
        const want = module.output.forward(attended.transpose([0, 2, 1, 3]).reshape([2, 5, 8]));
        return { y, want };
      },
      { x, mask },
    );
    const want = results.want!.toNumbers();
    results.y!.toNumbers().forEach((v, i) => {
      expect(v).toBeCloseTo(want[i]!, 5);
    });
    // the second sequence's first query sees nothing at all
    expect(results.y!.toNumbers().slice(40, 48)).toEqual(new Array(8).fill(0));
  });
});

describe("norms over channels", () => {
  const affine = { weight: "weight", bias: "bias" };
  for (const golden of goldenCases("normalize")) {
    const { attrs, inputs } = golden;
    if (!["batchNorm", "groupNorm", "instanceNorm"].includes(golden.op) || !inputs.weight) continue;
    it(golden.name, async () => {
      const channels = inputs.weight!.shape[0]!;
      const make: Readonly<Record<string, () => BatchNorm | GroupNorm | InstanceNorm>> = {
        batchNorm: () => new BatchNorm(channels, attrs),
        groupNorm: () => new GroupNorm(attrs.groups, channels, attrs),
        instanceNorm: () => new InstanceNorm(channels, { ...attrs, affine: true }),
      };
      const module = make[golden.op]!();
      const running: Record<string, string> =
        module instanceof BatchNorm ? { running_mean: "runningMean", running_var: "runningVar" } : {};
      load(module, golden, { ...affine, ...running });
      const results = await evaluate(
        ({ x }) => {
          const { result, updates } = trace({ training: attrs.training ?? false }, () => module.forward(x!));
          return { y: result, ...Object.fromEntries([...updates].map(([{ name }, y]) => [name, y])) };
        },
        inputsOf(golden, ["x"]),
      );
      expectClose(results.y!, golden.outputs.y!, golden.tolerance, "y");
      if (!(module instanceof BatchNorm && attrs.training)) return;
      const after: Record<string, NDArray> = results;
      expectClose(after.running_mean!, golden.outputs.runningMean!, golden.tolerance, "running_mean");
      expectClose(after.running_var!, golden.outputs.runningVar!, golden.tolerance, "running_var");
    });
  }
});

describe("recurrent layers", () => {
  const kinds = { lstm: Lstm, gru: Gru, rnn: Rnn } as const;
  for (const golden of goldenCases("recurrent").filter((c) => c.op in kinds)) {
    const { attrs, inputs } = golden;
    it(golden.name, async () => {
      const features = inputs.x!.shape.at(-1)!;
      const module = new kinds[golden.op as keyof typeof kinds](features, attrs.hiddenSize, {
        layers: attrs.layers,
        bidirectional: attrs.bidirectional,
        bias: attrs.bias,
        batchFirst: attrs.batchFirst,
      });
      const names: Record<string, string> = {};
      for (const [path] of module.parameters()) {
        const [, kind, source, layer, reverse] = /^(weight|bias)_(ih|hh)_l(\d+)(_reverse)?$/.exec(path)!;
        const place = Number(layer) * (attrs.bidirectional ? 2 : 1) + (reverse ? 1 : 0);
        const stem = `${kind}${source === "ih" ? "Input" : "Hidden"}`;
        const candidates = [
          `${stem}.${layer}${reverse ? ".reverse" : ""}`,
          `${stem}.${layer}${reverse ? "Reverse" : ""}`,
          `${stem}.${place}`,
        ];
        names[path] = candidates.find((name) => inputs[name]) ?? candidates[0]!;
      }
      load(module, golden, names);
      const results = await evaluate(
        ({ x, h0, c0 }) => {
          const lengths = attrs.lengths && constant(NDArray.from(attrs.lengths, undefined, "i64"));
          const { y, hidden } = module.forward(x!, { hidden: h0, lengths, ...(c0 ? { cell: c0 } : {}) });
          return { y, hN: hidden };
        },
        inputsOf(golden, ["x", "h0", "c0"]),
      );
      expectClose(results.y!, golden.outputs.y!, golden.tolerance, "y");
      expectClose(results.hN!, golden.outputs.hN!, golden.tolerance, "hN");
    });
  }
});

interface LayerCase {
  readonly name: string;
  readonly before: boolean;
  readonly causal?: boolean;
  readonly across?: boolean;
  readonly inputs: Readonly<Record<string, GoldenTensor>>;
  readonly state: Readonly<Record<string, GoldenTensor>>;
  readonly gradients: Readonly<Record<string, GoldenTensor>>;
  readonly y: GoldenTensor;
}

const fixtures = JSON.parse(readFileSync(new URL("fixtures/layers.json", import.meta.url), "utf8")) as {
  readonly layers: readonly LayerCase[];
  readonly relativeBuckets: Readonly<Record<"distances" | "true" | "false", readonly number[]>>;
};

/** Our path of each array of PyTorch's transformer layers; attention across is cut into two. */
function pathsOf(across: boolean): Readonly<Record<string, string>> {
  const own = {
    "attention.queryKeyValue.weight": "self_attn.in_proj_weight",
    "attention.queryKeyValue.bias": "self_attn.in_proj_bias",
    "attention.output.weight": "self_attn.out_proj.weight",
    "attention.output.bias": "self_attn.out_proj.bias",
    "mlp.up.weight": "linear1.weight",
    "mlp.up.bias": "linear1.bias",
    "mlp.down.weight": "linear2.weight",
    "mlp.down.bias": "linear2.bias",
    "norm1.weight": "norm1.weight",
    "norm1.bias": "norm1.bias",
    "norm2.weight": across ? "norm3.weight" : "norm2.weight",
    "norm2.bias": across ? "norm3.bias" : "norm2.bias",
  };
  if (!across) return own;
  return {
    ...own,
    "normAcross.weight": "norm2.weight",
    "normAcross.bias": "norm2.bias",
    "across.query.weight": "multihead_attn.in_proj_weight",
    "across.query.bias": "multihead_attn.in_proj_bias",
    "across.keyValue.weight": "multihead_attn.in_proj_weight",
    "across.keyValue.bias": "multihead_attn.in_proj_bias",
    "across.output.weight": "multihead_attn.out_proj.weight",
    "across.output.bias": "multihead_attn.out_proj.bias",
  };
}

/** The rows of a stacked projection that a path stands for. */
function rowsOf(path: string, t: GoldenTensor): NDArray {
  const all = NDArray.from(t.data.map(Number), t.shape);
  const part = /^across\.(query|keyValue)\./.exec(path)?.[1];
  if (!part) return all;
  const third = all.size / 3;
  const data = (all.data as Float32Array).slice(...(part === "query" ? [0, third] : [third]));
  return new NDArray(data, [(t.shape[0]! / 3) * (part === "query" ? 1 : 2), ...t.shape.slice(1)], "f32");
}

describe("transformer blocks", () => {
  for (const { name, before, causal, across = false, inputs, state, gradients: slopes, y } of fixtures.layers)
    it(name, async () => {
      const module = new TransformerBlock(8, {
        heads: 2,
        hidden: 12,
        normalize: before ? "before" : "after",
        causal,
        contextFeatures: across ? 8 : undefined,
      });
      const names = pathsOf(across);
      loadStateDict(
        module,
        new Map(Object.entries(names).map(([path, theirs]) => [path, rowsOf(path, state[theirs]!)])),
      );
      const parameters = [...module.parameters()];
      const arrays = Object.fromEntries(
        Object.entries(inputs).map(([key, t]) => [key, NDArray.from(t.data.map(Number), t.shape)]),
      );
      const results: Record<string, NDArray> = await evaluate(({ x, memory }) => {
        const out = module.forward(x!, { context: memory });
        const all = gradients(
          out.mul(out).sum(),
          parameters.map(([, { tensor }]) => tensor),
        );
        return { y: out, ...Object.fromEntries(parameters.map(([path], i) => [`gradient:${path}`, all[i]!])) };
      }, arrays);
      const near = (got: NDArray, want: NDArray, what: string) => {
        expect(got.shape, what).toEqual(want.shape);
        got.toNumbers().forEach((v, i) => {
          if (!(Math.abs(v - want.at(i)) <= 2e-4 + 1e-4 * Math.abs(want.at(i))))
            expect.fail(`${what}: element ${i} is ${v}, PyTorch ${want.at(i)}`);
        });
      };
      near(results.y!, NDArray.from(y.data.map(Number), y.shape), "y");
      for (const [path] of parameters) near(results[`gradient:${path}`]!, rowsOf(path, slopes[names[path]!]!), path);
    });
});

describe("relative bias", () => {
  it("puts distances into the buckets of published models", () => {
    const { distances, ...buckets } = fixtures.relativeBuckets;
    for (const bidirectional of [true, false])
      expect(distances.map((d) => relativeBucket(d, { bidirectional }))).toEqual(buckets[`${bidirectional}`]);
  });

  it("is added to scores by query and key", async () => {
    const module = new Attention(4, { heads: 2, relativeBias: { buckets: 8, maxDistance: 16 } });
    initialize(module, 1, [
      ["relativeBias.weight", (shape) => Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => i)],
    ]);
    const { bias } = await evaluate(({ x }) => ({ bias: module.relativeBias!.forward(x!.shape[1]!, x!.shape[1]!) }), {
      x: NDArray.zeros([1, 3, 4]),
    });
    // distance 0, 1 after, 2 after; 1 before … for two heads side by side in the table
    const bucket = (q: number, k: number) => relativeBucket(k - q, { buckets: 8, maxDistance: 16 });
    const want = [0, 1].flatMap((head) => [0, 1, 2].flatMap((q) => [0, 1, 2].map((k) => bucket(q, k) * 2 + head)));
    expect(bias!.toNumbers()).toEqual(want);
  });
});

describe("a U-Net", () => {
  for (const dimensions of [1, 2, 3] as const)
    it(`keeps the size in ${dimensions} dimensions`, async () => {
      const module = new UNet({ inChannels: 1, outChannels: 2, channels: [4, 8, 12], dimensions });
      initialize(module, 2);
      const x = NDArray.from(
        Array.from({ length: 2 * 8 ** dimensions }, (_, i) => Math.cos(i)),
        [2, 1, ...new Array<number>(dimensions).fill(8)],
      );
      const { y } = await evaluate(({ x }) => ({ y: module.forward(x!) }), { x });
      expect(y!.shape).toEqual([2, 2, ...new Array<number>(dimensions).fill(8)]);
      expect([...module.buffers()].length).toBe(2 * 2 * 5);
      expect([...module.children()].some(([, child]) => child instanceof ConvTranspose)).toBe(true);
    });
});
