import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  exp,
  grad,
  log,
  matmul,
  Parameter,
  pullback,
  relu,
  type Tensor,
  valueAndGrad,
  withScope,
} from "../tensor/index.ts";
import { BletchleyError, type ErrorCode } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { compile, getDefaultEngine, traceFunction } from "./index.ts";

const f32 = (...shape: (number | string)[]) => ({ dtype: "f32", shape }) as const;

async function refused(code: ErrorCode, body: () => unknown): Promise<string> {
  try {
    await body();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(BletchleyError);
    expect((thrown as BletchleyError).code).toBe(code);
    return (thrown as BletchleyError).message;
  }
  return expect.fail(`nothing was thrown, ${code} was expected`);
}

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

describe("what is fed", () => {
  const sum = () =>
    compile(({ a, b }) => ({ y: a.add(b), size: a.mul(0).sum() }), {
      inputs: { a: f32("n", 2), b: f32("n", 1) },
      name: "sum",
    });
  const a = NDArray.from([1, 2, 3, 4], [2, 2]);
  const b = NDArray.from([10, 20], [2, 1]);

  it("runs", async () => {
    const f = await sum();
    expect((await f.run({ a, b })).y.toNumbers()).toEqual([11, 12, 23, 24]);
    await f.dispose();
  });

  it("names a missing input and what it needs", async () => {
    const f = await sum();
    expect(await refused("name", () => f.run({ a }))).toBe('input "b" of "sum" is missing; it needs f32[n, 1]');
  });

  it("names an input that does not exist, and those that do", async () => {
    const f = await sum();
    expect(await refused("name", () => f.run({ a, b, c: b }))).toBe('"sum" has no input "c"; it has a, b');
  });

  it("names both dtypes", async () => {
    const f = await sum();
    const wrong = NDArray.from([1, 2], [2, 1], "i64");
    expect(await refused("dtype", () => f.run({ a, b: wrong }))).toBe('input "b" is i64, "sum" needs f32');
  });

  it("names both shapes, for a wrong size and a wrong rank", async () => {
    const f = await sum();
    expect(await refused("shape", () => f.run({ a: a.reshape([4, 1]), b }))).toBe(
      'input "a" is [4, 1], "sum" needs [n, 2]',
    );
    expect(await refused("shape", () => f.run({ a: a.reshape([4]), b }))).toBe('input "a" is [4], "sum" needs [n, 2]');
  });

  it("names a dimension that two inputs disagree on", async () => {
    const f = await sum();
    expect(await refused("shape", () => f.run({ a, b: NDArray.zeros([3, 1]) }))).toBe(
      'input "b" is [3, 1], but dimension "n" is 2 in another input',
    );
  });

  it("checks sizes that are sums of names", async () => {
    const f = await compile(({ past, x, all }) => ({ y: past.sum().add(x.sum()).add(all.sum()) }), {
      inputs: { past: f32("past"), x: f32("n"), all: f32("past+n") },
    });
    const feeds = { past: NDArray.zeros([3]), x: NDArray.zeros([2]) };
    expect((await f.run({ ...feeds, all: NDArray.from([1, 2, 3, 4, 5]) })).y.at(0)).toBe(15);
    expect(await refused("shape", () => f.run({ ...feeds, all: NDArray.zeros([4]) }))).toBe(
      'input "all" is [4], but its size n+past should be 5',
    );
  });

  it("names an output that does not exist", async () => {
    const f = await sum();
    const message = await refused("name", () => f.run({ a, b }, { outputs: ["z" as "y"] }));
    expect(message).toBe('"sum" has no output "z"; it has y, size');
  });

  it("returns only the outputs that are asked for, into an array that is given", async () => {
    const f = await sum();
    const into = NDArray.zeros([2, 2]);
    const results = await f.run({ a, b }, { outputs: ["y"], into: { y: into } });
    expect(Object.keys(results)).toEqual(["y"]);
    expect(into.toNumbers()).toEqual([11, 12, 23, 24]);
  });

  it("cannot run once disposed", async () => {
    const f = await sum();
    await f.dispose();
    expect(await refused("disposed", () => f.run({ a, b }))).toBe(
      'executable "sum" has been disposed; compile it again to use it',
    );
  });

  it("is disposed at the end of its scope", async () => {
    let outer: Awaited<ReturnType<typeof sum>>;
    {
      await using f = await sum();
      outer = f;
    }
    await refused("disposed", () => outer.run({ a, b }));
  });
});

