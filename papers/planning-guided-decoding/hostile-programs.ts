/**
 * Programs that try to run forever, to use up memory or stack, to deceive whoever asks for their answer, or to leave something behind
 * for the next program. Each is the text of a script whose function `f` a test would call.
 */

const script = (body: string) => `function f() { ${body} }\n`;

/** Hostile programs by what they try. */
export const hostilePrograms: Readonly<Record<string, string>> = {
  "endless loop": script("for (;;);"),
  "endless loop before any call": "for (;;);",
  "endless loop that catches everything": script("for (;;) { try { throw 0 } catch {} finally { continue } }"),
  "endless generator": script("function* g() { for (;;) yield 1 } for (const x of g());"),
  "endless iterator": script("return [...{ [Symbol.iterator]: () => ({ next: () => ({ done: false }) }) }]"),
  "endless chain of promises": script("const go = () => Promise.resolve().then(go); go(); for (;;);"),
  "promise that never comes": script("return new Promise(() => { for (;;); })"),
  "search through 2^53 elements": script("return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)"),
  "fill of 2^53 elements": script("return Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)"),
  "sort of a huge empty array": script("return new Array(2 ** 32 - 1).sort()"),
  "exponential recursion": script("const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2); return fib(60)"),
  "endless recursion": script("return f() + 1"),
  "endless recursion through getters": script("const o = { get x() { return o.x } }; return o.x"),
  "endless recursion through proxies": script("const p = new Proxy({}, { get: (_, k, r) => r[k] }); return p.x"),
  "endless recursion that catches": script("try { f() } catch { f() }"),
  "arrays until memory ends": script("const a = []; for (;;) a.push(new Array(1000).fill(7))"),
  "string that doubles": script("let s = 'x'; for (;;) s += s"),
  "string of half a gigabyte": script("return 'x'.repeat(2 ** 29)"),
  "padded strings over and over": script("let n = 0; for (;;) n += 'x'.padEnd(4000000, 'ab').length"),
  "buffer of 16 gigabytes": script("return new Float64Array(2 ** 31).length"),
  "map until memory ends": script("const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })"),
  "nested data without end": script("let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a"),
  "source nested 100,000 deep": `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
  "catastrophic pattern": script("return /^(a+)+$/.test('a'.repeat(50) + 'b')"),
  "catastrophic pattern with alternatives": script("return /^(a|a|aa)*$/.exec('a'.repeat(60) + 'b')"),
  "huge power of whole numbers": script("let x = 3n; for (;;) x *= x"),
  "built-ins replaced": `JSON.stringify = () => '"passed"'; JSON.parse = () => [1]; Reflect.apply = () => 1; String = () => "";
Object.prototype.toJSON = () => "passed"; Array.prototype.map = () => [0]; Array.prototype[Symbol.iterator] = null;
globalThis.leaked = true; Object.freeze(Math); ${script("for (;;);")}`,
  "prototypes poisoned": `Object.defineProperty(Object.prototype, "x", { get() { for (;;); } });
Function.prototype.call = Function.prototype.apply = () => { for (;;); };
Object.prototype.leaked = Array.prototype.leaked = true; ${script("return {}.x")}`,
  "answer that runs while it is read": script("return { toJSON() { for (;;); } }"),
  "answer with getters that throw": script("return { get a() { throw { get message() { for (;;); } } } }"),
  "error that cannot be described": script("throw { get name() { return f() }, get message() { throw this } }"),
  "answer that contains itself": script("const o = { leaked: true }; o.o = o; return o"),
  "way out through constructors": script(
    "return f.constructor('return this')().process.exit(1) || globalThis.constructor.constructor('return process')()",
  ),
  "way out through import": script("import('node:fs').then((fs) => fs.rmSync('/')); for (;;);"),
};
