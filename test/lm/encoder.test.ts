import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSafetensor, readSafetensors, writeSafetensors } from "../../src/formats/index.ts";
import { loadEncoder, type PoolingMode, poolingFromHf, poolingModes } from "../../src/lm/index.ts";
import { f32ToF16Bits } from "../../src/util/dtype.ts";
import { memorySource, NDArray } from "../../src/util/index.ts";
import { openFolder, tinyFolder, tinyJson } from "./tiny.ts";

interface Expected {
  readonly texts: readonly (readonly number[])[];
  readonly pooled: Readonly<Record<PoolingMode, readonly (readonly number[])[]>>;
}

const { texts, pooled } = tinyJson<Expected>("bert", "expected.json");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-encoder-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function embed(
  path: string,
  batch: readonly (readonly number[])[],
  pooling?: readonly PoolingMode[],
): Promise<NDArray> {
  await using opened = await openFolder(path);
  const encoder = await loadEncoder(opened.checkpoint, { pooling, threads: 1 });
  try {
    return await encoder.embed(batch);
  } finally {
    await encoder.dispose();
  }
}

function expectClose(got: NDArray, expected: readonly (readonly number[])[], tolerance: number): void {
  expect(got.shape).toEqual([expected.length, expected[0]!.length]);
  const worst = Math.max(...expected.flat().map((x, i) => Math.abs(x - got.at(i))));
  expect(worst).toBeLessThan(tolerance);
}

describe("a random tiny BERT", () => {
  it.each(poolingModes)("pools by %s as the reference does, padded in one batch", async (mode) => {
    expectClose(await embed(tinyFolder("bert"), texts, [mode]), pooled[mode], 1e-5);
  });

  it("puts several ways of pooling side by side, and takes the mean when nothing is said", async () => {
    const both = await embed(tinyFolder("bert"), texts, ["cls", "mean"]);
    expect(both.shape).toEqual([texts.length, 64]);
    for (const [half, mode] of (["cls", "mean"] as const).entries()) {
      const unit = texts.flatMap((_, row) => {
        const part = both.data.slice(64 * row + 32 * half, 64 * row + 32 * (half + 1)) as Float32Array;
        return Array.from(part, (x) => x / Math.hypot(...part));
      });
      expectClose(NDArray.from(unit, [texts.length, 32]), pooled[mode], 1e-5);
    }
    expectClose(await embed(tinyFolder("bert"), texts), pooled.mean, 1e-5);
  });

  it("gives a text alone what it gives it in a batch, up to rounding", async () => {
    for (const [i, ids] of texts.entries())
      expectClose(await embed(tinyFolder("bert"), [ids]), [pooled.mean[i]!], 1e-5);
  });

  it("reads files with a prefix, the old names of norms, and halves", async () => {
    const file = await readSafetensors(memorySource(await readFile(`${tinyFolder("bert")}/model.safetensors`)));
    const tensors = new Map<string, NDArray>();
    for (const name of file.tensors.keys()) {
      const array = await readSafetensor(file, name);
      const old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
      const halves = Uint16Array.from(array.data as Float32Array, f32ToF16Bits);
      tensors.set(`bert.${old}`, new NDArray(halves, array.shape, "f16"));
    }
    await writeFile(join(folder, "model.safetensors"), Buffer.concat([...writeSafetensors(tensors)]));
    await writeFile(join(folder, "config.json"), await readFile(`${tinyFolder("bert")}/config.json`));
    // half precision rounds weights by up to 2⁻¹¹
    expectClose(await embed(folder, texts), pooled.mean, 3e-3);
  });

  it("refuses what it cannot take", async () => {
    const refused = async (batch: readonly (readonly number[])[]) =>
      embed(tinyFolder("bert"), batch).catch((thrown) => `${thrown.code}: ${thrown.message}`);
    expect(await refused([[1, 128]])).toBe("argument: embed: token 128 is outside of the vocabulary of 128");
    expect(await refused([[1], []])).toMatch(/^argument: embed: there is a text without tokens/);
    expect(await refused([])).toMatch(/^argument/);
    expect(await refused([new Array(49).fill(1)])).toMatch(
      /^argument: embed: a text has 49 tokens, the model takes 48/,
    );
  });
});

describe("pooling configuration", () => {
  const read = (fields: object) => poolingFromHf(JSON.stringify(fields), "1_Pooling/config.json");

  it("names the ways that are on", () => {
    expect(read({ pooling_mode_mean_tokens: true, pooling_mode_cls_token: false })).toEqual(["mean"]);
    expect(read({ pooling_mode_max_tokens: true, pooling_mode_cls_token: true })).toEqual(["cls", "max"]);
  });

  it("refuses ways that are not known", () => {
    expect(() => read({ pooling_mode_lasttoken: true })).toThrow(/pooling_mode_lasttoken is true/);
    expect(() => read({ pooling_mode_mean_tokens: false })).toThrow(/switches none of cls, max, mean, mean-sqrt on/);
  });
});
