/** Archives of packages through an npm that is only a script here. */
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packNpmPackage } from "./npm-package.ts";

describe.skipIf(process.platform === "win32")("packages of npm", () => {
  const path = process.env.PATH;
  let folder = "";

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "bletchley-test-"));
    const script = `#!/bin/sh\n[ "$2" = "good@1.2.3" ] || exit 1\nprintf "%s" "$*" > good-1.2.3.tgz\n`;
    await writeFile(join(folder, "npm"), script);
    await chmod(join(folder, "npm"), 0o755);
    process.env.PATH = `${folder}:${path}`;
  });
  afterEach(async () => {
    process.env.PATH = path;
    await rm(folder, { recursive: true });
  });

  it("are put where they are wanted", async () => {
    const target = join(folder, "deep/er/a.tgz");
    expect(await packNpmPackage("good@1.2.3", target)).toBe(true);
    expect(await readFile(target, "utf8")).toBe("pack good@1.2.3 --silent --ignore-scripts");
  });

  it("are none where npm fails, or is not there", async () => {
    const target = join(folder, "a.tgz");
    expect(await packNpmPackage("bad@1.0.0", target)).toBe(false);
    process.env.PATH = join(folder, "nowhere");
    expect(await packNpmPackage("good@1.2.3", target)).toBe(false);
    await expect(readFile(target)).rejects.toThrow(/ENOENT/);
  });
});
