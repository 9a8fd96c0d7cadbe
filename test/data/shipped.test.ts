/** The model that ships with the package: it is what the catalogue says, is found last, and answers. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { loadModel } from "../../src/index.ts";
import {
  catalogue,
  type ModelSource,
  modelSources,
  resolveDefaultModel,
  resolveModel,
} from "../../src/sources/index.ts";
import { BletchleyError } from "../../src/util/errors.ts";

let cache = "";
beforeAll(() => {
  cache = mkdtempSync(join(tmpdir(), "bletchley-shipped-"));
  vi.stubEnv("BLETCHLEY_CACHE", cache);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});

const failing = (code: "network" | "disk"): ModelSource => ({
  name: "broken",
  remote: true,
  find: () => Promise.reject(new BletchleyError(code, "nothing can be reached")),
});

describe("the shipped model", () => {
  it("is the file that the catalogue describes, and small", async () => {
    const found = await resolveModel("tiny", { offline: true });
    const bytes = readFileSync(found.path);
    const entry = catalogue.get("tiny")!;
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(entry.sha256);
    expect([found.bytes, bytes.length]).toEqual([entry.bytes, entry.bytes]);
    expect(bytes.length).toBeLessThan(3e6);
    expect(found).toMatchObject({ kind: "gguf", source: "package", licence: { id: "Apache-2.0" } });
    expect(found.standsInFor).toBeUndefined();
  });

  it("is found without a cache that can be written to", async () => {
    vi.stubEnv("BLETCHLEY_CACHE", "/proc/nowhere");
    expect((await resolveModel("tiny")).source).toBe("package");
    vi.stubEnv("BLETCHLEY_CACHE", cache);
  });

  it("comes last, and stands in for the default model alone", async () => {
    expect(modelSources.at(-1)!.name).toBe("package");
    const sources = [failing("network"), modelSources.at(-1)!];
    const found = await resolveDefaultModel({ sources });
    expect(found.name).toBe("tiny");
    expect(found.standsInFor).toMatch(
      /ships with the package[\s\S]*bletchley pull smollm2[\s\S]*nothing can be reached/,
    );
    await expect(resolveModel("smollm2", { sources })).rejects.toMatchObject({ code: "network" });
    await expect(resolveDefaultModel({ sources: [failing("disk"), modelSources.at(-1)!] })).rejects.toMatchObject({
      code: "disk",
    });
  });

  it("answers where nothing else is to be had, and says so", async () => {
    const said: string[] = [];
    await using model = await loadModel(undefined, { offline: true, onStandIn: (text) => said.push(text) });
    expect(said).toHaveLength(1);
    const ask = () =>
      model.collect(
        model.chat([{ role: "user", content: "What say you?" }], { maxTokens: 24, temperature: 1, seed: 1 }),
      );
    const { text, tokens } = await ask();
    expect(text).toMatch(/^[A-Z][A-Za-z ,.'!?:;\n-]+$/);
    expect((await ask()).tokens).toEqual(tokens);
  });

  it("has learnt to spell, and that a line of a play goes on with one of its words", async () => {
    await using model = await loadModel("tiny", { offline: true });
    const { text } = await model.collect(model.generate("ROMEO:\nO, my dear", { maxTokens: 60 }));
    const plays = new Set(
      "the and to of my I thou thee that is not in with be your his for it a have you this as but".split(" "),
    );
    const words = text.match(/[A-Za-z]+/g)!;
    expect(words.filter((word) => plays.has(word)).length / words.length).toBeGreaterThan(0.2);
  });
});
