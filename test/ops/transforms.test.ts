/**
 * Transforms of functions: gradients of gradients, vector-Jacobian products, recomputation, and work that is shared.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine, traceFunction } from "../../src/runtime/index.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import * as t from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { numbers } from "./rows/row.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

type Named = Readonly<Record<string, Tensor>>;

async function evaluate(
  f: (inputs: Named) => Record<string, Tensor>,
  arrays: Readonly<Record<string, NDArray>>,
): Promise<Record<string, NDArray>> {
  const inputs = Object.fromEntries(
    Object.entries(arrays).map(([name, { dtype, shape }]) => [name, { dtype, shape }] as const),
  );
  await using executable = await compile(f, { inputs });
  return await executable.run(arrays);
}

/** How often each kind of node is in a function's graph. */
function counts(
  f: (inputs: Named) => Record<string, Tensor>,
  arrays: Readonly<Record<string, NDArray>>,
): Readonly<Record<string, number>> {
  const inputs = Object.fromEntries(
    Object.entries(arrays).map(([name, { dtype, shape }]) => [name, { dtype, shape }] as const),
  );
  const out: Record<string, number> = {};
  for (const { opType } of traceFunction(f, { inputs }).graph.nodes) out[opType] = (out[opType] ?? 0) + 1;
  return out;
}

const arrays = { x: numbers([4, 3], 1), w1: numbers([3, 5], 2), w2: numbers([5, 2], 3) };
const mlp = ({ x, w1, w2 }: Named) => t.matmul(t.matmul(x!, w1!).tanh(), w2!).square().mean();

describe("second derivatives", () => {
  it("of a small network agree with differences of first ones", async () => {
    const direction = numbers([3, 5], 7);
    const build = (inputs: Named) => {
      const first = (w1: Tensor) => t.grad((w: Tensor) => mlp({ ...inputs, w1: w }))(w1)[0]!;
      const along = (w1: Tensor) => first(w1).mul(t.constant(direction)).sum();
      return { first: first(inputs.w1!), second: t.grad(along)(inputs.w1!)[0]! };
    };
    const { second } = await evaluate(build, arrays);
    const step = 1 / 1024;
    const moved = async (sign: number) => {
      const w1 = NDArray.from(
        arrays.w1.toNumbers().map((v, i) => v + sign * step * direction.at(i)),
        [3, 5],
      );
      return (await evaluate(build, { ...arrays, w1 })).first!.toNumbers();
    };
    const [ahead, behind] = [await moved(1), await moved(-1)];
    let largest = 0;
    for (let i = 0; i < 15; i++) {
      const numeric = (ahead[i]! - behind[i]!) / (2 * step);
      largest = Math.max(largest, Math.abs(numeric));
      expect(Math.abs(second!.at(i) - numeric)).toBeLessThan(2e-3 + 2e-3 * Math.abs(numeric));
    }
    expect(largest).toBeGreaterThan(0.1);
  });

  it("and third ones of powers, convolutions, norms and softmax exist", async () => {
    const x = numbers([1, 2, 4, 4], 4);
    const { cube } = await evaluate(
      ({ x }) => {
        const once = (f: (v: Tensor) => Tensor) => (v: Tensor) => t.grad((u: Tensor) => f(u).sum())(v)[0]!;
        return { cube: once(once(once((v) => v.mul(v).mul(v))))(x!) };
      },
      { x },
    );
    expect(cube!.toNumbers()).toEqual(new Array(32).fill(6));
    const w = numbers([3, 2, 3, 3], 5);
    const { g } = await evaluate(
      ({ x, w }) => {
        const net = (v: Tensor) => {
          const y = t.maxPool(t.conv(v, w!, undefined, { padding: 1 }).tanh(), { kernel: 2 });
          return t
            .softmax(t.layerNorm(y.reshape([1, 12]), undefined, undefined, { epsilon: 0.1 }), 1)
            .square()
            .sum();
        };
        const gradient = t.grad(net)(x!)[0]!;
        return { g: t.gradients(gradient.square().sum(), [x!])[0]! };
      },
      { x, w },
    );
    expect(g!.toNumbers().every(Number.isFinite)).toBe(true);
    expect(g!.toNumbers().some((v) => Math.abs(v) > 1e-6)).toBe(true);
  });
});

