/**
 * The exact law of a rule at one node of a small vocabulary: every sequence of draws and every turn of chance is followed. It shows
 * that a rule leaves a distribution as it is, without a random number.
 */
import type { DraftKind } from "../drafter.ts";
import { takeOut } from "./rejection.ts";
import type { Chance, NodeRule } from "./walk.ts";

/** What a rule yields at a node. */
export interface NodeLaw {
  /** Distribution of the token that comes out, `[vocabulary]`. */
  readonly output: Float64Array;
  /** How often it is one of the children. */
  readonly acceptance: number;
}

/** All sequences of `count` draws with their probabilities; without replacement they end where nothing is left. */
function* sequences(
  p: Float64Array,
  count: number,
  replaced: boolean,
): Generator<{ readonly tokens: readonly number[]; readonly probability: number }> {
  if (count === 0) {
    yield { tokens: [], probability: 1 };
    return;
  }
  for (let token = 0; token < p.length; token++) {
    if (p[token]! <= 0) continue;
    const rest = p.slice();
    const more = replaced || takeOut(rest, token);
    for (const { tokens, probability } of sequences(rest, more ? count - 1 : 0, replaced))
      yield { tokens: [token, ...tokens], probability: p[token]! * probability };
  }
}

/**
 * Finds the law of a rule.
 * @param p what children are drawn from. @param q the target. @param count children. @param kind how they are drawn.
 */
export function nodeLaw(
  rule: NodeRule,
  p: Float64Array,
  q: Float64Array,
  count: number,
  kind: Extract<DraftKind, "independent" | "without-replacement">,
): NodeLaw {
  const output = new Float64Array(q.length);
  let acceptance = 0;
  for (const { tokens, probability } of sequences(p, count, kind === "independent")) {
    const drawn = tokens.map((token, node) => ({ node, token }));
    // turns that were taken so far, and whether the other one is still to be followed
    const turns: { taken: boolean; open: boolean }[] = [];
    for (;;) {
      let weight = probability;
      let at = 0;
      const chance: Chance = {
        happens(stated) {
          const likely = Math.min(1, stated);
          const turn = turns[at] ?? { taken: likely > 0, open: likely > 0 && likely < 1 };
          turns[at++] = turn;
          weight *= turn.taken ? likely : 1 - likely;
          return turn.taken;
        },
        draw(weights, total) {
          for (let i = 0; i < weights.length; i++) output[i]! += (weight * Math.max(0, weights[i]!)) / total;
          return 0;
        },
      };
      const verdict = rule(q.slice(), p, drawn, chance);
      if ("child" in verdict) {
        output[tokens[verdict.child]!]! += weight;
        acceptance += weight;
      }
      while (turns.length && !turns[turns.length - 1]!.open) turns.pop();
      const last = turns[turns.length - 1];
      if (!last) break;
      last.open = false;
      last.taken = !last.taken;
    }
  }
  return { output, acceptance };
}
