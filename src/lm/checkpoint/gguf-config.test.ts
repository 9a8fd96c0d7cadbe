import { describe, expect, it } from "vitest";
import { type GgufFile, type GgufMetadata, type GgufValue, readGguf, writeGguf } from "../../formats/index.ts";
import { memorySource } from "../../util/index.ts";
import { ggufDecoderConfig } from "./gguf-config.ts";

const sizes = {
  context_length: 4096,
  embedding_length: 64,
  block_count: 4,
  feed_forward_length: 128,
  "attention.head_count": 8,
  "attention.head_count_kv": 4,
  "attention.layer_norm_rms_epsilon": 1e-5,
};

/** A GGUF file without weights but the embedding, and tensors of the names given. */
async function fileOf(
  architecture: string,
  fields: Readonly<Record<string, GgufValue>>,
  names: readonly string[] = [],
): Promise<GgufFile> {
  const metadata: GgufMetadata = new Map<string, GgufValue>([
    ["general.architecture", architecture],
    ...Object.entries({ ...sizes, ...fields }).map(([key, value]) => [`${architecture}.${key}`, value] as const),
  ]);
  const tensors = [
    { name: "token_embd.weight", shape: [10, 64], type: "F32" as const, data: new Float32Array(640) },
    ...names.map((name) => ({ name, shape: [2], type: "F32" as const, data: new Float32Array(2) })),
  ];
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeGguf({ metadata, tensors })) chunks.push(chunk);
  return readGguf(memorySource(Buffer.concat(chunks)));
}

async function refusal(architecture: string, fields: Readonly<Record<string, GgufValue>>, divisors?: number[]) {
  const file = await fileOf(architecture, fields);
  try {
    ggufDecoderConfig(file, divisors && Float32Array.from(divisors));
  } catch (thrown) {
    return `${(thrown as { code: string }).code}: ${(thrown as Error).message}`;
  }
  throw new Error("was accepted");
}

describe("metadata of decoders", () => {
  it("reads sizes, rotary scaling and what tensors tell", async () => {
    const fields = { "rope.freq_base": 500_000, "rope.scaling.type": "linear", "rope.scaling.factor": 4 };
    const config = ggufDecoderConfig(await fileOf("llama", fields), Float32Array.of(1, 2, 4, 8));
    expect(config).toMatchObject({
      vocabSize: 10,
      headDim: 8,
      kvHeadCount: 4,
      rope: { base: 500_000, scale: 4, frequencyDivisors: [1, 2, 4, 8] },
      tiedEmbeddings: true,
      attentionBias: false,
      attentionOutputBias: false,
      attentionScale: 1 / Math.sqrt(8),
    });
    const names = ["output.weight", "blk.0.attn_q.bias", "blk.0.attn_output.bias"];
    expect(ggufDecoderConfig(await fileOf("llama", {}, names))).toMatchObject({
      tiedEmbeddings: false,
      attentionBias: true,
      attentionOutputBias: true,
    });
  });

  it("knows which layers of Gemma are local, unless the file says so", async () => {
    const localLayers = async (architecture: string, fields: Readonly<Record<string, GgufValue>>) =>
      ggufDecoderConfig(await fileOf(architecture, { "attention.sliding_window": 512, ...fields })).localLayers;
    const [yes, no] = [true, false];
    expect(await localLayers("gemma2", {})).toEqual([yes, no, yes, no]);
    expect(await localLayers("gemma3", { block_count: 7 })).toEqual([yes, yes, yes, yes, yes, no, yes]);
    expect(await localLayers("gemma3", { "attention.sliding_window_pattern": 3 })).toEqual([yes, yes, no, yes]);
    const list = { "attention.sliding_window_pattern": [no, no, yes, yes] };
    expect(await localLayers("gemma3", list)).toEqual([no, no, yes, yes]);
    expect(await localLayers("gemma3", { "attention.sliding_window": 0 })).toEqual([no, no, no, no]);
    expect(await localLayers("qwen2", {})).toEqual([no, no, no, no]);
  });

  it("scales scores by the head's width, by its share in Gemma's largest models, or as the file says", async () => {
    const scale = async (architecture: string, layers: number, fields: Readonly<Record<string, GgufValue>> = {}) => {
      const all = { block_count: layers, "attention.key_length": 32, ...fields };
      return ggufDecoderConfig(await fileOf(architecture, all)).attentionScale;
    };
    expect(await scale("gemma2", 26)).toBeCloseTo(1 / Math.sqrt(32), 12);
    expect(await scale("gemma2", 46)).toBeCloseTo(1 / Math.sqrt(64 / 8), 12);
    expect(await scale("gemma3", 62)).toBeCloseTo(1 / Math.sqrt(64 / 8), 12);
    expect(await scale("gemma2", 46, { "attention.scale": 0.25 })).toBe(0.25);
  });
});

describe("metadata that cannot be used", () => {
  it.each<[string, Readonly<Record<string, GgufValue>>, RegExp]>([
    ["mamba", {}, /^unsupported: GGUF architecture "mamba" is not supported; known are llama, qwen2/],
    ["llama", { "rope.scaling.type": "yarn" }, /^unsupported: GGUF rope scaling "yarn"/],
    ["llama", { "rope.dimension_count": 4 }, /^unsupported: GGUF: rotary positions turn 4 of 8 dimensions/],
    [
      "llama",
      { "attention.head_count_kv": new Uint32Array([4, 4]) },
      /^unsupported: .*head_count_kv is not one number/,
    ],
    ["llama", { embedding_length: -1 }, /^format: .*embedding_length is -1/],
    ["llama", { block_count: 4_000_000_000 }, /^format: .*layerCount is 4000000000/],
    ["llama", { "attention.head_count": 7 }, /^format: .*headDim is 9.1/],
    ["gemma3", { "attention.sliding_window": 8, "attention.sliding_window_pattern": [true] }, /^format: .*1 entries/],
  ])("%s %o", async (architecture, fields, message) => {
    expect(await refusal(architecture, fields)).toMatch(message);
  });

  it("rotary divisors of another number or sign", async () => {
    expect(await refusal("llama", {}, [1, 1])).toMatch(/^format: GGUF: rope_freqs.weight has 2 values for 4 pairs/);
    expect(await refusal("llama", {}, [1, 1, 0, 1])).toMatch(/^format: .*not above 0/);
  });
});
