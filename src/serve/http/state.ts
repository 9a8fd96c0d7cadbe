/**
 * What all routes of one server share: the models it serves, who may generate now, and the requests that are under way.
 */
import type { Embedder } from "../embedder.ts";
import type { Model } from "../model.ts";
import { FairQueue, type QueueLimits } from "../queue.ts";
import { ApiError, apiErrorOf, refuse } from "./api-error.ts";
import type { SamplingDefaults } from "./sampling.ts";

/** What a server serves and within which bounds. */
export interface AppOptions {
  /** Generators and embedders by the names that requests give. */
  readonly models: Readonly<Record<string, Model | Embedder>>;
  /** How many generations run at the same time and how many requests wait; default 4 and 64. */
  readonly queue?: QueueLimits;
  /** What requests get that say nothing of sampling; greedy when absent. */
  readonly defaults?: SamplingDefaults;
  /** Keys of which every request must bring one; none are needed when absent or empty. */
  readonly apiKeys?: readonly string[];
  /** Origins whose web pages may call the server; none when absent, all with `*`. */
  readonly corsOrigins?: readonly string[];
  /**
   * Host names by which the server may be addressed. A server that only this machine can reach, without keys, should name
   * its own: else a web page could reach it through a name that it makes point here.
   */
  readonly hostNames?: readonly string[];
  /** Largest body of a request, in bytes; default 2 MiB. */
  readonly bodyLimit?: number;
  /** Called once for every answer, when its head is sent. */
  readonly onAnswer?: (answer: Answered) => void;
}

/** One line of a log. */
export interface Answered {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** From the request to the head of the answer. */
  readonly milliseconds: number;
  readonly requestId: string;
  /** The reason of a failure that the client is not told. */
  readonly cause?: unknown;
}

/** A request that is under way. */
export interface Visit {
  /** Fires when the client leaves or the server stops. */
  readonly signal: AbortSignal;
  /** Whose turn it is to be. */
  readonly caller: string;
}

/** A visit in the hands of whoever began it. */
export interface OpenVisit extends Visit {
  /** Says that the client has left. */
  leave(): void;
  /** Forgets the visit. */
  end(): void;
}

/** State of one server. */
export class ServerState {
  readonly options: AppOptions;
  readonly queue: FairQueue;
  /** Seconds since 1970 when the models were made available. */
  readonly created = Math.floor(Date.now() / 1000);
  readonly defaults: SamplingDefaults;
  readonly bodyLimit: number;
  readonly #visits = new Set<AbortController>();

  constructor(options: AppOptions) {
    this.options = options;
    this.queue = new FairQueue(options.queue ?? { running: 4, waiting: 64 });
    this.defaults = options.defaults ?? {};
    this.bodyLimit = options.bodyLimit ?? 2 * 1024 * 1024;
  }

  /** Whether requests that need a model are still taken. */
  get ready(): boolean {
    return !this.queue.closed && Object.values(this.options.models).every((model) => !isDisposed(model));
  }

  /** A generator by name. @throws {@link ApiError} 404 when there is none, 400 when it is an embedder. */
  generator(name: string): Model {
    const model = this.#named(name);
    return "generate" in model ? model : refuse("model", `${name} makes embeddings, not text; use /v1/embeddings`);
  }

  /** An embedder by name. @throws {@link ApiError} 404 when there is none, 400 when it is a generator. */
  embedder(name: string): Embedder {
    const model = this.#named(name);
    return "embed" in model ? model : refuse("model", `${name} makes text, not embeddings; use /v1/chat/completions`);
  }

  #named(name: string): Model | Embedder {
    const { models } = this.options;
    if (Object.hasOwn(models, name)) return models[name]!;
    throw new ApiError(
      404,
      `there is no model ${JSON.stringify(name)} here; it serves ${Object.keys(models).join(", ")}`,
      {
        param: "model",
        code: "model_not_found",
      },
    );
  }

  /** Begins a visit, whose signal fires when `client` does or when the server stops. It must be ended. */
  visit(client: AbortSignal, caller: string): OpenVisit {
    const controller = new AbortController();
    const leave = () => controller.abort(client.reason);
    if (client.aborted) leave();
    client.addEventListener("abort", leave, { once: true });
    this.#visits.add(controller);
    const end = () => {
      client.removeEventListener("abort", leave);
      this.#visits.delete(controller);
    };
    return { signal: controller.signal, caller, leave, end };
  }

  /** Waits for a turn to generate. @throws {@link ApiError} 429 when the line is full, 503 when the server stops. */
  async turn({ caller, signal }: Visit): Promise<() => void> {
    try {
      return await this.queue.enter(caller, signal);
    } catch (thrown) {
      const error = apiErrorOf(thrown);
      if (error.status !== 429) throw error;
      if (this.queue.closed) throw stopping();
      const seconds = Math.min(60, Math.max(1, Math.ceil(this.queue.expectedWaitMs / 1000)));
      throw new ApiError(429, error.message, { code: error.code, headers: { "retry-after": String(seconds) } });
    }
  }

  /** Ends all visits that are under way. */
  stop(): void {
    for (const controller of this.#visits) controller.abort(stopping());
  }
}

/** The answer of a server that is shutting down. */
export function stopping(): ApiError {
  return new ApiError(503, "the server is shutting down; try again later", {
    code: "shutting_down",
    headers: { "retry-after": "5", connection: "close" },
  });
}

function isDisposed(model: Model | Embedder): boolean {
  return "disposed" in model && model.disposed;
}
