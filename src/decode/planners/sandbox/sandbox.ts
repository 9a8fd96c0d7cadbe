/**
 * Runs JavaScript that nobody has read, such as what a model wrote: QuickJS in a WebAssembly instance, without any way out, with
 * bounds on work, memory and stack. Knows nothing of models, planners or tests.
 */
import packageVariant from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSSyncVariant,
  type QuickJSWASMModule,
} from "quickjs-emscripten-core";
import { fail, messageOf } from "../../../util/errors.ts";
import { allowanceName, meterWasm } from "./meter-wasm.ts";

/** A value that JSON can say. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** What a program may use. */
export interface SandboxLimits {
  /**
   * Rounds of the engine's inner loops: about a dozen for a round of a simple loop of the program, and one for 16 bytes that are copied.
   * The same program takes the same number on every machine, up to a few in a thousand; a million take about 4 ms. 2 million by default.
   */
  readonly instructions?: number;
  /** Memory of the program's values; 16 MiB by default, at most 256 MiB. */
  readonly memoryBytes?: number;
  /** Stack of the engine; 256 KiB by default, at most 1 MiB. A call of a simple function takes about 400 bytes. */
  readonly stackBytes?: number;
  /** Characters of an answer as JSON; 256 Ki by default. */
  readonly answerLength?: number;
}

/** Options of {@link Sandbox.open}. */
export interface SandboxOptions extends SandboxLimits {
  /** QuickJS as WebAssembly: needed in a browser, where nothing can be read from packages (`@jitl/quickjs-wasmfile-release-sync/wasm`). */
  readonly wasm?: Uint8Array;
}

/** Which bound a program met. */
export type SandboxLimit = keyof SandboxLimits;

/** What became of a program. Nothing that it does is thrown. */
export type SandboxOutcome =
  /** Its value, after JSON: what JSON cannot say is `null` or left out, and `undefined` when nothing is left. */
  | { readonly kind: "value"; readonly value: JsonValue | undefined }
  /** It is not JavaScript. */
  | { readonly kind: "compile-error"; readonly message: string }
  /** It threw something, or its value has no JSON. */
  | { readonly kind: "runtime-error"; readonly message: string }
  /** It was ended. */
  | { readonly kind: "limit"; readonly limit: SandboxLimit; readonly message: string };

/** A running instance of QuickJS. */
interface Machine {
  readonly quickJs: QuickJSWASMModule;
  readonly allowance: WebAssembly.Global<"i32">;
}

/** Handles of functions that the program cannot reach or change. */
interface Tools {
  /** `(f, inputs as JSON) → result as JSON`. */
  readonly invoke: QuickJSHandle;
  /** `(value) → JSON`. */
  readonly stringify: QuickJSHandle;
  /** `(thrown) → text`, whatever was thrown. */
  readonly describe: QuickJSHandle;
}

/**
 * Runs before a program: takes hold of what answers need, before the program can change it. `Math.random` draws the same numbers in every
 * program, so that a program does the same each time.
 */
const prelude = `"use strict";
((parse, stringify, apply, text) => {
  let state = 20250913;
  Math.random = () => ((state = (state * 48271) % 2147483647) - 1) / 2147483646;
  return [
    (f, inputs) => stringify(apply(f, undefined, parse(inputs))),
    (value) => stringify(value),
    (thrown) => {
      try {
        return typeof thrown === "object" && thrown !== null ? text(thrown.name) + ": " + text(thrown.message) : "threw " + text(thrown);
      } catch {
        return "threw what cannot be described";
      }
    },
  ];
})(JSON.parse, JSON.stringify, Reflect.apply, String)`;

const pageBytes = 65_536;
/** Pages that the engine itself asks for: its data, 5 MiB of stack, and the beginning of its heap. */
const firstPages = 256;
/** More than any program may use; for what is done around programs. */
const plenty = 2 ** 31 - 1;
const mebibyte = 2 ** 20;

/** The package declares the CommonJS form of its default export; what is imported here is the export itself. */
const variant = packageVariant as unknown as QuickJSSyncVariant;

const wasmPackage = "@jitl/quickjs-wasmfile-release-sync/wasm";

async function compileMetered(bytes: Uint8Array): Promise<WebAssembly.Module> {
  return WebAssembly.compile(meterWasm(bytes));
}

let compiledPackage: Promise<WebAssembly.Module> | undefined;

/** The module of the installed package; compiled once. */
function packageModule(): Promise<WebAssembly.Module> {
  compiledPackage ??= import("../../../runtime/node/package-file.ts")
    .then(({ readPackageFile }) => readPackageFile(wasmPackage))
    .then(compileMetered);
  return compiledPackage;
}

