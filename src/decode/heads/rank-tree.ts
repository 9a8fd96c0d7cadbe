/**
 * Rank trees: fixed shapes of drafts whose nodes say which of a head's guesses they take, not which token. How many tokens a step of a tree
 * yields follows from the ranks that the true tokens had; so does the best tree for a machine. Knows no heads.
 */
import { fail } from "../../util/errors.ts";

/** A tree of child ranks, parents before their children. */
export interface RankTree {
  /** Of each node the node that it follows, −1 for the root. */
  readonly parents: readonly number[];
  /** Of each node its place among the guesses after its parent, from 0 on. */
  readonly ranks: readonly number[];
  /** Of each node its depth, from 1 on. */
  readonly depths: readonly number[];
}

/**
 * A tree from its paths, such as `[[0], [0, 0], [1]]`: each node is the ranks on the way to it. Nodes are put in order of their depth.
 * @throws `argument` for a path whose parent is missing, one that occurs twice, or a rank that is no whole number.
 */
export function rankTree(paths: readonly (readonly number[])[]): RankTree {
  const ordered = paths
    .map((path, i) => ({ path, i }))
    .sort((a, b) => a.path.length - b.path.length || a.i - b.i)
    .map(({ path }) => path);
  const places = new Map([["", -1]]);
  const parents: number[] = [];
  for (const [i, path] of ordered.entries()) {
    const parent = places.get(path.slice(0, -1).join());
    const rank = path[path.length - 1];
    if (parent === undefined || rank === undefined || !Number.isInteger(rank) || rank < 0)
      fail("argument", `rank tree: path [${path}] needs its parent among the paths, and ranks from 0 on`);
    if (places.has(path.join())) fail("argument", `rank tree: path [${path}] occurs twice`);
    places.set(path.join(), i);
    parents.push(parent!);
  }
  return {
    parents,
    ranks: ordered.map((path) => path[path.length - 1]!),
    depths: ordered.map((path) => path.length),
  };
}

/** The first guesses one after the other. */
export function rankChain(length: number): RankTree {
  return rankTree(Array.from({ length }, (_, i) => Array<number>(i + 1).fill(0)));
}

/** Paths of a tree, in its order. */
export function rankPaths({ parents, ranks }: RankTree): number[][] {
  const paths: number[][] = [];
  parents.forEach((parent, i) => {
    paths.push([...(parent < 0 ? [] : paths[parent]!), ranks[i]!]);
  });
  return paths;
}

/** A tree's nodes as far as a depth and a number of them: always the same ones, whatever is drafted. */
export function cutTree({ parents, ranks, depths }: RankTree, maxDepth: number, maxNodes: number): RankTree {
  const beyond = depths.findIndex((depth) => depth > maxDepth);
  const count = Math.min(beyond < 0 ? parents.length : beyond, maxNodes);
  return { parents: parents.slice(0, count), ranks: ranks.slice(0, count), depths: depths.slice(0, count) };
}

/** Most guesses after one node, and levels. */
export function treeExtent({ ranks, depths }: RankTree): { readonly width: number; readonly depth: number } {
  return { width: Math.max(0, ...ranks) + 1, depth: Math.max(0, ...depths) };
}

/**
 * Ranks of true tokens: row by row of consecutive places of a text, `[rows, heads]`; what cannot be drafted, or lies behind the end, is
 * `Infinity`. Texts follow one another; `starts` are the first rows of each.
 */
export interface TrueRanks {
  readonly heads: number;
  readonly ranks: Float64Array;
  readonly starts: readonly number[];
}

/** Number of accepted nodes of a tree at a row. */
function acceptedAt(children: ReadonlyMap<string, number>, { heads, ranks }: TrueRanks, row: number): number {
  let node = -1;
  for (let i = 0; i < heads; i++) {
    const child = children.get(`${node}:${ranks[row * heads + i]!}`);
    if (child === undefined) return i;
    node = child;
  }
  return heads;
}

