/**
 * Compares ways of decoding on the same prompts in one run: the arms take turns prompt by prompt, so that a slow moment of the machine
 * touches all alike.
 */
import type { GenerateOptions, Speculation } from "../decode/index.ts";
import type { ChatMessage } from "../formats/index.ts";
import type { Model } from "../serve/index.ts";

/** A way of decoding. */
export interface DecodingArm {
  readonly name: string;
  /** Plain decoding when absent. */
  readonly speculation?: Speculation;
  /** Called before each prompt, for arms that start cold. */
  readonly before?: () => void;
}

/** What is decoded. */
export interface DecodingComparison {
  readonly model: Model;
  /** Questions, or prompts as tokens. */
  readonly prompts: readonly (string | readonly number[])[];
  readonly arms: readonly DecodingArm[];
  readonly maxTokens: number;
  /** A seed is that of the first prompt; the next ones have the next seeds, since the same numbers for all would be one sample. */
  readonly options?: GenerateOptions;
  readonly signal?: AbortSignal;
  readonly onPrompt?: (done: number) => void;
}

/** One prompt under one arm. */
export interface DecodingRecord {
  readonly tokens: readonly number[];
  /** Milliseconds from the first token to the last. */
  readonly milliseconds: number;
  readonly steps: number;
  readonly drafted: number;
  readonly accepted: number;
  readonly draftMs: number;
  readonly modelMs: number;
  readonly verifyMs: number;
  readonly byDepth: readonly { readonly proposed: number; readonly accepted: number }[];
}

/** Records by arm, in the order of the prompts. */
export type DecodingRecords = Readonly<Record<string, readonly DecodingRecord[]>>;

async function decode(
  { model, maxTokens, options, signal }: DecodingComparison,
  arm: DecodingArm,
  prompt: string | readonly number[],
  place = 0,
): Promise<DecodingRecord> {
  arm.before?.();
  model.speculation = arm.speculation;
  const seed = options?.seed === undefined ? undefined : options.seed + place;
  const all = { temperature: 0, ...options, seed, maxTokens, signal };
  const messages: ChatMessage[] = [{ role: "user", content: String(prompt) }];
  const chunks =
    typeof prompt === "string"
      ? model.chat(messages, { ...all, contextOverflow: "drop-oldest" })
      : model.generate(prompt, all);
  const { tokens, stats } = await model.collect(chunks);
  const { drafting } = stats;
  return {
    tokens,
    milliseconds: tokens.length > 1 ? ((tokens.length - 1) / stats.decodeTokensPerSecond) * 1000 : 0,
    steps: stats.steps,
    drafted: drafting?.drafted ?? 0,
    accepted: drafting?.accepted ?? 0,
    draftMs: drafting?.draftMs ?? 0,
    modelMs: drafting?.modelMs ?? 0,
    verifyMs: drafting?.verifyMs ?? 0,
    byDepth: drafting?.byDepth ?? [],
  };
}

/** Decodes every prompt under every arm. The arms begin in another order at each prompt. The model's own drafting is restored. */
export async function compareDecoding(comparison: DecodingComparison): Promise<DecodingRecords> {
  const { model, prompts, arms, onPrompt } = comparison;
  const records: Record<string, DecodingRecord[]> = Object.fromEntries(arms.map(({ name }) => [name, []]));
  const before = model.speculation;
  try {
    // the first steps of a process are slower
    if (prompts.length) await decode({ ...comparison, maxTokens: 8 }, { name: "warm-up" }, prompts[0]!);
    for (const [i, prompt] of prompts.entries()) {
      for (let k = 0; k < arms.length; k++) {
        const arm = arms[(i + k) % arms.length]!;
        records[arm.name]!.push(await decode(comparison, arm, prompt, i));
      }
      onPrompt?.(i + 1);
    }
  } finally {
    model.speculation = before;
  }
  return records;
}

/** Sums over the records of an arm. */
export interface DecodingSummary {
  readonly tokensPerSecond: number;
  readonly tokensPerStep: number;
  /** Nodes checked per step. */
  readonly draftedPerStep: number;
  /** Share of the time that drafting and learning take. */
  readonly draftShare: number;
  readonly draftMsPerStep: number;
}

/** Sums up records. */
export function summarizeDecoding(records: readonly DecodingRecord[]): DecodingSummary {
  const sum = (f: (record: DecodingRecord) => number) => records.reduce((total, record) => total + f(record), 0);
  const decoded = sum(({ tokens }) => tokens.length - 1);
  const milliseconds = sum((record) => record.milliseconds);
  const steps = sum((record) => record.steps);
  // tokens of a step that the end of the text cut off were accepted all the same
  const stepped = sum((record) => record.accepted) + steps;
  const draftMs = sum((record) => record.draftMs);
  return {
    tokensPerSecond: (decoded / milliseconds) * 1000,
    tokensPerStep: stepped > steps ? stepped / steps : decoded / steps,
    draftedPerStep: sum((record) => record.drafted) / steps,
    draftShare: draftMs / milliseconds,
    draftMsPerStep: draftMs / steps,
  };
}

/** Prompts whose tokens under an arm differ from those under another, by number. */
export function differingPrompts(a: readonly DecodingRecord[], b: readonly DecodingRecord[]): number[] {
  return a.flatMap((record, i) => (String(record.tokens) === String(b[i]!.tokens) ? [] : [i]));
}
