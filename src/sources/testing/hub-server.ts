/**
 * A server for tests and bars that speaks the Hub's protocol and a package index's, and misbehaves on request.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Something for the server to do with one path instead of answering properly. Returning false answers properly. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse, count: number) => boolean | undefined;

/** A file that the server has. */
export interface ServedFile {
  readonly bytes: Uint8Array;
  /** Sends the Hub's `x-linked-etag` (SHA-256) as for large files; else the git hash as ETag. */
  readonly large?: boolean;
  readonly behave?: Behaviour;
  /** Sends the body in pieces with a pause between them. */
  readonly pauseMs?: number;
}

/** One request that the server got. */
export interface Seen {
  readonly path: string;
  readonly method: string;
  readonly range?: string;
  readonly authorization?: string;
  /** Bytes of the body that were handed to the connection. */
  sent: number;
}

/** A running test server. */
export interface TestServer {
  readonly url: string;
  readonly files: Map<string, ServedFile>;
  readonly seen: Seen[];
  close(): Promise<void>;
}

/** The commit that the test server claims for every file. */
export const testCommit = "0123456789abcdef0123456789abcdef01234567";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const gitHash = (bytes: Uint8Array) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

async function sendSlowly(response: ServerResponse, body: Uint8Array, pauseMs: number, seen: Seen): Promise<void> {
  const step = Math.ceil(body.length / 40);
  for (let at = 0; at < body.length && !response.destroyed; at += step) {
    response.write(body.subarray(at, at + step));
    seen.sent += Math.min(step, body.length - at);
    await new Promise((wake) => setTimeout(wake, pauseMs));
  }
  response.end();
}

/** Starts a server on a free port of this machine. Paths are those of the URLs, such as `/org/repo/resolve/main/config.json`. */
export async function startServer(files: Record<string, ServedFile> = {}): Promise<TestServer> {
  const served = new Map(Object.entries(files));
  const seen: Seen[] = [];
  const counts = new Map<string, number>();
  const server: Server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "/");
    const { range, authorization } = request.headers;
    const record: Seen = { path, method: request.method ?? "GET", range, authorization, sent: 0 };
    seen.push(record);
    const count = (counts.get(path) ?? 0) + 1;
    counts.set(path, count);
    const file = served.get(path);
    if (!file) {
      response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
      return;
    }
    if (file.behave?.(request, response, count)) return;
    const { bytes } = file;
    const etag = `"${file.large ? sha256(bytes) : gitHash(bytes)}"`;
    const headers: Record<string, string | number> = { etag, "x-repo-commit": testCommit, "accept-ranges": "bytes" };
    if (file.large) Object.assign(headers, { "x-linked-etag": etag, "x-linked-size": bytes.length });
    const ifRange = request.headers["if-range"];
    const from = range && (!ifRange || ifRange === etag) ? Number(/^bytes=(\d+)-$/.exec(range)?.[1]) : 0;
    if (from > 0 && from >= bytes.length) {
      response.writeHead(416, { ...headers, "content-range": `bytes */${bytes.length}` }).end();
      return;
    }
    const body = bytes.subarray(from);
    if (from > 0) headers["content-range"] = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(from > 0 ? 206 : 200, { ...headers, "content-length": body.length });
    if (file.pauseMs) void sendSlowly(response, body, file.pauseMs, record);
    else {
      record.sent += body.length;
      response.end(body);
    }
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files: served,
    seen,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Announces the whole file, sends a part of what was asked for and cuts the connection; for the first `times` requests. */
export function cutAfter(bytes: Uint8Array, part: number, times: number): Behaviour {
  return (request, response, count) => {
    if (count > times) return false;
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const headers: Record<string, string | number> = {
      etag: `"${sha256(bytes)}"`,
      "content-length": bytes.length - from,
      "x-linked-etag": `"${sha256(bytes)}"`,
    };
    if (from) headers["content-range"] = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(from ? 206 : 200, headers).flushHeaders();
    if (part) response.write(bytes.subarray(from, from + part));
    // a client throws away what it has received but not yet read when it learns of the cut: give it the time to read
    setTimeout(() => response.destroy(), 100);
    return true;
  };
}

/** Answers with a status. */
export function answer(
  status: number,
  headers: Record<string, string> = {},
  times = Number.POSITIVE_INFINITY,
): Behaviour {
  return (_request, response, count) => {
    if (count > times) return false;
    response.writeHead(status, headers).end();
    return true;
  };
}

/** Pseudo-random bytes that do not compress, the same for the same seed. */
export function testBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
