/**
 * Reads a request's JSON body: bounded in size and depth, valid UTF-8, and declared as JSON (which also keeps web pages of
 * other origins from posting here without asking first).
 */
import { parseJson } from "../../formats/json.ts";
import { BletchleyError } from "../../util/errors.ts";
import { ApiError } from "./api-error.ts";

const maxDepth = 64;
const maxValues = 1_000_000;

async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new ApiError(413, `the request's body is larger than the ${limit} bytes that this server takes`, {
      code: "request_too_large",
    });
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge();
  const pieces: Uint8Array[] = [];
  let size = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const piece = await reader?.read();
    if (!piece || piece.done) break;
    size += piece.value.length;
    if (size > limit) {
      void reader!.cancel().catch(() => {});
      throw tooLarge();
    }
    pieces.push(piece.value);
  }
  return Buffer.concat(pieces);
}

/**
 * The parsed body of a request.
 * @param limit most bytes. @throws {@link ApiError} 413 when it is larger, 415 when it is not declared as JSON, 400 when it
 * is not valid.
 */
export async function readJsonBody(request: Request, limit: number): Promise<unknown> {
  const declared = request.headers.get("content-type") ?? "";
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(declared))
    throw new ApiError(
      415,
      `the request's content-type is ${declared ? JSON.stringify(declared) : "not given"}; send application/json`,
      { code: "unsupported_media_type" },
    );
  const bytes = await readBytes(request, limit);
  const bad = (message: string, cause?: unknown) => new ApiError(400, message, { code: "invalid_json", cause });
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw bad("the request's body is not valid UTF-8", thrown);
  }
  try {
    return parseJson(text, "the request's body", { maxBytes: limit, maxDepth, maxValues });
  } catch (thrown) {
    if (thrown instanceof BletchleyError) throw bad(thrown.message, thrown);
    throw thrown;
  }
}
