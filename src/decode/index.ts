/** The decode loop and its parts. */
export { type Candidates, candidatesOf } from "./filters.ts";
export { type GenerationInput, generate } from "./generate.ts";
export * from "./options.ts";
export { argmax, logSumExp, Sampler, tokenLogprob } from "./sampler.ts";
export { scoreTokens } from "./score.ts";
export { StopFilter } from "./stop.ts";
