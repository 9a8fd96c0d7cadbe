import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSafetensor, readSafetensors, writeSafetensors } from "../../src/formats/index.ts";
import { loadDecoder, loadEncoder, openGguf, SafetensorsCheckpoint } from "../../src/lm/index.ts";
import { openFile } from "../../src/runtime/node/file-source.ts";
import { memorySource, NDArray } from "../../src/util/index.ts";
import {
  type Expected,
  largestDifference,
  logitsOf,
  openFolder,
  tinyDecoders,
  tinyFolder,
  tinyJson,
  writeTinyGguf,
} from "./tiny.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-checkpoints-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

type Tensors = Map<string, NDArray>;

/** Writes a tiny checkpoint again under another name, its tensors and configuration changed. */
async function variant(
  name: string,
  to: string,
  change: {
    readonly tensors?: (tensors: Tensors) => Tensors;
    readonly config?: (config: Record<string, unknown>) => object;
  },
): Promise<string> {
  const target = join(folder, to);
  await mkdir(target, { recursive: true });
  const file = await readSafetensors(memorySource(await readFile(`${tinyFolder(name)}/model.safetensors`)));
  let tensors: Tensors = new Map();
  for (const tensor of file.tensors.keys()) tensors.set(tensor, await readSafetensor(file, tensor));
  tensors = change.tensors?.(tensors) ?? tensors;
  const config = tinyJson<Record<string, unknown>>(name, "config.json");
  await writeFile(join(target, "model.safetensors"), Buffer.concat([...writeSafetensors(tensors)]));
  await writeFile(join(target, "config.json"), JSON.stringify(change.config?.(config) ?? config));
  return target;
}

const renamed = (rename: (name: string) => string) => (tensors: Tensors) =>
  new Map([...tensors].map(([name, array]) => [rename(name), array]));

let count = 0;

async function load(path: string, form: string | undefined) {
  await using opened = await openFolder(path);
  const sha256 = `${++count}`.padStart(64, "0");
  return await loadDecoder(opened.checkpoint, { form, cacheFolder: join(folder, "converted"), sha256, threads: 1 });
}

/** Largest difference from the reference over the first rows. */
async function differenceOf(name: string, path: string): Promise<number> {
  const loaded = await load(path, "f32");
  const all = tinyJson<Expected>(name, "expected.json");
  const rows = all.rows.filter((row) => row < 70);
  const logits = await logitsOf(loaded.model, all.tokens.slice(0, 70), (room) => room);
  await loaded.dispose();
  return largestDifference(logits, { ...all, rows });
}

describe("names in safetensors files", () => {
  it.each([
    ["gpt2", "without the prefix of the original GPT-2 files", (name: string) => name.replace(/^transformer\./, "")],
    ["qwen2", "of a base model without a head", (name: string) => name.replace(/^model\./, "")],
    ["gemma3", "of older multimodal files", (name: string) => `language_model.${name}`],
    ["gemma3", "of newer multimodal files", (name: string) => name.replace(/^model\./, "model.language_model.")],
    ["qwen3", "of a multimodal file with a head of its own", (name: string) => `language_model.${name}`],
  ])("%s: %s", async (name, what, rename) => {
    const path = await variant(name, what.replaceAll(" ", "-"), { tensors: renamed(rename) });
    expect(await differenceOf(name, path)).toBeLessThan(1e-4);
  });

  it("a tied head is the embedding, even if the file has another", async () => {
    const path = await variant("qwen2", "stray-head", {
      tensors: (tensors) => new Map([...tensors, ["lm_head.weight", NDArray.zeros([160, 32])]]),
    });
    expect(await differenceOf("qwen2", path)).toBeLessThan(1e-4);
  });

  it("the newer and older layout of rotary positions mean the same", async () => {
    const path = await variant("gemma3", "older-layout", {
      config: ({ rope_parameters, layer_types, _sliding_window_pattern, ...rest }) => ({
        model_type: "gemma3",
        text_config: {
          ...rest,
          rope_theta: 1e6,
          rope_local_base_freq: 10_000,
          rope_scaling: { rope_type: "linear", factor: 2 },
          sliding_window_pattern: 6,
        },
      }),
    });
    expect(await differenceOf("gemma3", path)).toBeLessThan(1e-4);
  });
});

describe("the default weight form", () => {
  it.each(tinyDecoders)("computes a tiny %s, coarsely", async (name) => {
    const loaded = await load(tinyFolder(name), undefined);
    const { tokens, rows, logits } = tinyJson<Expected>(name, "expected.json");
    const got = await logitsOf(loaded.model, tokens, (room) => room);
    await loaded.dispose();
    let [error, size] = [0, 0];
    rows.forEach((row, i) => {
      logits[i]!.forEach((x, token) => {
        error += (x - got[row]![token]!) ** 2;
        size += x * x;
      });
    });
    // a few percent from 8-bit weights; a wrong layer or a lost bias costs far more
    expect(Math.sqrt(error / size)).toBeLessThan(0.1);
    expect(error).toBeGreaterThan(0);
  });
});

