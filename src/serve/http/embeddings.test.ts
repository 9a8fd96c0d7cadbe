import { describe, expect, it } from "vitest";
import { byteTokenizer } from "../../decode/testing/scripted.ts";
import type { Embedder } from "../embedder.ts";
import { post } from "../testing/http.ts";
import type { ErrorBody } from "./api-error.ts";
import { createApp } from "./app.ts";

/** An embedder whose vectors tell the text's length and first character. */
const embedder = {
  tokenizer: byteTokenizer(),
  dimensions: 3,
  maxTokens: 20,
  countTokens: (text: string) => text.length,
  embed: async (texts: readonly string[]) => texts.map((t) => Float32Array.of(t.length, t.charCodeAt(0) || 0, 0.1)),
} as unknown as Embedder;

const app = createApp({ models: { vectors: embedder } });
const ask = (body: object) => app.fetch(post("/v1/embeddings", { model: "vectors", ...body }));

interface EmbeddingAnswer {
  data: { index: number; embedding: number[] | string }[];
  usage: object;
}

async function vectorsOf(body: object): Promise<EmbeddingAnswer["data"][number]["embedding"][]> {
  const response = await ask(body);
  expect(response.status, await response.clone().text()).toBe(200);
  return ((await response.json()) as EmbeddingAnswer).data.map(({ embedding }) => embedding);
}

describe("embeddings", () => {
  it("have the API's shape", async () => {
    expect(await (await ask({ input: ["ab", "c"] })).json()).toEqual({
      object: "list",
      model: "vectors",
      data: [
        { object: "embedding", index: 0, embedding: [2, 97, Math.fround(0.1)] },
        { object: "embedding", index: 1, embedding: [1, 99, Math.fround(0.1)] },
      ],
      usage: { prompt_tokens: 3, total_tokens: 3 },
    });
  });

  it("are the same of texts and token ids, as numbers and in base64", async () => {
    const [one] = await vectorsOf({ input: "abc" });
    expect(await vectorsOf({ input: [97, 98, 99] })).toEqual([one]);
    expect(await vectorsOf({ input: [[97, 98, 99], [99]] })).toEqual([one, expect.anything()]);
    const [coded] = await vectorsOf({ input: "abc", encoding_format: "base64", dimensions: 3, user: "u" });
    const bytes = Buffer.from(coded as string, "base64");
    expect([0, 4, 8].map((at) => bytes.readFloatLE(at))).toEqual(one);
  });

  it.each([
    [{}, "input", "missing_required_parameter"],
    [{ input: [] }, "input", "invalid_type"],
    [{ input: 3 }, "input", "invalid_type"],
    [{ input: ["a", [1]], extra: 1 }, "extra", "unknown_parameter"],
    [{ input: [999] }, "input", "invalid_value"],
    [{ input: "a", encoding_format: "hex" }, "encoding_format", "invalid_value"],
    [{ input: "a", dimensions: 2 }, "dimensions", "unsupported_parameter"],
    [{ input: ["a", "x".repeat(21)] }, "input[1]", "context_length_exceeded"],
    [{ input: new Array(2049).fill("a") }, "input", "invalid_value"],
  ])("are refused for %j", async (body, param, code) => {
    const response = await ask(body);
    expect(response.status).toBe(400);
    expect(((await response.json()) as ErrorBody).error).toMatchObject({ param, code });
  });

  it("cut long texts only when told to", async () => {
    expect(await vectorsOf({ input: "x".repeat(21), truncate: true })).toHaveLength(1);
  });
});
