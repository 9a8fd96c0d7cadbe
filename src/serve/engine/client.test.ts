import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EngineClient } from "./client.ts";

let folder: string;
let engine: EngineClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-engine-"));
  const from = fileURLToPath(new URL("../../../test/fixtures/lm/gpt2", import.meta.url));
  engine = await EngineClient.load({
    checkpoint: {
      kind: "safetensors",
      weights: [`${from}/model.safetensors`],
      files: { config: `${from}/config.json` },
    },
    form: "f32",
    cacheFolder: folder,
    sha256: "0".repeat(64),
    threads: 1,
  });
});

afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

describe("a sequence in a worker", () => {
  it.each([
    ["the same step twice", [0], [0]],
    ["a row that the step does not have", [7], undefined],
  ])("says at the next call that a commit failed: %s", async (_, first, second) => {
    const sequence = await engine.open();
    await sequence.step({ tokens: [5, 6] });
    await sequence.commit(first);
    if (second) await sequence.commit(second);
    for (const next of [() => sequence.step({ tokens: [7] }), () => sequence.fork(), () => sequence.truncate(0)])
      await expect(next()).rejects.toMatchObject({ code: "argument", message: expect.stringContaining("commit: ") });
    await sequence.close();
    // the others go on
    const other = await engine.open();
    await other.step({ tokens: [5, 6] });
    await other.commit([0, 1]);
    expect(other.length).toBe(2);
    await expect(other.step({ tokens: [7] })).resolves.toBeDefined();
  });
});
