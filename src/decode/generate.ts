/**
 * The decode loop: draft, step, verify, commit, tell; without drafters every draft is empty and the loop is plain decoding.
 * Everything that could differ (the model, where it runs, how a token is chosen, who drafts) comes in through
 * interfaces.
 */
import { StreamDecoder, type Tokenizer } from "../formats/index.ts";
import { prefill, type Sequence } from "../lm/index.ts";
import { fail, throwIfAborted } from "../util/errors.ts";
import type { Constraint } from "./constraints/constraint.ts";
import { type DraftTree, emptyDraft } from "./draft-tree.ts";
import {
  checkOptions,
  type FinishReason,
  type GenerateOptions,
  type GenerationChunk,
  type TokenLogprob,
} from "./options.ts";
import { runDraft } from "./run-draft.ts";
import { Sampler, tokenLogprob } from "./sampler.ts";
import { type Speculation, SpeculationSession } from "./speculate/speculation.ts";
import { DraftCounter } from "./speculate/statistics.ts";
import { Suggestions } from "./speculate/suggestions.ts";
import { StopFilter } from "./stop.ts";
import { TokenChooser } from "./token-chooser.ts";
import type { Verdict } from "./verifier.ts";
import { matchVerifier } from "./verifiers/match.ts";

/** What a generation runs on. */
export interface GenerationInput {
  readonly sequence: Sequence;
  readonly tokenizer: Tokenizer;
  /** All tokens of the prompt; those that `sequence` holds already are its beginning. */
  readonly prompt: readonly number[];
  /** Longest sequence that the model can hold. */
  readonly contextLength: number;
  /** When the caller was asked, by `performance.now()`; the time to the first token counts from then. Default now. */
  readonly calledAt?: number;
  /** How tokens are drafted; plain decoding when absent. */
  readonly speculation?: Speculation;
}

/** A token that was decided, and how. */
interface Decided {
  readonly token: number;
  readonly proposedBy?: string;
  readonly logprob?: TokenLogprob;
}

/** Forced tokens as a chain, and a draft behind them. */
function withForced(forced: readonly number[], draft: DraftTree): DraftTree {
  if (!forced.length) return draft;
  const { proposers = draft.tokens.map(() => "") } = draft;
  const shift = forced.length;
  return {
    tokens: [...forced, ...draft.tokens],
    parents: [...forced.map((_, i) => i - 1), ...draft.parents.map((parent) => parent + shift)],
    proposers: [...forced.map(() => "constraint"), ...proposers],
    ...(draft.distributions && {
      distributions: new Map([...draft.distributions].map(([node, q]) => [node + shift, q])),
    }),
    ...(draft.draws && {
      draws: new Map([...draft.draws].map(([node, drawn]) => [node + shift, drawn.map((child) => child + shift)])),
    }),
  };
}

/**
 * Generates from a prompt, piece by piece; every piece is one token. Tokens that were yielded are committed to the sequence except
 * for the last; after a stop inside of a draft, some tokens more may be.
 * @throws `context-overflow` when the prompt leaves no room, `argument` for impossible options, `aborted`.
 */
