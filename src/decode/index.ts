/** The decode loop and its parts. */
export { type GenerationInput, generate } from "./generate.ts";
export * from "./options.ts";
export { argmax, logSumExp, Sampler, tokenLogprob } from "./sampler.ts";
export { StopFilter } from "./stop.ts";