/** Tokens that a step of a tree yields on average over whole texts: decoding without a model. */
export function simulateTree({ parents, ranks }: RankTree, truth: TrueRanks): number {
  const children = new Map(parents.map((parent, i) => [`${parent}:${ranks[i]!}`, i]));
  const rows = truth.ranks.length / truth.heads;
  let [steps, tokens] = [0, 0];
  truth.starts.forEach((start, text) => {
    const end = truth.starts[text + 1] ?? rows;
    for (let row = start; row < end; ) {
      const gained = acceptedAt(children, truth, row) + 1;
      steps++;
      tokens += Math.min(gained, end - row);
      row += gained;
    }
  });
  return steps ? tokens / steps : 1;
}

/** What a step with a tree costs. */
export interface TreeCosts {
  /** Milliseconds of a step by its number of rows, the root's included. */
  step(rows: number): number;
  /** Milliseconds of drafting a tree. */
  draft(tree: RankTree): number;
}

/** A tree, and what is expected of it. */
export interface RatedTree {
  readonly tree: RankTree;
  readonly tokensPerStep: number;
  readonly milliseconds: number;
  /** Tokens per second over those of plain decoding. */
  readonly speedup: number;
}

/** Rates a tree by true ranks and costs. */
export function rateTree(tree: RankTree, truth: TrueRanks, costs: TreeCosts): RatedTree {
  const tokensPerStep = simulateTree(tree, truth);
  const milliseconds = costs.step(tree.parents.length + 1) + costs.draft(tree);
  return { tree, tokensPerStep, milliseconds, speedup: (tokensPerStep / milliseconds) * costs.step(1) };
}

/** How often the true tokens take each path of ranks below a width, over all rows. */
function pathCounts({ heads, ranks }: TrueRanks, width: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let row = 0; row * heads < ranks.length; row++) {
    let path = "";
    for (let i = 0; i < heads; i++) {
      const rank = ranks[row * heads + i]!;
      if (rank >= width) break;
      path = path ? `${path},${rank}` : String(rank);
      counts.set(path, (counts.get(path) ?? 0) + 1);
    }
  }
  return counts;
}

/** The nodes that the true tokens take most often, with their parents: at most `count` of them, of ranks below a width. */
export function likeliestTree(truth: TrueRanks, count: number, width = 8): RankTree {
  const order = [...pathCounts(truth, width)].sort((a, b) => b[1] - a[1] || a[0].length - b[0].length);
  // a path is never more frequent than its parent, which is shorter
  return rankTree(order.slice(0, count).map(([path]) => path.split(",").map(Number)));
}

/** Below this speed-up, plain decoding is preferred: predictions are no better than that. */
export const leastSpeedup = 1.02;

/**
 * The tree with the most tokens per second: the likeliest nodes, as many and as deep as pay. `undefined` when none promises
 * {@link leastSpeedup}: plain decoding is then best.
 */
export function chooseTree(
  truth: TrueRanks,
  costs: TreeCosts,
  options: { readonly maxNodes?: number; readonly width?: number } = {},
): RatedTree | undefined {
  const { maxNodes = 24, width = 8 } = options;
  let best: RatedTree | undefined;
  for (let depth = 1; depth <= truth.heads; depth++) {
    const shallow = shallower(truth, depth);
    let before = 0;
    for (let count = 1; count <= maxNodes; count++) {
      const tree = likeliestTree(shallow, count, width);
      if (tree.parents.length === before) break;
      before = tree.parents.length;
      const rated = rateTree(tree, truth, costs);
      if (!best || rated.speedup > best.speedup) best = rated;
    }
  }
  return best && best.speedup >= leastSpeedup ? best : undefined;
}

/** The ranks of the first heads alone. */
function shallower({ heads, ranks, starts }: TrueRanks, depth: number): TrueRanks {
  if (depth === heads) return { heads, ranks, starts };
  const kept = Float64Array.from({ length: (ranks.length / heads) * depth }, (_, i) => {
    const row = Math.floor(i / depth);
    return ranks[row * heads + (i % depth)]!;
  });
  return { heads: depth, ranks: kept, starts };
}
