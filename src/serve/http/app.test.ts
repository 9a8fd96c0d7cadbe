import { describe, expect, it, vi } from "vitest";
import { sayingAfter } from "../../decode/testing/scripted.ts";
import { post } from "../testing/http.ts";
import { type ScriptedOptions, scriptedModel } from "../testing/scripted-model.ts";
import type { ErrorBody } from "./api-error.ts";
import { createApp } from "./app.ts";
import type { Answered, AppOptions } from "./state.ts";

function appOf(options: Partial<AppOptions> = {}, script: ScriptedOptions = {}) {
  const { model, engine } = scriptedModel({ next: sayingAfter("assistant\n", "hello"), ...script });
  return { app: createApp({ models: { tiny: model, "org/other": model }, ...options }), model, engine };
}

const chat = (extra: object = {}) => ({ model: "tiny", messages: [{ role: "user", content: "hi" }], ...extra });
const get = (path: string, headers: Record<string, string> = {}) => new Request(`http://localhost${path}`, { headers });

async function errorOf(response: Response | Promise<Response>): Promise<ErrorBody["error"] & { status: number }> {
  const answer = await response;
  const body = (await answer.json()) as ErrorBody;
  expect(Object.keys(body)).toEqual(["error"]);
  expect(Object.keys(body.error).sort()).toEqual(["code", "message", "param", "type"]);
  return { ...body.error, status: answer.status };
}

