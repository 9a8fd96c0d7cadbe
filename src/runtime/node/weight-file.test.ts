import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NDArray } from "../../util/ndarray.ts";
import { openWeights, WeightWriter } from "./weight-file.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-weights-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(key: string, values: readonly number[]): Promise<void> {
  const writer = new WeightWriter(folder, key);
  await writer.add("a", NDArray.from(values));
  await writer.finish();
}

describe("a weight file", () => {
  it("gives back what was written, for its own key only", async () => {
    await write("one", [1, 2, 3]);
    const entry = (await openWeights(folder, "one"))!.get("a")!;
    const bytes = await readFile(entry.path);
    expect(new Float32Array(bytes.buffer, bytes.byteOffset + entry.offset, 3)).toEqual(Float32Array.of(1, 2, 3));
    expect(await openWeights(folder, "two")).toBeUndefined();
  });

  it("that has changed is not trusted", async () => {
    await write("one", [1, 2, 3]);
    const path = join(folder, "weights.bin");
    const bytes = await readFile(path);
    await utimes(path, 1, 1);
    expect(await openWeights(folder, "one")).toBeDefined();
    bytes[0] = bytes[0]! ^ 1;
    await writeFile(path, bytes);
    expect(await openWeights(folder, "one")).toBeUndefined();
    await writeFile(path, bytes.subarray(1));
    expect(await openWeights(folder, "one")).toBeUndefined();
  });

  it("leaves the previous one in place until it is complete, and nothing when it is given up", async () => {
    await write("one", [1, 2, 3]);
    const writer = new WeightWriter(folder, "two");
    await writer.add("a", NDArray.from([4]));
    expect(await openWeights(folder, "one")).toBeDefined();
    await writer.abort();
    expect((await readdir(folder)).sort()).toEqual(["weights.bin", "weights.json"]);
  });

  it("removes what killed writers left, not what is being written", async () => {
    const dead = `weights.bin.${2 ** 22 + 1}-0123abcd.tmp`;
    const alive = `weights.bin.${process.pid}-0123abcd.tmp`;
    for (const name of [dead, alive, "mine.tmp"]) await writeFile(join(folder, name), "x");
    await write("one", [1]);
    expect((await readdir(folder)).sort()).toEqual(["mine.tmp", "weights.bin", alive, "weights.json"]);
  });
});
