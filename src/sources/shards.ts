/**
 * Weights that are spread over several safetensors files: which ones belong together, as their index says.
 */
import { readFile } from "node:fs/promises";
import { fail } from "../util/errors.ts";

/**
 * Names of the weight files that the index at a path lists, in order. They are plain names: none leads out of the folder.
 * @throws `format` when the index is not what it should be.
 */
export async function shardsOf(indexPath: string): Promise<string[]> {
  let map: unknown;
  try {
    map = (JSON.parse(await readFile(indexPath, "utf8")) as { weight_map?: unknown }).weight_map;
  } catch (thrown) {
    return fail("format", `${indexPath} is not JSON`, thrown);
  }
  const names = map && typeof map === "object" ? [...new Set(Object.values(map))].sort() : [];
  for (const name of names)
    if (typeof name !== "string" || !/^[\w-][\w.-]*\.safetensors$/.test(name))
      fail(
        "format",
        `${indexPath}: weight_map names the file ${JSON.stringify(name)}, which is not a safetensors file`,
      );
  if (!names.length) fail("format", `${indexPath} lists no weights`);
  return names as string[];
}
