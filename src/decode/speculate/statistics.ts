/**
 * What drafting did in one generation: how much was proposed and accepted, how deep, by whom, and where the time went.
 */
import { type DraftTree, depthsOf } from "../draft-tree.ts";

/** Statistics of a generation with drafts. */
export interface DraftStatistics {
  /** Steps after the prompt, plain ones included. */
  readonly steps: number;
  /** Steps without a draft. */
  readonly plainSteps: number;
  /** Nodes that were checked. */
  readonly drafted: number;
  /** Nodes that were accepted. */
  readonly accepted: number;
  /** Tokens per step: accepted ones and the one that every step yields. */
  readonly tokensPerStep: number;
  /** By depth from 1 on: steps that proposed a node there below an accepted one, and steps that accepted one. */
  readonly byDepth: readonly { readonly proposed: number; readonly accepted: number }[];
  /** By proposer: nodes checked and accepted; several at once are joined by `+`. */
  readonly byProposer: Readonly<Record<string, { readonly proposed: number; readonly accepted: number }>>;
  /** Number of steps by their number of rows. */
  readonly byRows: Readonly<Record<number, number>>;
  /** Milliseconds spent proposing and learning. */
  readonly draftMs: number;
  /** Milliseconds in the model's steps. */
  readonly modelMs: number;
  /** Milliseconds spent choosing tokens. */
  readonly verifyMs: number;
}

/** Gathers {@link DraftStatistics}. */
export class DraftCounter {
  #steps = 0;
  #plainSteps = 0;
  #drafted = 0;
  #accepted = 0;
  readonly #byDepth: { proposed: number; accepted: number }[] = [];
  readonly #byProposer = new Map<string, { proposed: number; accepted: number }>();
  readonly #byRows = new Map<number, number>();
  draftMs = 0;
  modelMs = 0;
  verifyMs = 0;

  /** Counts a step. */
  count(draft: DraftTree, path: readonly number[]): void {
    this.#steps++;
    if (!draft.tokens.length) this.#plainSteps++;
    this.#drafted += draft.tokens.length;
    const rows = draft.tokens.length + 1;
    this.#byRows.set(rows, (this.#byRows.get(rows) ?? 0) + 1);
    this.#accepted += path.length;
    const accepted = new Set(path);
    const depths = depthsOf(draft);
    const asked = new Set<number>();
    draft.parents.forEach((parent, i) => {
      if (parent < 0 || accepted.has(parent)) asked.add(depths[i]!);
      const name = draft.proposers?.[i] ?? "";
      const entry = this.#byProposer.get(name) ?? { proposed: 0, accepted: 0 };
      entry.proposed++;
      if (accepted.has(i)) entry.accepted++;
      this.#byProposer.set(name, entry);
    });
    for (const depth of asked) {
      while (this.#byDepth.length < depth) this.#byDepth.push({ proposed: 0, accepted: 0 });
      const entry = this.#byDepth[depth - 1]!;
      entry.proposed++;
      if (depth <= path.length) entry.accepted++;
    }
  }

  /** The statistics so far. */
  result(): DraftStatistics {
    const { draftMs, modelMs, verifyMs } = this;
    return {
      steps: this.#steps,
      plainSteps: this.#plainSteps,
      drafted: this.#drafted,
      accepted: this.#accepted,
      tokensPerStep: this.#steps ? (this.#accepted + this.#steps) / this.#steps : 0,
      byDepth: this.#byDepth.map((entry) => ({ ...entry })),
      byProposer: Object.fromEntries([...this.#byProposer].map(([name, entry]) => [name, { ...entry }])),
      byRows: Object.fromEntries(this.#byRows),
      draftMs,
      modelMs,
      verifyMs,
    };
  }
}
