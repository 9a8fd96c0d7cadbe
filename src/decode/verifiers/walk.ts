/**
 * What rules that use the distributions of a draft share: the walk from the root, and draws from unnormalised weights.
 */
import { childrenOf, type DraftTree } from "../draft-tree.ts";
import type { DraftKind } from "../drafter.ts";
import type { TokenChooser } from "../token-chooser.ts";
import type { Verdict, Verifier } from "../verifier.ts";

/** What is decided at a node: a child to go on to, or a token that ends the path. */
export type NodeVerdict = { readonly child: number } | { readonly token: number };

/** Chance as a rule meets it. Whoever follows every turn that it can take knows the rule's exact law. */
export interface Chance {
  /** Whether something of this probability happens; of 1 and more it is certain. */
  happens(probability: number): boolean;
  /** A token drawn from weights, `[vocabulary]`. @param total their sum. */
  draw(weights: Float64Array, total: number): number;
}

/**
 * A rule for one node.
 * @param target distribution of the next token, `[vocabulary]`; it may be overwritten. @param draft that its children were drawn
 * from. @param drawn the children in the order of drawing. @param chance what it decides by; nothing else is random.
 */
export type NodeRule = (
  target: Float64Array,
  draft: Float64Array,
  drawn: readonly { readonly node: number; readonly token: number }[],
  chance: Chance,
) => NodeVerdict;

/** A verifier that decides node by node. */
export interface RuleVerifier extends Verifier {
  readonly rule: NodeRule;
}

/** A token drawn from weights, which need not sum to 1. @param total their sum. */
function drawFrom(weights: Float64Array, total: number, uniform: () => number): number {
  let rest = uniform() * total;
  let last = 0;
  for (let token = 0; token < weights.length; token++) {
    const weight = weights[token]!;
    if (weight <= 0) continue;
    last = token;
    rest -= weight;
    if (rest < 0) return token;
  }
  // rounding left a little over
  return last;
}

/** Chance by numbers from 0 to 1. */
export function chanceOf(uniform: () => number): Chance {
  return {
    happens: (probability) => uniform() < probability,
    draw: (weights, total) => drawFrom(weights, total, uniform),
  };
}

/** Walks down a draft by a rule; forced nodes, which have no distribution, are followed if the text says the same. */
function walkDraft(
  draft: DraftTree,
  logits: (node: number) => Float32Array,
  chooser: TokenChooser,
  rule: NodeRule,
): Verdict {
  const children = childrenOf(draft);
  const chance = chanceOf(() => chooser.sampler.uniform());
  const path: number[] = [];
  let node = -1;
  for (;;) {
    const below = draft.draws?.get(node) ?? children[node + 1]!;
    const distribution = draft.distributions?.get(node);
    let verdict: NodeVerdict;
    if (distribution && below.length && !chooser.forced().length) {
      const drawn = below.map((child) => ({ node: child, token: draft.tokens[child]! }));
      verdict = rule(chooser.distribution(logits(node)), distribution, drawn, chance);
    } else {
      const token = chooser.choose(logits(node));
      const child = below.find((i) => draft.tokens[i] === token);
      verdict = child === undefined ? { token } : { child };
    }
    const token = "child" in verdict ? draft.tokens[verdict.child]! : verdict.token;
    chooser.take(token);
    if (!("child" in verdict) || chooser.ended) return { path, next: token };
    path.push(verdict.child);
    node = verdict.child;
  }
}

/** Makes a verifier of a rule. @param kinds drafts for which the rule leaves the distribution as it is. */
export function ruleVerifier(name: string, kinds: readonly DraftKind[], rule: NodeRule): RuleVerifier {
  return { name, kinds, rule, verify: (draft, logits, chooser) => walkDraft(draft, logits, chooser, rule) };
}
