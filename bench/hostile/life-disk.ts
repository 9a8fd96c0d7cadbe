/**
 * Checks on a disk that is really full: a small file system of its own, which only root can make.
 */
import { execFileSync } from "node:child_process";
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hashFile } from "../../src/sources/index.ts";
import { expectWhole, folderIn } from "./life-downloads.ts";
import { type Check, expectClearError, expectThat, generation, type Life, modelRef, tokensOf } from "./life-setup.ts";

const MiB = 1 << 20;

/** A file system in memory. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  resize(mebibytes: number): void;
}

/** Mounts a file system of some size; `undefined` where this is not allowed. */
export async function mountSmallDisk(path: string, mebibytes: number): Promise<SmallDisk | undefined> {
  await mkdir(path, { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", path], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return {
    path,
    resize: (size) => void execFileSync("mount", ["-o", `remount,size=${size}m`, path]),
    async [Symbol.asyncDispose]() {
      execFileSync("umount", [path]);
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Writes a file until nothing more fits. */
async function fillUp(path: string): Promise<void> {
  const file = await open(path, "w");
  try {
    for (const piece = new Uint8Array(MiB / 4); ; ) await file.write(piece);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOSPC") throw thrown;
  } finally {
    await file.close();
  }
}

async function leftovers(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => /tmp/.test(name));
}

/** Checks of a full disk; they build on each other. `reference` are the tokens of {@link generation} with eight of them. */
export function diskChecks(life: Life, disk: SmallDisk, reference: readonly number[]): Check[] {
  const cache = join(disk.path, "cache");
  const env = life.environment(cache);
  const filler = join(disk.path, "filler");
  const partial = join(folderIn(cache), "model.gguf.partial");
  return [
    {
      name: "a disk that is too small from the start",
      bar: "is told before a byte is written",
      async run() {
        disk.resize(64);
        life.serve();
        const ended = await life.run(["pull", modelRef], env);
        expectClearError(ended, 1, /needs \d+ MB, the disk has \d+ MB left/);
        const size = (await stat(partial).catch(() => undefined))?.size ?? 0;
        expectThat(size === 0, `${size} bytes were written`);
        return "refused";
      },
    },
    {
      name: "a disk that fills up during a download",
      bar: "a clear error, the part is kept, the next call goes on from there",
      async run() {
        disk.resize(140);
        life.serve({ pauseMs: 60 });
        const running = life.start(["pull", modelRef], env);
        while (((await stat(partial).catch(() => undefined))?.size ?? 0) < 20 * MiB) await sleep(20);
        await fillUp(filler);
        const ended = await running.ended;
        expectClearError(ended, 1, /the disk is full: free some space/);
        const kept = (await stat(partial)).size;
        expectThat(kept >= 20 * MiB, `only ${kept} bytes are kept`);
        await rm(filler);
        life.serve();
        const again = await life.run(["pull", modelRef], env);
        expectThat(again.code === 0, `exit ${again.code}: ${again.stderr.slice(-600)}`);
        await expectWhole(life, cache);
        const [range] = life.asked();
        expectThat(range === `bytes=${kept}-`, `the next call asked for ${range}, ${kept} bytes were there`);
        return `full after ${Math.round(kept / MiB)} MiB, resumed there`;
      },
    },
    {
      name: "a disk that fills up while weights are converted",
      bar: "a clear error, the model intact, nothing half-written",
      async run() {
        const ended = await life.run(generation(8), env);
        expectClearError(ended, 1, /disk is full/);
        await expectWhole(life, cache);
        const left = await leftovers(cache);
        expectThat(!left.length, `left behind: ${left}`);
        return "98 MB of model, 42 MB of room";
      },
    },
    {
      name: "the next start with more room",
      bar: "the same tokens as ever",
      async run() {
        disk.resize(420);
        const tokens = tokensOf(await life.run(generation(8), env));
        expectThat(String(tokens) === String(reference), `tokens ${tokens} instead of ${reference}`);
        return "the same tokens";
      },
    },
    {
      name: "a second form that does not fit any more",
      bar: "a clear error, the first form intact",
      async run() {
        const converted = join(cache, "converted");
        const before = await readdir(converted);
        const ended = await life.run(generation(8, "--form", "f32"), env);
        expectClearError(ended, 1, /disk is full/);
        const left = await leftovers(cache);
        expectThat(!left.length, `left behind: ${left}`);
        const tokens = tokensOf(await life.run(generation(8, "--offline"), env));
        expectThat(String(tokens) === String(reference), `tokens ${tokens} instead of ${reference}`);
        const sha256 = await hashFile(join(folderIn(cache), "model.gguf"));
        expectThat(sha256 === life.sha256, "the model has changed");
        return `still there: ${before}`;
      },
    },
  ];
}
