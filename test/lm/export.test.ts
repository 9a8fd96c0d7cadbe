/**
 * A language model's step leaves as an ONNX file that plain ONNX Runtime runs: with its weights inside and beside, from
 * converted weights on disk, with every dynamic axis.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, expect, it } from "vitest";
import { KvCache, loadDecoder } from "../../src/lm/index.ts";
import { type Engine, getDefaultEngine, writeOnnx } from "../../src/runtime/index.ts";
import type { NDArray } from "../../src/util/ndarray.ts";
import { openFolder, tinyFolder } from "./tiny.ts";

const folder = mkdtempSync(join(tmpdir(), "bletchley-step-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ["f32", "inside"],
  ["f32", "beside"],
  ["int8", "beside"],
] as const)("a step in %s with weights %s", async (form, weights) => {
  // an engine that remembers what it was fed
  let fed: Readonly<Record<string, NDArray>> = {};
  const engine: Engine = {
    async load(model, options) {
      const session = await (await getDefaultEngine()).load(model, options);
      return {
        run(feeds, outputs) {
          fed = feeds;
          return session.run(feeds, outputs);
        },
        profile: () => session.profile(),
        dispose: () => session.dispose(),
      };
    },
    dispose: async () => {},
  };
  await using opened = await openFolder(tinyFolder("llama"));
  const options = { form, engine, cacheFolder: join(folder, "converted"), sha256: "0".repeat(64) };
  const { model, dispose } = await loadDecoder(opened.checkpoint, options);
  const path = join(folder, `step-${form}-${weights}.onnx`);
  await writeOnnx(model.lowered, path, { weights });

  const session = await ort.InferenceSession.create(path);
  const cache = new KvCache(model.config);
  const shapes = Object.fromEntries(session.inputMetadata.map((x) => [x.name, x.isTensor && x.shape]));
  expect(shapes.embeddings).toEqual([1, "n", model.config.hiddenSize]);
  for (const tokens of [[5, 6, 7], [8]]) {
    const expected = await model.step(cache, { tokens });
    const feeds = Object.fromEntries(
      Object.entries(fed).map(([name, { data, dtype, shape }]) => [
        name,
        new ort.Tensor(dtype === "i64" ? "int64" : "float32", data as Float32Array, shape as number[]),
      ]),
    );
    const { logits, keys } = await session.run(feeds);
    expect(logits!.data).toEqual(expected.logits.data);
    expect(keys!.data).toEqual(expected.keys.data);
    cache.commit(expected.keys, expected.values, [...tokens.keys()]);
  }
  await session.release();
  await dispose();
});
