/**
 * The real model files, fetched through the product's own sources: what their headers say, what their tensors unpack to, and
 * how their tokenizers cut awkward strings, against the reference.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readGguf, readTensorF32, StreamDecoder, tokenizerFromGguf } from "../../src/formats/index.ts";
import { openFile } from "../../src/runtime/node/file-source.ts";
import { resolveModel } from "../../src/sources/index.ts";

interface Golden {
  readonly source: {
    readonly tensorCount: number;
    readonly typeCounts: Readonly<Record<string, number>>;
    readonly metadata: Readonly<Record<string, unknown>>;
    readonly tensors: readonly { name: string; ggufShape: number[]; sha256OfF32: string }[];
  };
  readonly tokenizer: readonly { text: string; ids: number[]; idsPlain?: number[]; decoded: string }[];
}

describe.each([
  ["smollm2", "smollm2-135m-instruct-q4_1"],
  ["gemma3", "gemma3-270m-q4_k_m"],
])("the file of %s", (model, name) => {
  it("is listed, unpacked and tokenised like the reference does", { timeout: 300_000 }, async () => {
    const golden = JSON.parse(readFileSync(new URL(`../golden/lm/${name}.json`, import.meta.url), "utf8")) as Golden;
    const file = await openFile((await resolveModel(model)).path);
    const gguf = await readGguf(file);
    const types: Record<string, number> = {};
    for (const { type } of gguf.tensors.values()) types[type] = (types[type] ?? 0) + 1;
    expect(types).toEqual(golden.source.typeCounts);
    expect(gguf.tensors.size).toBe(golden.source.tensorCount);
    for (const [key, value] of Object.entries(golden.source.metadata))
      if (!key.startsWith("GGUF.")) expect(gguf.metadata.get(key), key).toEqual(value);
    for (const tensor of golden.source.tensors) {
      const values = await readTensorF32(gguf, tensor.name);
      expect([...gguf.tensors.get(tensor.name)!.shape].reverse()).toEqual(tensor.ggufShape);
      const bytes = new Uint8Array(values.buffer);
      expect(createHash("sha256").update(bytes).digest("hex"), tensor.name).toBe(tensor.sha256OfF32);
    }
    await file.close();

    const tokenizer = tokenizerFromGguf(gguf.metadata);
    expect(golden.tokenizer.length).toBe(59);
    for (const { text, ids, idsPlain, decoded } of golden.tokenizer) {
      expect(tokenizer.encode(text, { parseSpecial: true }), text).toEqual(ids);
      if (idsPlain) expect(tokenizer.encode(text), text).toEqual(idsPlain);
      expect(tokenizer.decode(ids)).toBe(decoded);
      const stream = new StreamDecoder(tokenizer);
      expect(ids.map((id) => stream.push(id)).join("") + stream.flush()).toBe(decoded);
    }
  });
});
