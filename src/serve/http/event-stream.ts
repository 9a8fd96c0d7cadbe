/**
 * Server-sent events in the manner of the OpenAI API: one JSON object an event, `[DONE]` at the end, errors as an event.
 */
import { apiErrorOf } from "./api-error.ts";

/** A comment goes out after this much silence, so that nothing on the way takes the connection for dead. */
const silenceMs = 15_000;

/**
 * Sends what an iteration yields. The work does not wait for a slow reader (an answer is short, and others wait for their
 * turn); when the reader leaves, the iteration is ended.
 * @param onLeave called when the reader leaves before the end.
 */
export function eventStream(events: AsyncGenerator<unknown, void, void>, onLeave: () => void): Response {
  const encoder = new TextEncoder();
  let open = true;
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const send = (text: string) => {
        if (open) controller.enqueue(encoder.encode(text));
      };
      const timer = setInterval(() => send(": still here\n\n"), silenceMs);
      // started without waiting: the stream is handed out before its first event
      void (async () => {
        try {
          for await (const event of events) {
            if (!open) break;
            timer.refresh();
            send(`data: ${JSON.stringify(event)}\n\n`);
          }
          send("data: [DONE]\n\n");
        } catch (thrown) {
          send(`data: ${JSON.stringify(apiErrorOf(thrown).body)}\n\n`);
        } finally {
          clearInterval(timer);
          if (open) controller.close();
          open = false;
        }
      })();
    },
    cancel() {
      open = false;
      onLeave();
    },
  });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    },
  });
}
