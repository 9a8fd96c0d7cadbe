/**
 * Drafting with draft heads: a rank tree is filled level by level, with one run for each, from the hidden state of the last token that the
 * target has read. Knows neither how drafts are checked nor how heads were trained.
 */
import { fail } from "../../util/errors.ts";
import type { DraftTree } from "../draft-tree.ts";
import { emptyDraft } from "../draft-tree.ts";
import type { Drafter, DraftKind, DraftRequest, DraftSession } from "../drafter.ts";
import { drawWithoutReplacement } from "../drafters/draft-shapes.ts";
import type { TokenEmbeddings } from "./head-labels.ts";
import type { HeadRunner } from "./head-runner.ts";
import { PrefixCache } from "./prefix-cache.ts";
import { cutTree, type RankTree, treeExtent } from "./rank-tree.ts";

/** Options of {@link HeadDrafter}. */
export interface HeadDrafterOptions {
  readonly runner: HeadRunner;
  readonly embeddings: TokenEmbeddings;
  readonly tree: RankTree;
  /**
   * How children come about: the `best` guesses (the default), exact under the verifier `match`; or `drawn` without replacement from a head's
   * distribution at the text's temperature, for verifiers of random drafts. Greedy texts always get the best.
   */
  readonly children?: "best" | "drawn";
  /** Paths that a head finds less likely than this are not followed; 0 by default. Not for drawn children, whose law it would change. */
  readonly leastChance?: number;
  /** Name to be shown; `draft-heads` by default. */
  readonly name?: string;
}

/** Draft heads as a drafter. */
export class HeadDrafter implements Drafter {
  readonly name: string;
  readonly kind: DraftKind;
  /** A prefix layer looks back on all of the text. */
  readonly readsWholeText: boolean;
  readonly #options: HeadDrafterOptions;

  /** @throws `argument` for a tree that is deeper than there are heads or wider than what they return. */
  constructor(options: HeadDrafterOptions) {
    const { runner, tree, children = "best", leastChance = 0, name = "draft-heads" } = options;
    const { width, depth } = treeExtent(tree);
    const { heads } = runner.heads._design;
    if (!tree.parents.length || depth > heads || width > runner.top)
      fail(
        "argument",
        `a tree of depth ${depth} and width ${width} does not fit ${heads} heads with ${runner.top} guesses each; prune it, or compile the heads with a larger "top"`,
      );
    if (leastChance && children === "drawn")
      fail("argument", "leastChance and drawn children exclude each other: what is drawn must not depend on tokens");
    this.name = name;
    this.readsWholeText = runner.heads.prefix !== undefined;
    this.kind = children === "drawn" ? "without-replacement" : "deterministic";
    this.#options = options;
  }

  open(): DraftSession {
    return new HeadSession(this.#options);
  }
}

/** A node whose children are to be found. */
interface OpenNode {
  /** Place in the draft, −1 for the root. */
  readonly node: number;
  /** Place in the rank tree, −1 for the root. */
  readonly place: number;
  /** Tokens after the hidden state's, on the way to the node. */
  readonly path: readonly number[];
  readonly chance: number;
}

class HeadSession implements DraftSession {
  readonly #options: HeadDrafterOptions;
  readonly #prefix: PrefixCache | undefined;
  /** Tokens whose hidden states were seen. */
  #seen = 0;
  #last: Float32Array | undefined;

  constructor(options: HeadDrafterOptions) {
    this.#options = options;
    this.#prefix = options.runner.heads.prefix && new PrefixCache(options.runner);
  }

