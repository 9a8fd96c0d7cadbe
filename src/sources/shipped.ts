/**
 * The small model that lies in the package itself: the last source, for machines that reach nothing.
 */
import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "../util/errors.ts";
import type { ModelSource } from "./model.ts";

/** Folder of shipped models, beside `src` and beside `dist`. */
const folder = resolve(dirname(fileURLToPath(import.meta.url)), "../../models");

/** Models that ship with the package. */
export const shippedSource: ModelSource = {
  name: "package",
  remote: false,
  async find({ name, title, kind = "gguf", sha256, licence, origins }, { ref }) {
    const origin = origins.find(({ type }) => type === "shipped");
    if (origin?.type !== "shipped") return undefined;
    const path = join(folder, origin.file);
    const info = await stat(path).catch(() => undefined);
    if (!info || !sha256)
      return fail("not-found", `${path}, which ships with the package, is not there; install the package again`);
    return {
      ref,
      name,
      title,
      kind,
      folder: dirname(path),
      path,
      weights: [path],
      files: { weights: path },
      sha256,
      bytes: info.size,
      licence,
      source: "package",
      origin: "the package",
    };
  },
};
