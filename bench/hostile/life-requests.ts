/**
 * Checks of what users ask for that cannot be: prompts that do not fit, models that do not exist, files that cannot be run.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ggufTypes } from "../../src/formats/index.ts";
import { type Check, expectClearError, expectThat, type Life, modelRef } from "./life-setup.ts";

/** The model with one matrix said to be of a type that cannot be unpacked; its rows are whole blocks of it. */
function withUnsupportedTensor(model: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode("blk.0.ffn_down.weight");
  const at = Buffer.from(model.buffer, model.byteOffset, model.length).indexOf(name);
  const bytes = model.slice();
  // behind the name: number of dimensions, two of them, the type
  new DataView(bytes.buffer).setUint32(at + name.length + 4 + 16, ggufTypes.IQ2_XXS.id, true);
  return bytes;
}

/** Checks of impossible requests, on a cache that holds the model already. */
export function requestChecks(life: Life): Check[] {
  const ask = (...args: readonly string[]) =>
    life.run(["generate", "--model", modelRef, "--temperature", "0", "--max-tokens", "4", ...args]);
  return [
    {
      name: "a prompt longer than the context",
      bar: "an error that names both lengths",
      async run() {
        const ended = await ask("--raw", "--context", "64", "hello world ".repeat(200));
        expectClearError(ended, 1, /the prompt has \d{3} tokens and the context holds 64/);
        return ended.stderr.trim();
      },
    },
    {
      name: "a prompt longer than the model's own context",
      bar: "an error that names both lengths",
      async run() {
        const ended = await ask("--raw", "hello world ".repeat(5000));
        expectClearError(ended, 1, /the prompt has \d{5} tokens and the context holds \d+/);
        return ended.stderr.trim();
      },
    },
    {
      name: "an empty prompt",
      bar: "an answer or a clear error, raw and in a chat",
      async run() {
        const seen: string[] = [];
        for (const args of [["--raw", ""], [""], ["--raw", " "]]) {
          const ended = await ask(...args);
          if (ended.code !== 0) expectClearError(ended, ended.code === 2 ? 2 : 1, /prompt/);
          else expectThat(ended.stdout.length > 1 && !ended.stderr.includes("Error"), `printed ${ended.stdout}`);
          seen.push(ended.code === 0 ? "answered" : ended.stderr.trim());
        }
        return seen.join("; ");
      },
    },
    {
      name: "an unknown model",
      bar: "an error that names the known ones, for a name, a path and a repository",
      async run() {
        const name = await life.run(["generate", "--model", "smollm3", "hi"]);
        expectClearError(name, 2, /unknown model smollm3: known names are smollm2/);
        const path = await life.run(["generate", "--model", "./no/such/model.gguf", "hi"]);
        expectClearError(path, 3, /no such file or folder/);
        const repository = await life.run(["generate", "--model", "hf:life/none/model.gguf", "hi"]);
        expectClearError(repository, 3, /has no file model\.gguf: check the name and the revision/);
        return "three clear errors";
      },
    },
    {
      name: "a quantisation that is not supported (IQ2_XXS)",
      bar: "an error that names the type and the known ones",
      async run() {
        const path = join(life.folder, "unsupported.gguf");
        await writeFile(path, withUnsupportedTensor(life.model));
        const ended = await life.run(["generate", "--model", path, "hi"]);
        expectClearError(ended, 1, /IQ2_XXS.*Q4_K/s);
        return ended.stderr.trim().slice(0, 120);
      },
    },
    {
      name: "a file that is no model",
      bar: "an error that says so",
      async run() {
        const path = join(life.folder, "text.gguf");
        await writeFile(path, "This is not a model, whatever its name says.\n");
        const ended = await life.run(["generate", "--model", path, "hi"]);
        expectClearError(ended, 1, /is it a model file\?/);
        return ended.stderr.trim().slice(0, 120);
      },
    },
    {
      name: "a model that was cut short",
      bar: "an error that says so",
      async run() {
        const path = join(life.folder, "short.gguf");
        await writeFile(path, life.model.subarray(0, 60_000_000));
        const ended = await life.run(["generate", "--model", path, "hi"]);
        expectClearError(ended, 1, /may be cut short/);
        return ended.stderr.trim().slice(0, 120);
      },
    },
  ];
}
