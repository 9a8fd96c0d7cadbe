/**
 * What a case of misuse is, and how it is judged.
 */
import { Module } from "../../src/nn/index.ts";
import { input, type Tensor } from "../../src/tensor/index.ts";
import { BletchleyError, type ErrorCode } from "../../src/util/errors.ts";

/** A wrong call. */
export interface MisuseCase {
  readonly name: string;
  readonly code: ErrorCode;
  /** What the message must contain: the op, both shapes, the offending value. */
  readonly says: readonly string[];
  /** Makes the call; it must throw. */
  readonly call: () => unknown;
}

/** An f32 tensor of a graph. */
export const f = (...shape: (number | string)[]): Tensor => input("x", "f32", shape);
/** An i64 tensor of a graph. */
export const i = (...shape: (number | string)[]): Tensor => input("i", "i64", shape);
/** A bool tensor of a graph. */
export const b = (...shape: (number | string)[]): Tensor => input("b", "bool", shape);

class Place extends Module {
  readonly _call: () => unknown;

  constructor(call: () => unknown) {
    super();
    this._call = call;
  }

  forward(): unknown {
    return this._call();
  }
}

class Model extends Module {
  readonly blocks: readonly Place[];

  constructor(call: () => unknown) {
    super();
    this.blocks = [new Place(() => undefined), new Place(call)];
  }

  forward(): unknown {
    return this.blocks[1]!.forward();
  }
}

/** The same call within a model, whose path the message must name. */
export function insideModel({ name, code, says, call }: MisuseCase): MisuseCase {
  return { name, code, says: [...says, "(in blocks.1"], call: () => new Model(call).forward() };
}

/** Makes a wrong call; what is wrong about its error, or `undefined`. */
export async function judge({ code, says, call }: MisuseCase): Promise<string | undefined> {
  let thrown: unknown;
  try {
    await call();
    return "nothing was thrown";
  } catch (error) {
    thrown = error;
  }
  if (!(thrown instanceof BletchleyError)) return `not a typed error: ${thrown}`;
  if (thrown.code !== code) return `code ${thrown.code} instead of ${code}: ${thrown.message}`;
  const missing = says.filter((part) => !thrown.message.includes(part));
  return missing.length
    ? `"${thrown.message}" does not say ${missing.map((part) => `"${part}"`).join(", ")}`
    : undefined;
}
