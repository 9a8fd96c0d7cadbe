/**
 * Drafting with a smaller model that shares the tokenizer (Leviathan et al. 2023), in any of the shapes that tree methods draw. The draft
 * model has a cache of its own, cut back to what the text and its guesses have in common.
 */
import { prefill, type Sequence, type SequenceModel } from "../../lm/index.ts";
import { fail } from "../../util/errors.ts";
import type { DraftTree } from "../draft-tree.ts";
import type { Drafter, DraftKind, DraftRequest, DraftSession } from "../drafter.ts";
import { Sampler } from "../sampler.ts";
import {
  beamChildren,
  bestTokens,
  type DraftShape,
  drawToken,
  drawWithoutReplacement,
  shapeDepth,
  shapeNodes,
} from "./draft-shapes.ts";

/** Options of {@link ModelDrafter}. */
export interface ModelDrafterOptions {
  /** A decoder with the same vocabulary as the one that is drafted for. */
  readonly model: SequenceModel;
  readonly shape: DraftShape;
  /**
   * Of a chain: a token is followed by another one only if all of the chain together have at least this chance by the draft model. What
   * was drawn stays, so that sampling stays exact. 0 by default.
   */
  readonly leastChance?: number;
  /** Name to be shown; `draft-model` by default. */
  readonly name?: string;
}

function kindOf(shape: DraftShape): DraftKind {
  if (shape.kind === "chain" || shape.kind === "independent") return shape.kind;
  return shape.kind === "branching" && shape.replacement ? "independent" : "without-replacement";
}

/** A tree in the making. */
class Growing {
  readonly tokens: number[] = [];
  readonly parents: number[] = [];
  readonly confidences: number[] = [];
  readonly distributions = new Map<number, Float64Array>();
  readonly draws = new Map<number, number[]>();

  /** Adds a child in the order of drawing; one that was drawn before is the same node. */
  add(parent: number, token: number, p: Float64Array): number {
    this.distributions.set(parent, p);
    const drawn = this.draws.get(parent) ?? [];
    this.draws.set(parent, drawn);
    const twin = drawn.find((node) => this.tokens[node] === token);
    const node = twin ?? this.tokens.length;
    drawn.push(node);
    if (twin === undefined) {
      this.tokens.push(token);
      this.parents.push(parent);
      this.confidences.push(p[token]!);
    }
    return node;
  }
}

/** A small model that guesses for a large one. */
export class ModelDrafter implements Drafter {
  readonly name: string;
  readonly kind: DraftKind;
  readonly #model: SequenceModel;
  readonly #shape: DraftShape;
  readonly #leastChance: number;

  /** @throws `argument` for a shape that is empty or too large, and for a least chance of anything but a chain. */
  constructor({ model, shape, leastChance = 0, name = "draft-model" }: ModelDrafterOptions) {
    if (!(leastChance >= 0 && leastChance <= 1))
      fail("argument", `leastChance is ${leastChance}; a chance lies between 0 and 1`);
    if (leastChance && shape.kind !== "chain")
      fail("argument", `a draft of shape ${shape.kind} has a fixed size; leastChance is for chains`);
    if (shapeDepth(shape) < 1 || shapeNodes(shape) > 63)
      fail("argument", `a draft of shape ${JSON.stringify(shape)} has ${shapeNodes(shape)} nodes; it may have 1 to 63`);
    this.name = name;
    this.kind = kindOf(shape);
    this.#model = model;
    this.#shape = shape;
    this.#leastChance = leastChance;
  }

  async open(): Promise<DraftSession> {
    const sequence = await this.#model.open();
    return new ModelDraftSession(sequence, this.#shape, this.#leastChance);
  }
}

/** Levels of a shape that fit a number of nodes whatever is drawn: a choice by what was drawn would not be exact. */
function affordableDepth(shape: DraftShape, maxNodes: number): number {
  let depth = shapeDepth(shape);
  const cut = (levels: number): DraftShape => {
    if (shape.kind === "branching") return { ...shape, widths: shape.widths.slice(0, levels) };
    return shape.kind === "beam" ? { ...shape, depth: levels } : { ...shape, length: levels };
  };
  while (depth > 0 && shapeNodes(cut(depth)) > maxNodes) depth--;
  return depth;
}

class ModelDraftSession implements DraftSession {
  #sequence: Sequence;
  readonly #shape: DraftShape;
  readonly #leastChance: number;
  /** Tokens in the draft model's cache. */
  #cached: number[] = [];

  constructor(sequence: Sequence, shape: DraftShape, leastChance: number) {
    this.#sequence = sequence;
    this.#shape = shape;
    this.#leastChance = leastChance;
  }

