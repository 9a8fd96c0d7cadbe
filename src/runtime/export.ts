/**
 * ONNX export: a compiled function as a model that any ONNX runtime with ONNX Runtime's own operators can load. Parameters
 * become constants, whatever they were in the executable. How files are written is not known here.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { checkInline, type Exportable, exportParts, type WriteOnnxOptions, type WrittenOnnx } from "./export-parts.ts";
import { encodeOnnxModel, type OnnxInitializer } from "./onnx/model.ts";

/**
 * A compiled function as the bytes of an ONNX model (opset 21 and `com.microsoft`), weights inside. Names of inputs and
 * outputs stay, and so do named sizes, as dynamic axes.
 * @throws `unsupported` from 2 GiB of weights on, and for weights that lie in a file: `writeOnnx` exports both.
 * @example
 * const session = await InferenceSession.create(exportOnnx(f));
 */
export function exportOnnx(source: Exportable): Uint8Array {
  const parts = exportParts(source);
  checkInline(parts);
  const initializers = parts.weights.map(({ data, ...weight }): OnnxInitializer => {
    if (data instanceof NDArray) return { ...weight, data };
    return fail("unsupported", `"${weight.name}" lies in ${data.path}, which is not read here; use writeOnnx`);
  });
  return encodeOnnxModel({ ...parts.graph, initializers });
}

/**
 * Writes a compiled function as an ONNX model that runs without this library. Files appear under their names when they are
 * complete; until then, older ones stay as they were.
 * @throws `unsupported` when weights of 2 GiB shall lie inside, `disk` when writing fails, `format` when a file with weights
 * is too short.
 * @example
 * await writeOnnx(f, "classifier.onnx");
 */
export async function writeOnnx(
  source: Exportable,
  path: string,
  options: WriteOnnxOptions = {},
): Promise<WrittenOnnx> {
  const { writeOnnxFile } = await import("./node/onnx-file.ts");
  return writeOnnxFile(exportParts(source), path, options);
}
