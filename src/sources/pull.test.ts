import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveModel } from "./resolve.ts";
import { modelFolder } from "./stored.ts";
import { useFixture } from "./testing/fixture.ts";
import { testBytes } from "./testing/hub-server.ts";
import { startPull } from "./testing/processes.ts";

const fixture = useFixture();
const weights = testBytes(400_000);
const sha256 = createHash("sha256").update(weights).digest("hex");
const url = "/o/r/resolve/main/m.gguf";
const ref = "hf:o/r/m.gguf";

function serve(pauseMs?: number): void {
  fixture.server.files.set(url, { bytes: weights, large: true, pauseMs });
}

const gets = () => fixture.server.seen.filter(({ path }) => path === url);

describe("several processes", () => {
  it("that want the same model share one download, and waiters see how far it is", async () => {
    serve(40);
    const first = startPull(ref, {});
    await first.says("download");
    const second = startPull(ref, {});
    const [one, two] = await Promise.all([first.ended, second.ended]);
    expect(JSON.parse(one.stdout)).toMatchObject({ sha256, source: "hub" });
    expect(JSON.parse(two.stdout)).toMatchObject({ sha256, source: "cache" });
    expect(JSON.parse(two.stdout).events[0]).toBe(`process ${first.process.pid}: download ${ref}`);
    expect(gets()).toHaveLength(1);
  });

  for (const signal of ["SIGINT", "SIGKILL"] as const)
    it(`go on where one ended by ${signal} was`, async () => {
      serve(40);
      const first = startPull(ref, {});
      await first.says("download");
      const waiter = startPull(ref, {});
      await waiter.says("process");
      first.process.kill(signal);
      await first.ended;
      const { stdout } = await waiter.ended;
      expect(JSON.parse(stdout)).toMatchObject({ sha256, source: "hub" });
      expect(gets()[1]!.range).toMatch(/^bytes=[1-9]\d*-$/);
      expect(await readdir(modelFolder(ref))).toEqual(["m.gguf", "model.json"]);
      expect(await readdir(join(fixture.folder, "cache/models"))).toHaveLength(1);
    });
});

describe("leftovers", () => {
  it("of unfinished attempts go when the model is complete; what was set aside stays", async () => {
    serve();
    const folder = modelFolder(ref);
    await resolveModel(ref);
    for (const name of ["m.gguf.bad-1", "other.gguf.partial", "other.gguf.partial.json", "x.unpacking"])
      await writeFile(join(folder, name), "x");
    await writeFile(join(folder, "model.json"), "{}");
    await resolveModel(ref);
    expect(await readdir(folder)).toEqual(["m.gguf", "m.gguf.bad-1", "model.json"]);
    expect(
      createHash("sha256")
        .update(await readFile(join(folder, "m.gguf")))
        .digest("hex"),
    ).toBe(sha256);
  });
});

describe("a search that finds nothing", () => {
  it("leaves nothing in the cache", async () => {
    await expect(resolveModel(ref)).rejects.toMatchObject({ code: "not-found" });
    expect(await readdir(join(fixture.folder, "cache/models"))).toEqual([]);
  });
});

describe("settings", () => {
  it("HF_ENDPOINT that is no address is told by name", async () => {
    for (const endpoint of ["example", "ftp://example", "http://"]) {
      process.env.HF_ENDPOINT = endpoint;
      await expect(resolveModel(ref)).rejects.toMatchObject({
        code: "argument",
        message: expect.stringContaining(`HF_ENDPOINT is ${endpoint}`),
      });
    }
  });

  it("with nothing reachable, the message says what helps", async () => {
    process.env.HF_ENDPOINT = "http://127.0.0.1:9";
    await expect(resolveModel(ref)).rejects.toMatchObject({
      code: "network",
      message: expect.stringMatching(/127\.0\.0\.1:9 cannot be reached[\s\S]*What helps: .*HF_ENDPOINT/),
    });
  });
});
