/**
 * Continues a text, with everything that steers it: sampling, a stop text, the log-probability of every token.
 *
 *     npx tsx examples/generate.ts "Once upon a time"
 */
import { loadModel } from "bletchley";

const prompt = process.argv[2] ?? "Once upon a time";

await using model = await loadModel("smollm2");
const options = { temperature: 0.8, topP: 0.9, seed: 7, maxTokens: 40, stop: "\n", logprobs: 0 };
const { text, tokens, logprobs, stats } = await model.collect(model.generate(prompt, options));

console.log(prompt + text);
const surprise = logprobs!.reduce((sum, { logprob }) => sum - logprob, 0) / tokens.length;
console.log(`${tokens.length} tokens, perplexity ${Math.exp(surprise).toFixed(2)}`);
console.log(
  `${stats.decodeTokensPerSecond.toFixed(0)} tokens/s, first one after ${stats.timeToFirstTokenMs.toFixed(0)} ms`,
);
