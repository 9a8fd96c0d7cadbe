/**
 * Wrong calls of executables and arrays.
 */
import { compile, lowerGraph, openFolder } from "../../src/runtime/index.ts";
import { broadcastTo, defineOp, input, Parameter, type Tensor } from "../../src/tensor/index.ts";
import type { ErrorCode } from "../../src/util/errors.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { f, type MisuseCase } from "./case.ts";

const types = { x: { dtype: "f32", shape: ["n", 3] }, y: { dtype: "f32", shape: ["n"] } } as const;
type Executable = Awaited<ReturnType<typeof compileSum>>;
const compileSum = (options: object = {}) =>
  compile(({ x, y }: { x: Tensor; y: Tensor }) => ({ z: x.sum(1).add(y) }), {
    inputs: types,
    name: "adding",
    ...options,
  });
const good = () => ({ x: NDArray.zeros([2, 3]), y: NDArray.zeros([2]) });

function using(use: (executable: Executable) => unknown, options: object = {}): () => Promise<unknown> {
  return async () => {
    await using executable = await compileSum(options);
    return await use(executable);
  };
}

type Row = readonly [name: string, code: ErrorCode, says: readonly string[], call: () => unknown];

const rows: readonly Row[] = [
  ["a run without x", "name", ["x", "adding", "[n, 3]"], using((e) => e.run({ y: good().y }))],
  [
    "a run with another rank",
    "shape",
    ["x", "[2]", "[n, 3]"],
    using((e) => e.run({ ...good(), x: NDArray.zeros([2]) })),
  ],
  [
    "a run with another size",
    "shape",
    ["x", "[2, 4]", "[n, 3]"],
    using((e) => e.run({ ...good(), x: NDArray.zeros([2, 4]) })),
  ],
  [
    "a run with two sizes of n",
    "shape",
    ["y", "[5]", "n", "2"],
    using((e) => e.run({ ...good(), y: NDArray.zeros([5]) })),
  ],
  ["a run with i64", "dtype", ["x", "i64", "f32"], using((e) => e.run({ ...good(), x: NDArray.zeros([2, 3], "i64") }))],
  ["a run with a stranger", "name", ["w", "adding"], using((e) => e.run({ ...good(), w: NDArray.zeros([1]) }))],
  ["a run for another output", "name", ["adding", "q", "z"], using((e) => e.run(good(), { outputs: ["q" as "z"] }))],
  [
    "a run after disposal",
    "disposed",
    ["adding"],
    async () => {
      const e = await compileSum();
      await e.dispose();
      await e.run(good());
    },
  ],
  [
    "a NaN in an input",
    "nan",
    ["x", "adding", "[2, 3]"],
    using((e) => e.run({ ...good(), x: NDArray.from(new Array(6).fill(Number.NaN), [2, 3]) }), { checkNaN: true }),
  ],
  [
    "a NaN in an output",
    "nan",
    ["z", "adding"],
    using(
      (e) =>
        e.run({
          x: NDArray.from(new Array(6).fill(Number.POSITIVE_INFINITY), [2, 3]),
          y: NDArray.from([Number.NEGATIVE_INFINITY, 0]),
        }),
      { checkNaN: true },
    ),
  ],
  ["a profile that was not asked for", "argument", ["adding", "profile"], using((e) => e.profile())],
  [
    "a parameter without a value",
    "name",
    ["weight", "no value"],
    () => {
      const p = new Parameter("weight", "f32", [3]);
      return compile(({ x }) => ({ y: x.mul(p.tensor) }), { inputs: { x: { dtype: "f32", shape: [3] } } });
    },
  ],
  [
    "a parameter without a value, fed",
    "name",
    ["weight", "no value"],
    async () => {
      const p = new Parameter("weight", "f32", [3]);
      await using e = await compile(({ x }) => ({ y: x.mul(p.tensor) }), {
        inputs: { x: { dtype: "f32", shape: [3] } },
        parameters: "inputs",
      });
      return await e.run({ x: NDArray.zeros([3]) });
    },
  ],
  [
    "two parameters of one name",
    "name",
    ["weight"],
    () => {
      const [p, q] = [0, 1].map(() => new Parameter("weight", "f32", [1])) as [Parameter, Parameter];
      return lowerGraph([], { y: p.tensor.add(q.tensor) }, { parameters: "inputs" });
    },
  ],
  [
    "two inputs of one name",
    "name",
    ["x", "[2]", "[3]"],
    () => lowerGraph([], { y: input("x", "f32", [2]), z: input("x", "f32", [3]) }),
  ],
  [
    "an output named like an input",
    "name",
    ["x"],
    () => compile(({ x }) => ({ x: x.mul(2) }), { inputs: { x: { dtype: "f32", shape: [2] } } }),
  ],
  ["a size that no input has", "shape", ["m"], () => lowerGraph([], { y: broadcastTo(f(1), ["m"]) })],
  [
    "an op of a known name",
    "name",
    ["matmul"],
    () => defineOp({ name: "matmul", infer: () => [], lower: () => [], vjp: "none" }),
  ],
  ["a folder in a file", "disk", ["package.json"], () => openFolder("package.json/run")],
  [
    "data of another length",
    "shape",
    ["NDArray", "[2, 3]", "6", "5"],
    () => new NDArray(new Float32Array(5), [2, 3], "f32"),
  ],
  [
    "data of another class",
    "dtype",
    ["NDArray", "i64", "Float32Array"],
    () => new NDArray(new Float32Array(2), [2], "i64"),
  ],
  ["values of another length", "shape", ["NDArray.from", "[2]", "3"], () => NDArray.from([1, 2, 3], [2])],
  ["a reshape of an array", "shape", ["NDArray", "[4]"], () => NDArray.zeros([2, 3]).reshape([4])],
];

/** Wrong calls of executables and arrays. */
export const runCases: readonly MisuseCase[] = rows.map(([name, code, says, call]) => ({ name, code, says, call }));
