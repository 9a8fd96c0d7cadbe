/**
 * Errors as the OpenAI API answers them: `{ error: { message, type, param, code } }` with a status. Everything that is
 * thrown anywhere below ends up here.
 */
import { BletchleyError, type ErrorCode } from "../../util/errors.ts";

/** Statuses that this server answers errors with; 499 stands for a client that left. */
export type ErrorStatus = 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429 | 499 | 500 | 503;

/** Body of an error answer. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** What else an error says. */
export interface ApiErrorDetails {
  /** Name of the parameter at fault, such as `messages[0].content`. */
  readonly param?: string;
  /** A word to switch on, such as `model_not_found`. */
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

const types: Readonly<Partial<Record<ErrorStatus, string>>> = {
  401: "authentication_error",
  403: "permission_error",
  429: "rate_limit_error",
  500: "server_error",
  503: "server_error",
};

/** An error that is answered with a status. */
export class ApiError extends Error {
  readonly status: ErrorStatus;
  readonly param: string | undefined;
  readonly code: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ErrorStatus, message: string, { param, code, headers = {}, cause }: ApiErrorDetails = {}) {
    super(message, { cause });
    this.name = "ApiError";
    this.status = status;
    this.param = param;
    this.code = code;
    this.headers = headers;
  }

  /** The answer's body. */
  get body(): ErrorBody {
    const { message, status, param = null, code = null } = this;
    return { error: { message, type: types[status] ?? "invalid_request_error", param, code } };
  }
}

/** Throws an {@link ApiError} of status 400; an expression, so that it can stand behind `??`. */
export function refuse(param: string, message: string, code = "invalid_value"): never {
  throw new ApiError(400, message, { param, code });
}

/** How the library's errors are answered; what is not listed is the server's own fault. */
const answers: Readonly<Partial<Record<ErrorCode, readonly [status: ErrorStatus, code: string]>>> = {
  argument: [400, "invalid_value"],
  format: [400, "invalid_value"],
  unsupported: [400, "unsupported_value"],
  template: [400, "template_error"],
  "context-overflow": [400, "context_length_exceeded"],
  name: [404, "not_found"],
  "not-found": [404, "not_found"],
  busy: [429, "rate_limit_exceeded"],
  aborted: [499, "client_left"],
  disposed: [503, "unavailable"],
};

/** Anything that was thrown, as an {@link ApiError}. The message of an unexpected one stays in the cause, for the log. */
export function apiErrorOf(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  const answer = thrown instanceof BletchleyError ? answers[thrown.code] : undefined;
  if (answer) return new ApiError(answer[0], (thrown as Error).message, { code: answer[1], cause: thrown });
  return new ApiError(500, "the server failed while it worked on this request; its log has the reason", {
    code: "internal_error",
    cause: thrown,
  });
}
