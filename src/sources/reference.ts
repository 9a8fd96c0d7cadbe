/**
 * How a model is named: `smollm2`, `./model.gguf`, `hf:org/repo/file.gguf@revision`, `wheel:package`. Parsing only;
 * nothing is looked up but whether a bare name is a file here.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fail } from "../util/errors.ts";
import { catalogue } from "./catalogue.ts";

/** A parsed model reference. */
export type ModelRef =
  | { readonly type: "alias"; readonly name: string }
  | { readonly type: "path"; readonly path: string }
  | { readonly type: "hub"; readonly repo: string; readonly file?: string; readonly revision?: string }
  | { readonly type: "wheel"; readonly package: string; readonly version?: string };

const forms = "a known name, a path, hf:org/repo/file@revision or wheel:package";

function parseHub(text: string, rest: string): ModelRef {
  const at = rest.indexOf("@");
  const path = at < 0 ? rest : rest.slice(0, at);
  const revision = at < 0 ? undefined : rest.slice(at + 1);
  const parts = path.split("/");
  const sane = parts.length >= 2 && parts.every((part) => /^[\w.+-]+$/.test(part) && !/^\.+$/.test(part));
  if (!sane || (revision !== undefined && !/^[\w][\w./-]*$/.test(revision)) || revision?.includes(".."))
    fail(
      "argument",
      `${text} is not a Hub reference: write hf:org/repo, hf:org/repo/file or hf:org/repo/file@revision`,
    );
  const file = parts.slice(2).join("/");
  return { type: "hub", repo: parts.slice(0, 2).join("/"), ...(file && { file }), ...(revision && { revision }) };
}

function parseWheel(text: string, rest: string): ModelRef {
  const match = /^([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?:(?:@|==)([A-Za-z0-9][\w.!+-]*))?$/.exec(rest);
  if (!match) return fail("argument", `${text} is not a wheel reference: write wheel:package or wheel:package@version`);
  return { type: "wheel", package: match[1]!, ...(match[2] && { version: match[2] }) };
}

/**
 * Parses a model reference.
 * @throws `argument` when it is malformed, `name` when it is neither a known name nor a path.
 */
export function parseModelRef(text: string): ModelRef {
  const trimmed = text.trim();
  if (!trimmed) return fail("argument", `the model's name is empty: give ${forms}`);
  if (trimmed.startsWith("hf:")) return parseHub(trimmed, trimmed.slice(3));
  if (trimmed.startsWith("wheel:")) return parseWheel(trimmed, trimmed.slice(6));
  if (catalogue.has(trimmed)) return { type: "alias", name: trimmed };
  if (trimmed === "~" || /^~[/\\]/.test(trimmed)) return { type: "path", path: join(homedir(), trimmed.slice(1)) };
  if (/[/\\]|^\.{1,2}$|\.(gguf|safetensors)$/i.test(trimmed) || existsSync(trimmed))
    return { type: "path", path: resolve(trimmed) };
  return fail(
    "name",
    `unknown model ${trimmed}: known names are ${[...catalogue.keys()].join(", ")}; or give a path, hf:org/repo/file@revision or wheel:package`,
  );
}

/** The text that {@link parseModelRef} gives back as the same reference. */
export function formatModelRef(ref: ModelRef): string {
  switch (ref.type) {
    case "alias":
      return ref.name;
    case "path":
      return ref.path;
    case "hub":
      return `hf:${ref.repo}${ref.file ? `/${ref.file}` : ""}${ref.revision ? `@${ref.revision}` : ""}`;
    case "wheel":
      return `wheel:${ref.package}${ref.version ? `@${ref.version}` : ""}`;
  }
}