describe("vjp", () => {
  it("pulls cotangents of several values back", async () => {
    const { da, db, y } = await evaluate(
      ({ a, b }) => {
        const { values, pull } = t.vjp((p: Tensor, q: Tensor) => [p.mul(q), p.sum(0)])(a!, b!);
        const [da, db] = pull(b!, t.constant(NDArray.from([1, 10])));
        return { y: values[0]!, da: da!, db: db! };
      },
      { a: NDArray.from([1, 2, 3, 4], [2, 2]), b: NDArray.from([5, 6, 7, 8], [2, 2]) },
    );
    expect(y!.toNumbers()).toEqual([5, 12, 21, 32]);
    expect(da!.toNumbers()).toEqual([26, 46, 50, 74]);
    expect(db!.toNumbers()).toEqual([5, 12, 21, 32]);
  });

  it("refuses cotangents that do not fit", () => {
    const x = t.input("x", "f32", [2, 3]);
    const { pull } = t.vjp((v: Tensor) => v.exp())(x);
    expect(() => pull()).toThrow(/1 values need as many cotangents, got 0/);
    expect(() => pull(t.input("c", "f32", [3]))).toThrow(/should be f32\[2, 3\], got f32\[3\]/);
  });
});

it("arguments made from each other have partial gradients", async () => {
  const { a, b, c, d } = await evaluate(
    ({ x }) => {
      const [a, b] = t.grad((p: Tensor, q: Tensor) => p.mul(q).sum())(x!, x!.mul(3));
      const [c, d] = t
        .vjp((p: Tensor, q: Tensor) => p.mul(q.square()))(x!, x!)
        .pull(t.constant(NDArray.from([1, 1])));
      return { a: a!, b: b!, c: c!, d: d! };
    },
    { x: NDArray.from([2, 5]) },
  );
  expect([a, b, c, d].map((g) => g!.toNumbers())).toEqual([
    [6, 15],
    [2, 5],
    [4, 25],
    [8, 50],
  ]);
});

describe("shared work", () => {
  it("is not done twice for gradients", () => {
    const f = ({ x, w1 }: Named) => {
      const shared = t.matmul(x!, w1!).exp();
      const y = shared.mul(shared.tanh()).add(shared.sin()).sum();
      const [dx] = t.gradients(y, [x!]);
      return { y, dx: dx! };
    };
    // one product forwards and one back, and the only exponential also serves as its own derivative
    const seen = counts(f, arrays);
    expect(seen.Exp).toBe(1);
    expect(seen.Tanh).toBe(1);
    expect(seen.MatMul).toBe(2);
  });

  it("is found when a function is written down twice", () => {
    const f = ({ x }: Named) => ({ y: x!.exp().add(x!.exp().mul(2)).sum() });
    expect(counts(f, arrays).Exp).toBe(1);
  });
});

