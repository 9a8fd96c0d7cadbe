/**
 * Serves the page beside this file with an exported model, and ONNX Runtime's WebAssembly from npm's `onnxruntime-web`:
 *
 *     npx tsx examples/train-your-own.ts
 *     npx tsx examples/browser/serve.ts spirals/spirals.onnx
 */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
const runtime = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"));

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".onnx": "application/octet-stream",
};

/** Starts a server on this machine; `models` are read for each request, by their name in the address. */
export async function servePage(models: Readonly<Record<string, () => Promise<Uint8Array>>>, port = 0) {
  const server = createServer(async ({ url = "/" }, response) => {
    const name = decodeURIComponent(url.slice(1).split("?")[0]!) || "index.html";
    try {
      const asset = /^(?:ort\/)?[\w.-]+$/.test(name) ? name : "";
      const path = asset.startsWith("ort/") ? join(runtime, asset.slice(4)) : join(folder, asset);
      const bytes = await (Object.hasOwn(models, name) ? models[name]!() : readFile(path));
      response.writeHead(200, { "content-type": types[extname(name)] ?? "text/plain" }).end(bytes);
    } catch {
      response.writeHead(404).end(`there is no ${name} here`);
    }
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const model = process.argv[2] ?? "spirals/spirals.onnx";
  const { url } = await servePage({ "model.onnx": () => readFile(model) }, 8000);
  console.log(`${model} is shown at ${url}`);
}
