/**
 * A graph taken apart for export: its structure, its constants wherever they lie, and whether they fit into one file.
 */
import type { FileSlice, Parameter } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { Executable } from "./compile.ts";
import type { LoweredGraph } from "./lower.ts";
import type { OnnxGraph, OnnxInitializer } from "./onnx/model.ts";

/** What can be exported: an executable, or a graph that was traced and lowered. */
export type Exportable = Executable<never> | LoweredGraph;

/** A constant of an exported model, and where its bytes are now. */
export interface ExportedWeight extends Omit<OnnxInitializer, "data"> {
  readonly data: NDArray | FileSlice;
}

/** An exported graph whose constants are still apart. */
export interface ExportParts {
  /** The graph without constants. */
  readonly graph: OnnxGraph;
  /** Its constants: those of the graph, and parameters that were inputs. */
  readonly weights: readonly ExportedWeight[];
  /** Bytes of all constants. */
  readonly weightBytes: number;
}

/** Where models end that carry their weights: protobuf's limit. */
export const inlineLimitBytes = 2 ** 31;

/** Bytes of a constant. */
export function byteLengthOf({ data }: ExportedWeight): number {
  return data instanceof NDArray ? data.data.byteLength : data.length;
}

function parameterWeight(name: string, { dtype, shape, value }: Parameter): ExportedWeight {
  if (!value) return fail("name", `parameter "${name}" has no value; load a checkpoint or initialise it before export`);
  return { name, dtype, shape, data: value };
}

/** Takes a graph apart for export. @throws `name` for a parameter without a value. */
export function exportParts(source: Exportable): ExportParts {
  const { graph, parameterInputs, weightFolder } = "lowered" in source ? source.lowered : source;
  const weights = graph.initializers.map((initializer): ExportedWeight => {
    const { data } = initializer;
    if (data instanceof NDArray) return { ...initializer, data };
    const { location, offset, length } = data;
    return { ...initializer, data: { path: `${weightFolder ?? "."}/${location}`, offset, length } };
  });
  for (const [name, parameter] of parameterInputs) weights.push(parameterWeight(name, parameter));
  const inputs = graph.inputs.filter(({ name }) => !parameterInputs.has(name));
  return {
    graph: { ...graph, inputs, initializers: [] },
    weights,
    weightBytes: weights.reduce((sum, weight) => sum + byteLengthOf(weight), 0),
  };
}

/** @throws `unsupported` when constants pass what one file may hold; nothing has been copied yet. */
export function checkInline({ graph, weightBytes }: ExportParts): void {
  if (weightBytes >= inlineLimitBytes)
    fail(
      "unsupported",
      `the weights of "${graph.name}" take ${weightBytes} bytes, and an ONNX model that carries its weights ends at 2 GiB; use writeOnnx(…, { weights: "beside" })`,
    );
}

/** How `writeOnnx` writes. */
export interface WriteOnnxOptions {
  /**
   * `inside`: one file with everything, up to 2 GiB. `beside`: arrays of 1 kB and more in a file of the model's name and
   * `.data`, in the same folder, where ONNX runtimes look for it. By default weights of 256 MiB and more lie beside: a runtime
   * can map such a file, while a model with its weights inside is read and decoded as a whole.
   */
  readonly weights?: "inside" | "beside";
}

/** What `writeOnnx` wrote. */
export interface WrittenOnnx {
  /** The model. */
  readonly path: string;
  /** The file with its weights, if that is another one. */
  readonly weightPath?: string;
  /** Bytes of both. */
  readonly byteLength: number;
}
