/**
 * Prompt-lookup drafting (Saxena 2023): where the last few tokens occurred before in this text, what followed then is likely to follow
 * again. Knows one text only and learns nothing across texts.
 */
import { chain, emptyDraft } from "../draft-tree.ts";
import type { Drafter } from "../drafter.ts";

/** Options of {@link promptLookup}. */
export interface PromptLookupOptions {
  /** Longest run of tokens that is looked up; 3 by default. */
  readonly longest?: number;
  /** Most tokens that are proposed; 10 by default. */
  readonly tokens?: number;
}

/** Confidence in the first token by the length of the run that was found, and what each further token keeps of it. */
const firstConfidence = [0, 0.2, 0.4, 0.6] as const;
const furtherConfidence = 0.75;

/** Proposes what followed the latest earlier occurrence of the text's last tokens, longest runs first. */
export function promptLookup(options: PromptLookupOptions = {}): Drafter {
  const { longest = 3, tokens: count = 10 } = options;
  return {
    name: "prompt-lookup",
    kind: "deterministic",
    open: () => ({
      propose({ tokens, maxDepth, maxNodes }) {
        for (let length = Math.min(longest, tokens.length - 1); length >= 1; length--) {
          const start = latestRun(tokens, length);
          if (start < 0) continue;
          const found = tokens.slice(start + length, start + length + Math.min(count, maxDepth, maxNodes));
          const first = firstConfidence[Math.min(length, firstConfidence.length - 1)]!;
          return chain(
            found,
            found.map((_, i) => (i ? furtherConfidence : first)),
          );
        }
        return emptyDraft;
      },
    }),
  };
}

/** Where the last `length` tokens occurred before, most recently; −1 if nowhere. */
function latestRun(tokens: readonly number[], length: number): number {
  const end = tokens.length - length;
  for (let start = end - 1; start >= 0; start--) {
    let same = 0;
    while (same < length && tokens[start + same] === tokens[end + same]) same++;
    if (same === length) return start;
  }
  return -1;
}