describe("NaN check", () => {
  const root = (checkNaN: boolean) =>
    compile(({ x }) => ({ y: log(x) }), { inputs: { x: f32(3) }, name: "root", checkNaN });

  it("names the output, or the input, and the place", async () => {
    const f = await root(true);
    expect(await refused("nan", () => f.run({ x: NDArray.from([1, 2, -1]) }))).toBe(
      'output "y" of "root" has a NaN at flat index 2 of [3]',
    );
    expect(await refused("nan", () => f.run({ x: NDArray.from([1, Number.NaN, 1]) }))).toBe(
      'input "x" of "root" has a NaN at flat index 1 of [3]',
    );
  });

  it("is off unless asked for", async () => {
    const f = await root(false);
    expect((await f.run({ x: NDArray.from([1, 2, -1]) })).y.at(2)).toBeNaN();
  });
});

describe("tracing", () => {
  it("names shapes and module path of a failing op", async () => {
    const layer = (x: Tensor) => withScope("mlp", () => matmul(x, x));
    const message = await refused("shape", () =>
      compile(({ x }) => ({ y: withScope("layers.3", () => layer(x)) }), { inputs: { x: f32("n", 8) } }),
    );
    expect(message).toBe("matmul: inner dimensions differ, [n, 8] × [n, 8] (in layers.3.mlp)");
  });

  it("leaves the module path when a trace fails", async () => {
    await refused("shape", () => withScope("a", () => withScope("b", () => traceBroken())));
    expect(await refused("shape", () => traceBroken())).toBe("add: shapes do not broadcast, [2] and [3]");
  });
  const traceBroken = () => traceFunction(({ x, y }) => ({ z: add(x, y) }), { inputs: { x: f32(2), y: f32(3) } });

  it("shares common subexpressions and equal constants", () => {
    const { graph } = traceFunction(
      ({ x }) => ({
        y: exp(x.mul(2))
          .add(exp(x.mul(2)))
          .add(2),
      }),
      {
        inputs: { x: f32("n") },
      },
    );
    expect(graph.nodes.map((node) => node.opType)).toEqual(["Mul", "Exp", "Add", "Add", "Identity"]);
    expect(graph.initializers).toHaveLength(1);
  });

  it("does not lower what no output needs", () => {
    const { graph } = traceFunction(
      ({ x }) => {
        exp(x);
        return { y: x.add(1) };
      },
      { inputs: { x: f32("n") } },
    );
    expect(graph.nodes.map((node) => node.opType)).toEqual(["Add", "Identity"]);
  });

  it("refuses an output named like an input", async () => {
    const message = await refused("name", () => compile(({ x }) => ({ x: x.mul(2) }), { inputs: { x: f32(3) } }));
    expect(message).toBe('the output "x" of "graph" has the name of an input; give it another one');
  });

  it("refuses two inputs of one name", async () => {
    const weight = new Parameter("x", "f32", [2], NDArray.from([1, 2]));
    const message = await refused("name", () =>
      compile(({ x }) => ({ y: x.mul(weight.tensor) }), { inputs: { x: f32(3, 2) }, parameters: "inputs" }),
    );
    expect(message).toContain('two different inputs are named "x"');
  });
});

