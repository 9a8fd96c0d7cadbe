/**
 * `bletchley embed`: texts to vectors.
 */
import type { Command } from "commander";
import { interruptible } from "./exit.ts";
import { readInput } from "./input.ts";
import { wholeFrom } from "./options.ts";
import { withProgress } from "./progress.ts";

interface EmbedFlags {
  readonly model: string;
  readonly json?: boolean;
  readonly threads?: number;
  readonly offline?: boolean;
}

const help = `
Without texts, every line of standard input is one. Prints one line a text: its vector's numbers, separated by spaces. The
vectors have length 1, so their dot product is the cosine of their angle. Texts that are longer than the model reads are cut,
with a warning.

--json prints one object: model, dimensions, and data, a list of { text, tokens, embedding }.`;

async function embed(given: readonly string[], flags: EmbedFlags, signal: AbortSignal): Promise<void> {
  const lines = async () => {
    const text = (await readInput("one text a line", signal)).replace(/\r?\n$/, "");
    return text === "" ? [] : text.split(/\r?\n/);
  };
  const texts = given.length ? given : await lines();
  const { loadEmbedder } = await import("../serve/load-embedder.ts");
  const { model, threads, offline } = flags;
  await using embedder = await withProgress((onProgress) =>
    loadEmbedder(model, { threads, offline, signal, onProgress }),
  );
  const tokens = texts.map((text) => embedder.countTokens(text));
  const long = tokens.filter((count) => count > embedder.maxTokens).length;
  if (long)
    process.stderr.write(
      `bletchley: ${long} of ${texts.length} texts ${long === 1 ? "has" : "have"} more than ${embedder.maxTokens} tokens and ${long === 1 ? "was" : "were"} cut\n`,
    );
  const vectors = await embedder.embed(texts, { signal });
  if (!flags.json) {
    for (const vector of vectors) process.stdout.write(`${vector.join(" ")}\n`);
    return;
  }
  const data = texts.map((text, i) => ({ text, tokens: tokens[i], embedding: [...vectors[i]!] }));
  process.stdout.write(`${JSON.stringify({ model: embedder.source.name, dimensions: embedder.dimensions, data })}\n`);
}

/** Adds the command to the program. */
export function addEmbed(program: Command): void {
  program
    .command("embed")
    .description("turn texts into vectors")
    .argument("[texts...]", "texts; each line of standard input when absent")
    .option("-m, --model <ref>", "embedding model to use", "minilm")
    .option("--json", "print one JSON object")
    .option("--threads <n>", "threads of the engine; all cores by default", wholeFrom(1, 1024))
    .option("--offline", "use only what is on this machine")
    .addHelpText("after", help)
    .action((texts: string[], flags: EmbedFlags) => interruptible((signal) => embed(texts, flags, signal)));
}
