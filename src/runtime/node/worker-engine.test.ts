import { spawnSync } from "node:child_process";
import { afterAll, describe, expect, it } from "vitest";
import { gather, log, matmul, Parameter, type Tensor } from "../../tensor/index.ts";
import { BletchleyError, type ErrorCode } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { compile } from "../index.ts";
import { WorkerEngine } from "./worker-engine.ts";

const engine = new WorkerEngine();

afterAll(() => engine.dispose());

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

const square = (on = engine, checkNaN = false) =>
  compile(({ x }) => ({ y: x.mul(x), sum: x.sum() }), {
    inputs: { x: f32("n") },
    name: "square",
    engine: on,
    checkNaN,
  });

/** Long enough to see what happens meanwhile: products of 34 billion operations. */
const long = (on = engine) =>
  compile(
    ({ x }) => {
      let y: Tensor = x;
      for (let i = 0; i < 16; i++) y = matmul(y, x).mul(1 / 1024);
      return { y: y.sum() };
    },
    { inputs: { x: f32(1024, 1024) }, name: "long", engine: on },
  );
const ones = () => new NDArray(new Float32Array(1024 * 1024).fill(1), [1024, 1024], "f32");

describe("an engine in a worker thread", () => {
  it("holds many executables, and answers whom it should when all run at once", async () => {
    const fs = await Promise.all(
      [2, 3, 4].map((factor) =>
        compile(({ x }) => ({ y: x.mul(factor) }), { inputs: { x: f32("n") }, name: `times ${factor}`, engine }),
      ),
    );
    const runs = await Promise.all(
      [1, 10, 100].flatMap((value) => fs.map((f) => f.run({ x: NDArray.from([value, -value]) }))),
    );
    expect(runs.map(({ y }) => y.toNumbers())).toEqual(
      [1, 10, 100].flatMap((value) => [2, 3, 4].map((factor) => [value * factor, -value * factor])),
    );
    for (const f of fs) await f.dispose();
  });

  it("carries every element type there and back", async () => {
    for (const dtype of ["f32", "f16", "i64", "i32", "i8", "u8", "bool"] as const) {
      const f = await compile(({ x }) => ({ y: x.reshape([2, 2]) }), { inputs: { x: { dtype, shape: [4] } }, engine });
      const x = NDArray.from([0, 1, 1, 0], [4], dtype);
      const { y } = await f.run({ x });
      expect({ dtype: y.dtype, shape: y.shape, values: y.toNumbers() }).toEqual({
        dtype,
        shape: [2, 2],
        values: [0, 1, 1, 0],
      });
      await f.dispose();
    }
  });

  it("lets this thread go on while it computes", async () => {
    const f = await long();
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const { y } = await f.run({ x: ones() });
    clearInterval(timer);
    expect(y.at(0)).toBe(1024 * 1024);
    // in this thread the loop would not turn once between the call and its answer
    expect(turns).toBeGreaterThan(5);
    await f.dispose();
  });

  it("passes parameters that are inputs, and follows their values", async () => {
    const w = new Parameter("w", "f32", [2], NDArray.from([3, 4]));
    const f = await compile(({ x }) => ({ y: x.mul(w.tensor) }), {
      inputs: { x: f32(2) },
      parameters: "inputs",
      engine,
    });
    const x = NDArray.from([1, 1]);
    expect((await f.run({ x })).y.toNumbers()).toEqual([3, 4]);
    w.value = NDArray.from([5, 6]);
    expect((await f.run({ x })).y.toNumbers()).toEqual([5, 6]);
    await f.dispose();
  });

  it("times nodes", async () => {
    const f = await compile(({ x }) => ({ y: x.mul(x) }), { inputs: { x: f32("n") }, engine, profile: true });
    for (let i = 0; i < 3; i++) await f.run({ x: NDArray.from([1, 2]) });
    expect(await f.profile()).toEqual([expect.objectContaining({ opType: "Mul", calls: 3 })]);
    await f.dispose();
  });
});

