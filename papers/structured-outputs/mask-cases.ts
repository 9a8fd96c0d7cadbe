/**
 * MaskBench's schemas and their instances, as the card and the bars of structured outputs read and write them: numbers keep their
 * spelling and properties their order, which `JSON.parse` would not.
 */
import { gunzipSync } from "node:zlib";
import type { DataNeed } from "bletchley/papers";

/** The sample of MaskBench: one case a line. */
export const maskBenchData: DataNeed = {
  path: "maskbench/schemas.jsonl.gz",
  sha256: "3c3f6bef63673991e8a4af0e01ee3b1a7f677c4696770fe58e87d3baf94999ae",
};

/** A schema, as JSON text, with instances that must be accepted or refused. */
export interface MaskCase {
  readonly name: string;
  readonly schema: string;
  readonly tests: readonly { readonly valid: boolean; readonly text: string }[];
}

/** Reads one case a line, gzipped or not. */
export function readCases(file: Uint8Array): MaskCase[] {
  const gzipped = file[0] === 0x1f && file[1] === 0x8b;
  return new TextDecoder()
    .decode(gzipped ? gunzipSync(file) : file)
    .split("\n")
    .filter((line) => line.trim())
    .map((line) => {
      const fields = readFields(line);
      const tests = readElements(fields.get("tests") ?? "[]").map((test) => {
        const parts = readFields(test);
        return { valid: parts.get("valid") === "true", text: parts.get("data")! };
      });
      return { name: JSON.parse(fields.get("name") ?? '""') as string, schema: fields.get("schema") ?? "true", tests };
    });
}

const tokens = /\s*("(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+)/g;

/** JSON text with one space behind each comma and colon, as Python's `json.dumps(data, ensure_ascii=False)` writes it. */
export function spacedJson(text: string, comma = ", ", colon = ": "): string {
  let out = "";
  for (const [, token] of text.matchAll(tokens))
    out +=
      token === ","
        ? comma
        : token === ":"
          ? colon
          : token!.startsWith('"')
            ? JSON.stringify(JSON.parse(token!))
            : token;
  return out;
}

function split(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (const [, token] of text.matchAll(tokens)) {
    if (token === "]" || token === "}") depth--;
    if (depth === 1 && token === ",") {
      parts.push(part);
      part = "";
    } else if (depth >= 1) part += token;
    if (token === "[" || token === "{") depth++;
  }
  return part ? [...parts, part] : parts;
}

/** Elements of an array, as JSON text. */
export function readElements(text: string): string[] {
  return split(text);
}

/** Members of an object, as JSON text. */
export function readFields(text: string): Map<string, string> {
  return new Map(
    split(text).map((part) => {
      const name = /^"(?:[^"\\]|\\.)*"/.exec(part)![0];
      return [JSON.parse(name) as string, part.slice(name.length + 1)];
    }),
  );
}
