import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { eventsOf, post } from "../testing/http.ts";
import { scriptedModel } from "../testing/scripted-model.ts";
import { type RunningServer, type ServeOptions, startServer } from "./listen.ts";

const servers: RunningServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close(0);
});

async function serverOf(options: Partial<ServeOptions> = {}, stepMs = 3) {
  const { model, engine } = scriptedModel({ stepMs });
  const server = await startServer({ models: { tiny: model }, port: 0, ...options });
  servers.push(server);
  return { server, engine, origin: new URL(server.url).origin };
}

/** A request for an answer that does not end by itself. */
function endless(origin: string, extra: object = {}, signal?: AbortSignal): Promise<Response> {
  const messages = [{ role: "user", content: "hi" }];
  const { url, method, headers } = post("/v1/chat/completions", "");
  const body = JSON.stringify({ model: "tiny", messages, ignore_eos: true, ...extra });
  return fetch(url.replace("http://localhost", origin), { method, headers, body, signal });
}

describe("a server on a socket", () => {
  it("answers on its own address only, by its own name", async () => {
    const { server, origin } = await serverOf();
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/v1`);
    expect((await fetch(`${origin}/health`)).status).toBe(200);
    const head = await new Promise<string>((resolve) => {
      const socket = connect(server.port, "127.0.0.1", () =>
        socket.write("GET /v1/models HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"),
      );
      let text = "";
      socket.on("data", (data) => {
        text += data;
      });
      socket.on("close", () => resolve(text));
    });
    expect(head).toMatch(/^HTTP\/1\.1 403 /);
  });

  it("says what to do when the port is taken", async () => {
    const { server } = await serverOf();
    await expect(serverOf({ port: server.port })).rejects.toMatchObject({
      code: "argument",
      message: expect.stringMatching(/cannot listen on 127\.0\.0\.1:\d+: the port is taken/),
    });
  });

  it.each([{ stream: true }, { stream: false }])("stops generating when the client leaves, %j", async ({ stream }) => {
    const { server, engine, origin } = await serverOf();
    const { queue } = server.app.state;
    const controller = new AbortController();
    const answer = endless(origin, { stream }, controller.signal);
    if (stream) await (await answer).body!.getReader().read();
    await vi.waitFor(() => expect(engine.rows).toBeGreaterThan(30));
    expect(queue.running).toBe(1);
    controller.abort();
    await answer.catch(() => {});
    await queue.idle();
    const { rows } = engine;
    await sleep(40);
    expect(engine.rows).toBe(rows);
    expect(rows).toBeLessThan(900);
  });

  it("gives up the place in line of a client that leaves", async () => {
    const { server, origin } = await serverOf({ queue: { running: 1, waiting: 1 } });
    const { queue } = server.app.state;
    const first = await endless(origin, { stream: true });
    const controller = new AbortController();
    const second = endless(origin, {}, controller.signal).catch(() => "left");
    await vi.waitFor(() => expect(queue.waiting).toBe(1));
    expect((await endless(origin)).status).toBe(429);
    controller.abort();
    expect(await second).toBe("left");
    await vi.waitFor(() => expect(queue.waiting).toBe(0));
    await first.body!.cancel();
    await queue.idle();
  });

  it("lets what runs finish when it closes, and refuses what comes", async () => {
    const { server, origin } = await serverOf();
    const running = await endless(origin, { stream: true, max_tokens: 60 });
    const closed = server.close(10_000);
    await expect(fetch(`${origin}/health`)).rejects.toThrow();
    const events = await eventsOf(running);
    expect(events.at(-1)).toMatchObject({ choices: [{ finish_reason: "length" }] });
    await closed;
  });

  it("ends what runs too long when it closes, and says so", async () => {
    const { server, origin } = await serverOf();
    const running = await endless(origin, { stream: true });
    const whole = endless(origin);
    await vi.waitFor(() => expect(server.app.state.queue.running).toBe(2));
    await server.close(50);
    expect((await eventsOf(running)).at(-1)).toMatchObject({ error: { code: "shutting_down" } });
    expect((await whole).status).toBe(503);
  });
});
