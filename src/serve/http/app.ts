/**
 * The server's routes as one function from request to answer. Knows nothing of sockets, so it can be mounted anywhere.
 */
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { methodNotAllowed } from "hono/method-not-allowed";
import { type RequestIdVariables, requestId } from "hono/request-id";
import { checkHost, checkKey } from "./access.ts";
import type { Answer } from "./answer.ts";
import { ApiError, apiErrorOf } from "./api-error.ts";
import { readJsonBody } from "./body.ts";
import { chatCompletion } from "./chat-completions.ts";
import { textCompletion } from "./completions.ts";
import { embeddings } from "./embeddings.ts";
import { eventStream } from "./event-stream.ts";
import { type AppOptions, ServerState, stopping, type Visit } from "./state.ts";

interface AppEnvironment {
  readonly Bindings: Partial<HttpBindings>;
  readonly Variables: RequestIdVariables & { caller: string; cause: unknown };
}

/** An OpenAI-compatible server without its sockets. */
export interface App {
  /** Answers a request. `environment` carries Node's request, if there is one. */
  fetch(request: Request, environment?: Partial<HttpBindings>): Response | Promise<Response>;
  readonly state: ServerState;
}

type Prepare = (body: unknown, state: ServerState, visit: Visit) => Promise<Answer>;

const modelObject = (id: string, created: number) => ({ id, object: "model", created, owned_by: "bletchley" });

function errorAnswer(context: Context<AppEnvironment>, thrown: unknown): Response {
  const error = apiErrorOf(thrown);
  context.set("cause", error.status >= 500 ? (error.cause ?? error) : undefined);
  return context.json(error.body, error.status as 400, error.headers);
}

/** A route that generates: reads, checks, waits for its turn, answers. */
function generating(state: ServerState, prepare: Prepare) {
  return async (context: Context<AppEnvironment>): Promise<Response> => {
    if (state.queue.closed) throw stopping();
    const visit = state.visit(context.req.raw.signal, context.get("caller"));
    let endTurn = () => {};
    const end = () => {
      endTurn();
      visit.end();
    };
    try {
      const answer = await prepare(await readJsonBody(context.req.raw, state.bodyLimit), state, visit);
      endTurn = await state.turn(visit);
      if ("whole" in answer) {
        const body = await answer.whole();
        end();
        return context.json(body);
      }
      return eventStream(ending(answer.events(), visit, end), visit.leave);
    } catch (thrown) {
      end();
      throw visit.signal.reason instanceof ApiError ? visit.signal.reason : thrown;
    }
  };
}

/** Events whose end, however it comes, is told. A server that stops says so instead of blaming the client. */
async function* ending(
  events: AsyncGenerator<object, void, void>,
  { signal }: Visit,
  end: () => void,
): AsyncGenerator<object, void, void> {
  try {
    yield* events;
  } catch (thrown) {
    throw signal.reason instanceof ApiError ? signal.reason : thrown;
  } finally {
    end();
  }
}

/** Makes the server's routes. @throws `argument` for a queue that lets nobody run. */
export function createApp(options: AppOptions): App {
  const { models, apiKeys = [], corsOrigins = [], hostNames, onAnswer } = options;
  const state = new ServerState(options);
  const app = new Hono<AppEnvironment>();

  app.use(requestId());
  app.use(async (context, next) => {
    const started = performance.now();
    await next();
    onAnswer?.({
      method: context.req.method,
      path: context.req.path,
      status: context.res.status,
      milliseconds: performance.now() - started,
      requestId: context.get("requestId"),
      cause: context.get("cause"),
    });
  });
  if (hostNames)
    app.use(async (context, next) => {
      checkHost(context.req.header("host"), hostNames);
      await next();
    });
  if (corsOrigins.length)
    app.use(
      cors({
        origin: corsOrigins.includes("*") ? "*" : [...corsOrigins],
        allowMethods: ["GET", "POST"],
        exposeHeaders: ["x-request-id", "retry-after"],
        maxAge: 600,
      }),
    );
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (context, methods) =>
        context.json(
          new ApiError(405, `${context.req.path} takes ${methods.join(", ")}`, { code: "method_not_allowed" }).body,
          405,
          {
            allow: methods.join(", "),
          },
        ),
    }),
  );

  app.get("/health", (context) => context.json({ status: "ok" }));
  app.get("/ready", (context) =>
    state.ready ? context.json({ status: "ready" }) : context.json({ status: "not ready" }, 503),
  );

  app.use("/v1/*", async (context, next) => {
    const key = apiKeys.length ? checkKey(context.req.header("authorization"), apiKeys) : 0;
    context.set("caller", `${key} ${context.env?.incoming?.socket.remoteAddress ?? ""}`);
    await next();
  });
  app.get("/v1/models", (context) =>
    context.json({ object: "list", data: Object.keys(models).map((id) => modelObject(id, state.created)) }),
  );
  app.get("/v1/models/:id{.+}", (context) => {
    const id = context.req.param("id");
    if (!Object.hasOwn(models, id))
      throw new ApiError(404, `there is no model ${JSON.stringify(id)} here`, {
        param: "model",
        code: "model_not_found",
      });
    return context.json(modelObject(id, state.created));
  });
  app.post("/v1/chat/completions", generating(state, chatCompletion));
  app.post("/v1/completions", generating(state, textCompletion));
  app.post("/v1/embeddings", generating(state, embeddings));

  app.notFound((context) =>
    errorAnswer(
      context,
      new ApiError(404, `there is nothing at ${context.req.method} ${context.req.path}`, { code: "unknown_url" }),
    ),
  );
  app.onError((thrown, context) => errorAnswer(context, thrown));
  return { fetch: (request, environment = {}) => app.fetch(request, environment), state };
}
