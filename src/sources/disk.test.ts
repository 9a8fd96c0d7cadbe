import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cacheRoot } from "./cache.ts";
import { writeAtomically } from "./disk.ts";
import { fileSource } from "./file.ts";
import { useFixture } from "./testing/fixture.ts";
import { testBytes } from "./testing/hub-server.ts";
import { startCommand, typescriptCommand } from "./testing/processes.ts";

const fixture = useFixture();

describe("cacheRoot", () => {
  it("follows BLETCHLEY_CACHE, then XDG_CACHE_HOME, then the home folder", () => {
    expect(cacheRoot({ BLETCHLEY_CACHE: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
    expect(cacheRoot({ XDG_CACHE_HOME: "/b" })).toBe("/b/bletchley");
    expect(cacheRoot({ XDG_CACHE_HOME: "relative" })).toMatch(/\.cache\/bletchley$/);
    expect(cacheRoot({})).toMatch(/\.cache\/bletchley$/);
  });
});

describe("fileSource", () => {
  it("reads any range, and refuses what lies outside", async () => {
    const bytes = testBytes(10_000);
    const path = join(fixture.folder, "data");
    await writeFile(path, bytes);
    await using source = await fileSource(path);
    expect(source.size).toBe(10_000);
    expect(await source.read(0, 0)).toHaveLength(0);
    expect(await source.read(4096, 100)).toEqual(bytes.slice(4096, 4196));
    expect(await source.read(0, 10_000)).toEqual(bytes);
    expect((await source.read(3, 8)).byteOffset).toBe(0);
    for (const [offset, length] of [
      [9_999, 2],
      [-1, 1],
      [0, 10_001],
    ] as const)
      await expect(source.read(offset, length)).rejects.toMatchObject({ code: "format" });
  });

  it("says what is wrong with a path", async () => {
    await expect(fileSource(join(fixture.folder, "none"))).rejects.toMatchObject({ code: "not-found" });
    await expect(fileSource(fixture.folder)).rejects.toMatchObject({ code: "argument" });
  });
});

describe("writeAtomically", () => {
  it("replaces a file as a whole and leaves nothing else behind", async () => {
    const path = join(fixture.folder, "new/folder/file");
    await writeAtomically(path, "one");
    await writeAtomically(path, new Uint8Array([50]));
    await writeAtomically(path, async (file) => void (await file.write("three")));
    expect(await readFile(path, "utf8")).toBe("three");
    const thrown = writeAtomically(path, async (file) => {
      await file.write("half");
      throw new Error("stop");
    });
    await expect(thrown).rejects.toThrow("stop");
    expect(await readFile(path, "utf8")).toBe("three");
    expect(await readdir(join(fixture.folder, "new/folder"))).toEqual(["file"]);
  });

  it("keeps the previous file when a write fails half-way", async () => {
    const path = join(fixture.folder, "file");
    await writeFile(path, "previous");
    const [node, ...rest] = typescriptCommand(new URL("./testing/write-child.ts", import.meta.url), path);
    // a limit of 2 MB on the size of files fails in the middle of writing 16 MB
    const shell = `ulimit -f 2048; exec "$0" "$@"`;
    const { stdout } = await startCommand(["/bin/bash", "-c", shell, node!, ...rest]).ended;
    expect(JSON.parse(stdout)).toMatchObject({ code: "disk", message: expect.stringContaining("ulimit") });
    expect(await readFile(path, "utf8")).toBe("previous");
    expect(await readdir(fixture.folder)).not.toContainEqual(expect.stringMatching(/tmp-/));
  });

  const mount = join("/tmp", `bletchley-full-${process.pid}`);
  it.skipIf(process.getuid?.() !== 0)("keeps the previous file on a full disk", async (context) => {
    await mkdir(mount, { recursive: true });
    try {
      execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], { stdio: "ignore" });
    } catch {
      context.skip();
    }
    try {
      const path = join(mount, "file");
      await writeAtomically(path, "previous");
      const thrown = await writeAtomically(path, testBytes(4 << 20)).catch((error: unknown) => error);
      expect(thrown).toMatchObject({ code: "disk", message: expect.stringContaining("the disk is full") });
      expect(await readFile(path, "utf8")).toBe("previous");
      expect(await readdir(mount)).toEqual(["file"]);
    } finally {
      execFileSync("/bin/umount", [mount]);
      await rm(mount, { recursive: true });
    }
  });
});
