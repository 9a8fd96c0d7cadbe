/**
 * A real model's answers to schemas: free, constrained, and constrained with forced tokens fed as a draft; and answers under constraints
 * that allow the free one, which must not change it.
 */
import type { Model } from "bletchley";
import { type Constraint, ConstraintEngine, type GenerateOptions } from "bletchley/decode";
import { WatchedConstraint } from "./watched-constraint.ts";

/** One way's answer. */
export interface Answer {
  readonly text: string;
  readonly tokens: readonly number[];
  /** Whether it ended before the limit. */
  readonly finished: boolean;
  /** Milliseconds of all tokens but the first. */
  readonly decodeMs: number;
  /** Milliseconds of these in the constraint. */
  readonly constraintMs: number;
  readonly forced: number;
}

/** The answers to one schema. */
export interface Answers {
  readonly name: string;
  readonly schema: string;
  readonly free: Answer;
  readonly constrained: Answer;
  readonly forwarded: Answer;
  /** Whether the free answer is one that the schema allows. */
  readonly freeIsLegal: boolean;
  /** Constraints that allow the free answer, and how many of them changed it. */
  readonly allowing: number;
  readonly changed: number;
}

/** What is asked. */
export interface AnswerOptions {
  readonly model: Model;
  readonly cases: readonly { readonly name: string; readonly schema: string }[];
  readonly maxTokens: number;
  readonly signal: AbortSignal;
  onCase(done: number): void;
}

/** Longest part of a free answer that is asked for again under constraints that allow it, in tokens. */
const repeated = 48;

/** A constraint's verdict on tokens and on the end behind them. */
function legal(constraint: Constraint, tokens: readonly number[], ends: readonly number[]): boolean {
  return (
    tokens.filter((token) => !ends.includes(token)).every((token) => constraint.advance(token)) &&
    constraint.isComplete()
  );
}

/** Asks the model for an instance of each schema, greedily. Schemas that the engine refuses are left out. */
export async function answerSchemas({ model, cases, maxTokens, signal, onCase }: AnswerOptions): Promise<Answers[]> {
  const engine = new ConstraintEngine(model.tokenizer);
  const ends = engine.vocabulary.endTokens;
  const out: Answers[] = [];
  for (const [i, { name, schema }] of cases.entries()) {
    signal.throwIfAborted();
    onCase(i);
    let compiled: ReturnType<typeof engine.jsonSchema>;
    try {
      compiled = engine.jsonSchema(schema);
    } catch {
      continue;
    }
    const { tokens: prompt } = await model.chatPrompt([
      { role: "user", content: `Give a short example, as JSON, of what this JSON Schema describes:\n${schema}` },
    ]);
    const ask = async (constraint: WatchedConstraint | undefined, more: GenerateOptions = {}): Promise<Answer> => {
      const { text, tokens, finishReason, stats } = await model.collect(
        model.generate(prompt, { maxTokens, signal, ...(constraint && { constraint }), ...more }),
      );
      return {
        text,
        tokens,
        finished: finishReason === "stop",
        decodeMs: tokens.length > 1 ? (1000 * (tokens.length - 1)) / stats.decodeTokensPerSecond : 0,
        constraintMs: constraint?.watch.milliseconds ?? 0,
        forced: stats.drafting?.byProposer.constraint?.accepted ?? 0,
      };
    };
    const free = await ask(undefined);
    // masks of a schema are made once in a server's life: the first answers are not timed
    await ask(new WatchedConstraint(compiled.start(), true), { maxTokens: Math.min(maxTokens, 64) });
    const ways = [false, true].map((forces) => () => ask(new WatchedConstraint(compiled.start(), forces)));
    const order = i % 2 ? [1, 0] : [0, 1];
    const answers: Answer[] = [];
    for (const way of order) answers[way] = await ways[way]!();
    const { allowing, changed } = await repeat(model, engine, free, (constraint, room) =>
      ask(new WatchedConstraint(constraint, false), { maxTokens: room }),
    );
    out.push({
      name,
      schema,
      free,
      constrained: answers[0]!,
      forwarded: answers[1]!,
      freeIsLegal: legal(compiled.start(), free.tokens, ends),
      allowing,
      changed,
    });
  }
  return out;
}

/**
 * Asks again under constraints that allow the beginning of the free answer: any text, and a choice between that beginning and other
 * texts. What comes must be the same tokens.
 */
async function repeat(
  model: Model,
  engine: ConstraintEngine,
  free: Answer,
  ask: (constraint: Constraint, maxTokens: number) => Promise<Answer>,
): Promise<Pick<Answers, "allowing" | "changed">> {
  const ends = engine.vocabulary.endTokens;
  const tokens = free.tokens.filter((token) => !ends.includes(token)).slice(0, repeated);
  const text = model.tokenizer.decode(tokens);
  const choices = [...new Set([text, `${text.slice(0, text.length >> 1)}…`, "{}", "null"])].filter((choice) => choice);
  // the choice is completed near the limit: there is room for that
  const asked = [
    [engine.regex("[^]*"), tokens.length],
    [engine.choices(choices), 2 * repeated],
  ] as const;
  let allowing = 0;
  let changed = 0;
  for (const [language, room] of asked) {
    const constraint = language.start();
    // a beginning that ends inside a character is no text
    if (!tokens.length || !tokens.every((token) => constraint.advance(token))) continue;
    allowing++;
    const again = await ask(language.start(), room);
    if (tokens.some((token, i) => again.tokens[i] !== token)) changed++;
  }
  return { allowing, changed };
}
