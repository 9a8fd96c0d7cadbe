/**
 * What the bars on language models share: decoders opened in this process, the goldens, the windows of text that
 * perplexities are measured on, and sums over logits.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readGguf, type Tokenizer, tokenizerFromGguf } from "../src/formats/index.ts";
import { KvCache, loadDecoder, openGguf, type StepModel } from "../src/lm/index.ts";
import { openFile } from "../src/runtime/node/file-source.ts";
import { cacheRoot, catalogue, resolveModel } from "../src/sources/index.ts";
import { dataRoot, root } from "./harness.ts";

/** A decoder in this process. */
export interface OpenDecoder {
  readonly model: StepModel;
  readonly tokenizer: Tokenizer;
  dispose(): Promise<void>;
}

/** Opens a GGUF model of the catalogue (or a path) in a weight form. */
export async function openDecoder(ref: string, form?: string, threads = 2): Promise<OpenDecoder> {
  const source = await resolveModel(ref);
  const file = await openFile(source.path);
  const tokenizer = tokenizerFromGguf((await readGguf(file)).metadata);
  const loaded = await loadDecoder(await openGguf(file, source.path), {
    form,
    threads,
    cacheFolder: `${cacheRoot()}/converted`,
    sha256: source.sha256,
  });
  await file.close();
  return { model: loaded.model, tokenizer, dispose: () => loaded.dispose() };
}

/** A greedy continuation and what the reference knows of its prompt. */
export interface GoldenPrompt {
  readonly kind: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly top20: { readonly ids: readonly number[]; readonly logits: readonly number[] };
  readonly greedy: readonly number[];
  /** Top-1 minus top-2 logit at each greedy step. */
  readonly margin: readonly number[];
}

/** The golden file of a decoder. */
export interface GoldenDecoder {
  readonly model: string;
  readonly source: { readonly sha256: string };
  readonly tokenizer: readonly GoldenTokens[];
  readonly prompts: readonly GoldenPrompt[];
  readonly perplexity: { readonly windows: number; readonly windowTokens: number; readonly perplexity: number };
}

/** A text and its ids. */
export interface GoldenTokens {
  readonly text: string;
  readonly ids: readonly number[];
  /** Ids of the same text where strings of special tokens are plain text. */
  readonly idsPlain?: readonly number[];
}

/** The golden file of an encoder. */
export interface GoldenEncoder {
  readonly model: string;
  readonly sentences: readonly { text: string; ids: readonly number[]; embedding: readonly number[] }[];
}

/** Reads a golden file: a path, or a name below `test/golden/lm`. */
export function readGolden(file: string): GoldenDecoder | GoldenEncoder {
  const path = file.includes("/") ? file : join(root, "test/golden/lm", file);
  return JSON.parse(readFileSync(path, "utf8")) as GoldenDecoder | GoldenEncoder;
}

/** Name in the catalogue of the model whose weights have this hash. */
export function catalogueName(sha256: string): string {
  for (const [name, entry] of catalogue) if (entry.sha256 === sha256) return name;
  throw new Error(`no model of the catalogue has the SHA-256 ${sha256}`);
}

/** The first windows of tinyshakespeare, without a beginning of sequence. */
export function shakespeareWindows(tokenizer: Tokenizer, windows: number, length: number): number[][] {
  const text = readFileSync(join(dataRoot, "text/tinyshakespeare.txt"), "utf8");
  const ids = tokenizer.encode(text.slice(0, 8 * windows * length));
  return Array.from({ length: windows }, (_, w) => ids.slice(w * length, (w + 1) * length));
}

/** Runs tokens through a cache in canonical chunks; `visit` gets each chunk's logits `[rows, vocabulary]`. */
export async function runChunks(
  model: StepModel,
  cache: KvCache,
  tokens: readonly number[],
  visit?: (first: number, logits: Float32Array) => void | Promise<void>,
): Promise<Float32Array> {
  let logits: Float32Array | undefined;
  for (let at = 0; at < tokens.length; ) {
    const count = Math.min(cache.room, tokens.length - at);
    const step = await model.step(cache, {
      tokens: tokens.slice(at, at + count),
      ...(visit ? {} : { wanted: [count - 1] }),
    });
    cache.commit(step.keys, step.values, [...Array(count).keys()]);
    logits = step.logits.data as Float32Array;
    await visit?.(at, logits);
    at += count;
  }
  return logits!;
}

/** A fresh cache for a model. */
export function newCache(model: StepModel): KvCache {
  return new KvCache(model.config);
}

/** Largest logit of a row, and the logarithm of the sum of exponentials. */
export function summarize(logits: Float32Array, start: number, width: number): { best: number; logSum: number } {
  let best = start;
  for (let i = start + 1; i < start + width; i++) if (logits[i]! > logits[best]!) best = i;
  const highest = logits[best]!;
  let sum = 0;
  for (let i = start; i < start + width; i++) sum += Math.exp(logits[i]! - highest);
  return { best: best - start, logSum: highest + Math.log(sum) };
}