describe("checkpoints that contradict themselves", () => {
  it("a config.json that lies: the tensor and both shapes are named, and no memory is taken", async () => {
    const path = await variant("llama-linear", "lying", {
      config: (config) => ({ ...config, intermediate_size: 8_000_000 }),
    });
    const before = process.memoryUsage().rss;
    await expect(load(path, "f32")).rejects.toMatchObject({
      code: "format",
      message: "tensor model.layers.0.mlp.gate_proj.weight is [64, 32], but the configuration makes it [8000000, 32]",
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });

  it.each([
    ["vocab_size", 161, "model.embed_tokens.weight is [160, 32], but the configuration makes it [161, 32]"],
    [
      "num_key_value_heads",
      2,
      "model.layers.0.self_attn.k_proj.weight is [8, 32], but the configuration makes it [16, 32]",
    ],
    ["num_hidden_layers", 3, "lack the tensor model.layers.2."],
    ["tie_word_embeddings", false, "lack the tensor lm_head.weight"],
  ])("%s", async (key, value, message) => {
    const path = await variant("llama-linear", `lying-${key}`, { config: (config) => ({ ...config, [key]: value }) });
    await expect(load(path, "f32")).rejects.toMatchObject({
      code: "format",
      message: expect.stringContaining(message),
    });
  });

  it("a missing tensor, and learned positions that are too few", async () => {
    const without = await variant("gpt2", "without-norm", {
      tensors: (tensors) => new Map([...tensors].filter(([name]) => name !== "transformer.ln_f.bias")),
    });
    await expect(load(without, "f32")).rejects.toMatchObject({
      code: "format",
      message: "the safetensors weights lack the tensor transformer.ln_f.bias; is the checkpoint complete?",
    });
    const longer = await variant("gpt2", "longer", { config: (config) => ({ ...config, n_positions: 4096 }) });
    await expect(load(longer, "f32")).rejects.toMatchObject({
      code: "format",
      message: "tensor transformer.wpe.weight is [192, 32], but the configuration makes it [4096, 32]",
    });
  });

  it("weights that are no floats", async () => {
    const path = await variant("gpt2", "integers", {
      tensors: (tensors) => new Map([...tensors, ["transformer.ln_f.bias", NDArray.zeros([32], "i32")]]),
    });
    await expect(load(path, "f32")).rejects.toMatchObject({
      code: "unsupported",
      message: "tensor transformer.ln_f.bias has element type I32; weights must be F32, F16 or BF16",
    });
  });

  it("a decoder that is asked for embeddings, and an encoder that is to generate", async () => {
    await using decoder = await openFolder(tinyFolder("gpt2"));
    await expect(loadEncoder(decoder.checkpoint)).rejects.toMatchObject({ code: "unsupported" });
    await expect(load(tinyFolder("bert"), "f32")).rejects.toMatchObject({ code: "unsupported" });
  });

  it("an unknown architecture", async () => {
    const path = await variant("gpt2", "unknown", { config: (config) => ({ ...config, model_type: "mamba" }) });
    await expect(load(path, "f32")).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/model_type "mamba" is not supported; known are llama, .*gpt2, bert$/),
    });
  });
});

describe("row tables", () => {
  it.each(["llama-linear", "qwen2", "gpt2"])("%s: rows read alone equal those of the whole tensor", async (name) => {
    await using opened = await openFolder(tinyFolder(name));
    const { checkpoint } = opened;
    const path = name === "gpt2" ? "transformer.wte.weight" : "model.embed_tokens.weight";
    const whole = await checkpoint.read(path);
    const table = checkpoint.table(path);
    const source = await openFile(table.path);
    const out = new Float32Array(table.columns + 1);
    for (const row of [0, 1, table.rows - 1]) {
      table.unpack(await source.read(table.offset + row * table.rowBytes, table.rowBytes), out, 1);
      expect(out.subarray(1)).toEqual(whole.subarray(row * table.columns, (row + 1) * table.columns));
    }
    await source.close();
  });
});

describe("GGUF files that contradict themselves", () => {
  async function altered(name: string, from: string, to: string): Promise<string> {
    const path = join(folder, `${name}-altered.gguf`);
    await writeTinyGguf(name, path);
    const bytes = await readFile(path);
    const at = bytes.indexOf(from);
    expect(at).toBeGreaterThan(0);
    bytes.write(to, at);
    await writeFile(path, bytes);
    return path;
  }

  async function loadGguf(path: string) {
    const source = await openFile(path);
    try {
      const checkpoint = await openGguf(source, path);
      return await loadDecoder(checkpoint, { form: "f32", cacheFolder: join(folder, "converted"), sha256: path });
    } finally {
      await source.close();
    }
  }

  it("names an unknown architecture and the known ones", async () => {
    await expect(loadGguf(await altered("gpt2", "gpt2", "gptj"))).rejects.toMatchObject({
      code: "unsupported",
      message: 'GGUF architecture "gptj" is not supported; known are llama, qwen2, qwen3, gemma2, gemma3, gpt2',
    });
  });

  it("names a missing tensor by both of its names", async () => {
    await expect(loadGguf(await altered("qwen3", "blk.1.ffn_up.weight", "blk.1.ffn_UP.weight"))).rejects.toMatchObject({
      code: "format",
      message: expect.stringContaining("lacks the tensor for model.layers.1.mlp.up_proj.weight (blk.1.ffn_up.weight)"),
    });
  });
});

it("a shard alone lacks the tensors of the others", async () => {
  const config = await readFile(`${tinyFolder("llama")}/config.json`, "utf8");
  const shard = await readFile(`${tinyFolder("llama")}/model-00001-of-00002.safetensors`);
  const partial = new SafetensorsCheckpoint(await readSafetensors(memorySource(shard)), config);
  await expect(
    loadDecoder(partial, { cacheFolder: join(folder, "converted"), sha256: "partial" }),
  ).rejects.toMatchObject({ code: "format", message: expect.stringContaining("lack the tensor") });
});
