/**
 * Archives of npm packages through the user's own npm: it knows the registry, proxies and credentials that are set up on this machine.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { writeAtomically } from "../../sources/index.ts";

/** Runs npm to its end. @returns whether it succeeded; false as well when there is no npm. */
function npm(args: readonly string[], cwd: string): Promise<boolean> {
  return new Promise((resolve) => {
    // on Windows npm is a script, which only a shell starts; no argument has anything that a shell would read
    const child = spawn("npm", args, { cwd, stdio: "ignore", shell: process.platform === "win32" });
    child.on("error", () => resolve(false));
    child.on("close", (code) => resolve(code === 0));
  });
}

/**
 * Fetches the archive of a package to a file.
 * @param spec name and exact version, such as `rxjs@7.8.2`. @returns whether it could be had.
 */
export async function packNpmPackage(spec: string, target: string): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), "bletchley-npm-"));
  try {
    if (!(await npm(["pack", spec, "--silent", "--ignore-scripts"], folder))) return false;
    const archive = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
    if (!archive) return false;
    await mkdir(dirname(target), { recursive: true });
    await writeAtomically(target, await readFile(join(folder, archive)));
    return true;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
