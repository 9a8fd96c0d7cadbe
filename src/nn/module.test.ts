/** Trees of modules: paths, state dicts, first values, sites, edits, modes. */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../runtime/index.ts";
import { constant, type Tensor, withScope } from "../tensor/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import {
  BatchNorm,
  Dropout,
  edit,
  evaluate,
  fans,
  fillDropoutMask,
  formatDifference,
  freeze,
  type Initializer,
  initialize,
  isFrozen,
  kaimingNormal,
  kaimingUniform,
  Linear,
  LinearGroup,
  loadStateDict,
  Mlp,
  Module,
  nameParameters,
  normal,
  orthogonal,
  pathMatcher,
  Sequential,
  site,
  stateDict,
  trace,
  truncatedNormal,
  unfreeze,
  xavierNormal,
  xavierUniform,
} from "./index.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

class Block extends Module {
  readonly norm = new BatchNorm(4);
  readonly mlp = new Mlp(4, 6);
  readonly dropout = new Dropout(0.5);

  forward(x: Tensor): Tensor {
    return site("end", x.add(this.dropout.forward(this.mlp.forward(this.norm.forward(x)))));
  }
}

class Model extends Module {
  readonly blocks = [new Block(), new Block()];
  readonly projections = new LinearGroup(4, { left: 2, right: 3 });

  forward(x: Tensor): Tensor {
    let y = x;
    // a grandchild is called by the root, and still has its whole path
    for (const block of this.blocks) y = block.forward(y);
    return this.projections.forward(y)[1]!;
  }
}

async function run(f: (x: Tensor) => Tensor, x: NDArray): Promise<number[]> {
  await using executable = await compile(({ x }) => ({ y: f(x) }), {
    inputs: { x: { dtype: x.dtype, shape: x.shape } },
  });
  return (await executable.run({ x })).y.toNumbers();
}

const batch = NDArray.from([1, 2, 3, 4, -1, 0, 1, 2], [2, 4]);
const ready = () => {
  const model = new Model();
  initialize(model, 1);
  return model;
};

describe("paths", () => {
  it("name parameters and buffers as a state dict does", () => {
    const model = new Model();
    expect([...model.parameters()].map(([path]) => path)).toEqual([
      ...[0, 1].flatMap((i) =>
        ["norm.weight", "norm.bias", "mlp.up.weight", "mlp.up.bias", "mlp.down.weight", "mlp.down.bias"].map(
          (name) => `blocks.${i}.${name}`,
        ),
      ),
      "left.weight",
      "right.weight",
    ]);
    expect([...model.buffers()].map(([path]) => path)).toEqual([
      "blocks.0.norm.running_mean",
      "blocks.0.norm.running_var",
      "blocks.1.norm.running_mean",
      "blocks.1.norm.running_var",
    ]);
    nameParameters(model, "net");
    expect(model.blocks[1]!.norm.running_var.name).toBe("net.blocks.1.norm.running_var");
  });

  it("stand in errors, without a word from the module", () => {
    const model = new Model();
    const wrong = () => model.blocks[1]!.mlp.down.forward(model.blocks[0]!.norm.weight!.tensor.reshape([2, 2]));
    const broken = new (class extends Module {
      readonly inner = model;
      forward(): Tensor {
        return wrong();
      }
    })();
    expect(() => broken.forward()).toThrow("[2, 2] × [6, 4] (in inner.blocks.1.mlp.down)");
  });

  it("are not doubled where a caller names the scope too", () => {
    const model = ready();
    const { taps } = trace({ taps: "**" }, () =>
      withScope("blocks.1", () => model.blocks[1]!.forward(model.blocks[0]!.norm.weight!.tensor.reshape([1, 4]))),
    );
    expect(Object.keys(taps)).toContain("blocks.1.mlp.up");
  });

  it("are matched by name, star, expression, function and list", () => {
    const cases: [Parameters<typeof pathMatcher>[0], string, boolean][] = [
      ["a.b", "a.b", true],
      ["a.b", "a.bc", false],
      ["a.*", "a.b", true],
      ["a.*", "a.b.c", false],
      ["a.**", "a.b.c", true],
      ["**.c", "a.b.c", true],
      ["**", "a.b.c", true],
      ["a.b*.c", "a.bx.c", true],
      ["a.b", "axb", false],
      [/norm/g, "x.norm1", true],
      [(path) => path.length > 3, "abcd", true],
      [["x", "a.*"], "a.b", true],
      [[], "a", false],
    ];
    for (const [pattern, path, want] of cases) {
      const matches = pathMatcher(pattern);
      // twice: an expression must not remember where it was
      expect([matches(path), matches(path)], `${pattern} ~ ${path}`).toEqual([want, want]);
    }
  });
});

