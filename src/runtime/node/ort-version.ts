/**
 * Which ONNX Runtime runs here: results name it.
 */
import { env } from "onnxruntime-node";

/** Version of ONNX Runtime, such as `1.30.0`. */
export function ortVersion(): string {
  return env.versions.node ?? env.versions.common;
}
