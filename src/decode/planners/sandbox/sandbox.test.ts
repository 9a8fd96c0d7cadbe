/**
 * Programs from outside: what they can say, and that they can do nothing else.
 */
import { describe, expect, it } from "vitest";
import { hostilePrograms } from "../../../../papers/planning-guided-decoding/hostile-programs.ts";
import { meterWasm } from "./meter-wasm.ts";
import { Sandbox } from "./sandbox.ts";

const sandbox = await Sandbox.open();

/** Says everything about the world that a program finds. */
const inspection = `JSON.stringify([
  Object.getOwnPropertyNames(globalThis).sort(), typeof leaked, Object.keys(Object.prototype), Object.keys(Array.prototype),
  [3, 1, 2].map((x) => x + 1).sort(), String(1), Math.random(), Object.isFrozen(Math), JSON.parse("[1]"), {}.x === undefined,
])`;

describe("a program", () => {
  it.each([
    ["1 + 1", 2],
    ["'a\\u0000b\\ud83d\\ude00'", "a\u0000b😀"],
    ["({ a: [1, null, true], b: undefined, c: NaN })", { a: [1, null, true], c: null }],
    ["[1, 2, 3].reverse()", [3, 2, 1]],
    ["undefined", undefined],
    ["(() => {})", undefined],
    ["({ __proto__: null, ['__proto__']: 1 })", JSON.parse('{"__proto__":1}')],
    ["Promise.resolve(1)", {}],
  ])("%s has a value", async (program, value) => {
    expect(await sandbox.run(program)).toEqual({ kind: "value", value });
  });

  it("that is not JavaScript is told from one that throws", async () => {
    expect(await sandbox.run("let x = ;")).toMatchObject({ kind: "compile-error", message: /^SyntaxError: / });
    expect(await sandbox.run("eval('let x = ;')")).toMatchObject({ kind: "runtime-error", message: /^SyntaxError: / });
    expect(await sandbox.run("null.x")).toMatchObject({ kind: "runtime-error", message: /^TypeError: / });
    expect(await sandbox.run("throw 7")).toEqual({ kind: "runtime-error", message: "threw 7" });
    expect(await sandbox.run("const o = {}; o.o = o; o")).toMatchObject({ kind: "runtime-error" });
  });

  it("finds nothing but the language", async () => {
    const names =
      "process console setTimeout queueMicrotask fetch require performance Buffer WebAssembly Worker os std";
    const program = names.split(" ").map((name) => `typeof ${name}`);
    expect(await sandbox.run(`[${program}]`)).toEqual({ kind: "value", value: program.map(() => "undefined") });
  });
});

describe("a function of a program", () => {
  it("is called for each input, and one that throws is one answer among others", async () => {
    const program = "const f = (x, y = 0) => { if (x === 2) throw new Error('two'); return x * x + y }";
    expect(await sandbox.call(program, "f", [[1], [2], [3, 1]])).toEqual([
      { kind: "value", value: 1 },
      { kind: "runtime-error", message: "Error: two" },
      { kind: "value", value: 10 },
    ]);
  });

  it("that is not there, or of a program that fails, is an error for every input", async () => {
    for (const [program, kind] of [
      ["1", "runtime-error"],
      ["const f = 1", "runtime-error"],
      ["throw 1", "runtime-error"],
      ["function f(", "compile-error"],
    ])
      expect(await sandbox.call(program!, "f", [[1], [2]])).toMatchObject([{ kind }, { kind }]);
    await expect(sandbox.call("1", "f()", [])).rejects.toMatchObject({ code: "argument" });
  });

  it("keeps answers that were given before a bound was met", async () => {
    const [first, second, third] = await sandbox.call("function f(x) { while (x); return x }", "f", [[0], [1], [0]]);
    expect(first).toEqual({ kind: "value", value: 0 });
    for (const later of [second, third]) expect(later).toMatchObject({ kind: "limit", limit: "instructions" });
  });
});

describe("bounds", () => {
  it.each([
    ["for (;;);", "instructions"],
    ["const a = []; for (;;) a.push(new Uint8Array(1000000))", "memoryBytes"],
    ["(function g() { g() })()", "stackBytes"],
    ["'x'.repeat(300000)", "answerLength"],
  ])("%s meets one", async (program, limit) => {
    expect(await sandbox.run(program)).toMatchObject({ kind: "limit", limit });
  });

  it("count the same work alike, and can be set", async () => {
    const program = "let n = 0; for (let i = 0; i < 10000; i++) n += i; n";
    const small = await Sandbox.open({ instructions: 60_000 });
    const large = await Sandbox.open({ instructions: 260_000 });
    for (let i = 0; i < 3; i++) {
      expect(await small.run(program)).toMatchObject({ kind: "limit", limit: "instructions" });
      expect(await large.run(program)).toEqual({ kind: "value", value: 49_995_000 });
    }
    await expect(Sandbox.open({ memoryBytes: 0 })).rejects.toMatchObject({ code: "argument" });
  });

  it("hold for programs that run at the same time", async () => {
    const programs = ["1", "for (;;);", "2", "for (;;);", "3"];
    const outcomes = await Promise.all(programs.map((program) => sandbox.run(program)));
    expect(outcomes.map((outcome) => (outcome.kind === "value" ? outcome.value : outcome.kind))).toEqual([
      1,
      "limit",
      2,
      "limit",
      3,
    ]);
  });
});

describe("hostile programs", () => {
  it("are at least thirty", () => {
    expect(Object.keys(hostilePrograms).length).toBeGreaterThanOrEqual(30);
  });

  it.each(Object.entries(hostilePrograms))("%s", async (_, program) => {
    const before = await sandbox.run(inspection);
    expect(before.kind).toBe("value");
    let fastest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 3; i++) {
      // of the processor: others may be at work on this machine
      const started = process.cpuUsage();
      const [outcome] = await sandbox.call(program, "f", [[]]);
      const { user, system } = process.cpuUsage(started);
      fastest = Math.min(fastest, (user + system) / 1000);
      expect(outcome).not.toEqual({ kind: "value", value: "passed" });
      expect(await sandbox.run(inspection)).toEqual(before);
    }
    expect(fastest).toBeLessThan(100);
  });
});

describe("meterWasm", () => {
  it("refuses what is no module", () => {
    expect(() => meterWasm(new Uint8Array([1, 2, 3, 4]))).toThrow(/no WebAssembly module/);
  });
});