describe("state dicts", () => {
  it("carry everything from one module to another", async () => {
    const [from, to] = [ready(), new Model()];
    expect(loadStateDict(to, stateDict(from))).toEqual({ missing: [], unexpected: [], mismatched: [] });
    expect(await run((x) => to.forward(x), batch)).toEqual(await run((x) => from.forward(x), batch));
  });

  it("refuse a difference by every name and change nothing, or take what fits", () => {
    const model = ready();
    const before = model.projections.parts[0]!.weight.value;
    const dict = new Map(stateDict(ready()));
    dict.delete("blocks.0.norm.running_mean");
    dict.set("blocks.0.mlp.up.weight", NDArray.zeros([4, 6]));
    dict.set("blocks.1.mlp.up.bias", NDArray.zeros([6], "i32"));
    dict.set("head.weight", NDArray.zeros([1]));
    dict.set("norm.num_batches_tracked", NDArray.scalar(3, "i64"));
    dict.set("left.weight", NDArray.from([1, 2, 3, 4, 5, 6, 7, 8], [2, 4], "f16"));
    const text = `  missing (1):
    blocks.0.norm.running_mean
  unexpected (1):
    head.weight
  does not fit (2):
    blocks.0.mlp.up.weight: is [4, 6], the module has [6, 4]
    blocks.1.mlp.up.bias: is i32, the module has f32`;
    expect(() => loadStateDict(model, dict)).toThrow(text);
    expect(model.projections.parts[0]!.weight.value).toBe(before);
    expect(formatDifference(loadStateDict(model, dict, { strict: false }))).toBe(text);
    expect((model.projections.parts[0]!.weight.value as NDArray).toNumbers()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(() => stateDict(new Model())).toThrow('"blocks.0.norm.weight" has no value');
  });
});

describe("first values", () => {
  it("follow from seed and path alone", () => {
    const [a, b, c] = [ready(), ready(), new Model()];
    initialize(c, 2);
    const numbers = (model: Module) => [...stateDict(model)].map(([, array]) => array.toNumbers());
    expect(numbers(a)).toEqual(numbers(b));
    expect(numbers(a)).not.toEqual(numbers(c));
    const alone = new Sequential(new Linear(4, 4));
    const among = new Sequential(new Linear(4, 4), new Linear(4, 4));
    for (const model of [alone, among]) initialize(model, 1);
    expect(stateDict(alone).get("0.weight")!.toNumbers()).toEqual(stateDict(among).get("0.weight")!.toNumbers());
  });

  it("can be ruled otherwise, and must come from somewhere", () => {
    const model = new Model();
    initialize(model, 1, [
      ["**.bias", (shape) => new Float32Array(shape[0]!).fill(7)],
      [/mlp/, normal(0)],
    ]);
    expect((model.blocks[0]!.mlp.up.bias!.value as NDArray).at(0)).toBe(7);
    expect((model.blocks[0]!.mlp.up.weight.value as NDArray).at(0)).toBe(0);
    expect((model.blocks[0]!.norm.running_var.value as NDArray).at(0)).toBe(1);
  });

  const spread = (initializer: Initializer, shape: readonly number[]) => {
    const values = initializer(shape, new Random(5));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    return { variance, largest: values.reduce((a, b) => Math.max(a, Math.abs(b)), 0) };
  };
  it.each<[string, Initializer, number, number]>([
    ["xavierUniform", xavierUniform(2), (4 * 2) / 360, 2 * Math.sqrt(6 / 360)],
    ["xavierNormal", xavierNormal(), 2 / 360, Number.POSITIVE_INFINITY],
    ["kaimingUniform", kaimingUniform({ slope: Math.sqrt(5) }), 1 / 3 / 180, 1 / Math.sqrt(180)],
    ["kaimingNormal", kaimingNormal({ mode: "fanOut" }), 2 / 180, Number.POSITIVE_INFINITY],
    ["truncatedNormal", truncatedNormal(0.5), 0.25 * 0.7737, 1],
  ])("%s has its variance and bound", (_, initializer, variance, bound) => {
    // 20 outputs and 20 inputs through a kernel of 9
    const got = spread(initializer, [20, 20, 3, 3]);
    expect(Math.abs(got.variance / variance - 1)).toBeLessThan(0.06);
    expect(got.largest).toBeLessThanOrEqual(bound);
    expect(fans([20, 20, 3, 3])).toEqual({ fanIn: 180, fanOut: 180 });
  });

  it.each([[[3, 5]], [[6, 2]], [[4, 2, 2]]])("orthogonal rows or columns for %j", (shape) => {
    const values = orthogonal(2)(shape, new Random(1));
    const [rows, columns] = [shape[0]!, values.length / shape[0]!];
    const at = (i: number, j: number) => (rows <= columns ? values[i * columns + j]! : values[j * columns + i]!);
    const count = Math.min(rows, columns);
    for (let a = 0; a < count; a++)
      for (let b = 0; b < count; b++) {
        let product = 0;
        for (let j = 0; j < Math.max(rows, columns); j++) product += at(a, j) * at(b, j);
        expect(product).toBeCloseTo(a === b ? 4 : 0, 5);
      }
  });
});

describe("sites", () => {
  it("are every module's result, and those that modules name", () => {
    const model = ready();
    const { taps } = trace({ taps: "**" }, () => model.forward(model.blocks[0]!.norm.weight!.tensor.reshape([1, 4])));
    expect(Object.keys(taps).filter((path) => path.startsWith("blocks.0"))).toEqual([
      "blocks.0.norm",
      "blocks.0.mlp.up",
      "blocks.0.mlp.neurons",
      "blocks.0.mlp.down",
      "blocks.0.mlp.dropout",
      "blocks.0.mlp",
      "blocks.0.dropout",
      "blocks.0.end",
      "blocks.0",
    ]);
    expect(Object.keys(taps)).toContain("right");
  });

  it("can be rewritten for one trace, or in a model until it is taken back", async () => {
    const model = ready();
    const plain = await run((x) => model.forward(x), batch);
    const skipped = new Sequential((x) => model.projections.forward(model.blocks[0]!.forward(x))[1]!);
    const want = await run((x) => skipped.forward(x), batch);
    const paths: string[] = [];
    const undo = edit(model, ["blocks.1.mlp", "nothing"], (x, path) => {
      paths.push(path);
      return x.mul(0);
    });
    expect(await run((x) => model.forward(x), batch)).toEqual(want);
    // also as a part of something larger
    const outer = new Sequential(model);
    expect(await run((x) => outer.forward(x), batch)).toEqual(want);
    undo();
    expect(await run((x) => model.forward(x), batch)).toEqual(plain);
    expect(paths).toEqual(["blocks.1.mlp", "blocks.1.mlp"]);
    const edits = { "blocks.1.mlp": (x: Tensor) => x.mul(0) };
    expect(await run((x) => trace({ edits }, () => model.forward(x)).result, batch)).toEqual(want);
  });
});

describe("modes", () => {
  it("training asks for masks and moves buffers, but not where a part always evaluates", () => {
    const model = ready();
    const x = model.blocks[0]!.norm.weight!.tensor.reshape([1, 4]).add(constant(NDArray.zeros([2, 1])));
    const seen = (training: boolean) => {
      const { updates, dropouts } = trace({ training }, () => model.forward(x));
      return [updates.size, dropouts.length];
    };
    expect(seen(false)).toEqual([0, 0]);
    expect(seen(true)).toEqual([4, 2]);
    evaluate(model.blocks[1]!);
    expect(seen(true)).toEqual([2, 1]);
    evaluate(model.blocks[1]!, false);
    expect(seen(true)).toEqual([4, 2]);
  });

  it("a batch norm that runs twice moves its buffers twice", async () => {
    const norm = new BatchNorm(1, { momentum: 0.5 });
    initialize(norm, 1);
    const means = await run(
      (x) => {
        const { updates } = trace({ training: true }, () => norm.forward(norm.forward(x).mul(0).add(4)));
        return updates.get(norm.running_mean)!;
      },
      NDArray.from([1, 3], [2, 1]),
    );
    // 0 → 1 by the mean 2, → 2.5 by the mean 4
    expect(means[0]).toBeCloseTo(2.5, 5);
  });

  it("freezing is by path", () => {
    const model = new Model();
    freeze(model, "blocks.*.norm.*");
    const frozen = () => [...model.parameters()].filter(([, p]) => isFrozen(p)).map(([path]) => path);
    expect(frozen()).toEqual([0, 1].flatMap((i) => [`blocks.${i}.norm.weight`, `blocks.${i}.norm.bias`]));
    unfreeze(model);
    expect(frozen()).toEqual([]);
  });
});

describe("dropout masks", () => {
  it("are functions of seed, step and place, and keep the mean", () => {
    const mask = (rate: number, seed: number, step: number, place: number, length = 100_001) => {
      const out = new Float32Array(length);
      fillDropoutMask(out, rate, seed, step, place);
      return out;
    };
    const first = mask(0.3, 1, 2, 3);
    expect(mask(0.3, 1, 2, 3)).toEqual(first);
    const kept = first.reduce((n, x) => n + (x ? 1 : 0), 0) / first.length;
    expect(Math.abs(kept - 0.7)).toBeLessThan(0.006);
    expect(new Set(first)).toEqual(new Set([0, Math.fround(1 / (1 - Math.round(0.3 * 65536) / 65536))]));
    // independent of each other: what both keep is the product of the shares
    for (const other of [mask(0.3, 2, 2, 3), mask(0.3, 1, 3, 3), mask(0.3, 1, 2, 4), first.subarray(1)]) {
      const both = other.reduce((n, x, i) => n + (x && first[i]! ? 1 : 0), 0) / other.length;
      expect(Math.abs(both - 0.49)).toBeLessThan(0.008);
    }
    expect(mask(0, 1, 1, 1, 3)).toEqual(Float32Array.of(1, 1, 1));
    expect(() => new Dropout(1)).toThrow(/must lie in \[0, 1\)/);
  });
});
