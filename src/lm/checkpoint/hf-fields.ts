/**
 * Fields of a Hugging Face `config.json`, read with clear errors. Knows no architecture.
 */
import { type JsonLimits, parseJson } from "../../formats/index.ts";
import { fail } from "../../util/errors.ts";

const limits: JsonLimits = { maxBytes: 1 << 24, maxDepth: 32, maxValues: 500_000 };

/** One object of a `config.json`. A field that is `null` counts as absent, as it does for `transformers`. */
export class HfFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(fields: Readonly<Record<string, unknown>>, path: string) {
    this.#fields = fields;
    this.#path = path;
  }

  /** Parses the text of a file; `path` is for messages. @throws `format` when it is no JSON object. */
  static parse(text: string, path: string): HfFields {
    const value = parseJson(text, path, limits);
    if (value === null || typeof value !== "object" || Array.isArray(value))
      return fail("format", `${path} is not a JSON object`);
    return new HfFields(value as Record<string, unknown>, path);
  }

  #get(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? (this.#fields[key] ?? undefined) : undefined;
  }

  #wrong(key: string, wanted: string): never {
    return fail("format", `${this.#path}: ${key} is ${JSON.stringify(this.#get(key))?.slice(0, 100)}, not ${wanted}`);
  }

  /** Whether a field is there and not `null`. */
  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  /** Whether a field is there and `null`. */
  isNull(key: string): boolean {
    return Object.hasOwn(this.#fields, key) && this.#fields[key] === null;
  }

  /** A number that is not negative, or the default, or an error when neither is there. */
  number(key: string, fallback?: number): number {
    const value = this.#get(key);
    if (value === undefined) return fallback ?? fail("format", `${this.#path} lacks ${key}; the file is incomplete`);
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0) return this.#wrong(key, "a number ≥ 0");
    return value;
  }

  /** A number, or `undefined` when the field is absent or `null`. */
  optional(key: string): number | undefined {
    return this.has(key) ? this.number(key) : undefined;
  }

  /** A truth value, or the default. */
  flag(key: string, fallback: boolean): boolean {
    const value = this.#get(key);
    if (value === undefined) return fallback;
    return typeof value === "boolean" ? value : this.#wrong(key, "true or false");
  }

  /** A text, or the default, or `undefined`. */
  text(key: string): string | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    return typeof value === "string" ? value : this.#wrong(key, "a text");
  }

  /** A list of texts, or `undefined`. */
  texts(key: string): readonly string[] | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string"))
      return this.#wrong(key, "a list of texts");
    return value as string[];
  }

  /** An object inside of this one, or `undefined`. */
  object(key: string): HfFields | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "object" || Array.isArray(value)) return this.#wrong(key, "an object");
    return new HfFields(value as Record<string, unknown>, `${this.#path}: ${key}`);
  }

  /** Ends with `unsupported`, naming a field's value, unless that value is one of `known` (or absent). */
  only(key: string, known: readonly unknown[]): void {
    const value = this.#get(key);
    if (value !== undefined && !known.includes(value))
      fail(
        "unsupported",
        `${this.#path}: ${key} is ${JSON.stringify(value)?.slice(0, 100)}; this version knows ${known.map((x) => JSON.stringify(x)).join(", ")}`,
      );
  }
}