function checkLimits(limits: Required<SandboxLimits>): void {
  const most: Required<SandboxLimits> = {
    instructions: plenty,
    memoryBytes: 256 * mebibyte,
    stackBytes: mebibyte,
    answerLength: 2 ** 28,
  };
  for (const name of Object.keys(most) as SandboxLimit[])
    if (!Number.isSafeInteger(limits[name]) || limits[name] < 1 || limits[name] > most[name])
      fail("argument", `the sandbox's ${name} is ${limits[name]}; it must be a whole number from 1 to ${most[name]}`);
}

/** The outcome of a program that met a bound. */
function limited(limit: SandboxLimit, most: number): SandboxOutcome {
  const what: Record<SandboxLimit, string> = {
    instructions: "instructions",
    memoryBytes: "bytes of memory",
    stackBytes: "bytes of stack",
    answerLength: "characters of answer",
  };
  return { kind: "limit", limit, message: `the program needs more than ${most} ${what[limit]}` };
}

/**
 * A place to run programs in. Each one gets an engine of its own with nothing but the language: no clock it could wait on, no console,
 * files, network or modules, and no trace of the programs before it. It runs in the caller's thread, which waits for it; what is
 * asynchronous in a program never comes to run.
 *
 *     const sandbox = await Sandbox.open();
 *     await sandbox.run("[1, 2, 3].map((x) => x * x)"); // { kind: "value", value: [1, 4, 9] }
 *     await sandbox.call("function f(x) { return x / 2 }", "f", [[4], [8]]); // 2 and 4
 *     await sandbox.run("for (;;);"); // { kind: "limit", limit: "instructions", … }
 */
export class Sandbox {
  readonly #module: WebAssembly.Module;
  readonly #limits: Required<SandboxLimits>;
  #machine: Machine | undefined;
  #starting: Promise<void> | undefined;

  private constructor(module: WebAssembly.Module, limits: Required<SandboxLimits>) {
    this.#module = module;
    this.#limits = limits;
  }

  /** Opens a sandbox. @throws `argument` for impossible limits, `unsupported` in a browser when `wasm` is absent. */
  static async open({ wasm, ...limits }: SandboxOptions = {}): Promise<Sandbox> {
    const all = {
      instructions: 2_000_000,
      memoryBytes: 16 * mebibyte,
      stackBytes: 256 * 1024,
      answerLength: mebibyte / 4,
      ...limits,
    };
    checkLimits(all);
    return new Sandbox(await (wasm ? compileMetered(wasm) : packageModule()), all);
  }

