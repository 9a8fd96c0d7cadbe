import { afterAll, describe, expect, it } from "vitest";
import { type Dim, exp, squeeze, type Tensor, transpose, unsqueeze } from "../tensor/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { compile, getDefaultEngine, traceFunction } from "./index.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

interface Case {
  readonly name: string;
  readonly shape: readonly Dim[];
  readonly f: (x: Tensor) => Tensor;
  /** Op types that remain, in order, without the output's own `Identity`. */
  readonly left: readonly string[];
}

// sizes are symbolic, which is where ONNX Runtime leaves these nodes as they are
const cases: readonly Case[] = [
  {
    name: "a reshape after a reshape",
    shape: ["n", 64],
    f: (x) => exp(exp(x).reshape(["n", 4, 16]).reshape([-1, 32])),
    left: ["Exp", "Reshape", "Exp"],
  },
  {
    name: "a reshape that copies a size that the one before copies, too",
    shape: ["n", 64],
    f: (x) => exp(exp(x).reshape(["n", 4, 16]).reshape(["n", 2, 32])),
    left: ["Exp", "Reshape", "Exp"],
  },
  {
    name: "several, of which two sizes are symbolic",
    shape: ["b", "n", 64],
    f: (x) => exp(exp(x).reshape(["b", "n", 4, 16]).reshape(["b", "n", 2, 32]).reshape(["b", "n", 8, 8])),
    left: ["Exp", "Reshape", "Exp"],
  },
  {
    name: "reshapes that lead back",
    shape: ["n", 64],
    f: (x) => exp(exp(x).reshape(["n", 4, 16]).reshape(["n", 64])),
    left: ["Exp", "Exp"],
  },
  {
    name: "axes of size 1 that come and go",
    shape: ["b", "n", 8],
    f: (x) => exp(squeeze(unsqueeze(exp(x), [0, 2]), [0, 2])),
    left: ["Exp", "Exp"],
  },
  {
    name: "axes of size 1 that go and come",
    shape: ["b", 1, "n", 8],
    f: (x) => exp(unsqueeze(squeeze(exp(x), 1), 1)),
    left: ["Exp", "Exp"],
  },
  {
    name: "a reshape after an added axis",
    shape: ["b", "n", 8],
    f: (x) => exp(unsqueeze(exp(x), 1).reshape([-1, 4])),
    left: ["Exp", "Reshape", "Exp"],
  },
  {
    name: "expressions that are common only afterwards",
    shape: ["n", 64],
    f: (x) => exp(x.reshape([-1, 16]).reshape([-1, 32])).add(exp(x.reshape([-1, 8]).reshape([-1, 32]))),
    left: ["Reshape", "Exp", "Add"],
  },
];

const random = new Random(5);

function feedFor(shape: readonly Dim[], sizes: Readonly<Record<string, number>>): NDArray {
  const dims = shape.map((n) => (typeof n === "number" ? n : sizes[n]!));
  const count = dims.reduce((a, b) => a * b, 1);
  return NDArray.from(
    Array.from({ length: count }, () => random.normal()),
    dims,
  );
}

describe("changes of shape", () => {
  it.each(cases)("$name", async ({ shape, f, left }) => {
    const inputs = { x: { dtype: "f32", shape } } as const;
    const kinds = (simplify: boolean) =>
      traceFunction(({ x }) => ({ y: f(x) }), { inputs, simplify }).graph.nodes.map((node) => node.opType);
    expect(kinds(true)).toEqual([...left, "Identity"]);
    expect(kinds(false).length).toBeGreaterThan(left.length + 1);
    const [plain, joined] = await Promise.all(
      [false, true].map((simplify) => compile(({ x }) => ({ y: f(x) }), { inputs, simplify })),
    );
    for (const sizes of [
      { b: 2, n: 3 },
      { b: 1, n: 1 },
    ]) {
      const x = feedFor(shape, sizes);
      const [expected, actual] = [await plain!.run({ x }), await joined!.run({ x })];
      expect(actual.y.shape).toEqual(expected.y.shape);
      expect(actual.y.data).toEqual(expected.y.data);
    }
    await plain!.dispose();
    await joined!.dispose();
  });

  it("keeps a reshape that others read, and lets the later one start from its input", () => {
    const { graph } = traceFunction(
      ({ x }) => {
        const pairs = x.reshape(["n", 32, 2]);
        return { y: exp(pairs), z: exp(pairs.reshape(["n", 2, 32])) };
      },
      { inputs: { x: { dtype: "f32", shape: ["n", 64] } } },
    );
    expect(graph.nodes.slice(0, 4).map(({ opType, inputs: [x] }) => `${opType} ${x}`)).toEqual([
      "Reshape x",
      expect.stringMatching(/^Exp Reshape_/),
      "Reshape x",
      expect.stringMatching(/^Exp Reshape_/),
    ]);
  });

  it("keeps what moves elements between two reshapes", () => {
    const { graph } = traceFunction(
      ({ x }) => ({ y: transpose(x.reshape(["n", 4, 16]), [0, 2, 1]).reshape([-1, 64]) }),
      {
        inputs: { x: { dtype: "f32", shape: ["n", 64] } },
      },
    );
    expect(graph.nodes.map((node) => node.opType)).toEqual(["Reshape", "Transpose", "Reshape", "Identity"]);
  });

  it("keeps a reshape that copies a size which the one before computes", async () => {
    // [n, 64] → [2n, 32] → [2n, 4, 8]: the first size is 0 to the second reshape, and not the first size of x
    const f = await compile(({ x }) => ({ y: x.reshape([-1, 32]).reshape(["2*n", 4, 8]) }), {
      inputs: { x: { dtype: "f32", shape: ["n", 64] } },
    });
    const { y } = await f.run({ x: feedFor([3, 64], {}) });
    expect(y.shape).toEqual([6, 4, 8]);
    await f.dispose();
  });

  it("leaves no shape behind that nothing reads", () => {
    const { graph } = traceFunction(({ x }) => ({ y: x.reshape(["n", 4, 16]).reshape([-1, 32]) }), {
      inputs: { x: { dtype: "f32", shape: ["n", 64] } },
    });
    expect(graph.initializers.map(({ data }) => ("data" in data ? data.toNumbers() : []))).toEqual([[-1, 32]]);
  });
});
