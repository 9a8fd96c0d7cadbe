import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gelu, linear, matmul, Parameter, softmax, type Tensor, withScope } from "../tensor/index.ts";
import { BletchleyError, type ErrorCode } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { compile, type Exportable, exportOnnx, getDefaultEngine, traceFunction, writeOnnx } from "./index.ts";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-export-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await (await getDefaultEngine()).dispose();
});

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

const random = new Random(3);
const normal = (...shape: number[]) => {
  const count = shape.reduce((a, b) => a * b, 1);
  return NDArray.from(
    Array.from({ length: count }, () => random.normal()),
    shape,
  );
};

const weights = {
  w1: new Parameter("up.weight", "f32", [64, 24], normal(64, 24)),
  b1: new Parameter("up.bias", "f32", [64], normal(64)),
  w2: new Parameter("down.weight", "f32", [5, 64], normal(5, 64)),
};
const inputs = { x: { dtype: "f32", shape: ["batch", "time", 24] } } as const;
const classifier = ({ x }: { readonly x: Tensor }) => ({
  probabilities: softmax(
    withScope("down", () => linear(gelu(linear(x, weights.w1.tensor, weights.b1.tensor)), weights.w2.tensor)),
  ),
  mean: x.mean(1),
});

/** Runs a model with ONNX Runtime alone. */
async function runPlain(model: string | Uint8Array, x: NDArray) {
  const session = await ort.InferenceSession.create(model as string);
  const results = await session.run({ x: new ort.Tensor("float32", x.data as Float32Array, x.shape) });
  const described = { inputs: session.inputMetadata, outputs: session.outputMetadata };
  await session.release();
  return { results, described };
}

async function expectSame(model: string | Uint8Array): Promise<void> {
  const f = await compile(classifier, { inputs });
  for (const shape of [
    [2, 3, 24],
    [1, 7, 24],
  ]) {
    const x = normal(...shape);
    const expected = await f.run({ x });
    const { results } = await runPlain(model, x);
    for (const name of ["probabilities", "mean"] as const) {
      expect(results[name]!.dims).toEqual(expected[name].shape);
      expect(results[name]!.data).toEqual(expected[name].data);
    }
  }
  await f.dispose();
}

describe("an exported model", () => {
  it("runs from its bytes in plain ONNX Runtime, with the same results", async () => {
    const f = await compile(classifier, { inputs });
    await expectSame(exportOnnx(f));
    await f.dispose();
    await expectSame(exportOnnx(traceFunction(classifier, { inputs })));
  });

  it("keeps the names of inputs and outputs, and named sizes as dynamic axes", async () => {
    const { described } = await runPlain(exportOnnx(traceFunction(classifier, { inputs })), normal(1, 1, 24));
    expect(described).toEqual({
      inputs: [{ name: "x", isTensor: true, type: "float32", shape: ["batch", "time", 24] }],
      outputs: [
        { name: "probabilities", isTensor: true, type: "float32", shape: ["batch", "time", 5] },
        { name: "mean", isTensor: true, type: "float32", shape: ["batch", 24] },
      ],
    });
  });

  it("has parameters as constants that were inputs of the executable, with the values of this moment", async () => {
    const scale = new Parameter("scale", "f32", [2], NDArray.from([1, 1]));
    const f = await compile(({ x }) => ({ y: x.mul(scale.tensor) }), {
      inputs: { x: { dtype: "f32", shape: [2] } },
      parameters: "inputs",
    });
    scale.value = NDArray.from([10, 100]);
    const session = await ort.InferenceSession.create(exportOnnx(f));
    expect(session.inputNames).toEqual(["x"]);
    const { y } = await session.run({ x: new ort.Tensor("float32", [1, 2], [2]) });
    expect([...(y!.data as Float32Array)]).toEqual([10, 200]);
    await session.release();
    scale.value = undefined;
    expect(await refused("name", () => exportOnnx(f))).toContain('parameter "scale" has no value');
    await f.dispose();
  });
});

