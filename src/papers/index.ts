/** Papers that run: cards, their harness, and reports of what was measured. */
export * from "./card.ts";
export {
  compareDecoding,
  type DecodingArm,
  type DecodingComparison,
  type DecodingRecord,
  type DecodingRecords,
  type DecodingSummary,
  differingPrompts,
  summarizeDecoding,
} from "./compare-decoding.ts";
export {
  type DistributionPair,
  type DraftArm,
  distributionPairs,
  draftArm,
  type Efficiency,
  efficiencyOf,
  type SiblingCounts,
} from "./draft-arms.ts";
export { visitModels } from "./export.ts";
export { drawPlot, Plot, type PlotOptions } from "./figure.ts";
export {
  type KeptDecoder,
  keepDecoder,
  keptDecoderModel,
  type LoadedSequenceModel,
  loadKeptDecoder,
  textHash,
} from "./kept-decoder.ts";
export { keepState, keptState } from "./kept-state.ts";
export { drawPictures, greyPicture, type PictureRows } from "./pictures.ts";
export { drawPlayer, type PlayerColumn, type PlayerOptions } from "./player.ts";
export { type Catalogued, htmlReport, markdownReport, statusOf } from "./report.ts";
export { judge, type PaperHost, type RunOutcome, type RunPaperOptions, runPaper, workContext } from "./run.ts";
export {
  parseSpecBench,
  type SpecBenchGroup,
  type SpecBenchQuestion,
  specBenchData,
  specBenchGroups,
  spread,
} from "./spec-bench.ts";
export {
  bootstrapMean,
  chiSquareTail,
  type Estimate,
  type Interval,
  type LawTest,
  ratioOfSums,
  testLaw,
} from "./statistics.ts";
export {
  type PairModelRecipe,
  shakespeareData,
  type TextPair,
  type TextPairOptions,
  type TextPairRecipe,
  textPairFor,
  textPairModels,
  textPairRecipes,
  trainTextPair,
} from "./text-pair.ts";
export {
  drawToyTexts,
  randomDistributions,
  type ToyPair,
  type ToyTextOptions,
  toyLaw,
  toyPair,
} from "./toy-texts.ts";
export { tuningFigure } from "./tuning-figure.ts";
export { type Verification, verifyRun } from "./verify.ts";
