/**
 * HTTP as model sources need it: redirects that never carry credentials to another host, a short patience with hosts
 * that do not answer, and statuses turned into errors that say what to do. Bodies are the caller's business.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { joinSignals } from "../util/abort.ts";
import { type ErrorCode, fail, messageOf, throwIfAborted } from "../util/errors.ts";

/** Options of {@link request}. */
export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Value of the `authorization` header; sent to the first URL's host only. */
  readonly authorization?: string;
  readonly signal?: AbortSignal;
  /** What is being asked for, for messages. */
  readonly what: string;
  /** What to do about 401 and 403. */
  readonly credentialsRemedy?: string;
  /** How long a host may take that has not answered yet in this process. Default 3 s. */
  readonly patienceMs?: number;
  /** Statuses that are returned instead of thrown, besides 2xx. */
  readonly accept?: readonly number[];
}

/** The last answer of a chain of redirects. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** Headers of all answers, the first one first. */
  readonly hops: readonly Headers[];
  readonly url: string;
  readonly response: Response;
  /** Ends the connection. */
  readonly abort: () => void;
}

const defaultPatienceMs = 3000;
const knownHostPatienceMs = 30_000;
const maxRedirects = 10;
const maxAttempts = 4;
const maxRetryAfterMs = 15_000;

const answered = new Set<string>();
const unreachable = new Map<string, string>();

/** Forgets which hosts did not answer, so that they are asked again. */
export function forgetUnreachableHosts(): void {
  unreachable.clear();
  answered.clear();
}

/** The innermost reason of a failed `fetch`, which hides it under `cause`. */
export function networkReason(thrown: unknown): string {
  let reason = thrown;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  const text = messageOf(reason);
  return text || ((reason as NodeJS.ErrnoException).code ?? "no reason given");
}

let proxiedFetch: Promise<typeof fetch> | undefined;

/** Node's own `fetch` ignores the proxy that the environment names. */
function fetcher(): Promise<typeof fetch> {
  const { env } = process;
  if (!(env.HTTP_PROXY || env.HTTPS_PROXY || env.http_proxy || env.https_proxy)) return Promise.resolve(fetch);
  proxiedFetch ??= import("undici").then(({ EnvHttpProxyAgent, fetch: undiciFetch }) => {
    const dispatcher = new EnvHttpProxyAgent();
    return ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher })) as unknown as typeof fetch;
  });
  return proxiedFetch;
}

/** Fetches one URL without following redirects; gives up on hosts that stay silent and remembers them. */
async function fetchOnce(url: URL, headers: Record<string, string>, options: RequestOptions) {
  const known = unreachable.get(url.host);
  if (known) fail("network", `${url.host} could not be reached earlier in this run: ${known}`);
  const stop = joinSignals(options.signal);
  const abort = () => {
    stop.release();
    stop.abort();
  };
  const firstContact = !answered.has(url.host);
  const patienceMs = firstContact ? (options.patienceMs ?? defaultPatienceMs) : knownHostPatienceMs;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    abort();
  }, patienceMs);
  try {
    const doFetch = await fetcher();
    const response = await doFetch(url.href, { headers, redirect: "manual", signal: stop.signal });
    answered.add(url.host);
    return { response, abort };
  } catch (thrown) {
    stop.release();
    throwIfAborted(options.signal);
    const reason = timedOut ? `no answer within ${patienceMs / 1000} s` : networkReason(thrown);
    if (firstContact) unreachable.set(url.host, reason);
    return fail("network", `${url.host} cannot be reached: ${reason}`, thrown);
  } finally {
    clearTimeout(timer);
  }
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 404 || status === 410) return "not-found";
  return status === 429 ? "rate-limited" : "network";
}

