/**
 * Binds the routes to a socket, and takes them down gracefully: no new requests, those under way get their time.
 */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { fail } from "../../util/errors.ts";
import { loopbackNames } from "./access.ts";
import { type App, createApp } from "./app.ts";
import type { AppOptions } from "./state.ts";

/** Where and how a server listens. */
export interface ServeOptions extends AppOptions {
  /** Address to bind; default 127.0.0.1, which only this machine reaches. */
  readonly host?: string;
  /** Port; 0 takes a free one. Default 8080. */
  readonly port?: number;
}

/** A server that listens. */
export interface RunningServer {
  /** Base URL of the API, such as `http://127.0.0.1:8080/v1`. */
  readonly url: string;
  readonly port: number;
  readonly app: App;
  /**
   * Takes no more requests, gives those under way some time, then ends them. Models are not disposed.
   * @param drainMs that time; default 30 s.
   */
  close(drainMs?: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Whether an address is one that only this machine reaches. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d+){3}$/.test(host);
}

const remedies: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is taken: stop what uses it, or choose another one (0 takes any)",
  EACCES: "this user may not bind that port: choose one of 1024 or more",
  EADDRNOTAVAIL: "no network interface of this machine has that address",
  ENOTFOUND: "the host name is not known",
};

/**
 * Serves models over HTTP in the manner of the OpenAI API.
 * @throws `argument` when the address cannot be bound.
 * @example
 * await using model = await loadModel("smollm2");
 * await using server = await startServer({ models: { smollm2: model }, port: 8080 });
 */
export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port = 8080, apiKeys = [] } = options;
  const guarded = isLoopback(host) && !apiKeys.length;
  const app = createApp({ ...options, hostNames: options.hostNames ?? (guarded ? loopbackNames : undefined) });
  const server = createAdaptorServer({
    fetch: (request, environment) => app.fetch(request, environment as Parameters<App["fetch"]>[1]),
    overrideGlobalObjects: false,
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  }).catch((thrown: NodeJS.ErrnoException) =>
    fail("argument", `cannot listen on ${host}:${port}: ${remedies[thrown.code ?? ""] ?? thrown.message}`, thrown),
  );
  const bound = (server.address() as AddressInfo).port;
  const name = host.includes(":") ? `[${host}]` : host;
  const closed = new Promise<void>((resolve) => server.once("close", resolve));
  let closing: Promise<void> | undefined;
  const shutDown = async (drainMs: number) => {
    const { queue } = app.state;
    queue.close();
    server.close();
    const timer = setTimeout(() => app.state.stop(), drainMs);
    await queue.idle();
    clearTimeout(timer);
    // answers that were just finished still have to leave; connections that only wait for a next request need not
    const { closeIdleConnections, closeAllConnections } = server as Server;
    const sweep = setInterval(() => closeIdleConnections.call(server), 20);
    const late = setTimeout(() => closeAllConnections.call(server), 1000);
    await closed;
    clearInterval(sweep);
    clearTimeout(late);
  };
  const close = (drainMs = 30_000) => {
    closing ??= shutDown(drainMs);
    return closing;
  };
  return { url: `http://${name}:${bound}/v1`, port: bound, app, close, [Symbol.asyncDispose]: () => close() };
}
