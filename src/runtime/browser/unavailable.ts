/**
 * What bundlers put in the place of `runtime/node` when they build for a browser (the `browser` field of package.json): the
 * same names, which say what is missing. Graphs can be traced, differentiated and exported there; to run them, give an engine.
 */
import { fail } from "../../util/errors.ts";
import type { Engine, EngineSession } from "../engine.ts";

function unavailable(what: string): never {
  return fail("unsupported", `${what} needs Node; in a browser, give an engine of your own as { engine }`);
}

/** Stands for ONNX Runtime's native library. */
export class OrtEngine implements Engine {
  /** @throws `unsupported`, always. */
  async load(): Promise<EngineSession> {
    return unavailable("ONNX Runtime's native library");
  }

  /** Has nothing to free. */
  async dispose(): Promise<void> {}
}

/** Stands for the engine in a worker thread. */
export class WorkerEngine extends OrtEngine {}

/** Stands for ONNX models on disk. @throws `unsupported`, always. */
export async function writeOnnxFile(): Promise<never> {
  return fail("unsupported", "writing ONNX files needs Node; in a browser, take the bytes that exportOnnx returns");
}

/** Stands for converted weights on disk. @throws `unsupported`, always. */
export async function openWeights(): Promise<never> {
  return unavailable("keeping converted weights on disk");
}

/** Stands for a folder on disk. @throws `unsupported`, always. */
export async function openFolderFiles(): Promise<never> {
  return fail("unsupported", "a folder needs Node; in a browser, give a FileStore of your own, or memoryFiles()");
}

/** Stands for files of installed packages. @throws `unsupported`, always. */
export async function readPackageFile(specifier: string): Promise<never> {
  return fail("unsupported", `reading ${specifier} needs Node; in a browser, fetch it and give its bytes`);
}