function failStatus(reply: Reply, options: RequestOptions): never {
  const { status } = reply;
  const host = new URL(reply.url).host;
  const hub = reply.hops.map((headers) => headers.get("x-error-message")).find(Boolean);
  const detail = hub ? ` (${hub})` : "";
  const code = codeOfStatus(status);
  switch (code) {
    case "unauthorized":
      return fail(
        code,
        `${host} refused ${options.what} with ${status}${detail}: ${options.credentialsRemedy ?? "credentials are needed"}`,
      );
    case "not-found":
      return fail(
        code,
        `${host} has no ${options.what} (${status})${detail}: check the name, the file and the revision`,
      );
    case "rate-limited": {
      const wait = reply.headers.get("retry-after");
      return fail(
        code,
        `${host} asks for fewer requests (429)${wait ? `; try again in ${wait} s` : "; try again later"}`,
      );
    }
    default:
      return fail(code, `${host} answered ${options.what} with ${status}${detail}`);
  }
}

/** How long to wait before the next attempt, or `undefined` when there shall be none. */
function retryDelayMs(reply: Reply, attempt: number): number | undefined {
  if (attempt >= maxAttempts) return undefined;
  const temporary = reply.status === 429 || reply.status === 408 || (reply.status >= 500 && reply.status !== 501);
  if (!temporary) return undefined;
  const header = reply.headers.get("retry-after");
  if (!header) return 250 * 2 ** attempt;
  const seconds = Number(header);
  const delayMs = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return delayMs <= maxRetryAfterMs ? Math.max(0, delayMs) : undefined;
}

async function follow(start: string, options: RequestOptions): Promise<Reply> {
  let url = new URL(start);
  const { host: firstHost, protocol: firstProtocol } = url;
  const hops: Headers[] = [];
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const headers: Record<string, string> = {
      "user-agent": "bletchley",
      // byte ranges and sizes are those of the file itself, not of a compressed form
      "accept-encoding": "identity",
      ...options.headers,
    };
    if (options.authorization && url.host === firstHost && url.protocol === firstProtocol)
      headers.authorization = options.authorization;
    const { response, abort } = await fetchOnce(url, headers, options);
    hops.push(response.headers);
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || response.status === 304 || !location)
      return { status: response.status, headers: response.headers, hops, url: url.href, response, abort };
    await response.body?.cancel();
    const next = new URL(location, url);
    if (next.protocol !== "https:" && !(next.protocol === "http:" && url.protocol === "http:"))
      fail(
        "network",
        `${url.host} redirects ${options.what} to ${next.protocol}//${next.host}, which is not encrypted`,
      );
    url = next;
  }
  return fail("network", `${firstHost} redirects ${options.what} more than ${maxRedirects} times`);
}

/**
 * GET with redirects and a few retries while the server is busy.
 * @throws `network`, `unauthorized`, `not-found`, `rate-limited` or `aborted`.
 */
export async function request(url: string, options: RequestOptions): Promise<Reply> {
  for (let attempt = 0; ; attempt++) {
    throwIfAborted(options.signal);
    const reply = await follow(url, options);
    if ((reply.status >= 200 && reply.status < 300) || options.accept?.includes(reply.status)) return reply;
    await reply.response.body?.cancel();
    const delayMs = retryDelayMs(reply, attempt);
    if (delayMs === undefined) return failStatus(reply, options);
    await sleep(delayMs, undefined, { signal: options.signal }).catch(() => throwIfAborted(options.signal));
  }
}

/** Reads a whole small body. @throws `network` when it is larger than `maxBytes` or breaks off. */
export async function readBody(reply: Reply, maxBytes: number, what: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const timer = setTimeout(reply.abort, knownHostPatienceMs);
  try {
    for await (const piece of reply.response.body ?? []) {
      size += piece.length;
      if (size > maxBytes) fail("network", `${what} is larger than ${maxBytes} bytes, which cannot be right`);
      pieces.push(piece);
    }
  } catch (thrown) {
    reply.abort();
    if (size > maxBytes) throw thrown;
    return fail("network", `${what} broke off: ${networkReason(thrown)}`, thrown);
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(pieces);
}
