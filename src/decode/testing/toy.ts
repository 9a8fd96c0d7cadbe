/**
 * Pairs of models with eight live tokens for tests of sampling: every distribution is known exactly.
 */
import { Random } from "../../util/random.ts";
import { type NextLogits, vocabSize } from "./scripted.ts";

/** Tokens of the toy models: the letters a to h. */
export const toyTokens = [97, 98, 99, 100, 101, 102, 103, 104] as const;

/** Logits over the live tokens that depend on the last two tokens. @param spread standard deviation of the logits. */
export function toyLogits(seed: number, spread = 1.2): NextLogits {
  const rows = new Map<string, Float32Array>();
  return (tokens) => {
    const [a = 0, b = 0] = tokens.slice(-2);
    const key = `${a},${b}`;
    const known = rows.get(key);
    if (known) return known;
    const drawn = new Random(seed * 7919 + a * 1009 + b).normals(toyTokens.length, spread);
    const logits = new Float32Array(vocabSize).fill(-1e9);
    toyTokens.forEach((token, i) => {
      logits[token] = drawn[i]!;
    });
    rows.set(key, logits);
    return logits;
  };
}

/** The same logits with some noise: a draft model that is right more often than not. */
export function perturbed(next: NextLogits, seed: number, noise = 0.8): NextLogits {
  const other = toyLogits(seed, noise);
  const rows = new Map<string, Float32Array>();
  return (tokens) => {
    const key = tokens.slice(-2).join();
    const known = rows.get(key);
    if (known) return known;
    const added = other(tokens);
    const row = next(tokens).map((logit, i) => (added[i]! <= -1e9 ? -1e9 : logit + added[i]!));
    rows.set(key, row);
    return row;
  };
}
