import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Progress } from "../util/progress.ts";
import { loadEmbedder } from "./load-embedder.ts";
import { loadModel } from "./load-model.ts";

let folder: string;
const cache = process.env.BLETCHLEY_CACHE;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-load-"));
  process.env.BLETCHLEY_CACHE = join(folder, "cache");
});

afterAll(async () => {
  if (cache === undefined) delete process.env.BLETCHLEY_CACHE;
  else process.env.BLETCHLEY_CACHE = cache;
  await rm(folder, { recursive: true, force: true });
});

const special = (id: number, content: string) => ({ id, content, special: true, normalized: false });

/** A tokenizer with a token for each printable character. */
const tokenizerJson = {
  added_tokens: [special(0, "<|endoftext|>"), special(1, "<|im_start|>"), special(2, "<|im_end|>")],
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
  decoder: { type: "ByteLevel" },
  model: {
    type: "BPE",
    merges: [],
    vocab: Object.fromEntries([
      ...Array.from({ length: 94 }, (_, i) => [String.fromCharCode(33 + i), 3 + i]),
      ["Ġ", 97],
      ["Ċ", 98],
    ]),
  },
};

const chatTemplate =
  "{% for message in messages %}<|im_start|>{{ message.role }} {{ message.content }}<|im_end|>{% endfor %}" +
  "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}";

interface Changes {
  readonly config?: object;
  readonly tokenizer?: object | null;
  readonly tokenizerConfig?: object;
  readonly generationConfig?: object;
}

let count = 0;

/** A folder as it would be downloaded: a tiny checkpoint with a tokenizer beside it. */
async function modelFolder(name: string, changes: Changes = {}): Promise<string> {
  const from = fileURLToPath(new URL(`../../test/fixtures/lm/${name}`, import.meta.url));
  const to = join(folder, `${name}-${count++}`);
  await mkdir(to);
  for (const file of await readdir(from))
    if (file !== "expected.json") await copyFile(join(from, file), join(to, file));
  const put = (file: string, value: object | null | undefined) =>
    value ? writeFile(join(to, file), JSON.stringify(value)) : undefined;
  const config = JSON.parse(await readFile(join(to, "config.json"), "utf8"));
  await put("config.json", { ...config, ...changes.config });
  await put("tokenizer.json", changes.tokenizer === undefined ? tokenizerJson : changes.tokenizer);
  await put(
    "tokenizer_config.json",
    changes.tokenizerConfig ?? { eos_token: "<|im_end|>", chat_template: chatTemplate },
  );
  await put("generation_config.json", changes.generationConfig);
  return to;
}

