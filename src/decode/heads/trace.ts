/**
 * Traces of a model: what it answered, its hidden states, and its likeliest tokens, kept on disk for whoever trains on them: draft heads,
 * early exits, judges. A trace goes on where an earlier run ended. Knows neither models nor what is learned.
 */
import { readSafetensor, readSafetensors, writeSafetensors } from "../../formats/index.ts";
import type { FileStore } from "../../runtime/index.ts";
import { memorySource } from "../../util/bytes.ts";
import { f32ToF16Bits } from "../../util/dtype.ts";
import { fail, throwIfAborted } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { emptyDraft } from "../draft-tree.ts";
import type { Drafter, DraftSession } from "../drafter.ts";
import { topLogits } from "../drafters/top-logits.ts";

/** One text of a trace. */
export interface TraceSequence {
  /** Prompt and answer; of a prompt whose beginning was in a cache only the rest. */
  readonly tokens: Int32Array;
  /** Tokens of the prompt. */
  readonly promptLength: number;
  /** Hidden states after the final norm, of all tokens but the last: bits of `f16[tokens − 1, hidden]`. */
  readonly hidden: Uint16Array;
  /** The likeliest next tokens after each token of the answer but the last, likeliest first: `[answer − 1, top]`. */
  readonly topTokens: Int32Array;
  /** Their logits, of the same shape. */
  readonly topLogits: Float32Array;
}

/** Texts of one model. */
export interface Trace {
  readonly hiddenSize: number;
  /** Likeliest tokens that are kept of a row. */
  readonly top: number;
  readonly sequences: readonly TraceSequence[];
}

/** Likeliest tokens that are kept of each row. */
const top = 16;
/** Texts in a file. */
const perFile = 16;
const format = "bletchley trace 1";
const fileName = (number: number) => `trace-${String(number).padStart(5, "0")}.safetensors`;

/** Tokens of the answer. */
export function answerLength({ tokens, promptLength }: TraceSequence): number {
  return tokens.length - promptLength;
}

/**
 * A drafter that proposes nothing and takes down what it sees, so that a text can be traced while others draft it: lossless decoding
 * gives the same rows at a higher speed. One text at a time.
 */
export class TraceRecorder implements Drafter {
  readonly name = "trace";
  readonly kind = "deterministic";
  readonly readsWholeText = true;
  #start = 0;
  #hidden: Uint16Array[] = [];
  #hiddenSize = 0;
  #tokens: Int32Array[] = [];
  #logits: Float32Array[] = [];

