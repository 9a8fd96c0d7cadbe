/**
 * JSON from files, with limits: nesting and the number of values are counted before anything is built, since a few bytes
 * of brackets can cost far more memory than they take.
 */
import { fail, messageOf } from "../util/index.ts";

/** What a JSON text may be. */
export interface JsonLimits {
  /** Longest text, in UTF-16 units. */
  readonly maxBytes: number;
  /** Deepest nesting of lists and objects. */
  readonly maxDepth: number;
  /** Most values: counted as brackets and commas outside of strings. */
  readonly maxValues: number;
}

/** Parses JSON. @throws `format`, naming `what`, when it is invalid or beyond the limits. */
export function parseJson(text: string, what: string, limits: JsonLimits): unknown {
  if (text.length > limits.maxBytes)
    fail("format", `${what}: ${text.length} characters of JSON, at most ${limits.maxBytes}`);
  let depth = 0;
  let values = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) {
      // to the closing quote, over escapes
      for (i++; i < text.length && text.charCodeAt(i) !== 34; i++) if (text.charCodeAt(i) === 92) i++;
    } else if (code === 91 || code === 123) {
      values++;
      if (++depth > limits.maxDepth) fail("format", `${what}: JSON nested deeper than ${limits.maxDepth}`);
    } else if (code === 93 || code === 125) depth--;
    else if (code === 44) values++;
  }
  if (values > limits.maxValues) fail("format", `${what}: JSON with ${values} values, at most ${limits.maxValues}`);
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail("format", `${what}: invalid JSON: ${messageOf(error).slice(0, 200)}`, error);
  }
}
