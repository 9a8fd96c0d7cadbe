/**
 * The worker's end of a `WorkerLink`: takes requests one after the other, and sends values, news and errors back. Knows
 * nothing of what the requests mean.
 */
import { parentPort, type TransferListItem } from "node:worker_threads";
import { BletchleyError, fail, messageOf } from "../../util/errors.ts";
import type { NumberedAnswer, NumberedRequest } from "./worker-link.ts";

/** A value, and the memory in it that is handed over instead of copied. */
export interface Answered<Value> {
  readonly value: Value;
  readonly transfer?: readonly TransferListItem[];
}

/** What an answer in the making may do. */
export interface Answering<Update> {
  /** Sends news to who asked. */
  update(update: Update): void;
  /** Long work calls it now and then. @throws `disposed` when the thread is about to be stopped. */
  refuseIfEnding(): void;
}

/**
 * Answers requests with `answer`. What that throws is thrown where the request was made: with its code, or as `internal`.
 * A request is looked at when the one before is done, and no longer once the thread is about to be stopped.
 */
export function answerRequests<Request, Value, Update = never>(
  answer: (request: Request, answering: Answering<Update>) => Promise<Answered<Value>>,
): void {
  const port = parentPort ?? fail("internal", "a worker was started as a program");
  const post = (message: NumberedAnswer<Value | undefined, Update>, transfer?: readonly TransferListItem[]) =>
    port.postMessage(message, transfer);
  let ending = false;
  const refuseIfEnding = () => {
    if (ending) fail("disposed", "what was asked for is being disposed");
  };
  let queue: Promise<void> = Promise.resolve();
  port.on("message", ({ id, request }: NumberedRequest<Request>) => {
    if (request === undefined) ending = true;
    queue = queue.then(async () => {
      try {
        if (request === undefined) return post({ id, value: undefined });
        refuseIfEnding();
        const { value, transfer } = await answer(request, { refuseIfEnding, update: (update) => post({ id, update }) });
        post({ id, value }, transfer);
      } catch (thrown) {
        const code = thrown instanceof BletchleyError ? thrown.code : "internal";
        post({ id, error: { code, message: messageOf(thrown) } });
      }
    });
  });
}