  /** Runs a script. @returns the value of its last expression. */
  async run(program: string): Promise<SandboxOutcome> {
    while (!this.#machine) {
      this.#starting ??= this.#start();
      await this.#starting;
    }
    const [outcome] = this.#inContext(1, (context, tools, settle) => {
      const value = this.#evaluate(context, tools, program);
      if ("kind" in value) return settle(value);
      settle(this.#answer(context, tools, context.callFunction(tools.stringify, context.undefined, value.handle)));
      value.handle.dispose();
    });
    return outcome!;
  }

  /**
   * Runs a script and then calls a function of it, once for each list of arguments. All calls share one engine and the bounds; a call that
   * throws does not end the others, one that meets a bound may.
   * @param name of a function that the script declares. @throws `argument` when it is no name.
   */
  async call(
    program: string,
    name: string,
    inputs: readonly (readonly JsonValue[])[],
  ): Promise<readonly SandboxOutcome[]> {
    if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name))
      fail("argument", `call: ${JSON.stringify(name)} is not the name of a function`);
    while (!this.#machine) {
      this.#starting ??= this.#start();
      await this.#starting;
    }
    return this.#inContext(inputs.length, (context, tools, settle) => {
      const script = this.#evaluate(context, tools, program);
      const found = "kind" in script ? script : this.#evaluate(context, tools, name);
      if ("handle" in script) script.handle.dispose();
      if ("kind" in found) {
        for (let i = 0; i < inputs.length; i++) settle(found);
        return;
      }
      for (const input of inputs) {
        const given = context.newString(JSON.stringify(input));
        const result = context.callFunction(tools.invoke, context.undefined, found.handle, given);
        given.dispose();
        settle(this.#answer(context, tools, result));
      }
      found.handle.dispose();
    });
  }

  /** Makes a machine; those who wait for the same one find it used, perhaps used up, by whoever was first. */
  async #start(): Promise<void> {
    let allowance: WebAssembly.Global<"i32"> | undefined;
    const growth = Math.ceil((this.#limits.memoryBytes + 4 * mebibyte) / pageBytes);
    try {
      const quickJs = await newQuickJSWASMModuleFromVariant(
        newVariant(variant, {
          wasmMemory: new WebAssembly.Memory({ initial: firstPages, maximum: firstPages + growth }),
          emscriptenModule: {
            instantiateWasm: (imports, onSuccess) => {
              const instance = new WebAssembly.Instance(this.#module, imports);
              allowance = instance.exports[allowanceName] as WebAssembly.Global<"i32">;
              allowance.value = plenty;
              onSuccess(instance);
              return instance.exports;
            },
          },
        }),
      );
      this.#machine = { quickJs, allowance: allowance! };
    } finally {
      this.#starting = undefined;
    }
  }

  /**
   * Lets `work` use a fresh context. Whatever ends it, `count` outcomes come back: those that it settled, and what ended it for the rest.
   */
  #inContext(
    count: number,
    work: (context: QuickJSContext, tools: Tools, settle: (outcome: SandboxOutcome) => void) => void,
  ): SandboxOutcome[] {
    const { instructions, memoryBytes, stackBytes } = this.#limits;
    const outcomes: SandboxOutcome[] = [];
    const machine = this.#machine!;
    const { quickJs, allowance } = machine;
    // until all has been put in order again, the machine counts as broken
    this.#machine = undefined;
    try {
      allowance.value = plenty;
      const runtime = quickJs.newRuntime();
      runtime.setMemoryLimit(memoryBytes);
      runtime.setMaxStackSize(stackBytes);
      const context = runtime.newContext();
      const list = context.unwrapResult(context.evalCode(prelude, "prelude.js", { type: "global" }));
      const [invoke, stringify, describe] = [0, 1, 2].map((i) => context.getProp(list, i));
      const tools = { invoke: invoke!, stringify: stringify!, describe: describe! };
      list.dispose();
      allowance.value = instructions;
      work(context, tools, (outcome) => outcomes.push(outcome));
      allowance.value = plenty;
      for (const tool of Object.values(tools)) tool.dispose();
      context.dispose();
      runtime.dispose();
      this.#machine = machine;
    } catch (thrown) {
      const ended = this.#ended(thrown, allowance);
      while (outcomes.length < count) outcomes.push(ended);
    }
    return outcomes;
  }

  /** What ended a program that took its machine with it. */
  #ended(thrown: unknown, allowance: WebAssembly.Global<"i32">): SandboxOutcome {
    const { instructions, memoryBytes, stackBytes } = this.#limits;
    if (allowance.value < 0) return limited("instructions", instructions);
    if (thrown instanceof RangeError) return limited("stackBytes", stackBytes);
    if (thrown instanceof WebAssembly.RuntimeError) return limited("memoryBytes", memoryBytes);
    return fail("internal", `the sandbox failed: ${messageOf(thrown)}`, thrown);
  }

  /** The value of a script, or why there is none. */
  #evaluate(
    context: QuickJSContext,
    tools: Tools,
    program: string,
  ): { readonly handle: QuickJSHandle } | SandboxOutcome {
    const compiled = context.evalCode(program, "program.js", { type: "global", compileOnly: true });
    if (compiled.error) return this.#thrown(context, tools, compiled.error, "compile-error");
    compiled.value.dispose();
    const result = context.evalCode(program, "program.js", { type: "global" });
    return result.error ? this.#thrown(context, tools, result.error, "runtime-error") : { handle: result.value };
  }

  /** An answer that has come as JSON. */
  #answer(context: QuickJSContext, tools: Tools, result: ReturnType<QuickJSContext["callFunction"]>): SandboxOutcome {
    if (result.error) return this.#thrown(context, tools, result.error, "runtime-error");
    const { value } = result;
    try {
      if (context.typeof(value) !== "string") return { kind: "value", value: undefined };
      const length = context.getProp(value, "length").consume((handle) => context.getNumber(handle));
      if (length > this.#limits.answerLength) return limited("answerLength", this.#limits.answerLength);
      return { kind: "value", value: JSON.parse(context.getString(value)) as JsonValue };
    } finally {
      value.dispose();
    }
  }

  /** What a program threw; the engine throws, too, when memory or stack run out. */
  #thrown(
    context: QuickJSContext,
    { describe }: Tools,
    error: QuickJSHandle,
    kind: "compile-error" | "runtime-error",
  ): SandboxOutcome {
    const { memoryBytes, stackBytes } = this.#limits;
    // a program that has used up its memory leaves none to say so
    context.runtime.setMemoryLimit(memoryBytes + mebibyte);
    const described = context.callFunction(describe, context.undefined, error);
    error.dispose();
    const handle = described.error ?? described.value;
    const message = context.typeof(handle) === "string" ? context.getString(handle).slice(0, 500) : "out of memory";
    handle.dispose();
    context.runtime.setMemoryLimit(memoryBytes);
    if (/^InternalError: stack overflow|^RangeError: Maximum call stack/.test(message))
      return limited("stackBytes", stackBytes);
    if (/^(InternalError: )?out of memory/.test(message)) return limited("memoryBytes", memoryBytes);
    return { kind, message };
  }
}
