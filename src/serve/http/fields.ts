/**
 * Reads the fields of a JSON object one by one, and refuses what it does not know: a parameter is obeyed or named in an
 * error, never passed over. As in the OpenAI API, `null` is as good as absent.
 */
import { ApiError, refuse } from "./api-error.ts";

/** A value in an error message. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** The fields of one object. */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #path: string;
  readonly #asked = new Set<string>();

  /** @param path where the object is in the body, such as `stream_options`; empty for the body itself. */
  constructor(value: unknown, path = "") {
    this.#path = path;
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new ApiError(400, `${path || "the request's body"} must be a JSON object`, {
        param: path || undefined,
        code: "invalid_type",
      });
    this.#values = new Map(Object.entries(value).filter(([, entry]) => entry !== null));
  }

  /** Full name of a field. */
  param(name: string): string {
    return this.#path ? `${this.#path}.${name}` : name;
  }

  /** Whether a field is there. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** A field's value as it is. */
  value(name: string): unknown {
    this.#asked.add(name);
    return this.#values.get(name);
  }

  /** A number within bounds. */
  number(name: string, low: number, high: number): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !(value >= low && value <= high))
      return refuse(
        this.param(name),
        `${this.param(name)} is ${shown(value)}; it must be a number from ${low} to ${high}`,
      );
    return value;
  }

  /** A whole number within bounds. */
  integer(name: string, low: number, high: number): number | undefined {
    const value = this.number(name, low, high);
    if (value !== undefined && !Number.isSafeInteger(value))
      refuse(this.param(name), `${this.param(name)} is ${value}; it must be a whole number`);
    return value;
  }

  /** True or false. */
  boolean(name: string): boolean | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === "boolean") return value;
    return refuse(this.param(name), `${this.param(name)} is ${shown(value)}; it must be true or false`, "invalid_type");
  }

  /** A text. */
  text(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === "string") return value;
    return refuse(this.param(name), `${this.param(name)} is ${shown(value)}; it must be a text`, "invalid_type");
  }

  /** A text that must be there. */
  requiredText(name: string): string {
    return this.text(name) ?? this.missing(name);
  }

  /** One of some texts. */
  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.value(name);
    if (value === undefined || choices.includes(value as T)) return value as T | undefined;
    return refuse(this.param(name), `${this.param(name)} is ${shown(value)}; it must be one of ${choices.join(", ")}`);
  }

  /** A list. */
  list(name: string): readonly unknown[] | undefined {
    const value = this.value(name);
    if (value === undefined || Array.isArray(value)) return value;
    return refuse(this.param(name), `${this.param(name)} is ${shown(value)}; it must be a list`, "invalid_type");
  }

  /** The fields of an object in a field. */
  object(name: string): Fields | undefined {
    const value = this.value(name);
    return value === undefined ? undefined : new Fields(value, this.param(name));
  }

  /** All fields by name. */
  entries(): IterableIterator<[string, unknown]> {
    for (const name of this.#values.keys()) this.#asked.add(name);
    return this.#values.entries();
  }

  /** Refuses the request because a field is not there. */
  missing(name: string): never {
    return refuse(this.param(name), `${this.param(name)} is missing`, "missing_required_parameter");
  }

  /** Refuses a field unless its value asks for nothing (`accepted`): what it stands for is not there (yet). */
  notSupported(name: string, accepted: (value: unknown) => boolean = () => false): void {
    const value = this.value(name);
    if (value !== undefined && !accepted(value))
      refuse(
        this.param(name),
        `${this.param(name)} is ${shown(value)}; this server does not support that: leave the parameter out`,
        "unsupported_parameter",
      );
  }

  /** Takes fields that have no effect on the answer, such as `user`. */
  accept(...names: readonly string[]): void {
    for (const name of names) this.#asked.add(name);
  }

  /** Refuses every field that nothing has asked for. Call it last. */
  done(): void {
    for (const name of this.#values.keys())
      if (!this.#asked.has(name))
        refuse(this.param(name), `${this.param(name)} is not a parameter that this server knows`, "unknown_parameter");
  }
}