  open(): DraftSession {
    this.#start = -1;
    this.#hidden = [];
    this.#tokens = [];
    this.#logits = [];
    return {
      propose: () => emptyDraft,
      observeHidden: (first, hidden) => {
        if (this.#start < 0) this.#start = first;
        this.#hiddenSize = hidden.shape[1]!;
        this.#hidden.push(Uint16Array.from(hidden.data as Float32Array, f32ToF16Bits));
      },
      observe: ({ path, logits }) => {
        for (const node of [-1, ...path]) {
          const ids = new Int32Array(top);
          const values = new Float32Array(top);
          topLogits(logits(node), ids, values);
          this.#tokens.push(ids);
          this.#logits.push(values);
        }
      },
    };
  }

  /** Size of the hidden states that were seen last. */
  get hiddenSize(): number {
    return this.#hiddenSize;
  }

  /** The text that was decoded last. @param answer its tokens. @throws `internal` when it saw less than that. */
  take(prompt: readonly number[], answer: readonly number[]): TraceSequence {
    const start = Math.max(0, this.#start);
    const tokens = Int32Array.from([...prompt, ...answer].slice(start));
    const [rows, answered] = [tokens.length - 1, answer.length - 1];
    const join = <T extends Uint16Array | Int32Array | Float32Array>(parts: readonly T[], size: number, out: T): T => {
      let at = 0;
      for (const part of parts) {
        const fitting = part.subarray(0, Math.min(part.length, size - at)) as T;
        out.set(fitting, at);
        at += fitting.length;
      }
      if (at < size) fail("internal", `a trace of ${tokens.length} tokens lacks rows: ${at} numbers of ${size}`);
      return out;
    };
    return {
      tokens,
      promptLength: prompt.length - start,
      hidden: join(this.#hidden, rows * this.#hiddenSize, new Uint16Array(rows * this.#hiddenSize)),
      topTokens: join(this.#tokens, answered * top, new Int32Array(answered * top)),
      topLogits: join(this.#logits, answered * top, new Float32Array(answered * top)),
    };
  }
}

/** What a trace depends on. */
export interface TraceSubject {
  /** Hash of the model's weights. */
  readonly sha256: string;
  /** Weight form, which decides the rounding. */
  readonly form: string;
  readonly prompts: readonly (readonly number[])[];
  /** Most tokens of an answer. */
  readonly maxTokens: number;
}

/** A hash of what a trace depends on: the name of its folder. */
export async function traceHash({ sha256, form, prompts, maxTokens }: TraceSubject): Promise<string> {
  const text = JSON.stringify([format, sha256, form, maxTokens, prompts]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest).subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** How a trace is recorded. */
export interface TraceOptions extends TraceSubject {
  /** A place of its own, such as the folder {@link traceHash}. */
  readonly files: FileStore;
  /** Texts are taken until their answers have this many tokens together, or the prompts end. */
  readonly answerTokens: number;
  /** Decodes a prompt greedily with a recorder among its drafters. @returns the tokens of the answer. */
  readonly decode: (prompt: readonly number[], recorder: TraceRecorder) => Promise<readonly number[]>;
  readonly signal?: AbortSignal;
  /** Is told how many tokens of answers there are. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Records a trace, or takes what earlier runs recorded and goes on from there. A larger trace of the same subject begins with a smaller one.
 * @throws `aborted`, `disk`; what was written before stays. `format` for a file that is none of a trace.
 */
export async function recordTrace(options: TraceOptions): Promise<Trace> {
  const { files, prompts, answerTokens, decode, signal, onProgress } = options;
  const sequences: TraceSequence[] = [];
  let hiddenSize = 0;
  let done = 0;
  const names = new Set(await files.names());
  const recorder = new TraceRecorder();
  for (let number = 0; done < answerTokens && number * perFile < prompts.length; number++) {
    const name = fileName(number);
    let part: TraceSequence[] = [];
    if (names.has(name)) {
      const known = await readTraceFile((await files.read(name))!, name);
      hiddenSize = known.hiddenSize;
      part = known.sequences;
    } else {
      for (const prompt of prompts.slice(number * perFile, (number + 1) * perFile)) {
        throwIfAborted(signal);
        const answer = await decode(prompt, recorder);
        part.push(recorder.take(prompt, answer));
        hiddenSize = recorder.hiddenSize;
        onProgress?.(Math.min(answerTokens, done + lengthOf(part)), answerTokens);
      }
      await files.write(name, traceFile(part, hiddenSize));
    }
    for (const sequence of part) {
      if (done >= answerTokens) break;
      sequences.push(sequence);
      done += answerLength(sequence);
    }
  }
  return { hiddenSize, top, sequences };
}

const lengthOf = (sequences: readonly TraceSequence[]) =>
  sequences.reduce((sum, sequence) => sum + answerLength(sequence), 0);

/** Splits a trace: the last texts, as many as have `answerTokens` tokens of answers, are held out. */
export function splitTrace(trace: Trace, answerTokens: number): { readonly training: Trace; readonly heldOut: Trace } {
  let at = trace.sequences.length;
  for (let held = 0; at > 0 && held < answerTokens; ) held += answerLength(trace.sequences[--at]!);
  return {
    training: { ...trace, sequences: trace.sequences.slice(0, at) },
    heldOut: { ...trace, sequences: trace.sequences.slice(at) },
  };
}

function traceFile(sequences: readonly TraceSequence[], hiddenSize: number): Iterable<Uint8Array> {
  const arrays = new Map<string, NDArray>();
  sequences.forEach(({ tokens, hidden, topTokens, topLogits: logits }, i) => {
    arrays.set(`${i}.tokens`, new NDArray(tokens, [tokens.length], "i32"));
    arrays.set(`${i}.hidden`, new NDArray(hidden, [hidden.length / hiddenSize, hiddenSize], "f16"));
    arrays.set(`${i}.topTokens`, new NDArray(topTokens, [topTokens.length / top, top], "i32"));
    arrays.set(`${i}.topLogits`, new NDArray(logits, [logits.length / top, top], "f32"));
  });
  const promptLengths = sequences.map(({ promptLength }) => promptLength);
  return writeSafetensors(
    arrays,
    new Map([
      ["format", format],
      ["promptLengths", JSON.stringify(promptLengths)],
    ]),
  );
}

async function readTraceFile(bytes: Uint8Array, name: string) {
  const file = await readSafetensors(memorySource(bytes, name));
  if (file.metadata.get("format") !== format)
    fail("format", `${name} holds no trace of this version; delete it to have it recorded again`);
  const promptLengths = JSON.parse(file.metadata.get("promptLengths") ?? "[]") as number[];
  const sequences: TraceSequence[] = [];
  let hiddenSize = 0;
  for (const [i, promptLength] of promptLengths.entries()) {
    const read = (part: string) => readSafetensor(file, `${i}.${part}`);
    const hidden = await read("hidden");
    hiddenSize = hidden.shape[1]!;
    sequences.push({
      tokens: (await read("tokens")).data as Int32Array,
      promptLength,
      hidden: hidden.data as Uint16Array,
      topTokens: (await read("topTokens")).data as Int32Array,
      topLogits: (await read("topLogits")).data as Float32Array,
    });
  }
  return { hiddenSize, sequences };
}
