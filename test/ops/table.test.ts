/**
 * The op table: every op that exists, its values and gradients against the goldens and against finite differences.
 * An op without a row fails a test, and so does a golden op that is neither replayed nor put off by name.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import {
  constant,
  definedOps,
  dimSize,
  nodesBehind,
  Parameter,
  pullback,
  range,
  type Tensor,
} from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { expectGradients } from "./differences.ts";
import { expectClose, type GoldenCase, goldenCases, toArray } from "./golden.ts";
import { families, type GoldenRow } from "./rows/index.ts";

const examples = Object.values(families).flatMap((family) => Object.entries(family.examples));

const usedOps = new Set<string>();

function noteOps(tensors: readonly Tensor[]): void {
  for (const node of nodesBehind(tensors)) usedOps.add(node.op.name);
}

async function replay(
  row: GoldenRow,
  golden: GoldenCase,
  ownGradients: Readonly<Record<string, readonly number[]>> = {},
): Promise<void> {
  const arrays = Object.fromEntries(Object.entries(golden.inputs).map(([name, t]) => [name, toArray(t)]));
  const wanted = Object.keys(golden.grads ?? {});
  const executable = await compile(
    (inputs) => {
      const outputs = row(inputs as Record<string, Tensor>, golden.attrs);
      const names = Object.keys(golden.cotangents ?? {});
      const pulled = pullback(
        names.map((name) => outputs[name]!),
        names.map((name) => constant(toArray(golden.cotangents![name]!))),
        wanted.map((name) => (inputs as Record<string, Tensor>)[name]!),
      );
      // prefixes, because an output may be named like an input
      const everything = {
        ...Object.fromEntries(Object.entries(outputs).map(([name, y]) => [`out:${name}`, y])),
        ...Object.fromEntries(wanted.map((name, i) => [`grad:${name}`, pulled[i]!])),
      };
      noteOps(Object.values(everything));
      return everything;
    },
    {
      inputs: Object.fromEntries(Object.entries(arrays).map(([name, a]) => [name, { dtype: a.dtype, shape: a.shape }])),
    },
  );
  const results: Record<string, NDArray> = await executable.run(arrays);
  await executable.dispose();
  for (const [name, want] of Object.entries(golden.outputs))
    expectClose(results[`out:${name}`]!, want, golden.tolerance, `output ${name}`);
  for (const name of wanted) {
    const stored = golden.grads![name]!;
    const want = ownGradients[name] ? { ...stored, data: [...ownGradients[name]] } : stored;
    expectClose(results[`grad:${name}`]!, want, golden.tolerance, `gradient of ${name}`);
  }
}

describe("golden values", () => {
  for (const [family, { golden: rows, later = {}, ownGradients = {} }] of Object.entries(families))
    describe(family, () => {
      const cases = goldenCases(family);
      for (const golden of cases) {
        const row = rows[golden.op];
        if (row) it(`${golden.op}: ${golden.name}`, () => replay(row, golden, ownGradients[golden.name]));
      }
      it("every golden op is replayed or put off by name", () => {
        const ops = [...new Set(cases.map(({ op }) => op))];
        expect(ops.filter((op) => !(op in rows)).sort()).toEqual(Object.keys(later).sort());
        expect(Object.keys(rows).filter((op) => !ops.includes(op))).toEqual([]);
      });
    });
});

describe("finite differences", () => {
  for (const [name, example] of examples) it(name, () => expectGradients(name, example, noteOps));
});

describe("ops of no golden case", () => {
  const check = async (
    f: (x: Tensor) => Tensor,
    size: number,
    want: readonly number[],
    parameters: "constants" | "inputs" = "constants",
  ) => {
    const build = ({ x }: { readonly x: Tensor }) => {
      const y = f(x);
      noteOps([y]);
      return { y };
    };
    const executable = await compile(build, { inputs: { x: { dtype: "f32", shape: ["n"] } }, parameters });
    expect((await executable.run({ x: NDArray.zeros([size]) })).y.toNumbers()).toEqual(want);
    await executable.dispose();
  };

  it("parameter", async () => {
    const { tensor } = new Parameter("weight", "f32", [2], NDArray.from([3, -4]));
    await check((x) => tensor.mul(tensor).add(x.sum()), 2, [9, 16]);
    await check((x) => tensor.mul(tensor).add(x.sum()), 2, [9, 16], "inputs");
  });

  it("range between symbolic bounds", async () => {
    await check(() => range("n", "2*n"), 3, [3, 4, 5]);
    await check(() => range("n", 0, -1, "f32"), 3, [3, 2, 1]);
    await check(() => range(1, "2*n+1", 2), 0, []);
  });

  it("dimSize", async () => {
    await check((x) => x.add(dimSize("n")), 2, [2, 2]);
    await check((x) => x.add(dimSize("n*n+1", "i64").cast("f32")), 2, [5, 5]);
  });
});

it("every op has a row in the table", () => {
  expect([...definedOps().keys()].filter((name) => !usedOps.has(name))).toEqual([]);
});

it("every op with a gradient has a finite-difference example", () => {
  const missing = [...definedOps().values()]
    .filter((op) => op.vjp !== "none" && !examples.some(([name]) => name === op.name))
    .map((op) => op.name);
  expect(missing).toEqual([]);
});

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});
