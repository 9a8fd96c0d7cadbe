/**
 * Judges instances with two independent validators: Ajv with ajv-formats, and Python's jsonschema where it is installed
 * (`bench/setup python`). Knows nothing of the engine.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type AjvCompiler, openAjv } from "../../papers/structured-outputs/validator.ts";
import { root } from "../harness.ts";

const ajvOrNone = await openAjv();
if (!ajvOrNone) throw new Error("Ajv is not installed: run npm ci");

/** What Ajv makes of a schema (JSON text); undefined where it cannot compile it. */
export const ajvFor: AjvCompiler = ajvOrNone;

/** Texts of a schema (JSON text) to be judged. */
export interface Judged {
  readonly schema: string;
  readonly texts: readonly string[];
}

/** A text's faults, or null where there are none; `undefined` where a validator cannot tell. */
export interface Judgement {
  readonly ajv: string | null | undefined;
  readonly jsonschema: string | null | undefined;
}

/** Ajv's word on texts. */
function askAjv({ schema, texts }: Judged): (string | null | undefined)[] {
  const validate = ajvFor(schema);
  return texts.map((text) => {
    if (!validate) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return `no JSON: ${(error as Error).message}`;
    }
    if (validate(value)) return null;
    return validate.errors?.map((error) => `${error.instancePath} ${error.message}`).join("; ") ?? "?";
  });
}

/** Both validators' word on every text of every schema; jsonschema says nothing where Python is not installed. */
export function judge(cases: readonly Judged[]): readonly (readonly Judgement[])[] {
  const python = join(root, "bench/.venv/bin/python");
  const input = cases.map(({ schema, texts }) => JSON.stringify({ schema, texts })).join("\n");
  const ran = existsSync(python)
    ? spawnSync(python, [join(root, "bench/structured/validate.py")], { input, encoding: "utf8", maxBuffer: 1 << 28 })
    : undefined;
  if (ran && ran.status !== 0) throw new Error(`validate.py failed: ${ran.stderr.slice(-1000)}`);
  const second = ran?.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as (string | null)[]);
  return cases.map((judged, i) =>
    askAjv(judged).map((ajv, j) => ({ ajv, jsonschema: second ? second[i]![j] : undefined })),
  );
}