describe("models", () => {
  it("are listed, and found by name, slashes and all", async () => {
    const { app } = appOf();
    const list = (await (await app.fetch(get("/v1/models"))).json()) as { object: string; data: { id: string }[] };
    expect(list.object).toBe("list");
    expect(list.data.map(({ id }) => id)).toEqual(["tiny", "org/other"]);
    for (const path of ["/v1/models/org/other", "/v1/models/org%2Fother"])
      expect(await (await app.fetch(get(path))).json()).toEqual({
        id: "org/other",
        object: "model",
        created: expect.any(Number),
        owned_by: "bletchley",
      });
  });

  it("that are not there are a 404", async () => {
    const { app } = appOf();
    const missing = { status: 404, code: "model_not_found", param: "model", type: "invalid_request_error" };
    expect(await errorOf(app.fetch(get("/v1/models/nope")))).toMatchObject(missing);
    expect(await errorOf(app.fetch(get("/v1/models/constructor")))).toMatchObject(missing);
    for (const path of ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
      expect(await errorOf(app.fetch(post(path, chat({ model: "nope", input: "x" }))))).toMatchObject(missing);
    expect(await errorOf(app.fetch(post("/v1/embeddings", { model: "tiny", input: "x" })))).toMatchObject({
      status: 400,
      param: "model",
    });
  });
});

describe("health", () => {
  it("is always told, readiness only while requests are taken", async () => {
    const { app, model } = appOf({ apiKeys: ["k"] });
    expect((await app.fetch(get("/health"))).status).toBe(200);
    expect((await app.fetch(get("/ready"))).status).toBe(200);
    await model.dispose();
    expect((await app.fetch(get("/health"))).status).toBe(200);
    expect((await app.fetch(get("/ready"))).status).toBe(503);
  });
});

describe("addresses and methods", () => {
  it("that do not exist are errors of the API's shape", async () => {
    const { app } = appOf();
    expect(await errorOf(app.fetch(get("/v2/models")))).toMatchObject({ status: 404, code: "unknown_url" });
    const wrong = await app.fetch(get("/v1/chat/completions"));
    expect(wrong.headers.get("allow")).toContain("POST");
    expect(await errorOf(wrong)).toMatchObject({ status: 405, code: "method_not_allowed" });
  });
});

describe("keys", () => {
  it("are needed when the server has some", async () => {
    const { app } = appOf({ apiKeys: ["first", "second"] });
    const status = async (authorization?: string) =>
      (await app.fetch(get("/v1/models", authorization ? { authorization } : {}))).status;
    expect(await status("Bearer first")).toBe(200);
    expect(await status("bearer second")).toBe(200);
    for (const wrong of ["Bearer third", "Bearer ", "first", "Basic first", "Bearer first second", undefined])
      expect(await status(wrong), wrong).toBe(401);
    const refused = await app.fetch(get("/v1/models"));
    expect(refused.headers.get("www-authenticate")).toBe("Bearer");
    expect(await errorOf(refused)).toMatchObject({ code: "invalid_api_key", type: "authentication_error" });
  });
});

describe("origins and host names", () => {
  const preflight = (app: ReturnType<typeof appOf>["app"], origin: string) =>
    app.fetch(
      new Request("http://localhost/v1/chat/completions", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
      }),
    );

  it("of other web pages are not let in unless named", async () => {
    const closed = await preflight(appOf().app, "https://page.example");
    expect(closed.headers.get("access-control-allow-origin")).toBeNull();
    const { app } = appOf({ corsOrigins: ["https://page.example"], apiKeys: ["k"] });
    const open = await preflight(app, "https://page.example");
    expect(open.status).toBe(204);
    expect(open.headers.get("access-control-allow-origin")).toBe("https://page.example");
    expect(open.headers.get("access-control-allow-headers")).toBe("content-type");
    expect((await preflight(app, "https://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
    const any = await preflight(appOf({ corsOrigins: ["*"] }).app, "https://evil.example");
    expect(any.headers.get("access-control-allow-origin")).toBe("*");
  });

  it("that a page could make point here are refused", async () => {
    const { app } = appOf({ hostNames: ["localhost", "127.0.0.1", "[::1]"] });
    const status = async (host: string) => (await app.fetch(get("/v1/models", { host }))).status;
    for (const own of ["localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST", "a.localhost:1"])
      expect(await status(own), own).toBe(200);
    for (const other of ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example"])
      expect(await status(other), other).toBe(403);
  });
});

describe("bodies", () => {
  const path = "/v1/chat/completions";
  it.each([
    ["not JSON", "{", 400, "invalid_json"],
    ["empty", "", 400, "invalid_json"],
    ["a list", "[]", 400, "invalid_type"],
    ["a text", '"x"', 400, "invalid_type"],
    ["broken UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), 400, "invalid_json"],
    ["nested too deeply", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, 400, "invalid_json"],
    ["too large", JSON.stringify({ a: "x".repeat(300_000) }), 413, "request_too_large"],
  ])("that are %s are refused", async (_, body, status, code) => {
    const { app } = appOf({ bodyLimit: 250_000 });
    expect(await errorOf(app.fetch(post(path, body)))).toMatchObject({ status, code });
  });

  it("that are too large are refused even when their length is not told", async () => {
    const { app } = appOf({ bodyLimit: 1000 });
    let pulled = 0;
    const body = new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(600));
      },
    });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body, duplex: "half" };
    expect((await app.fetch(new Request(`http://localhost${path}`, init as RequestInit))).status).toBe(413);
    expect(pulled).toBeLessThan(6);
  });

  it("must be declared as JSON", async () => {
    const { app } = appOf();
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
      expect((await app.fetch(post(path, chat(), { "content-type": type }))).status, type).toBe(415);
    for (const type of ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"])
      expect((await app.fetch(post(path, chat(), { "content-type": type }))).status, type).toBe(200);
  });
});

describe("answers", () => {
  it("carry a request id, the caller's own if it is sane", async () => {
    const { app } = appOf();
    expect((await app.fetch(get("/v1/models"))).headers.get("x-request-id")).toMatch(/^[\w-]{8,}$/);
    expect((await app.fetch(get("/nowhere", { "x-request-id": "mine-1" }))).headers.get("x-request-id")).toBe("mine-1");
  });

  it("are reported, and failures of the server only there", async () => {
    const onAnswer = vi.fn<(answer: Answered) => void>();
    const { app } = appOf(
      { onAnswer },
      {
        next: () => {
          throw new Error("secret detail");
        },
      },
    );
    const error = await errorOf(app.fetch(post("/v1/chat/completions", chat())));
    expect(error).toMatchObject({ status: 500, type: "server_error" });
    expect(error.message).not.toContain("secret");
    expect(onAnswer).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({
        method: "POST",
        path: "/v1/chat/completions",
        status: 500,
        cause: expect.objectContaining({ message: "secret detail" }),
      }),
    );
  });

  it("are refused with 429 and a time to come back when too many wait", async () => {
    const { app } = appOf({ queue: { running: 1, waiting: 1 } }, { stepMs: 5 });
    const answers = await Promise.all([0, 1, 2].map(() => app.fetch(post("/v1/chat/completions", chat()))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await errorOf(refused)).toMatchObject({ code: "rate_limit_exceeded", type: "rate_limit_error" });
    expect(app.state.queue.running).toBe(0);
  });

  it("are refused with 503 once the server shuts down", async () => {
    const { app } = appOf();
    app.state.queue.close();
    const refused = await app.fetch(post("/v1/chat/completions", chat()));
    expect(refused.headers.get("retry-after")).toBeTruthy();
    expect(await errorOf(refused)).toMatchObject({ status: 503, code: "shutting_down" });
    expect((await app.fetch(get("/ready"))).status).toBe(503);
  });
});