describe("checkpointed", () => {
  const layers = (x: Tensor, w: Tensor, wrap: boolean) => {
    let y = x;
    for (let i = 0; i < 3; i++) {
      const layer = (v: Tensor) => t.matmul(v, w).tanh().exp().sin();
      y = wrap ? t.checkpointed(layer)(y) : layer(y);
    }
    return y;
  };
  const build =
    (wrap: boolean) =>
    ({ x, w }: Named) => {
      const y = layers(x!, w!, wrap).sum();
      const [dx, dw] = t.gradients(y, [x!, w!]);
      return { y, dx: dx!, dw: dw! };
    };
  const inputs = { x: numbers([6, 4], 1), w: numbers([4, 4], 2) };

  it("computes again, and yields the same numbers", async () => {
    const [plain, again] = [counts(build(false), inputs), counts(build(true), inputs)];
    // three forward products, and two more a layer for the gradients
    expect(plain.Tanh).toBe(3);
    expect(again.Tanh).toBe(6);
    expect(again.MatMul! - plain.MatMul!).toBe(3);
    const [want, got] = [await evaluate(build(false), inputs), await evaluate(build(true), inputs)];
    for (const name of ["y", "dx", "dw"]) expect(got[name]!.toNumbers(), name).toEqual(want[name]!.toNumbers());
  });

  it("gives parameters that the function uses their gradients", async () => {
    const weight = new t.Parameter("weight", "f32", [4, 4], numbers([4, 4], 2));
    const results = await Promise.all(
      [false, true].map((wrap) =>
        evaluate(
          ({ x }) => {
            const y = layers(x!, weight.tensor, wrap).sum();
            return { dw: t.gradients(y, [weight.tensor])[0]! };
          },
          { x: inputs.x },
        ),
      ),
    );
    const [want, got] = results.map(({ dw }) => dw!.toNumbers());
    expect(got).toEqual(want);
    expect(want!.some((v) => v !== 0)).toBe(true);
  });

  it("composes with itself and with gradients of gradients", async () => {
    const second =
      (wrap: boolean) =>
      ({ x, w }: Named) => {
        const one = (v: Tensor) => t.matmul(v, w!).tanh();
        const two = (v: Tensor) => (wrap ? t.checkpointed(one) : one)(v).mul(v);
        const net = (v: Tensor) => (wrap ? t.checkpointed(two) : two)(v).sum();
        const [dx] = t.grad(net)(x!);
        const [ddx, dw] = t.gradients(dx!.square().sum(), [x!, w!]);
        return { dx: dx!, ddx: ddx!, dw: dw! };
      };
    const [want, got] = [await evaluate(second(false), inputs), await evaluate(second(true), inputs)];
    for (const [name, array] of Object.entries(want))
      array.toNumbers().forEach((v, i) => {
        expect(got[name]!.at(i), `${name}[${i}]`).toBeCloseTo(v, 4);
      });
  });

  it("leaves what it only hands on alone, and takes integers and several results", async () => {
    const { dx, same } = await evaluate(
      ({ x, ids }) => {
        const [rows, id] = t.checkpointed((table: Tensor, at: Tensor) => [t.gather(table, at).exp(), at])(x!, ids!);
        return { dx: t.gradients(rows!.sum(), [x!])[0]!, same: id! };
      },
      { x: NDArray.from([0, 1, 2]), ids: NDArray.from([1, 1], [2], "i64") },
    );
    expect(same!.toNumbers()).toEqual([1, 1]);
    expect(dx!.toNumbers().map((v) => v.toFixed(4))).toEqual(["0.0000", (2 * Math.E).toFixed(4), "0.0000"]);
  });
});

describe("gradients that are led elsewhere", () => {
  const x = NDArray.from([-1.25, 0.5, 2.75]);
  const both = async (f: (x: Tensor) => Tensor) => {
    const { y, dx } = await evaluate(({ x }) => ({ y: f(x!), dx: t.gradients(f(x!).sum(), [x!])[0]! }), { x });
    return [y!.toNumbers(), dx!.toNumbers()];
  };

  it("stop", async () => {
    expect(await both((v) => t.stopGradient(v).mul(v))).toEqual([
      [1.5625, 0.25, 7.5625],
      [-1.25, 0.5, 2.75],
    ]);
  });

  it("go straight through", async () => {
    expect(await both((v) => t.straightThrough(v, v.round()).mul(2))).toEqual([
      [-2, 0, 6],
      [2, 2, 2],
    ]);
  });

  it("go back to where sorted elements stood", async () => {
    expect(await both((v) => t.sort(v, { descending: true }).values.mul(t.constant(NDArray.from([1, 2, 3]))))).toEqual([
      [2.75, 1, -3.75],
      [3, 2, 1],
    ]);
  });
});
