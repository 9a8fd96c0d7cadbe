/**
 * A model without weights for tests: a vocabulary of the 256 bytes and a few control tokens, and a function from the
 * tokens so far to the next logits. Everything around the network can be tested with it in milliseconds.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type GgufValue, type Tokenizer, tokenizerFromGguf } from "../../formats/index.ts";
import type { DecoderConfig, Sequence, SequenceModel, SequenceStep, StepRequest } from "../../lm/index.ts";
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { Random } from "../../util/random.ts";

const controls = ["<|im_start|>", "<|im_end|>"] as const;

/** Id of the token that ends a turn. */
export const endOfTurn = 257;

/** Number of tokens: the bytes, whose ids are their values, then the control tokens. */
export const vocabSize = 256 + controls.length;

/** A tokenizer of bytes. */
export function byteTokenizer(): Tokenizer {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
  return tokenizerFromGguf(
    new Map<string, GgufValue>([
      ["tokenizer.ggml.model", "gpt2"],
      ["tokenizer.ggml.pre", "default"],
      ["tokenizer.ggml.tokens", [...bytes, ...controls]],
      ["tokenizer.ggml.token_type", Int32Array.from({ length: vocabSize }, (_, id) => (id < 256 ? 1 : 3))],
      ["tokenizer.ggml.merges", []],
      ["tokenizer.ggml.bos_token_id", 256],
      ["tokenizer.ggml.eos_token_id", endOfTurn],
    ]),
  );
}

/** Next logits `[vocabulary]` from the tokens so far. */
export type NextLogits = (tokens: readonly number[]) => Float32Array;

/** Logits that depend on every token so far, as a network's do, and favour printable characters. */
export const noisyLogits: NextLogits = (tokens) => {
  let hash = 0;
  for (const token of tokens) hash = (Math.imul(hash, 31) + token + 1) >>> 0;
  const logits = new Random(hash).normals(vocabSize, 2);
  for (let id = 0; id < vocabSize; id++) if (id < 32 || id > 126) logits[id]! -= 8;
  return logits;
};

/** Logits that say `text` after the prompt's last `marker` (which tests let the prompt end with), then end the turn. */
export function sayingAfter(marker: string, text: string): NextLogits {
  const sign = [...new TextEncoder().encode(marker)];
  const script = [...new TextEncoder().encode(text), endOfTurn];
  return (tokens) => {
    let start = tokens.length;
    while (start > 0 && !sign.every((byte, i) => tokens[start - sign.length + i] === byte)) start--;
    const logits = new Float32Array(vocabSize);
    logits[script[tokens.length - start] ?? endOfTurn] = 12;
    return logits;
  };
}

/** Size of the hidden states of scripted models. */
export const scriptedHiddenSize = 8;

/** A hidden state that depends on the last two tokens. */
export function scriptedHidden(tokens: readonly number[]): Float32Array {
  const [a = 0, b = 0] = tokens.slice(-2);
  return new Random(a * 1009 + b + 1).normals(scriptedHiddenSize, 1);
}

/** A decoder whose logits come from a function. */
export class ScriptedModel implements SequenceModel {
  readonly config = {
    family: "llama",
    vocabSize,
    hiddenSize: scriptedHiddenSize,
    contextLength: 4096,
  } as DecoderConfig;
  readonly form = "scripted";
  readonly #next: NextLogits;
  readonly #stepMs: number;
  /** Rows that were computed. */
  rows = 0;
  /** Sequences that are open. */
  openCount = 0;
  closed = false;

  /** @param stepMs how long a step takes. */
  constructor(next: NextLogits = noisyLogits, stepMs = 0) {
    this.#next = next;
    this.#stepMs = stepMs;
  }

  async open(): Promise<Sequence> {
    return this.#sequence([]);
  }

  async dispose(): Promise<void> {
    this.closed = true;
  }

  #sequence(committed: number[]): Sequence {
    const block = 64;
    let last: readonly number[] = [];
    let parents: readonly number[] | undefined;
    /** The tokens on the way to a row of the last step, the row included. */
    const pathTo = (row: number): number[] => {
      const path: number[] = [];
      for (let i = row; i >= 0; i = parents ? parents[i]! : i - 1) path.unshift(last[i]!);
      return path;
    };
    this.openCount++;
    const sequence: Sequence = {
      get length() {
        return committed.length;
      },
      get room() {
        return block - (committed.length % block);
      },
      step: async (request: StepRequest): Promise<SequenceStep> => {
        if (this.closed) fail("disposed", "the model has been disposed");
        parents = request.parents;
        last = request.tokens;
        if (last.length > block) fail("argument", `step: ${last.length} rows; a step takes 1 to ${block}`);
        for (let row = 0; row < last.length; row++)
          if (pathTo(row).length > sequence.room) fail("argument", "the step crosses a block boundary");
        for (const token of request.tokens)
          if (token < 0 || token >= vocabSize) fail("argument", `step: token ${token} is outside of the vocabulary`);
        if (this.#stepMs) await sleep(this.#stepMs);
        this.rows += last.length;
        const wanted = request.wanted ?? last.map((_, i) => i);
        const logits = new Float32Array(wanted.length * vocabSize);
        wanted.forEach((row, i) => {
          logits.set(this.#next([...committed, ...pathTo(row)]), i * vocabSize);
        });
        const extra: Record<string, NDArray> = {};
        if (request.outputs?.includes("hidden")) {
          const hidden = last.flatMap((_, row) => [...scriptedHidden([...committed, ...pathTo(row)])]);
          extra.hidden = NDArray.from(hidden, [last.length, scriptedHiddenSize]);
        }
        return { logits: new NDArray(logits, [wanted.length, vocabSize], "f32"), extra };
      },
      commit: async (rows) => {
        rows.forEach((row, i) => {
          if (String(pathTo(row)) !== String(rows.slice(0, i + 1).map((r) => last[r]!)))
            fail("argument", `commit: row ${row} does not follow the rows before it`);
        });
        for (const row of rows) committed.push(last[row]!);
      },
      truncate: async (length) => {
        committed.length = length;
        return true;
      },
      fork: async () => this.#sequence([...committed]),
      close: async () => {
        this.openCount--;
      },
    };
    return sequence;
  }
}
