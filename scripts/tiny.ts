/**
 * Makes the small model that ships with the package, `models/tiny/tiny.gguf`, from Shakespeare's plays: vocabulary, training,
 * 8-bit weights, GGUF. A run that was ended goes on from its checkpoint in `.cache/tiny`.
 *
 *     npm run tiny -- [TEXT] [--threads N]
 *
 * TEXT is tinyshakespeare.txt; by default it is looked for in `$BLETCHLEY_DATA/text`, or `../shared/data/text`.
 */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeGguf } from "../src/formats/index.ts";
import { buildDecoder, decoderAsGguf, smallLlama } from "../src/lm/index.ts";
import { initialize, normal } from "../src/nn/index.ts";
import { openFolder } from "../src/runtime/index.ts";
import { writeAtomically } from "../src/sources/index.ts";
import { chatTemplate, endOfSpeech, readPlays } from "./tiny/plays.ts";
import { trainTiny } from "./tiny/train.ts";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const { values, positionals } = parseArgs({ allowPositionals: true, options: { threads: { type: "string" } } });
const data = process.env.BLETCHLEY_DATA ?? join(root, "../shared/data");
const text = readFileSync(positionals[0] ?? join(data, "text/tinyshakespeare.txt"), "utf8");

const { vocabulary, training, heldOut, heldOutCharacters } = readPlays(text);
console.error(
  `${vocabulary.tokens.length} tokens, ${training.length.toLocaleString("en")} of them to learn from; ${(text.length / (training.length + heldOut.length)).toFixed(2)} characters a token`,
);

/** Sizes of the model: 0.9 M parameters, 1 MB in 8 bits. */
const decoder = buildDecoder(
  smallLlama({ vocabSize: vocabulary.tokens.length, layers: 4, width: 128, kvHeads: 2, contextLength: 512 }),
);
initialize(decoder, 1, [
  [/(o_proj|down_proj)\.weight$/, normal(0.02 / Math.sqrt(8))],
  [/(_proj|lm_head)\.weight$/, normal(0.02)],
]);

const cache = join(root, ".cache/tiny");
await mkdir(cache, { recursive: true });
const perToken = await trainTiny(decoder, training, heldOut, {
  files: await openFolder(cache),
  threads: values.threads === undefined ? undefined : Number(values.threads),
  log: (line) => console.error(line),
});
const perCharacter = (perToken * heldOut.length) / heldOutCharacters;
console.error(`held out: ${perToken.toFixed(3)} nats a token, ${perCharacter.toFixed(3)} a character`);

const chunks: Uint8Array[] = [];
const name = "Bletchley tiny (Shakespeare)";
const file = decoderAsGguf(decoder, { name, vocabulary, endOfText: endOfSpeech, chatTemplate, licence: "Apache-2.0" });
for await (const chunk of writeGguf(file)) chunks.push(chunk);
const target = join(root, "models/tiny/tiny.gguf");
await writeAtomically(target, Buffer.concat(chunks));
console.error(`wrote ${target}, ${chunks.reduce((sum, { length }) => sum + length, 0).toLocaleString("en")} bytes`);
process.exit(0);
