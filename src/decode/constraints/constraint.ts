/**
 * What limits the next token: a schema, a grammar, a pattern, a monitor. The decode loop knows this interface alone; a constraint
 * knows token ids and their bytes, and neither a model nor a sampler.
 */

/** A set of token ids: bit `id & 31` of word `id >> 5`. Its length is `ceil(vocabSize / 32)`. */
export type TokenMask = Uint32Array;

/**
 * The state of one constrained text: which tokens may come next. Positions are counted in tokens, so that a tree of drafts can
 * be walked by `advance` and `rollback`. Implementations keep their compiled, shareable part outside (one schema, many texts).
 */
export interface Constraint {
  /** Number of token ids, the size of its masks in bits. */
  readonly vocabSize: number;
  /** Tokens accepted since the start. */
  readonly length: number;
  /**
   * Overwrites `mask` with the tokens allowed next. End-of-sequence tokens are allowed exactly when `isComplete()`. At least one
   * token is always allowed (no dead ends) until an end-of-sequence token was taken; then none is.
   */
  mask(mask: TokenMask): void;
  /** Whether this one token is allowed next, without building a mask: what prunes a draft. */
  allows(token: number): boolean;
  /** Takes a token. `false`, and nothing changes, if it is not allowed. */
  advance(token: number): boolean;
  /** Takes back the last `count` tokens. @throws `argument` when there are fewer. */
  rollback(count: number): void;
  /** Whether the text may end here. */
  isComplete(): boolean;
  /** Tokens that must come next whatever the model says, in the tokenizer's own spelling of them; often empty. */
  forced(): readonly number[];
  /**
   * Tokens that are likely to come next although others may, in the tokenizer's own spelling: a draft that the model must check. Absent
   * where nothing is known.
   */
  suggested?(): readonly number[];
  /**
   * Tokens of some shortest way to a complete text, without the end-of-sequence token: how a text is finished when room runs out. Empty as
   * well where a text may be cut anywhere, as under monitors of code.
   */
  shortestCompletion(): readonly number[];
  /** An independent copy of this state. */
  clone(): Constraint;
}