describe("memory", () => {
  it("of an input is copied: the caller's array stays as it was", async () => {
    const f = await square();
    const all = new Float32Array([9, 1, 2, 3, 9]);
    const x = new NDArray(all.subarray(1, 4), [3], "f32");
    expect((await f.run({ x })).y.toNumbers()).toEqual([1, 4, 9]);
    expect([...all]).toEqual([9, 1, 2, 3, 9]);
    await f.dispose();
  });

  it("of an input that is given away is gone, and asking for it again says so", async () => {
    const f = await square();
    const x = NDArray.from([1, 2]);
    expect((await f.run({ x }, { transfer: ["x"] })).y.toNumbers()).toEqual([1, 4]);
    expect(x.data.length).toBe(0);
    for (const transfer of [[], ["x"]])
      expect(await refused("argument", () => f.run({ x }, { transfer }))).toBe(
        'input "x" is empty: its memory was transferred in an earlier run; feed another array',
      );
    await f.dispose();
  });

  it("that others may hold is not given away", async () => {
    const f = await square();
    const all = new Float32Array([9, 1, 2, 3]);
    const x = new NDArray(all.subarray(1), [3], "f32");
    expect(await refused("argument", () => f.run({ x }, { transfer: ["x"] }))).toContain("a part of 16 bytes");
    expect([...all]).toEqual([9, 1, 2, 3]);
    await f.dispose();
  });

  it("that two inputs share is given away once", async () => {
    const f = await compile(({ a, b }) => ({ y: a.add(b) }), { inputs: { a: f32(2), b: f32(2) }, engine });
    const a = NDArray.from([1, 2]);
    expect((await f.run({ a, b: a }, { transfer: ["a", "b"] })).y.toNumbers()).toEqual([2, 4]);
    await f.dispose();
  });

  it("may be shared between threads", async () => {
    const f = await square();
    const shared = new Float32Array(new SharedArrayBuffer(8));
    shared.set([3, 4]);
    const x = new NDArray(shared, [2], "f32");
    expect((await f.run({ x })).y.toNumbers()).toEqual([9, 16]);
    await f.dispose();
  });

  it("of results is what the caller gives, if it does", async () => {
    const f = await square();
    const into = NDArray.zeros([2]);
    const results = await f.run({ x: NDArray.from([1, 2]) }, { outputs: ["y"], into: { y: into } });
    expect(results.y).toBe(into);
    expect(into.toNumbers()).toEqual([1, 4]);
    const message = await refused("shape", () =>
      f.run({ x: NDArray.from([1, 2]) }, { into: { y: NDArray.zeros([3]) } }),
    );
    expect(message).toBe('output "y" is f32[2], the array given for it is f32[3]');
    await f.dispose();
  });
});

describe("errors", () => {
  it("of feeds are those of every engine", async () => {
    const f = await square(engine, true);
    expect(await refused("name", () => f.run({}))).toBe('input "x" of "square" is missing; it needs f32[n]');
    expect(await refused("name", () => f.run({ x: NDArray.from([1]) }, { outputs: ["z" as "y"] }))).toBe(
      '"square" has no output "z"; it has y, sum',
    );
    expect(await refused("dtype", () => f.run({ x: NDArray.from([1], [1], "i64") }))).toBe(
      'input "x" is i64, "square" needs f32',
    );
    expect(await refused("shape", () => f.run({ x: NDArray.zeros([1, 1]) }))).toBe(
      'input "x" is [1, 1], "square" needs [n]',
    );
    expect(await refused("nan", () => f.run({ x: NDArray.from([Number.NaN]) }))).toBe(
      'input "x" of "square" has a NaN at flat index 0 of [1]',
    );
    await f.dispose();
  });

  it("in results cross over: a NaN that came up, ONNX Runtime's own", async () => {
    const f = await compile(({ x }) => ({ y: log(x) }), { inputs: { x: f32(1) }, name: "log", engine, checkNaN: true });
    expect(await refused("nan", () => f.run({ x: NDArray.from([-1]) }))).toContain('output "y" of "log"');
    await f.dispose();
    const broken = { bytes: new Uint8Array([1, 2, 3]), name: "broken" };
    expect(await refused("engine", () => engine.load(broken))).toContain('ONNX Runtime refused "broken"');
    const g = await compile(({ x, i }) => ({ y: gather(x, i, 0) }), {
      inputs: { x: f32(3), i: { dtype: "i64", shape: [1] } },
      name: "pick",
      engine,
    });
    const message = await refused("engine", () => g.run({ x: NDArray.zeros([3]), i: NDArray.from([7], [1], "i64") }));
    expect(message).toContain('ONNX Runtime failed in "pick"');
    await g.dispose();
  });

  it("name an executable that was disposed; the others live on", async () => {
    const [f, g] = [await square(), await square()];
    await f.dispose();
    await f.dispose();
    expect(await refused("disposed", () => f.run({ x: NDArray.from([1]) }))).toBe(
      'executable "square" has been disposed; compile it again to use it',
    );
    expect((await g.run({ x: NDArray.from([3]) })).y.toNumbers()).toEqual([9]);
    await g.dispose();
  });
});

describe("the end", () => {
  it("waits for the run that is going on, fails it and what waits, and refuses what comes later", async () => {
    const own = new WorkerEngine();
    const [f, g] = [await long(own), await square(own)];
    const waiting = [f.run({ x: ones() }), g.run({ x: NDArray.from([1]) })].map((run) =>
      refused("disposed", () => run),
    );
    await own.dispose();
    for (const message of await Promise.all(waiting)) expect(message).toContain("the engine has been disposed");
    await refused("disposed", () => g.run({ x: NDArray.from([1]) }));
    await g.dispose();
    expect(await refused("disposed", () => square(own))).toContain('load "square"');
  });

  it("of an engine that never loaded anything is nothing", async () => {
    await new WorkerEngine().dispose();
  });

  it("of the program does not wait for an idle engine", () => {
    const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const program = `
      const { WorkerEngine } = await import(${url("./worker-engine.ts")});
      const { compile, NDArray } = { ...await import(${url("../index.ts")}), ...await import(${url("../../util/ndarray.ts")}) };
      const f = await compile(({ x }) => ({ y: x.mul(x) }), { inputs: { x: { dtype: "f32", shape: [1] } }, engine: new WorkerEngine() });
      console.log((await f.run({ x: NDArray.from([4]) })).y.at(0));`;
    const { stdout, status } = spawnSync(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "--eval", program],
      {
        encoding: "utf8",
        timeout: 25_000,
      },
    );
    expect([stdout, status]).toEqual(["16\n", 0]);
  });
});
