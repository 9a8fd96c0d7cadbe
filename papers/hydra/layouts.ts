/**
 * Shapes of drafts that are tried with every kind of heads, what each is expected to yield on this machine, and how it does.
 */
import {
  chooseTree,
  draftMilliseconds,
  type HeadCosts,
  HeadDrafter,
  HeadRunner,
  measureHeads,
  type RankTree,
  rankChain,
  rankTree,
  rateTree,
  type TokenEmbeddings,
  type TreeCosts,
} from "bletchley/decode";
import type { DecodingArm } from "bletchley/papers";
import type { TrainedVariant } from "./variants.ts";

/** The tree of 15 nodes that all kinds of heads draft, as in the paper whatever a machine makes of it. */
export const fixedTree = rankTree([
  [0],
  [1],
  [2],
  [3],
  [0, 0],
  [0, 1],
  [0, 2],
  [1, 0],
  [1, 1],
  [2, 0],
  [0, 0, 0],
  [0, 0, 1],
  [0, 1, 0],
  [1, 0, 0],
  [0, 0, 2],
]);

/** A kind of heads with a shape of drafts. */
export interface Layout {
  readonly name: string;
  readonly variant: string;
  readonly shape: string;
  readonly tree: RankTree;
  /** Tokens a step on the trace that was held out, and tokens a second over those of plain decoding, as predicted. */
  readonly predicted: {
    readonly tokensPerStep: number;
    readonly speedup: number;
    readonly tokensPerSecond: number;
    readonly draftMs: number;
  };
  readonly arm: DecodingArm;
}

/** Name of the shape that was chosen for the machine. */
export const tuned = "tuned";
/** Name of the tree that all have. */
export const fifteen = "tree of 15";
/** Name of a chain. */
export const chainOf = (length: number) => `chain of ${length}`;

/** Shapes that are the same for all heads, by name: chains, then the tree. */
export const fixedShapes: readonly (readonly [name: string, tree: RankTree])[] = [
  ...[1, 2, 3].map((length) => [chainOf(length), rankChain(length)] as const),
  [fifteen, fixedTree],
];

/** Everything that is tried with some heads. The chosen shape is absent when plain decoding is expected to be as fast. */
export async function layoutsOf(
  { variant, heads, truth }: TrainedVariant,
  options: {
    /** Milliseconds of a step by its rows, with what the loop around it takes. */
    readonly step: TreeCosts["step"];
    /** Shapes that are tried besides the chosen one. */
    readonly shapes: typeof fixedShapes;
    readonly form: string;
    readonly embeddings: TokenEmbeddings;
    /** Decodes some texts. @returns milliseconds of a step, all that belongs to it included. */
    readonly decode: (arm: DecodingArm) => Promise<number>;
    /** A step of the target, done before each timed run. */
    readonly between: () => Promise<unknown>;
    readonly repeats: number;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly layouts: readonly Layout[]; readonly runner: HeadRunner; readonly headCosts: HeadCosts }> {
  const { step, form, embeddings, decode, between, repeats, signal } = options;
  const runner = await HeadRunner.compile(heads, { form, threads: 1 });
  const headCosts = await measureHeads(runner, { repeats, between, signal });
  const armOf = (name: string, tree: RankTree): DecodingArm => ({
    name,
    speculation: { drafters: [new HeadDrafter({ runner, embeddings, tree, name: variant.name })], size: "all" },
  });
  // a step after a draft takes longer than one after another step: what lay in caches is gone, and threads have gone to sleep
  const shortest = rankChain(1);
  const afterDraft = Math.max(
    0,
    (await decode(armOf("probe", shortest))) - step(2) - draftMilliseconds(headCosts, shortest),
  );
  const treeCosts: TreeCosts = {
    step,
    draft: (tree) => draftMilliseconds(headCosts, tree) + afterDraft,
  };
  const chosen = chooseTree(truth, treeCosts);
  const shapes = [...options.shapes, ...(chosen ? [[tuned, chosen.tree] as const] : [])];
  const layouts = shapes.map(([shape, tree]): Layout => {
    const { tokensPerStep, milliseconds, speedup } = rateTree(tree, truth, treeCosts);
    const name = `${variant.name}, ${shape}`;
    return {
      name,
      variant: variant.name,
      shape,
      tree,
      predicted: {
        tokensPerStep,
        speedup,
        tokensPerSecond: (1000 * tokensPerStep) / milliseconds,
        draftMs: treeCosts.draft(tree),
      },
      arm: armOf(name, tree),
    };
  });
  return { layouts, runner, headCosts };
}
