/**
 * Requests to a server in a test, with or without a socket.
 */

/** A POST request with a JSON body. */
export function post(path: string, body: unknown, headers: Record<string, string> = {}): Request {
  return new Request(`http://localhost${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
  });
}

/** The objects of an event stream, without the end mark; fails unless the mark or an error comes last. */
export async function eventsOf(response: Response): Promise<unknown[]> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const events = text.split("\n\n").filter((event) => event.startsWith("data: "));
  const data = events.map((event) => event.slice("data: ".length));
  const objects = data
    .filter((entry) => entry !== "[DONE]")
    .map((entry) => JSON.parse(entry) as Record<string, unknown>);
  if (data.at(-1) !== "[DONE]" && !objects.at(-1)?.error) throw new Error(`the stream ends without a mark:\n${text}`);
  return objects;
}
