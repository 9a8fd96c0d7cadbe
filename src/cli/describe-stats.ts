/**
 * What a generation's steps did, in words.
 */
import type { GenerationStats } from "../decode/options.ts";

const percent = (part: number, all: number) => `${((100 * part) / Math.max(1, all)).toFixed(0)} %`;

/** Statistics of a generation in a few lines: speed, and what became of drafts if there were any. */
export function describeStats(stats: GenerationStats): string {
  const { completionTokens, promptTokens, cachedTokens, decodeTokensPerSecond, prefillTokensPerSecond, drafting } =
    stats;
  const lines = [
    `${completionTokens} tokens in ${stats.steps} steps, ${decodeTokensPerSecond.toFixed(1)} tokens/s; first token after ${(stats.timeToFirstTokenMs / 1000).toFixed(2)} s`,
    `prompt: ${promptTokens} tokens (${cachedTokens} were cached), ${prefillTokensPerSecond.toFixed(0)} tokens/s`,
  ];
  if (!drafting) return lines.join("\n");
  const { drafted, accepted, tokensPerStep, plainSteps, steps, byDepth, byProposer, draftMs, modelMs, verifyMs } =
    drafting;
  const each = (ms: number) => `${(ms / Math.max(1, steps)).toFixed(2)} ms`;
  lines.push(
    `drafts: ${tokensPerStep.toFixed(2)} tokens a step, ${accepted} of ${drafted} drafted tokens accepted, ${plainSteps} steps without a draft`,
    `a step: ${each(draftMs)} drafting, ${each(modelMs)} model, ${each(verifyMs)} choosing`,
  );
  if (byDepth.length)
    lines.push(`accepted by depth: ${byDepth.map(({ proposed, accepted: n }) => percent(n, proposed)).join(" ")}`);
  for (const [name, { proposed, accepted: n }] of Object.entries(byProposer))
    if (name) lines.push(`${name}: ${n} of ${proposed} (${percent(n, proposed)})`);
  return lines.join("\n");
}
