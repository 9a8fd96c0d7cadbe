/**
 * One file from a URL to its place: resumed where it was cut, checked, synced, renamed. Until it is complete and right,
 * nothing appears under its name.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BletchleyError, fail, throwIfAborted } from "../util/errors.ts";
import type { ProgressListener } from "../util/progress.ts";
import { onDisk, publish, writeAtomically, writeFully } from "./disk.ts";
import { feedHash, hashFile } from "./hash.ts";
import { networkReason, type Reply, type RequestOptions, request } from "./http.ts";

/** What to download. */
export interface DownloadJob
  extends Pick<RequestOptions, "authorization" | "credentialsRemedy" | "what" | "patienceMs"> {
  readonly url: string;
  /** Where the file shall be. */
  readonly target: string;
  /** Expected SHA-256; a server that names another one is refused before a byte is fetched. */
  readonly sha256?: string;
  /** Expected size. */
  readonly bytes?: number;
  readonly signal?: AbortSignal;
  /** Called with bytes done and in total. */
  readonly onProgress?: ProgressListener;
  readonly task: string;
  /** A connection that brings nothing for this long is taken for cut. Default 20 s. */
  readonly stallMs?: number;
}

/** A file that was downloaded. */
export interface Downloaded {
  readonly sha256: string;
  readonly bytes: number;
  /** Headers of all answers of the last request. */
  readonly hops: readonly Headers[];
}

interface PartialState {
  readonly url: string;
  readonly validator?: string;
}

const maxFruitlessAttempts = 4;
const maxAttempts = 30;

/** The first value of a header along a chain of redirects. */
export function headerOf(hops: readonly Headers[], name: string): string | undefined {
  return hops.map((headers) => headers.get(name)).find((value) => value !== null) ?? undefined;
}

/** The SHA-256 that the Hub names for a file kept in its large-file storage. */
function linkedSha256(hops: readonly Headers[]): string | undefined {
  const tag = headerOf(hops, "x-linked-etag")?.replace(/^W\//, "").replaceAll('"', "");
  return tag && /^[0-9a-f]{64}$/i.test(tag) ? tag.toLowerCase() : undefined;
}

/** Fails with `disk` when `bytes` more do not fit beside `path`. */
export async function needSpace(path: string, bytes: number): Promise<void> {
  const info = await statfs(dirname(path)).catch(() => undefined);
  const free = info ? info.bavail * info.bsize : Number.POSITIVE_INFINITY;
  if (bytes > free)
    fail(
      "disk",
      `${path} needs ${Math.ceil(bytes / 1e6)} MB, the disk has ${Math.floor(free / 1e6)} MB left: free some space, or point BLETCHLEY_CACHE at another disk`,
    );
}

/** Moves a wrong file out of the way as `<name>.bad-<time>`; one is kept, for a look at what came instead. */
export async function setAside(path: string, target: string): Promise<string> {
  const folder = dirname(target);
  for (const name of await readdir(folder))
    if (name.startsWith(`${basename(target)}.bad-`)) await rm(join(folder, name), { force: true });
  const aside = `${target}.bad-${Date.now()}`;
  await rename(path, aside);
  return aside;
}

/** Strong validators only: a weak ETag does not promise the same bytes. */
function validatorOf(headers: Headers): string | undefined {
  const etag = headers.get("etag");
  if (etag && !etag.startsWith("W/")) return etag;
  return headers.get("last-modified") ?? undefined;
}

async function readState(path: string): Promise<PartialState | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as PartialState;
  } catch {
    return undefined;
  }
}

/** Total size of the file according to an answer to a request from byte `from` on. */
function totalOf(reply: Reply, from: number): number | undefined {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(reply.headers.get("content-range") ?? "");
  if (range) return Number(range[2]);
  const length = reply.headers.get("content-length");
  return length === null ? undefined : Number(length) + (reply.status === 206 ? from : 0);
}

class Cut extends Error {}

/** Writes a body to a file; throws {@link Cut} when the connection breaks or stalls. */
async function receive(reply: Reply, job: DownloadJob, write: (piece: Uint8Array) => Promise<void>): Promise<void> {
  const reader = reply.response.body?.getReader();
  if (!reader) return;
  const stallMs = job.stallMs ?? 20_000;
  try {
    for (;;) {
      const timer = setTimeout(reply.abort, stallMs);
      const piece = await reader.read().catch((thrown: unknown) => {
        throwIfAborted(job.signal);
        throw new Cut(networkReason(thrown));
      });
      clearTimeout(timer);
      if (piece.done) return;
      await write(piece.value);
    }
  } finally {
    reply.abort();
  }
}

