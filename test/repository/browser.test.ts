/**
 * What is not bound to Node runs in a browser: each of those subpaths is bundled for one, and started in a world that has
 * a browser's globals and none of Node's.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, Script } from "node:vm";
import { build, type Plugin } from "esbuild";
import { describe, expect, it } from "vitest";

const root = resolve(fileURLToPath(import.meta.url), "../../..");

const { browser, exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  browser: Record<string, string>;
  exports: Record<string, unknown>;
};
const subpaths = Object.keys(exports).flatMap((subpath) => /^\.\/([a-z]+)$/.exec(subpath)?.[1] ?? []);
/** Subpaths that find models and serve them; all others run in a browser. */
const boundToNode = ["sources", "serve"];
const sourceOf = (built: string) => join(root, built.replace("./dist/", "src/").replace(/\.js$/, ".ts"));
const replacements = new Map(Object.entries(browser).map(([from, to]) => [sourceOf(from), sourceOf(to)]));

/** Does to sources what the `browser` field of package.json makes bundlers do to what was built from them. */
const browserField: Plugin = {
  name: "browser-field",
  setup({ onResolve }) {
    onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path, resolveDir }) => {
      const replacement = replacements.get(resolve(resolveDir, path));
      return replacement === undefined ? undefined : { path: replacement };
    });
  },
};

async function bundle(code: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: root, loader: "ts" },
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "bundled",
    target: "es2022",
    logLevel: "silent",
    plugins: [browserField],
  });
  return outputFiles[0]!.text;
}

/** Runs a bundle where `process`, `Buffer`, `require` and `global` do not exist. */
function runInBrowserWorld(code: string): Record<string, unknown> {
  const world = createContext({ TextDecoder, TextEncoder, performance, AbortController, AbortSignal, URL, crypto });
  return new Script(`${code}\nbundled`).runInContext(world) as Record<string, unknown>;
}

describe("bundled for a browser", () => {
  it.each(subpaths.filter((folder) => !boundToNode.includes(folder)))("%s loads", async (folder) => {
    const code = await bundle(`export * from "./src/${folder}/index.ts";`);
    expect(code).not.toMatch(/require\("|from "node:/);
    expect(Object.keys(runInBrowserWorld(code)).length).toBeGreaterThan(0);
  });

  it("a function is traced, differentiated and exported as ONNX", async () => {
    const code = await bundle(`
      import { grad, input } from "./src/tensor/index.ts";
      import { encodeOnnxModel, lowerGraph, traceFunction } from "./src/runtime/index.ts";
      const square = (x) => x.mul(x).sum();
      const traced = traceFunction(({ x }) => ({ g: grad(square)(x)[0] }), { inputs: { x: { dtype: "f32", shape: ["n"] } } });
      export const bytes = encodeOnnxModel(traced.graph);
    `);
    const { bytes } = runInBrowserWorld(code) as { bytes: Uint8Array };
    // the first field of an ONNX model: its format's version, as a protobuf varint
    expect(bytes[0]).toBe(8);
    expect(bytes.length).toBeGreaterThan(100);
  });

  it("running a function without an engine says what is missing", async () => {
    const code = await bundle(`
      import { compile } from "./src/runtime/index.ts";
      export const running = compile(({ x }) => ({ y: x.square() }), { inputs: { x: { dtype: "f32", shape: [2] } } });
    `);
    const { running } = runInBrowserWorld(code) as { running: Promise<unknown> };
    await expect(running).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("{ engine }"),
    });
  });

  it("is refused where Node's side is not behind the field", async () => {
    await expect(bundle(`export * from "./src/runtime/node/file-source.ts";`)).rejects.toThrow(/node:fs/);
  });
});
