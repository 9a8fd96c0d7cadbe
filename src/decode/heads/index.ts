/** Draft heads: traces to learn from, heads, their training, and drafting with them. */
export { HeadDrafter, type HeadDrafterOptions } from "./head-drafter.ts";
export { type HeadTarget, readHeads, type SavedHeads, writeHeads } from "./head-file.ts";
export {
  coverage,
  draftPlaces,
  frequentTokens,
  HeadLabels,
  type HeadRow,
  headRows,
  rowsOf,
  type TokenEmbeddings,
} from "./head-labels.ts";
export { DraftHeads, type HeadDesign, newDraftHeads, PrefixLayer, type PrefixRows } from "./head-modules.ts";
export { type HeadGuesses, HeadRunner, type HeadRunnerOptions, type PrefixResult } from "./head-runner.ts";
export {
  agreement,
  draftMilliseconds,
  type HeadCostOptions,
  type HeadCosts,
  headRanks,
  measureHeads,
} from "./measure-heads.ts";
export { PrefixCache } from "./prefix-cache.ts";
export {
  chooseTree,
  cutTree,
  leastSpeedup,
  likeliestTree,
  type RankTree,
  type RatedTree,
  rankChain,
  rankPaths,
  rankTree,
  rateTree,
  simulateTree,
  type TreeCosts,
  type TrueRanks,
  treeExtent,
} from "./rank-tree.ts";
export {
  answerLength,
  recordTrace,
  splitTrace,
  type Trace,
  type TraceOptions,
  TraceRecorder,
  type TraceSequence,
  type TraceSubject,
  traceHash,
} from "./trace.ts";
export { type HeadLossWeights, type HeadTrainingOptions, headOutputs, trainDraftHeads } from "./train-heads.ts";
