/**
 * One process at a time, across processes. The owner keeps a lock file and writes a heartbeat and its progress into it,
 * so that waiters can show what they wait for and take over when the owner dies, even by SIGKILL.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { joinSignals } from "../util/abort.ts";
import { BletchleyError, fail, throwIfAborted } from "../util/errors.ts";
import type { Progress, ProgressListener } from "../util/progress.ts";
import { onDisk, systemCode, writeFully } from "./disk.ts";

/** Options of {@link withLock}. */
export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Receives the owner's progress while this process waits. */
  readonly onWait?: ProgressListener;
  /**
   * A silent owner is taken for dead after this; one whose process is known to be gone, or who never wrote its record,
   * after a tenth. Default 30 s.
   */
  readonly staleMs?: number;
}

/** What the owner of a lock can do. */
export interface Lock {
  /** Aborts when the caller's signal fires or the lock was lost (the machine slept and somebody took over). */
  readonly signal: AbortSignal;
  /** Tells waiters how far the work is. */
  report(progress: Progress): void;
}

interface LockRecord {
  readonly token: string;
  readonly pid: number;
  readonly host: string;
  readonly beat: number;
  readonly progress?: Progress;
}

const beatMs = 500;
const pollMs = 200;

async function readRecord(path: string): Promise<LockRecord | "busy" | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
  try {
    return JSON.parse(text) as LockRecord;
  } catch {
    return "busy"; // just being written
  }
}

function isGone({ host, pid }: LockRecord): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (thrown) {
    return systemCode(thrown) === "ESRCH";
  }
}

/** Creates the lock file, or says that somebody else has. */
async function tryCreate(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "wx");
  } catch (thrown) {
    if (systemCode(thrown) === "EEXIST") return undefined;
    throw thrown;
  }
}

/** Removes a dead owner's file. Of several waiters, only the one that creates the second file may do so. */
async function removeStale(path: string, token: string | undefined, staleMs: number): Promise<void> {
  const guard = `${path}.takeover`;
  const handle = await tryCreate(guard);
  if (!handle) {
    const info = await stat(guard).catch(() => undefined);
    if (info && Date.now() - info.mtimeMs > staleMs) await rm(guard, { force: true });
    return;
  }
  try {
    const record = await readRecord(path);
    const current = typeof record === "object" ? record.token : undefined;
    if (current === token) await rm(path, { force: true });
  } finally {
    await handle.close();
    await rm(guard, { force: true });
  }
}

async function acquire(path: string, options: LockOptions): Promise<FileHandle> {
  const staleMs = options.staleMs ?? 30_000;
  let seen = "";
  let seenAt = performance.now();
  for (;;) {
    throwIfAborted(options.signal);
    const handle = await tryCreate(path);
    if (handle) return handle;
    const record = await readRecord(path);
    if (!record) continue;
    const state = record === "busy" ? "busy" : `${record.token} ${record.beat}`;
    if (state !== seen) {
      seen = state;
      seenAt = performance.now();
    }
    const silentMs = performance.now() - seenAt;
    if (record === "busy") {
      // its owner died between making it and writing to it
      if (silentMs > staleMs / 10) await removeStale(path, undefined, staleMs);
    } else {
      if (silentMs > staleMs || (isGone(record) && silentMs > staleMs / 10)) {
        await removeStale(path, record.token, staleMs);
        continue;
      }
      if (record.progress)
        options.onWait?.({ ...record.progress, task: `process ${record.pid}: ${record.progress.task}` });
    }
    await sleep(pollMs, undefined, { signal: options.signal }).catch(() => throwIfAborted(options.signal));
  }
}

/**
 * Runs `body` while no other process holds the lock file `path`. Waits as long as the owner shows signs of life.
 * @throws `aborted` when the signal fires while waiting, `disk` when the lock file cannot be written.
 */
export async function withLock<T>(
  path: string,
  body: (lock: Lock) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const handle = await onDisk(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    return acquire(path, options);
  });
  const inode = (await handle.stat()).ino;
  const stop = joinSignals(options.signal);
  const token = randomBytes(8).toString("hex");
  const start = { token, pid: process.pid, host: hostname() };
  let beat = 0;
  let progress: Progress | undefined;
  const isOurs = async () => (await stat(path).catch(() => undefined))?.ino === inode;
  const write = async () => {
    // a fixed length overwrites the previous record in one write, without a moment of emptiness
    const record: LockRecord = { ...start, beat: ++beat, progress };
    await writeFully(handle, new TextEncoder().encode(JSON.stringify(record).padEnd(1024)), 0);
  };
  let taken = false;
  let pending: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    pending = pending.then(async () => {
      if (await isOurs())
        await write().catch(() => {}); // a full disk must not end the work that may free it
      else {
        taken = true;
        stop.abort(new BletchleyError("busy", `another process took over ${path}`));
      }
    });
  }, beatMs);
  timer.unref();
  try {
    await onDisk(path, write);
    const result = await body({
      signal: stop.signal,
      report(now) {
        progress = { ...now, task: now.task.slice(0, 200) };
      },
    });
    if (taken) fail("busy", `another process took over ${path} while this one was not responding`);
    return result;
  } finally {
    clearInterval(timer);
    stop.release();
    await pending;
    const ours = await isOurs();
    await handle.close();
    if (ours) await rm(path, { force: true });
  }
}