/** One attempt: asks for what is missing. Returns the facts when the file is complete. */
async function attempt(
  job: DownloadJob,
): Promise<Downloaded & { resumed: boolean; expected?: string; placed: boolean }> {
  const partial = `${job.target}.partial`;
  const stateFile = `${partial}.json`;
  const state = await readState(stateFile);
  const present = (await stat(partial).catch(() => undefined))?.size ?? 0;
  // without a validator only a known hash can tell whether old and new bytes belong together
  const from = state?.url === job.url && (state.validator || job.sha256) ? present : 0;
  const headers: Record<string, string> = {};
  if (from) {
    headers.range = `bytes=${from}-`;
    if (state?.validator) headers["if-range"] = state.validator;
  }
  const reply = await request(job.url, { ...job, headers, accept: [416] });
  const linked = linkedSha256(reply.hops);
  if (job.sha256 && linked && linked !== job.sha256) {
    reply.abort();
    fail(
      "checksum",
      `${job.what}: the server has a file with SHA-256 ${linked}, expected is ${job.sha256}; nothing was downloaded`,
    );
  }
  const expected = job.sha256 ?? linked;
  if (reply.status === 416) {
    await reply.response.body?.cancel();
    const total = Number(/^bytes \*\/(\d+)$/.exec(reply.headers.get("content-range") ?? "")?.[1]);
    if (total !== present || !from) {
      await rm(partial, { force: true });
      throw new Cut(`the server refused the range from byte ${from} on`);
    }
    const { hash, bytes } = await feedHash(partial, job);
    return { sha256: hash.digest("hex"), bytes, hops: reply.hops, resumed: true, expected, placed: false };
  }
  const start = reply.status === 206 ? Number(/^bytes (\d+)-/.exec(reply.headers.get("content-range") ?? "")?.[1]) : 0;
  if (start !== 0 && start !== from) {
    reply.abort();
    throw new Cut(`the server sent bytes from ${start} on instead of ${from}`);
  }
  const total = totalOf(reply, start);
  const linkedSize = Number(headerOf(reply.hops, "x-linked-size") ?? Number.NaN);
  for (const size of [job.bytes, linkedSize])
    if (size !== undefined && total !== undefined && Number.isFinite(size) && size !== total) {
      reply.abort();
      fail("checksum", `${job.what}: the server sends ${total} bytes, expected are ${size}`);
    }
  // a call that was cut between two files of a model finds the first one complete
  const finished = expected ? await stat(job.target).catch(() => undefined) : undefined;
  if (finished && finished.size === total && (await hashFile(job.target, job)) === expected) {
    reply.abort();
    return { sha256: expected!, bytes: finished.size, hops: reply.hops, resumed: false, expected, placed: true };
  }
  return onDisk(job.target, async () => {
    try {
      await needSpace(partial, (total ?? 0) - start);
      await writeAtomically(stateFile, JSON.stringify({ url: job.url, validator: validatorOf(reply.headers) }));
    } catch (thrown) {
      reply.abort();
      throw thrown;
    }
    const file = await open(partial, start ? "r+" : "w");
    try {
      const hash = createHash("sha256");
      if (start) await feedHash(partial, { into: hash, signal: job.signal });
      let done = start;
      await receive(reply, job, async (piece) => {
        await writeFully(file, piece, done);
        hash.update(piece);
        done += piece.length;
        job.onProgress?.({ task: job.task, done, total, unit: "bytes" });
      });
      if (total !== undefined && done < total) throw new Cut(`the connection ended after ${done} of ${total} bytes`);
      await file.sync();
      return { sha256: hash.digest("hex"), bytes: done, hops: reply.hops, resumed: start > 0, expected, placed: false };
    } finally {
      await file.close();
    }
  });
}

/**
 * Downloads a file. A cut connection is resumed a few times here and, the partial file being kept, by the next call.
 * @throws `checksum` (the wrong file is kept aside as `.bad-…`), `disk`, `aborted`, or what {@link request} throws.
 */
export async function download(job: DownloadJob): Promise<Downloaded> {
  const partial = `${job.target}.partial`;
  await onDisk(job.target, () => mkdir(dirname(job.target), { recursive: true }));
  let restarted = false;
  let fruitless = 0;
  let best = 0;
  for (let attempts = 1; ; attempts++) {
    try {
      const { resumed, expected, placed, ...result } = await attempt(job);
      if (placed) return result;
      if (!expected || expected === result.sha256) {
        await onDisk(job.target, () => publish(partial, job.target));
        await rm(`${partial}.json`, { force: true });
        return result;
      }
      const aside = await setAside(partial, job.target);
      await rm(`${partial}.json`, { force: true });
      // the first part may have been left by another version of the file
      if (!resumed || restarted)
        fail(
          "checksum",
          `${job.what}: SHA-256 is ${result.sha256}, expected is ${expected}; the file was refused and kept as ${aside}`,
        );
      restarted = true;
    } catch (thrown) {
      const cut = thrown instanceof Cut || (thrown instanceof BletchleyError && thrown.code === "network" && best > 0);
      if (!cut) throw thrown;
      const size = (await stat(partial).catch(() => undefined))?.size ?? 0;
      fruitless = size > best ? 0 : fruitless + 1;
      best = Math.max(best, size);
      if (fruitless >= maxFruitlessAttempts || attempts >= maxAttempts)
        fail(
          "network",
          `${job.what} was cut again and again: ${(thrown as Error).message}; ${size} bytes are kept, the next call goes on from there`,
          thrown,
        );
      await sleep(200 * 2 ** fruitless, undefined, { signal: job.signal }).catch(() => throwIfAborted(job.signal));
    }
  }
}
