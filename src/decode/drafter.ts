/**
 * What a drafter is: something that guesses the next tokens. It knows the text and what the model said of earlier guesses; it
 * knows neither how guesses are checked nor what they cost.
 */
import type { NDArray } from "../util/ndarray.ts";
import type { Random } from "../util/random.ts";
import type { DraftTree } from "./draft-tree.ts";
import type { SamplingOptions } from "./options.ts";

/** What a proposal may depend on. */
export interface DraftRequest {
  /** Prompt and answer so far; the last token is the root of the draft. */
  readonly tokens: readonly number[];
  /** Most nodes that are of use now, at least 1. */
  readonly maxNodes: number;
  /** Greatest depth that is of use now, at least 1. */
  readonly maxDepth: number;
  /** How the text is sampled: drafters with distributions draw the same way. */
  readonly sampling: SamplingOptions;
  /** Random numbers for the drafter alone, so that guesses do not change the answer's own. */
  readonly random: Random;
}

/** What came of a step. */
export interface StepOutcome {
  /** The token before the root, −1 when there is none. */
  readonly previous: number;
  /** The root's token. */
  readonly root: number;
  /** What was checked; empty for a plain step. */
  readonly draft: DraftTree;
  /** Nodes that were accepted, from the root down. */
  readonly path: readonly number[];
  /** Tokens that the text gained: those of the path and one more. */
  readonly gained: readonly number[];
  /** Logits after a node (−1 for the root), `[vocabulary]`; only valid during the call. */
  logits(node: number): Float32Array;
}

/** A drafter's work on one text. */
export interface DraftSession {
  /** Guesses the tokens after `request.tokens`; an empty tree when it has no idea. */
  propose(request: DraftRequest): DraftTree | Promise<DraftTree>;
  /**
   * Learns from the prompt as the model read it. A drafter that has this makes reading somewhat slower, because the logits of every token
   * are then computed. @param first place of the chunk in the text. @param logits of its rows, `[rows, vocabulary]`.
   */
  observePrompt?(tokens: readonly number[], first: number, logits: NDArray): void;
  /**
   * Learns the model's hidden states after the final norm of tokens as they become part of the text, in order: those of the prompt as
   * it is read, then of every step the root's and those of the accepted path, before `observe`. A prompt whose beginning was in a cache
   * begins where that ends. The last token of a text, the next draft's root, has none yet.
   * @param first place of the first token. @param hidden `[tokens, hidden]`; only valid during the call.
   */
  observeHidden?(first: number, hidden: NDArray): void;
  /** Learns what came of a step, whether or not its own guesses were used. */
  observe?(outcome: StepOutcome): void;
  /** Frees what the text held. */
  close?(): void | Promise<void>;
}

/**
 * How the tokens of a tree come about: looked up, or drawn from distributions: one draw below each node (`chain`), several independent
 * ones, or several without replacement. Verifiers that use the distributions are only exact for the right kind.
 */
export type DraftKind = "deterministic" | "chain" | "independent" | "without-replacement";

/** A drafter: what it has learned lives as long as it does, across texts. */
export interface Drafter {
  /** Short name, such as `token-recycling`. */
  readonly name: string;
  readonly kind: DraftKind;
  /**
   * Whether it needs the hidden states of the whole text. A prompt is then read from its beginning, even where a cache holds some of it;
   * false by default.
   */
  readonly readsWholeText?: boolean;
  /** Begins a text. */
  open(prompt: readonly number[]): DraftSession | Promise<DraftSession>;
  /** Bytes of what it has learned. */
  readonly byteLength?: number;
}
