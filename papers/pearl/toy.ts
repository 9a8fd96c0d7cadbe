/**
 * Two toy models of eight tokens, each a table of random distributions by the last two tokens: what PEARL writes with them has a law that
 * is known exactly.
 */
import { type PearlModel, type PearlStrategies, pearl } from "bletchley/decode";
import type { Tokenizer } from "bletchley/formats";
import type { Sequence, StepRequest } from "bletchley/lm";
import { NDArray, Random } from "bletchley/util";

const size = 8;
/** Every text follows these. */
const prompt = [0, 1] as const;

/** Logits by the last two tokens. */
export type ToyTable = readonly Float32Array[];

/** A table for the target, and the same with noise for the draft model. */
export function toyTables(seed: number): { readonly target: ToyTable; readonly draft: ToyTable } {
  const random = new Random(seed);
  const target = Array.from({ length: size * size }, () => random.normals(size, 1.2));
  return { target, draft: target.map((row) => row.map((logit) => logit + 0.8 * random.normal())) };
}

const tokenizer: Tokenizer = {
  vocabSize: size,
  specials: { eosIds: [], addBos: false, addEos: false },
  encode: (text) => [...text].map(Number),
  decode: (ids) => Array.from(ids).join(""),
  tokenBytes: (id) => Uint8Array.of(48 + id),
  isSpecial: () => false,
  idOf: Number,
  textOf: String,
};

/** A model of such a table. @param committed what a sequence holds in the beginning. */
export function toyModel(table: ToyTable): PearlModel {
  const open = (committed: number[]): Sequence => {
    let last: readonly number[] = [];
    return {
      get length() {
        return committed.length;
      },
      get room() {
        return 64 - (committed.length % 64);
      },
      step: async ({ tokens, wanted }: StepRequest) => {
        last = tokens;
        const asked = wanted ?? tokens.map((_, i) => i);
        const data = new Float32Array(asked.length * size);
        asked.forEach((row, i) => {
          const before = row ? tokens[row - 1]! : (committed[committed.length - 1] ?? 0);
          data.set(table[before * size + tokens[row]!]!, i * size);
        });
        return { logits: new NDArray(data, [asked.length, size], "f32"), extra: {} };
      },
      commit: async (rows) => {
        for (const row of rows) committed.push(last[row]!);
      },
      truncate: async (length) => {
        committed.length = length;
        return true;
      },
      fork: async () => open([...committed]),
      close: async () => {},
    };
  };
  return {
    tokenizer,
    contextLength: 256,
    promptTokens: (text) => (typeof text === "string" ? tokenizer.encode(text) : text),
    open: async () => open([]),
  };
}

/** Probability of every text of three tokens under the target alone. */
export function toyLaw(target: ToyTable): Map<string, number> {
  const law = new Map<string, number>();
  const grow = (tokens: readonly number[], probability: number) => {
    if (tokens.length === prompt.length + 3) {
      law.set(tokens.slice(prompt.length).join(), probability);
      return;
    }
    const weights = Array.from(target[tokens.at(-2)! * size + tokens.at(-1)!]!, Math.exp);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [token, weight] of weights.entries()) grow([...tokens, token], (probability * weight) / total);
  };
  grow(prompt, 1);
  return law;
}

/** Counts texts of three tokens that PEARL writes, each with a seed of its own. */
export async function drawToyTexts(options: {
  readonly target: PearlModel;
  readonly draft: PearlModel;
  readonly window: number;
  readonly strategies: PearlStrategies;
  readonly draws: number;
  readonly seed: number;
  readonly onDraw?: (done: number) => void;
}): Promise<Map<string, number>> {
  const { target, draft, window, strategies, draws, seed, onDraw } = options;
  const counts = new Map<string, number>();
  for (let i = 0; i < draws; i++) {
    const text: number[] = [];
    const sampling = { temperature: 1, maxTokens: 3, seed: seed * 1_000_003 + i };
    for await (const { tokens } of pearl({ target, draft, window, strategies }, prompt, sampling)) text.push(...tokens);
    const key = text.join();
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (i % 1000 === 999) onDraw?.(i + 1);
  }
  return counts;
}