  observeHidden(first: number, { data, shape }: Parameters<NonNullable<DraftSession["observeHidden"]>>[1]): void {
    const [rows, size] = shape as [number, number];
    this.#seen = first + rows;
    if (this.#prefix) this.#prefix.push(first, data as Float32Array);
    else this.#last = (data as Float32Array).slice((rows - 1) * size, rows * size);
  }

  async propose(request: DraftRequest): Promise<DraftTree> {
    const { runner, children = "best", leastChance = 0 } = this.#options;
    const { heads, kind, vocabSize } = runner.heads._design;
    const hidden = this.#prefix ? await this.#prefix.state() : this.#last;
    const known = request.tokens.slice(this.#seen);
    // tokens that were forced since then are seen like drafted ones: the first of the heads are passed over
    const offset = known.length - 1;
    if (!hidden || offset < 0 || offset >= heads) return emptyDraft;
    const temperature = request.sampling.temperature ?? 0;
    const drawn = children === "drawn" && temperature > 0;
    const tree = cutTree(this.#options.tree, Math.min(request.maxDepth, heads - offset), request.maxNodes);
    const below = childrenOf(tree);
    const tokens: number[] = [];
    const parents: number[] = [];
    const confidences: number[] = [];
    const distributions = new Map<number, Float64Array>();
    let level: OpenNode[] = [{ node: -1, place: -1, path: known, chance: 1 }];
    let together: Awaited<ReturnType<HeadRunner["run"]>> | undefined;
    for (let depth = 0; level.length; depth++) {
      const open = level.filter(({ place }) => below[place + 1]!.length);
      if (!open.length) break;
      const head = offset + depth;
      if (kind === "medusa") together ??= await runner.run(head, hidden, 1, drawn);
      const guesses = together ?? (await runner.run(head, this.#inputs(hidden, open), open.length, drawn));
      const next: OpenNode[] = [];
      for (const [i, { node, place, path, chance }] of open.entries()) {
        const row = together ? head : i;
        const ranks = below[place + 1]!;
        const pick = (rank: number): readonly [token: number, p: number] => [
          guesses.tokens[row * runner.top + rank]!,
          guesses.probabilities[row * runner.top + rank]!,
        ];
        let chosen: (readonly [place: number, token: number, p: number])[];
        if (drawn) {
          const p = lawOf(runner, guesses.all!, row, temperature, vocabSize);
          const order = drawWithoutReplacement(p, ranks.length, request.random);
          distributions.set(node, p);
          chosen = order.map((token, rank) => [ranks[rank]!, token, p[token]!]);
        } else chosen = ranks.map((child) => [child, ...pick(tree.ranks[child]!)]);
        for (const [child, token, p] of chosen) {
          if (chance * p < leastChance) continue;
          next.push({ node: tokens.length, place: child, path: [...path, token], chance: chance * p });
          tokens.push(token);
          parents.push(node);
          confidences.push(p);
        }
      }
      level = next;
    }
    return { tokens, parents, confidences, ...(drawn && { distributions }) };
  }

  /** Inputs of a head for some nodes: the hidden state and the embeddings on the way, side by side. */
  #inputs(hidden: Float32Array, nodes: readonly OpenNode[]): Float32Array {
    const size = hidden.length;
    const width = (1 + nodes[0]!.path.length) * size;
    const x = new Float32Array(nodes.length * width);
    nodes.forEach(({ path }, row) => {
      x.set(hidden, row * width);
      path.forEach((token, i) => {
        this.#options.embeddings.read(token, x, row * width + (i + 1) * size);
      });
    });
    return x;
  }
}

/** Children of every node of a rank tree by rank, those of the root under index 0. */
function childrenOf({ parents, ranks }: RankTree): number[][] {
  const children: number[][] = Array.from({ length: parents.length + 1 }, () => []);
  parents.forEach((parent, i) => {
    children[parent + 1]!.push(i);
  });
  for (const list of children) list.sort((a, b) => ranks[a]! - ranks[b]!);
  return children;
}

/** A head's distribution over the whole vocabulary at a temperature. */
function lawOf(
  { heads }: HeadRunner,
  all: Float32Array,
  row: number,
  temperature: number,
  vocabSize: number,
): Float64Array {
  const { length } = heads._tokens;
  const p = new Float64Array(vocabSize);
  let [total, most] = [0, 0];
  for (let i = 0; i < length; i++) most = Math.max(most, all[row * length + i]!);
  for (let i = 0; i < length; i++) {
    // of the likeliest one, so that a power does not vanish at small temperatures
    const weight = (all[row * length + i]! / most) ** (1 / temperature);
    p[heads._tokens[i]!] = weight;
    total += weight;
  }
  for (let i = 0; i < vocabSize; i++) p[i]! /= total;
  return p;
}
