import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { linear, matmul, Parameter, rmsNorm, silu, type Tensor, withScope } from "../tensor/index.ts";
import { NDArray } from "../util/ndarray.ts";
import {
  compile,
  type Explanation,
  explainGraph,
  formatExplanation,
  getDefaultEngine,
  traceFunction,
} from "./index.ts";

const parameter = (name: string, shape: number[], file = false) =>
  new Parameter(
    name,
    "f32",
    shape,
    file ? { path: "/weights/w.bin", offset: 0, length: 4 * shape[0]! * shape[1]! } : NDArray.zeros(shape),
  );

const inputs = { x: { dtype: "f32", shape: ["n", 64] } } as const;

/** Two layers with scopes, the second of which shares its norm with the first, and a head without one. */
function network(fileHead = false) {
  const norm = parameter("layers.0.norm.weight", [64]);
  const up = [0, 1].map((i) => parameter(`layers.${i}.up.weight`, [64, 64]));
  const head = parameter("head:weight", [64, 10], fileHead);
  return ({ x }: { readonly x: Tensor }) => {
    let y = x;
    for (const [i, w] of up.entries())
      y = withScope(`layers.${i}`, () => {
        const normed = withScope("norm", () => rmsNorm(y, norm.tensor));
        return y.add(silu(withScope("up", () => linear(normed, w.tensor))));
      });
    return { y: matmul(y, head.tensor) };
  };
}

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

describe("a graph", () => {
  const explanation = explainGraph(traceFunction(network(), { inputs, name: "net" }));

  it("is its nodes, with types, shapes, modules and the bytes that they read first", () => {
    expect(explanation.nodes.slice(0, 3)).toEqual([
      {
        name: expect.stringMatching(/^layers\/0\/norm\/SimplifiedLayerNormalization_/),
        opType: "SimplifiedLayerNormalization",
        module: "layers.0.norm",
        outputs: [{ name: expect.any(String), dtype: "f32", shape: ["n", 64] }],
        parameterBytes: 256,
      },
      expect.objectContaining({ opType: "Transpose", module: "layers.0.up", parameterBytes: 64 * 64 * 4 }),
      expect.objectContaining({ opType: "MatMul", module: "layers.0.up", parameterBytes: 0 }),
    ]);
    const norms = explanation.nodes.filter(({ opType }) => opType === "SimplifiedLayerNormalization");
    expect(norms.map(({ parameterBytes }) => parameterBytes)).toEqual([256, 0]);
    expect(explanation.nodes.at(-1)).toMatchObject({ opType: "Identity", module: "", outputs: [{ name: "y" }] });
  });

  it("has sums by op kind, by module, and by kind of module", () => {
    const parameterBytes = 4 * (64 + 2 * 64 * 64 + 64 * 10);
    expect(explanation).toMatchObject({ name: "net", parameterBytes });
    expect(explanation.kinds.find(({ name }) => name === "MatMul")).toEqual({
      name: "MatMul",
      nodes: 3,
      parameterBytes: 4 * 64 * 10,
    });
    expect(explanation.modules.map(({ name }) => name)).toEqual([
      "layers.0.norm",
      "layers.0.up",
      "layers.0",
      "layers.1.norm",
      "layers.1.up",
      "layers.1",
      "",
    ]);
    expect(explanation.moduleKinds.map(({ name, nodes }) => [name, nodes])).toEqual([
      ["layers.*.norm", 2],
      ["layers.*.up", 4],
      ["layers.*", 4],
      ["", 2],
    ]);
    for (const groups of [explanation.kinds, explanation.modules, explanation.moduleKinds]) {
      expect(groups.reduce((sum, group) => sum + group.nodes, 0)).toBe(explanation.nodes.length);
      expect(groups.reduce((sum, group) => sum + group.parameterBytes, 0)).toBe(parameterBytes);
    }
  });

  it("puts a node without a module into that of the parameter it reads", () => {
    const { moduleKinds } = explainGraph(traceFunction(network(true), { inputs }));
    expect(moduleKinds.find(({ name }) => name === "head")).toMatchObject({ nodes: 1, parameterBytes: 4 * 64 * 10 });
  });

  it("is a table", () => {
    const text = formatExplanation(explanation, { nodes: true });
    expect(text).toMatch(/^net: 12 nodes, <0\.1 MB of weights\n\nOP +nodes +weights MB\n/);
    expect(text).toMatch(/\nlayers\.\*\.norm +2 +<0\.1\n/);
    expect(text).toMatch(/\nMatMul +f32\[n, 10\] +<0\.1 +\(top\)\n/);
  });
});

describe("a graph that ran with profiling", () => {
  let explanation: Explanation;
  const runs = 3;

  beforeAll(async () => {
    const f = await compile(network(), { inputs, profile: true });
    for (let i = 0; i < runs; i++) await f.run({ x: NDArray.zeros([5, 64]) });
    explanation = explainGraph(f.lowered, await f.profile());
    await f.dispose();
  });

  it("has the time of a run, all of it in every sum", () => {
    const { executed, milliseconds, kinds, modules, moduleKinds } = explanation;
    expect(milliseconds).toBeGreaterThan(0);
    for (const groups of [kinds, modules, moduleKinds]) {
      expect(groups.reduce((sum, group) => sum + group.milliseconds!, 0)).toBeCloseTo(milliseconds!, 6);
      expect(groups.reduce((sum, group) => sum + group.executed!, 0)).toBe(executed);
    }
    const sorted = kinds.map((kind) => kind.milliseconds!);
    expect(sorted).toEqual([...sorted].sort((a, b) => b - a));
  });

  it("shows what ONNX Runtime folded away, and finds the module of what it put there", () => {
    const kind = (name: string) => explanation.kinds.find((group) => group.name === name);
    // transposed weights are folded, the output's Identity is dropped
    expect(kind("Transpose")).toMatchObject({ nodes: 2, executed: 0, milliseconds: 0 });
    expect(kind("Identity")).toMatchObject({ nodes: 1, executed: 0 });
    expect(kind("MatMul")).toMatchObject({ nodes: 3, executed: 3 });
    const names = explanation.moduleKinds.map(({ name }) => name);
    expect(names).toEqual(["layers.*.norm", "layers.*.up", "layers.*", ""]);
  });

  it("averages over the runs", () => {
    const timings = [{ name: explanation.nodes[0]!.name, opType: "X", milliseconds: 6, calls: runs }];
    const { milliseconds } = explainGraph(traceFunction(network(), { inputs }), timings);
    expect(milliseconds).toBe(2);
  });

  it("is a table with times and shares", () => {
    expect(formatExplanation(explanation)).toMatch(/\nMatMul +3 +3 +\d+\.\d{3} +\d+\.\d %/);
  });
});
