/**
 * The op table: every op that exists, its values and gradients against the goldens and against finite differences.
 * An op without a row fails a test, and so does a golden op that nothing replays.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import { definedOps, dimSize, nodesBehind, Parameter, range, type Tensor } from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { expectGradients } from "./differences.ts";
import { goldenCases } from "./golden.ts";
import { inReplayOrder, replay } from "./replay.ts";
import { families } from "./rows/index.ts";

const examples = Object.values(families).flatMap((family) => Object.entries(family.examples));

const usedOps = new Set<string>();

function noteOps(tensors: readonly Tensor[]): void {
  for (const node of nodesBehind(tensors)) usedOps.add(node.op.name);
}

describe("golden values", () => {
  for (const [name, family] of Object.entries(families))
    describe(name, () => {
      const cases = goldenCases(name);
      for (const { golden } of inReplayOrder(cases.map((golden) => ({ family, golden }))))
        it(`${golden.op}: ${golden.name}`, () => replay(family, golden, noteOps));

      it("no row is left over", () => {
        const ops = new Set(cases.map(({ op }) => op));
        expect([family.golden, family.plain ?? {}].flatMap(Object.keys).filter((op) => !ops.has(op))).toEqual([]);
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