export async function* generate(
  input: GenerationInput,
  options: GenerateOptions = {},
): AsyncGenerator<GenerationChunk, void, void> {
  const { sequence, tokenizer, prompt, contextLength, calledAt = performance.now(), speculation } = input;
  checkOptions(options, tokenizer.vocabSize);
  const { signal, ignoreEos = false, logprobs, constraint } = options;
  throwIfAborted(signal);
  if (!prompt.length) fail("argument", "the prompt is empty; give it at least one token");
  const room = contextLength - prompt.length;
  if (room < 1)
    fail(
      "context-overflow",
      `the prompt has ${prompt.length} tokens and the context holds ${contextLength}; shorten it or choose contextOverflow "drop-oldest" for a chat`,
    );
  const limit = Math.min(options.maxTokens ?? room, room);
  const ends = new Set(ignoreEos && !constraint ? [] : tokenizer.specials.eosIds);
  const chooser = new TokenChooser(new Sampler(options, prompt), ends, constraint, limit);
  const decoder = new StreamDecoder(tokenizer, { skipSpecial: true });
  const stops = new StopFilter(typeof options.stop === "string" ? [options.stop] : (options.stop ?? []));
  const cachedTokens = sequence.length;
  const tokens = [...prompt];
  const counter = new DraftCounter();
  const suggestions = new Suggestions();
  const entryOf = (logits: Float32Array, token: number) =>
    logprobs === undefined ? undefined : { logprob: tokenLogprob(logits, token, logprobs) };
  const speculating = speculation && (await SpeculationSession.open(speculation, prompt, options, tokenizer.vocabSize));
  try {
    const started = performance.now();
    const logits = await prefill(
      sequence,
      prompt.slice(cachedTokens),
      () => throwIfAborted(signal),
      speculating?.promptVisitor(prompt, cachedTokens),
      speculating?.wantsHidden ? (first, hidden) => speculating.observeHidden(cachedTokens + first, hidden) : undefined,
    );
    const first = chooser.choose(logits);
    chooser.take(first);
    const firstAt = performance.now();
    let decided: Decided[] = [{ token: first, ...entryOf(logits, first) }];
    let count = 0;
    for (;;) {
      tokens.push(...decided.map(({ token }) => token));
      for (const [i, { token, proposedBy, logprob }] of decided.entries()) {
        throwIfAborted(signal);
        count++;
        const ended = ends.has(token);
        let text = ended ? "" : stops.push(decoder.push(token));
        let finishReason: FinishReason | undefined;
        if (ended || stops.stopped || (chooser.ended && i === decided.length - 1)) finishReason = "stop";
        else if (count >= limit) finishReason = "length";
        if (finishReason && !stops.stopped) {
          text += stops.push(decoder.flush()) + stops.flush();
          if (stops.stopped) finishReason = "stop";
        }
        const seconds = (performance.now() - firstAt) / 1000;
        const usage = { promptTokens: prompt.length, completionTokens: count, cachedTokens };
        yield {
          text,
          tokens: [token],
          ...(logprob ? { logprobs: [logprob] } : {}),
          ...(proposedBy ? { proposedBy } : {}),
          ...(finishReason
            ? {
                finishReason,
                usage,
                stats: {
                  ...usage,
                  timeToFirstTokenMs: firstAt - calledAt,
                  prefillTokensPerSecond: ((prompt.length - cachedTokens) / (firstAt - started)) * 1000,
                  decodeTokensPerSecond: count > 1 ? (count - 1) / seconds : 0,
                  steps: counter.result().steps,
                  ...(speculating || constraint ? { drafting: counter.result() } : {}),
                },
              }
            : {}),
        };
        if (finishReason) return;
      }
      throwIfAborted(signal);
      const clock = performance.now();
      const maxDepth = Math.min(sequence.room - 1, limit - count - 1);
      const likely = options.draft === false ? undefined : suggestions;
      const draft = await propose(
        { speculating, tokens, context: sequence.length, maxDepth, constraint, likely },
        chooser.forced().slice(0, Math.max(0, maxDepth)),
      );
      const drafted = performance.now();
      const root = tokens[tokens.length - 1]!;
      const checked = await runDraft(sequence, root, draft, speculating?.wantsHidden);
      const stepped = performance.now();
      const verdict = (speculating?.verifier ?? matchVerifier).verify(draft, checked.logits, chooser);
      const committed = checked.commit(verdict.path);
      suggestions.learn(draft, verdict.path);
      decided = decide(draft, verdict, (node, token) => entryOf(checked.logits(node), token));
      const verified = performance.now();
      const gained = decided.map(({ token }) => token);
      const previous = tokens[tokens.length - 2] ?? -1;
      if (speculating?.wantsHidden) speculating.observeHidden(tokens.length - 1, checked.hidden([-1, ...verdict.path]));
      const outcome = { previous, root, draft, path: verdict.path, gained, logits: checked.logits };
      speculating?.observe(outcome, [...tokens, ...gained]);
      await committed;
      counter.count(draft, verdict.path);
      counter.draftMs += drafted - clock + (performance.now() - verified);
      counter.modelMs += stepped - drafted;
      counter.verifyMs += verified - stepped;
    }
  } finally {
    await speculating?.close(tokens);
  }
}

/** What a plan depends on. */
interface PlanRequest {
  readonly speculating: SpeculationSession | undefined;
  readonly tokens: readonly number[];
  readonly context: number;
  readonly maxDepth: number;
  readonly constraint: Constraint | undefined;
  /** What the constraint suggests is proposed, too; absent when the text is decoded plainly. */
  readonly likely: Suggestions | undefined;
}

/** What the next step checks: forced tokens, then what drafters and the constraint propose after them. */
async function propose(request: PlanRequest, forced: readonly number[]): Promise<DraftTree> {
  const { speculating, tokens, context, maxDepth, constraint, likely } = request;
  if (maxDepth < 1) return emptyDraft;
  let taken = 0;
  try {
    for (; taken < forced.length && constraint?.advance(forced[taken]!); taken++);
    const depth = maxDepth - taken;
    const proposal = (depth > 0 && likely?.of(constraint, depth)) || emptyDraft;
    if (!speculating) return withForced(forced, proposal);
    const all = taken ? [...tokens, ...forced] : tokens;
    const draft = await speculating.propose(all, context, depth, 1 + taken, constraint, proposal);
    return withForced(forced, draft);
  } finally {
    constraint?.rollback(taken);
  }
}

/** The tokens that a verdict adds to the text, in order. */
function decide(
  draft: DraftTree,
  { path, next }: Verdict,
  entryOf: (node: number, token: number) => { readonly logprob: TokenLogprob } | undefined,
): Decided[] {
  const decided: Decided[] = [];
  let node = -1;
  for (const child of path) {
    const token = draft.tokens[child]!;
    const proposedBy = draft.proposers?.[child];
    decided.push({ token, ...(proposedBy ? { proposedBy } : {}), ...entryOf(node, token) });
    node = child;
  }
  decided.push({ token: next, ...entryOf(node, next) });
  return decided;
}