describe("parameters", () => {
  const model = () => {
    const weight = new Parameter("head.weight", "f32", [2], NDArray.from([3, 4]));
    return { weight, f: ({ x }: { readonly x: Tensor }) => ({ y: x.mul(weight.tensor).sum() }) };
  };
  const x = NDArray.from([1, 10]);

  it("are constants of the graph by default", async () => {
    const { weight, f } = model();
    const executable = await compile(f, { inputs: { x: f32(2) } });
    expect(executable.parameterInputs.size).toBe(0);
    weight.value = NDArray.from([0, 0]);
    expect((await executable.run({ x })).y.at(0)).toBe(43);
  });

  it("can be inputs, which follow their values and can be fed", async () => {
    const { weight, f } = model();
    const executable = await compile(f, { inputs: { x: f32(2) }, parameters: "inputs" });
    expect([...executable.parameterInputs.values()]).toEqual([weight]);
    expect((await executable.run({ x })).y.at(0)).toBe(43);
    weight.value = NDArray.from([1, 1]);
    expect((await executable.run({ x })).y.at(0)).toBe(11);
    expect((await executable.run({ x, "head.weight": NDArray.from([0, 1]) })).y.at(0)).toBe(10);
  });

  it("say so when they have no value", async () => {
    const { weight, f } = model();
    weight.value = undefined;
    const message = 'parameter "head.weight" has no value; load a checkpoint or initialise it first';
    expect(await refused("name", () => compile(f, { inputs: { x: f32(2) } }))).toBe(message);
    const executable = await compile(f, { inputs: { x: f32(2) }, parameters: "inputs" });
    expect(await refused("name", () => executable.run({ x }))).toBe(message);
  });

  it("have gradients like any tensor", async () => {
    const { weight, f } = model();
    const one = (y: Tensor) => y.mul(0).add(1);
    const executable = await compile(
      (inputs) => {
        const { y } = f(inputs);
        return { g: pullback([y], [one(y)], [weight.tensor])[0]! };
      },
      { inputs: { x: f32(2) }, parameters: "inputs" },
    );
    expect((await executable.run({ x })).g.toNumbers()).toEqual([1, 10]);
  });
});

describe("gradients", () => {
  it("grad and valueAndGrad transform functions", async () => {
    const f = (x: Tensor, w: Tensor) => relu(x.mul(w)).sum();
    const executable = await compile(
      ({ x, w }) => {
        const { value, gradients } = valueAndGrad(f)(x, w);
        const [dx] = grad(f)(x, w);
        return { value, dx: gradients[0]!, dw: gradients[1]!, again: dx! };
      },
      { inputs: { x: f32("n"), w: f32("n") } },
    );
    const results = await executable.run({ x: NDArray.from([1, 2, -3]), w: NDArray.from([4, 5, 6]) });
    expect(results.value.at(0)).toBe(14);
    expect(results.dx.toNumbers()).toEqual([4, 5, 0]);
    expect(results.dw.toNumbers()).toEqual([1, 2, -0]);
    expect(results.again.toNumbers()).toEqual([4, 5, 0]);
  });

  it("can be taken twice", async () => {
    const cube = (x: Tensor) => x.mul(x).mul(x).sum();
    const slope = (x: Tensor) => grad(cube)(x)[0]!.sum();
    const executable = await compile(({ x }) => ({ y: grad(slope)(x)[0]! }), { inputs: { x: f32("n") } });
    expect((await executable.run({ x: NDArray.from([1, -2]) })).y.toNumbers()).toEqual([6, -12]);
  });

  it("are zeros for an input without influence", async () => {
    const executable = await compile(({ x, w }) => ({ dw: grad((a, _) => a.sum())(x, w)[1]! }), {
      inputs: { x: f32("n"), w: f32("n", 2) },
    });
    const { dw } = await executable.run({ x: NDArray.zeros([3]), w: NDArray.zeros([3, 2]) });
    expect(dw.shape).toEqual([3, 2]);
    expect(dw.toNumbers()).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("need a scalar", async () => {
    const message = await refused("shape", () =>
      compile(({ x }) => ({ y: grad((a) => a.mul(a))(x)[0]! }), { inputs: { x: f32("n", 2) } }),
    );
    expect(message).toBe("grad: needs a scalar, got [n, 2]; sum it first");
  });
});

it("a graph of symbolic sizes runs with any, empty ones too", async () => {
  const f = await compile(({ x }) => ({ y: x.sum(0), z: x.mul(x) }), { inputs: { x: f32("n", 2) } });
  for (const n of [3, 1, 0]) {
    const { y, z } = await f.run({ x: NDArray.from(new Array<number>(2 * n).fill(1), [n, 2]) });
    expect(y.toNumbers()).toEqual([n, n]);
    expect(z.shape).toEqual([n, 2]);
  }
});
