/**
 * Wheels through the user's own `pip download`: it knows the index, proxies, certificates and credentials that are set
 * up on this machine.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ErrorCode, fail, throwIfAborted } from "../util/errors.ts";
import type { ProgressListener } from "../util/progress.ts";
import { onDisk, publish, systemCode } from "./disk.ts";
import { parseWheelName } from "./package-index.ts";
import { folderBytes } from "./stored.ts";

/** What `pip download` is to fetch. */
export interface PipJob {
  readonly package: string;
  readonly version?: string;
  /** Folder where the wheel is put under its own name. */
  readonly folder: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
  readonly task: string;
  /** Size of the wheel, if known. */
  readonly bytes?: number;
}

/** Ways to start pip, tried in order. */
const commands: readonly (readonly string[])[] = [
  ["python3", "-m", "pip"],
  ["python", "-m", "pip"],
  ["pip3"],
  ["pip"],
  ["uvx", "pip"],
];

const pollMs = 250;

interface Finished {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a command to its end; `undefined` when there is no such program. */
async function run(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<Finished | undefined> {
  throwIfAborted(signal);
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (piece: Buffer) => {
      output = (output + piece.toString("utf8")).slice(-20_000);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const stop = () => child.kill();
    signal?.addEventListener("abort", stop, { once: true });
    const settle = (act: () => void) => {
      signal?.removeEventListener("abort", stop);
      act();
    };
    child.on("error", (error) => settle(() => (systemCode(error) === "ENOENT" ? resolve(undefined) : reject(error))));
    child.on("close", (code) => settle(() => resolve({ code, output })));
  });
}

const symptoms: readonly (readonly [ErrorCode, RegExp])[] = [
  ["disk", /No space left|Disk quota/i],
  ["network", /NewConnectionError|ConnectTimeout|Max retries|name resolution|ReadTimeout|ProxyError|SSLError/i],
  ["unauthorized", /\b40[13]\b (?:Client Error|Unauthorized|Forbidden)/i],
  ["not-found", /No matching distribution|Could not find a version/i],
  ["network", /error/i],
];

/** What a failed pip was about, from what it printed: its last word may hide that it reached nobody. */
function diagnose(output: string): { code: ErrorCode; reason: string } {
  const lines = output.split(/\r?\n/).filter((line) => line.trim());
  const [code, pattern] = symptoms.find(([, symptom]) => symptom.test(output)) ?? ["network" as const, /$/];
  const line = lines.findLast((text) => pattern.test(text)) ?? "no output";
  const reason = line
    .replace(/^(?:ERROR|WARNING):\s*/, "")
    // addresses may carry credentials
    .replace(/\/\/[^/@\s]*@/g, "//")
    .slice(0, 300);
  return { code, reason };
}

/**
 * Downloads a wheel with pip and returns its file name.
 * @throws `unsupported` when no pip is installed; otherwise by what pip printed.
 */
export async function pipDownload(job: PipJob): Promise<string> {
  await onDisk(job.folder, () => mkdir(job.folder, { recursive: true }));
  const work = await onDisk(job.folder, () => mkdtemp(join(job.folder, "pip-")));
  const requirement = job.version ? `${job.package}==${job.version}` : job.package;
  const options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--progress-bar=off"];
  if (!process.env.PIP_RETRIES) options.push("--retries=2");
  // pip writes to its temporary folder first: having it here shows how far it is, and leaves nothing behind elsewhere
  const env = { ...process.env, TMPDIR: work, TEMP: work, TMP: work, PIP_DISABLE_PIP_VERSION_CHECK: "1" };
  const timer = setInterval(async () => {
    const done = Math.min(await folderBytes(work), job.bytes ?? Number.POSITIVE_INFINITY);
    job.onProgress?.({ task: job.task, done, total: job.bytes, unit: "bytes" });
  }, pollMs);
  try {
    for (const command of commands) {
      const finished = await run([...command, "download", ...options, "--dest", work, requirement], env, job.signal);
      throwIfAborted(job.signal);
      if (!finished || /No module named pip/.test(finished.output)) continue;
      if (finished.code !== 0) {
        const { code, reason } = diagnose(finished.output);
        fail(code, `${command.join(" ")} download ${requirement} failed: ${reason}`);
      }
      const wheel = (await readdir(work)).find((name) => parseWheelName(name, job.package));
      if (!wheel) return fail("not-found", `${command.join(" ")} download ${requirement} gave no wheel`);
      await onDisk(job.folder, () => publish(join(work, wheel), join(job.folder, wheel)));
      return wheel;
    }
    return fail(
      "unsupported",
      `the package ${requirement} needs pip, which is not installed: install Python 3 with pip (Debian: apt install python3-pip; Fedora: dnf install python3-pip; macOS: brew install python; Windows: winget install Python.Python.3.12) or uv, or set PIP_INDEX_URL to the address of a package index`,
    );
  } finally {
    clearInterval(timer);
    await rm(work, { recursive: true, force: true });
  }
}
