/** The decode loop and its parts. */
export * from "./constraints/index.ts";
export * from "./draft-tree.ts";
export * from "./drafter.ts";
export { AdaptiveTrigrams, type AdaptiveTrigramsOptions } from "./drafters/adaptive-trigrams.ts";
export { ContextRecycling, type ContextRecyclingOptions } from "./drafters/context-recycling.ts";
export {
  type Beam,
  beamChildren,
  type DraftShape,
  drawWithoutReplacement,
  shapeDepth,
  shapeNodes,
} from "./drafters/draft-shapes.ts";
export { ModelDrafter, type ModelDrafterOptions } from "./drafters/model-drafter.ts";
export { type PromptLookupOptions, promptLookup } from "./drafters/prompt-lookup.ts";
export { SuffixDrafter, type SuffixDrafterOptions } from "./drafters/suffix-automaton.ts";
export {
  bestNodes,
  fitTemplate,
  paperTemplate,
  TokenRecycling,
  type TokenRecyclingOptions,
} from "./drafters/token-recycling.ts";
export { topLogits } from "./drafters/top-logits.ts";
export { bestFirst, greedyWalk, paperSearch, type SearchOptions, TrigramSearch } from "./drafters/trigram-search.ts";
export { TrigramTable, trigramWidth } from "./drafters/trigram-table.ts";
export { type Candidates, candidatesOf } from "./filters.ts";
export { type GenerationInput, generate } from "./generate.ts";
export * from "./heads/index.ts";
export {
  type LexicalUnitDecodingOptions,
  type LexicalUnitStep,
  lexicalUnitDecoding,
} from "./lexical-units/lexical-units.ts";
export * from "./options.ts";
export {
  type MeasuredPearl,
  measurePearl,
  type PearlMeasureOptions,
  type PearlTimes,
} from "./pearl/measure-pearl.ts";
export { type PearlChunk, type PearlInput, type PearlModel, pearl } from "./pearl/pearl.ts";
export { bothStrategies, type PearlStatistics, type PearlStrategies } from "./pearl/pearl-loop.ts";
export {
  choosePearlWindow,
  type PearlCosts,
  type Simulation,
  type SimulationOptions,
  simulatePearl,
} from "./pearl/simulate.ts";
export { idleShare, type PearlWorker, type Span, type SpanListener } from "./pearl/spans.ts";
export {
  beamPlanner,
  greedyPlanner,
  type PopulationOptions,
  populationPlanner,
  samplingPlanner,
} from "./planners/baselines.ts";
export type {
  CompleteProgram,
  PlannedProgram,
  Planner,
  PlanningLimits,
  PlanningProblem,
  PlanningResult,
  PlanningStatistics,
  Reward,
} from "./planners/planner.ts";
export { BranchingModel, constrainedPrefixes, type PrefixModel, type SequenceSource } from "./planners/prefix-model.ts";
export {
  type FunctionTest,
  passRate,
  sameJson,
  type TestRewardOptions,
  testReward,
  withBrevity,
} from "./planners/rewards.ts";
export {
  type JsonValue,
  Sandbox,
  type SandboxLimit,
  type SandboxLimits,
  type SandboxOptions,
  type SandboxOutcome,
} from "./planners/sandbox/sandbox.ts";
export type { SelectionRule } from "./planners/search-tree.ts";
export { planningGuided, type TreeSearchOptions } from "./planners/tree-search.ts";
export { argmax, logSumExp, Sampler, tokenLogprob } from "./sampler.ts";
export { scoreTokens } from "./score.ts";
export { Calibration, type CalibrationCounts } from "./speculate/calibration.ts";
export { CostCurve, type CostTable, cautiousCosts } from "./speculate/cost-curve.ts";
export { joinDrafts, type Plan, type PlanInput, type Proposal, planDraft } from "./speculate/join.ts";
export { checkSpeculation, type Speculation, SpeculationSession } from "./speculate/speculation.ts";
export { DraftCounter, type DraftStatistics } from "./speculate/statistics.ts";
export { StopFilter } from "./stop.ts";
export { draftLogprobs } from "./superposed/draft-logprobs.ts";
export { type NextTokens, NgramCounts } from "./superposed/ngram-counts.ts";
export { type SuggestingModel, type Suggestion, suggest } from "./superposed/suggest.ts";
export {
  paperNgramWeights,
  type SuperposedDraft,
  type SuperposedDrafts,
  type SuperposedOptions,
  superposedDrafts,
} from "./superposed/superposed.ts";
export { TokenChooser } from "./token-chooser.ts";
export { drafterNames, type ModelDrafters, makeDrafters, usualCandidates } from "./tuner/candidates.ts";
export { type CostOptions, measureCosts, usualRows } from "./tuner/measure-costs.ts";
export { type CandidateResult, parseProfile, speculationOf, type TuningProfile } from "./tuner/profile.ts";
export { tuningPrompts } from "./tuner/prompts.ts";
export { type Tunable, type Tuned, type TuneOptions, tune } from "./tuner/tune.ts";
export { checkCompatible, type Verdict, type Verifier } from "./verifier.ts";
export {
  distinctRejectionAcceptance,
  optimalAcceptance,
  repeatedRejectionAcceptance,
} from "./verifiers/acceptance.ts";
export { kSeqAcceptance, kSeqResidual, kSeqRho, kSeqVerifier } from "./verifiers/k-seq.ts";
export { matchVerifier } from "./verifiers/match.ts";
export { type NodeLaw, nodeLaw } from "./verifiers/node-law.ts";
export { recursiveRejection, speculativeSampling } from "./verifiers/rejection.ts";
export { type Chance, type NodeRule, type NodeVerdict, type RuleVerifier, ruleVerifier } from "./verifiers/walk.ts";