  async propose(request: DraftRequest): Promise<DraftTree> {
    const { tokens, maxDepth, maxNodes, sampling } = request;
    const greedy = (sampling.temperature ?? 0) === 0;
    // a greedy text is followed by a fixed tree, whose confidences are the model's own probabilities
    const { repetitionPenalty: _, presencePenalty: __, frequencyPenalty: ___, logitBias: ____, ...plain } = sampling;
    const sampler = new Sampler(greedy ? { temperature: 1 } : plain);
    const rootLogits = await this.#catchUp(tokens);
    const grown = new Growing();
    let levels: { node: number; phi: number; psi: number; drafts: number }[] = [
      { node: -1, phi: 0, psi: 0, drafts: this.#shape.kind === "independent" ? this.#shape.count : 1 },
    ];
    const depth = Math.min(affordableDepth(this.#shape, maxNodes), maxDepth, this.#sequence.room);
    for (let level = 0; level < depth && levels.length; level++) {
      const rows = level ? await this.#rows(grown, levels) : [rootLogits];
      const next: typeof levels = [];
      const candidates: { parent: number; token: number; phi: number; psi: number; p: Float64Array }[] = [];
      for (const [i, beam] of levels.entries()) {
        const p = sampler.distribution(rows[i]!);
        if (this.#shape.kind === "beam") {
          const children = greedy
            ? bestTokens(p, this.#shape.width, (t) => beam.phi + Math.log(p[t]!)).map(({ token, score }) => ({
                token,
                phi: score,
                psi: score,
              }))
            : beamChildren(p, beam, this.#shape.width, request.random);
          for (const child of children) candidates.push({ ...child, parent: beam.node, p });
          continue;
        }
        for (const token of this.#drawChildren(p, level, beam.drafts, greedy, request)) {
          const node = grown.add(beam.node, token, p);
          const known = next.find((other) => other.node === node);
          if (known) known.drafts++;
          else next.push({ node, phi: 0, psi: 0, drafts: 1 });
        }
      }
      if (this.#shape.kind === "beam") {
        candidates.sort((a, b) => b.psi - a.psi);
        for (const { parent, token, phi, psi, p } of candidates.slice(0, this.#shape.width))
          next.push({ node: grown.add(parent, token, p), phi, psi, drafts: 1 });
      }
      levels = next;
      if (grown.confidences.reduce((chance, of) => chance * of, 1) < this.#leastChance) break;
    }
    const { tokens: drafted, parents, confidences, distributions, draws } = grown;
    return { tokens: drafted, parents, confidences, ...(greedy ? {} : { distributions, draws }) };
  }

  /** Children of a node, in the order of drawing. */
  #drawChildren(
    p: Float64Array,
    level: number,
    drafts: number,
    greedy: boolean,
    { random }: DraftRequest,
  ): readonly number[] {
    const shape = this.#shape;
    const best = (width: number) => bestTokens(p, width, (token) => p[token]!).map(({ token }) => token);
    const independent = (width: number) => Array.from({ length: width }, () => drawToken(p, random));
    if (shape.kind !== "branching") return greedy ? best(1) : independent(drafts);
    const width = shape.widths[level]!;
    if (greedy) return best(width);
    // each copy of a node that was drawn more than once has children of its own
    return shape.replacement ? independent(width * drafts) : drawWithoutReplacement(p, width, random);
  }

  /** Makes the cache hold all tokens. @returns logits after the last one. */
  async #catchUp(tokens: readonly number[]): Promise<Float32Array> {
    // at least the last token is run, since its logits are wanted
    const most = Math.min(tokens.length - 1, this.#cached.length);
    let same = 0;
    while (same < most && tokens[same] === this.#cached[same]) same++;
    if (same < this.#cached.length && !(await this.#sequence.truncate(same)))
      fail("internal", "the draft model has a sliding window that it cannot go back from");
    this.#cached = [...tokens];
    return prefill(this.#sequence, tokens.slice(same));
  }

  /** Logits after some nodes. The tree so far is run again: rows of a small model are cheaper than a second cache. */
  async #rows(grown: Growing, levels: readonly { readonly node: number }[]): Promise<Float32Array[]> {
    const { logits } = await this.#sequence.step({
      tokens: grown.tokens,
      parents: grown.parents,
      wanted: levels.map(({ node }) => node),
    });
    const width = logits.shape[1]!;
    return levels.map((_, i) => (logits.data as Float32Array).subarray(i * width, (i + 1) * width));
  }

  async close(): Promise<void> {
    await this.#sequence.close();
  }
}
