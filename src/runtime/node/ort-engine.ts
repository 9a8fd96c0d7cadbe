/**
 * ONNX Runtime in the thread that calls it: `run` blocks that thread while it computes, so servers use the worker engine.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Ort from "onnxruntime-node";
import type { DType, TypedArray } from "../../util/dtype.ts";
import { BletchleyError, fail, messageOf } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import type { Engine, EngineModel, EngineSession, NodeTiming, RunMemory, SessionOptions } from "../engine.ts";
import { disableOrtTelemetry } from "./ort-telemetry.ts";

const toOrt: Readonly<Record<DType, Ort.Tensor.Type>> = {
  f32: "float32",
  f16: "float16",
  bf16: "uint16",
  i64: "int64",
  i32: "int32",
  i8: "int8",
  u8: "uint8",
  u16: "uint16",
  u32: "uint32",
  bool: "bool",
  u4: "uint4",
  i4: "int4",
};

const fromOrt: Readonly<Record<string, DType>> = Object.fromEntries(
  Object.entries(toOrt)
    .filter(([dtype]) => dtype !== "bf16")
    .map(([dtype, type]) => [type, dtype as DType]),
);

let binding: Promise<typeof Ort> | undefined;

/** Loads ONNX Runtime. @throws `engine` with the remedy when its native library is missing. */
async function ort(): Promise<typeof Ort> {
  disableOrtTelemetry();
  binding ??= import("onnxruntime-node").then((module) => (module.default ?? module) as unknown as typeof Ort);
  try {
    return await binding;
  } catch (thrown) {
    binding = undefined;
    return fail(
      "engine",
      `ONNX Runtime's native library did not load (${messageOf(thrown)}). Its install script may have failed while fetching GPU files: install again with ONNXRUNTIME_NODE_INSTALL=skip set`,
      thrown,
    );
  }
}

function toTensor(runtime: typeof Ort, array: NDArray): Ort.Tensor {
  return new runtime.Tensor(toOrt[array.dtype] as "float32", array.data as Float32Array, array.shape as number[]);
}

class OrtSession implements EngineSession {
  readonly #runtime: typeof Ort;
  readonly #name: string;
  readonly #profilePrefix: string | undefined;
  #session: Ort.InferenceSession | undefined;

  constructor(runtime: typeof Ort, session: Ort.InferenceSession, name: string, profilePrefix?: string) {
    this.#runtime = runtime;
    this.#session = session;
    this.#name = name;
    this.#profilePrefix = profilePrefix;
  }

  #open(): Ort.InferenceSession {
    return (
      this.#session ?? fail("disposed", `executable "${this.#name}" has been disposed; compile it again to use it`)
    );
  }

  async run(
    feeds: Readonly<Record<string, NDArray>>,
    outputs: readonly string[],
    { into = {} }: RunMemory = {},
  ): Promise<Record<string, NDArray>> {
    const session = this.#open();
    const inputs: Record<string, Ort.Tensor> = {};
    for (const name in feeds) inputs[name] = toTensor(this.#runtime, feeds[name]!);
    const fetches: Record<string, Ort.Tensor | null> = {};
    for (const name of outputs) fetches[name] = into[name] ? toTensor(this.#runtime, into[name]) : null;
    let results: Ort.InferenceSession.OnnxValueMapType;
    try {
      results = await session.run(inputs, fetches as Record<string, Ort.Tensor>);
    } catch (thrown) {
      return fail("engine", `ONNX Runtime failed in "${this.#name}": ${messageOf(thrown)}`, thrown);
    }
    const out: Record<string, NDArray> = {};
    for (const name of outputs) {
      const tensor = results[name] as Ort.Tensor;
      const dtype =
        fromOrt[tensor.type] ?? fail("dtype", `output "${name}" has type ${tensor.type}, which is not known here`);
      // ONNX Runtime hands half precision out as Float16Array where the platform has one
      const data = tensor.data as TypedArray;
      const storage =
        dtype === "f16" && !(data instanceof Uint16Array)
          ? new Uint16Array(
              (data as Float32Array).buffer,
              (data as Float32Array).byteOffset,
              (data as Float32Array).length,
            )
          : data;
      out[name] = new NDArray(storage, tensor.dims, dtype);
    }
    return out;
  }

  async profile(): Promise<NodeTiming[]> {
    if (!this.#profilePrefix) fail("argument", `"${this.#name}" was not loaded with { profile: true }`);
    const session = this.#open() as Ort.InferenceSession & { handler?: unknown };
    session.endProfiling();
    const prefix = this.#profilePrefix;

    const folder = tmpdir();
    const file = (await readdir(folder)).find((f) => join(folder, f).startsWith(prefix));
    if (!file) return fail("engine", `ONNX Runtime wrote no profile for "${this.#name}"`);
    const events = JSON.parse(await readFile(join(folder, file), "utf8")) as {
      cat: string;
      name: string;
      dur: number;
      args?: { op_name?: string };
    }[];
    await rm(join(folder, file), { force: true });
    const timings = new Map<string, { name: string; opType: string; milliseconds: number; calls: number }>();
    for (const event of events) {
      if (event.cat !== "Node" || !event.name.endsWith("_kernel_time")) continue;
      const name = event.name.slice(0, -"_kernel_time".length);
      const entry = timings.get(name) ?? { name, opType: event.args?.op_name ?? "?", milliseconds: 0, calls: 0 };
      entry.milliseconds += event.dur / 1000;
      entry.calls++;
      timings.set(name, entry);
    }
    return [...timings.values()];
  }

  async dispose(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }
}

/** Engine that runs ONNX Runtime in the calling thread. */
export class OrtEngine implements Engine {
  readonly #sessions = new Set<EngineSession>();

  async load(model: EngineModel, options: SessionOptions = {}): Promise<EngineSession> {
    const runtime = await ort();
    const session: Record<string, string> = { set_denormal_as_zero: "1" };
    if (model.weightFolder) session.model_external_initializers_file_folder_path = model.weightFolder;
    const profilePrefix = options.profile
      ? join(tmpdir(), `bletchley-profile-${process.pid}-${Date.now()}`)
      : undefined;
    let created: Ort.InferenceSession;
    try {
      created = await runtime.InferenceSession.create(model.bytes, {
        intraOpNumThreads: options.threads ?? 0,
        interOpNumThreads: 1,
        executionMode: "sequential",
        graphOptimizationLevel: "all",
        logSeverityLevel: 3,
        enableMemPattern: options.planMemory ?? true,
        enableProfiling: options.profile ?? false,
        ...(profilePrefix ? { profileFilePrefix: profilePrefix } : {}),
        extra: { session },
      });
    } catch (thrown) {
      if (thrown instanceof BletchleyError) throw thrown;
      return fail("engine", `ONNX Runtime refused "${model.name}": ${messageOf(thrown)}`, thrown);
    }
    const out = new OrtSession(runtime, created, model.name, profilePrefix);
    this.#sessions.add(out);
    return out;
  }

  async dispose(): Promise<void> {
    for (const session of this.#sessions) await session.dispose();
    this.#sessions.clear();
  }
}
