/**
 * Files that lie in installed packages, found as Node finds modules.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fail } from "../../util/errors.ts";

/** Bytes of a file that a package exports, such as `some-package/wasm`. @throws `not-found` when it is not installed. */
export async function readPackageFile(specifier: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(createRequire(import.meta.url).resolve(specifier)));
  } catch (thrown) {
    return fail("not-found", `${specifier} is not installed; run npm install once more`, thrown);
  }
}