describe("a written model", () => {
  it("is one file that plain ONNX Runtime opens", async () => {
    const path = join(folder, "inside.onnx");
    const written = await writeOnnx(traceFunction(classifier, { inputs }), path);
    expect(written).toEqual({ path, byteLength: (await stat(path)).size });
    await expectSame(path);
  });

  it("finds its weights beside it, also after both moved", async () => {
    const path = join(folder, "beside.onnx");
    const written = await writeOnnx(traceFunction(classifier, { inputs }), path, { weights: "beside" });
    expect(written.weightPath).toBe(`${path}.data`);
    // the two matrices lie there, on whole pages; the bias of 256 bytes stays
    expect((await stat(written.weightPath!)).size).toBe(4 * (2048 + 5 * 64));
    expect(written.byteLength).toBe((await stat(path)).size + (await stat(written.weightPath!)).size);
    const moved = await mkdtemp(join(folder, "moved-"));
    for (const name of ["beside.onnx", "beside.onnx.data"])
      await writeFile(join(moved, name), await readFile(join(folder, name)));
    await rm(path);
    await rm(written.weightPath!);
    await expectSame(join(moved, "beside.onnx"));
  });

  const fileWeight = async () => {
    const values = normal(24, 32);
    const path = join(folder, "weights.bin");
    const bytes = new Uint8Array(values.data.buffer);
    await writeFile(path, Buffer.concat([Buffer.alloc(4096), bytes]));
    return { values, slice: { path, offset: 4096, length: bytes.length } };
  };
  const product = (weight: Parameter, parameters?: "inputs") =>
    traceFunction(({ x }) => ({ y: matmul(x.reshape([-1, 24]), weight.tensor) }), { inputs, parameters });

  it.each(["inside", "beside"] as const)("takes weights %s that lie in a file", async (place) => {
    const { values, slice } = await fileWeight();
    const x = normal(2, 2, 24);
    const expected = await runPlain(exportOnnx(product(new Parameter("w", "f32", [24, 32], values))), x);
    const fromFile = new Parameter("w", "f32", [24, 32], slice);
    for (const parameters of [undefined, "inputs"] as const) {
      const path = join(folder, `from-file-${place}.onnx`);
      await writeOnnx(product(fromFile, parameters), path, { weights: place });
      expect((await runPlain(path, x)).results.y!.data).toEqual(expected.results.y!.data);
    }
    expect(await refused("unsupported", () => exportOnnx(product(fromFile)))).toContain("use writeOnnx");
  });

  it("replaces an older one only when it is complete", async () => {
    const { slice } = await fileWeight();
    const home = await mkdtemp(join(folder, "older-"));
    const path = join(home, "model.onnx");
    await writeOnnx(traceFunction(classifier, { inputs }), path, { weights: "beside" });
    const short = new Parameter("w", "f32", [24, 32], { ...slice, offset: slice.offset + 4 });
    const message = await refused("format", () => writeOnnx(product(short), path, { weights: "beside" }));
    expect(message).toContain("weights.bin ends at");
    expect((await readdir(home)).sort()).toEqual(["model.onnx", "model.onnx.data"]);
    await expectSame(path);
  });

  it("names the file that cannot be written", async () => {
    const path = join(folder, "nowhere", "model.onnx");
    expect(await refused("disk", () => writeOnnx(traceFunction(classifier, { inputs }), path))).toContain(path);
  });
});

it("weights of 2 GiB are refused inside of a model before they are read, with the remedy", async () => {
  const length = 2 ** 31;
  const huge = new Parameter("huge", "f32", [2 ** 14, 2 ** 15], { path: join(folder, "none.bin"), offset: 0, length });
  const source: Exportable = traceFunction(({ x }) => ({ y: matmul(x, huge.tensor) }), {
    inputs: { x: { dtype: "f32", shape: ["n", 2 ** 14] } },
    name: "giant",
  });
  const expected =
    'the weights of "giant" take 2147483648 bytes, and an ONNX model that carries its weights ends at 2 GiB; use writeOnnx(…, { weights: "beside" })';
  expect(await refused("unsupported", () => exportOnnx(source))).toBe(expected);
  expect(await refused("unsupported", () => writeOnnx(source, join(folder, "giant.onnx"), { weights: "inside" }))).toBe(
    expected,
  );
  // by default they go beside, which gets as far as opening them
  expect(await refused("disk", () => writeOnnx(source, join(folder, "giant.onnx")))).toContain("none.bin");
});