describe("a folder of safetensors", () => {
  it.each(["llama", "gpt2", "gemma3"])("%s generates and chats, and converts its weights once", async (name) => {
    const path = await modelFolder(name);
    const tasks = new Set<string>();
    const onProgress = ({ task }: Progress) => void tasks.add(task);
    const options = { offline: true, form: "f32", threads: 1, onProgress };
    const tokens: number[][] = [];
    for (const time of ["first", "second"]) {
      await using model = await loadModel(path, options);
      expect(model.source.kind).toBe("safetensors");
      const made: number[] = [];
      for await (const chunk of model.generate("Hello there", { maxTokens: 80, temperature: 0 }))
        made.push(...chunk.tokens);
      tokens.push(made);
      let answer = 0;
      const messages = [{ role: "user", content: "Hi" }] as const;
      for await (const chunk of model.chat(messages, { maxTokens: 5, temperature: 0 })) answer += chunk.tokens.length;
      expect(answer).toBeGreaterThan(0);
      expect([...tasks].some((task) => task.startsWith("convert weights"))).toBe(time === "first");
      tasks.clear();
    }
    expect(tokens[0]!.length).toBeGreaterThan(0);
    expect(tokens[1]).toEqual(tokens[0]);
  });

  it("converts again when the configuration changes, since it decides what tensors mean", async () => {
    const path = await modelFolder("qwen2");
    const folders = async () => (await readdir(join(folder, "cache", "converted"))).length;
    await (await loadModel(path, { offline: true, form: "f32" })).dispose();
    const before = await folders();
    const config = JSON.parse(await readFile(join(path, "config.json"), "utf8"));
    await writeFile(join(path, "config.json"), JSON.stringify({ ...config, rms_norm_eps: 1e-5 }));
    await (await loadModel(path, { offline: true, form: "f32" })).dispose();
    expect(await folders()).toBe(before + 1);
  });

  it("finds the end of text by its id where only generation_config.json tells it", async () => {
    const path = await modelFolder("gpt2", {
      tokenizerConfig: { chat_template: chatTemplate },
      generationConfig: { eos_token_id: [2, 0] },
      tokenizer: {
        ...tokenizerJson,
        added_tokens: [special(0, "<s>"), special(1, "<a>"), special(2, "<stop>")],
      },
    });
    await using model = await loadModel(path, { offline: true, form: "f32" });
    expect(model.tokenizer.specials.eosIds).toEqual([2]);
  });

  it("takes a named template of several, and a built-in one where there is none", async () => {
    const several = [
      { name: "tool_use", template: "tools" },
      { name: "default", template: chatTemplate },
    ];
    for (const tokenizerConfig of [{ chat_template: several }, {}]) {
      await using model = await loadModel(await modelFolder("gpt2", { tokenizerConfig }), {
        offline: true,
        form: "f32",
      });
      const chunks: string[] = [];
      for await (const { text } of model.chat([{ role: "user", content: "Hi" }], { maxTokens: 2 })) chunks.push(text);
      expect(chunks.length).toBeGreaterThan(0);
    }
  });
});

describe("a folder that cannot be loaded", () => {
  const refused = async (path: string) =>
    loadModel(path, { offline: true, form: "f32" }).then(
      () => "loaded",
      (thrown) => `${thrown.code}: ${thrown.message}`,
    );

  it("says that tokenizer.json is missing", async () => {
    const path = await modelFolder("gpt2", { tokenizer: null });
    expect(await refused(path)).toBe(
      `not-found: ${path} has no tokenizer.json, which turns text into tokens; put the model's own beside it`,
    );
  });

  it("names the tensor and both shapes when config.json lies", async () => {
    expect(await refused(await modelFolder("gemma2", { config: { intermediate_size: 65 } }))).toBe(
      "format: tensor model.layers.0.mlp.gate_proj.weight is [64, 32], but the configuration makes it [65, 32]",
    );
  });

  it("refuses a context longer than the positions that a model has learned", async () => {
    const options = { offline: true, form: "f32", contextLength: 193 };
    await expect(loadModel(await modelFolder("gpt2"), options)).rejects.toMatchObject({
      code: "argument",
      message: "contextLength is 193; this model has learned 192 positions and no more",
    });
    await using model = await loadModel(await modelFolder("llama"), { ...options, contextLength: 300 });
    expect(model.contextLength).toBe(300);
  });

  it("names an unknown architecture and the known ones", async () => {
    expect(await refused(await modelFolder("gpt2", { config: { model_type: "rwkv" } }))).toMatch(
      /^unsupported: .*config\.json: model_type "rwkv" is not supported; known are llama, qwen2/,
    );
  });

  it("sends encoders to loadEmbedder, and decoders back", async () => {
    expect(await refused(await modelFolder("bert"))).toBe(
      "unsupported: a BERT encoder cannot generate; use it for embeddings",
    );
    await expect(loadEmbedder(await modelFolder("gpt2"), { offline: true })).rejects.toMatchObject({
      code: "unsupported",
      message: "a gpt2 decoder gives no embeddings; use a BERT model such as minilm",
    });
  });

  it("stops when asked", async () => {
    const path = await modelFolder("qwen3");
    const controller = new AbortController();
    const loading = loadModel(path, { offline: true, form: "f32", signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(loading).rejects.toMatchObject({ code: "aborted" });
  });
});
