import { describe, expect, it } from "vitest";
import { scriptedModel } from "../serve/testing/scripted-model.ts";
import type { CachedModel, ModelEntry, StoredModel } from "../sources/index.ts";
import { measureSpeed } from "./bench.ts";
import { listModels } from "./models.ts";
import { answerOptionsOf, samplingOf } from "./options.ts";
import { licenceLine } from "./pull.ts";
import { servedName } from "./serve.ts";

describe("samplingOf", () => {
  it("samples as usual unless a way was chosen", () => {
    expect(samplingOf({})).toMatchObject({ temperature: 0.6, topP: 0.9 });
    expect(samplingOf({ topK: 5, seed: 1 })).toMatchObject({ temperature: 0.6, topP: 0.9, topK: 5, seed: 1 });
    expect(samplingOf({ temperature: 0 })).toMatchObject({ temperature: 0, topP: undefined });
    expect(samplingOf({ topP: 0.5 })).toMatchObject({ temperature: 1, topP: 0.5 });
    expect(samplingOf({}).maxTokens).toBeUndefined();
    expect(answerOptionsOf({}).maxTokens).toBe(1024);
    expect(answerOptionsOf({ maxTokens: 7 }).maxTokens).toBe(7);
  });
});

describe("servedName", () => {
  it.each([
    ["smollm2", "/cache/models/smollm2/x.gguf", "smollm2"],
    ["hf:org/repo/file.gguf", "/cache/file.gguf", "hf:org/repo/file.gguf"],
    ["/models/my.model.gguf", "/models/my.model.gguf", "my.model"],
    ["/models/folder", "/models/folder/model.safetensors", "folder"],
    ["C:\\models\\a.gguf", "C:\\models\\a.gguf", expect.not.stringContaining(".gguf")],
  ])("of %s is %s", (name, path, served) => {
    expect(servedName({ name, path })).toEqual(served);
  });
});

describe("listModels", () => {
  const entry = (name: string): ModelEntry => ({ name, title: name.toUpperCase(), bytes: 100, origins: [] });
  const cached = (folder: string, bytes: number, stored?: Partial<StoredModel>): CachedModel => ({
    folder: `/cache/models/${folder}`,
    bytes,
    stored: stored as StoredModel | undefined,
  });

  it("joins what has a name with what is here", () => {
    const models = listModels(
      [entry("a"), entry("b"), entry("c"), entry("d")],
      [
        cached("a", 101, { ref: "a", origin: "wheel x 1", licence: { id: "MIT" } }),
        cached("b", 50),
        cached("c", 0),
        cached("hf--org--repo-12345678", 70, { ref: "hf:org/repo", title: "org/repo", origin: "hub" }),
        cached("empty", 0),
      ],
    );
    expect(models.map(({ name, state, bytes }) => [name, state, bytes])).toEqual([
      ["a", "here", 101],
      ["b", "unfinished", 50],
      ["c", "not pulled", 100],
      ["d", "not pulled", 100],
      ["hf:org/repo", "here", 70],
    ]);
    expect(models[0]).toMatchObject({ origin: "wheel x 1", folder: "/cache/models/a" });
  });
});

describe("licenceLine", () => {
  it("says where the terms are, or that nobody said", () => {
    expect(licenceLine({ id: "MIT", url: "https://x" })).toBe("licence: MIT (https://x)");
    expect(licenceLine({ id: "MIT" })).toBe("licence: MIT");
    expect(licenceLine(undefined)).toContain("not stated");
  });
});

describe("measureSpeed", () => {
  it("measures whole prompts, never cached ones", async () => {
    const { model, engine } = scriptedModel({ stepMs: 1 });
    const steps: number[] = [];
    const speed = await measureSpeed(model, 128, { tokens: 8, repeat: 3, step: () => steps.push(1) });
    expect(engine.rows).toBe(3 * (128 + 7));
    expect(steps).toHaveLength(3);
    expect(speed.context).toBe(128);
    expect(speed.decodeTokensPerSecond).toBeGreaterThan(0);
    expect(speed.decodeTokensPerSecond).toBeLessThan(1000); // a step takes a millisecond at least
    expect(speed.prefillTokensPerSecond).toBeGreaterThan(speed.decodeTokensPerSecond);
  });
});
