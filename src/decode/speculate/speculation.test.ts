import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../util/random.ts";
import type { Constraint } from "../constraints/constraint.ts";
import { chain, type DraftTree, depthsOf, limitDraft, prune } from "../draft-tree.ts";
import type { Drafter } from "../drafter.ts";
import { promptLookup } from "../drafters/prompt-lookup.ts";
import { SuffixAutomaton, SuffixDrafter } from "../drafters/suffix-automaton.ts";
import { paperTemplate, TokenRecycling } from "../drafters/token-recycling.ts";
import { topLogits } from "../drafters/top-logits.ts";
import { generate } from "../generate.ts";
import type { GenerateOptions, GenerationChunk } from "../options.ts";
import { byteTokenizer, type NextLogits, ScriptedModel, vocabSize } from "../testing/scripted.ts";
import { Calibration } from "./calibration.ts";
import { CostCurve } from "./cost-curve.ts";
import { joinDrafts, planDraft } from "./join.ts";
import type { Speculation } from "./speculation.ts";

const tokenizer = byteTokenizer();

/** Logits that depend on the last two tokens only and say one of a few letters, so that texts repeat themselves. */
const repetitive: NextLogits = (tokens) => {
  const [a = 0, b = 0] = tokens.slice(-2);
  const logits = new Random(a * 1009 + b).normals(vocabSize, 1);
  for (let id = 97; id < 103; id++) logits[id]! += 6;
  logits[256] = logits[257] = -40;
  return logits;
};

async function text(speculation: Speculation | undefined, options: GenerateOptions = {}, prompt = "ab cd ab") {
  const model = new ScriptedModel(repetitive);
  const sequence = await model.open();
  const chunks: GenerationChunk[] = [];
  const input = { sequence, tokenizer, prompt: tokenizer.encode(prompt), contextLength: 4096, speculation };
  for await (const chunk of generate(input, { maxTokens: 150, ...options })) chunks.push(chunk);
  return { tokens: chunks.flatMap((c) => c.tokens), last: chunks[chunks.length - 1]!, chunks, rows: model.rows };
}

/** A drafter that guesses at random, in trees of random shape. */
const randomDrafter: Drafter = {
  name: "random",
  kind: "deterministic",
  open: () => ({
    propose({ random, maxNodes }) {
      const count = Math.floor(random.next() * Math.min(maxNodes, 20));
      return {
        tokens: Array.from({ length: count }, () => 97 + Math.floor(random.next() * 6)),
        parents: Array.from({ length: count }, (_, i) => Math.floor(random.next() * (i + 1)) - 1),
      };
    },
  }),
};

/** Proposes trees of 150 nodes, which take several steps. */
const wideDrafter: Drafter = {
  name: "wide",
  kind: "deterministic",
  open: () => ({
    propose: ({ random }) => ({
      tokens: Array.from({ length: 150 }, () => 97 + Math.floor(random.next() * 6)),
      parents: Array.from({ length: 150 }, (_, i) => Math.floor(i / 3) - 1),
    }),
  }),
};

const drafters: Record<string, () => Drafter[]> = {
  "prompt-lookup": () => [promptLookup()],
  "suffix-automaton": () => [new SuffixDrafter()],
  "token-recycling": () => [new TokenRecycling({ vocabSize })],
  random: () => [randomDrafter],
  wide: () => [wideDrafter],
  joint: () => [promptLookup(), new SuffixDrafter(), new TokenRecycling({ vocabSize }), randomDrafter],
};

describe("drafting changes no token", () => {
  const settings: [string, GenerateOptions][] = [
    ["greedy", {}],
    ["sampled", { temperature: 1, seed: 5 }],
    ["sampled with filters and penalties", { temperature: 1.3, topP: 0.9, topK: 20, repetitionPenalty: 1.1, seed: 9 }],
  ];
  for (const [name, make] of Object.entries(drafters))
    for (const [how, options] of settings)
      for (const size of ["planned", "all", 4] as const)
        it(`${name}, ${how}, size ${size}`, async () => {
          const plain = await text(undefined, options);
          const drafted = await text({ drafters: make(), size }, options);
          expect(drafted.tokens).toEqual(plain.tokens);
          expect(drafted.last.stats!.drafting!.steps).toBeLessThanOrEqual(plain.last.stats!.steps);
        });

  it("and saves steps where the text repeats itself", async () => {
    for (const name of ["prompt-lookup", "suffix-automaton", "token-recycling"]) {
      const { last } = await text({ drafters: drafters[name]!(), size: "all" });
      expect(last.stats!.drafting!.tokensPerStep, name).toBeGreaterThan(1.5);
    }
  });

  it("learns across texts", async () => {
    const recycling = new TokenRecycling({ vocabSize });
    const speculation: Speculation = { drafters: [recycling], size: "all" };
    const cold = await text(speculation);
    const hot = await text(speculation);
    expect(hot.last.stats!.drafting!.tokensPerStep).toBeGreaterThan(cold.last.stats!.drafting!.tokensPerStep);
  });

  it("tells who proposed a token, and counts", async () => {
    const { chunks, last, rows } = await text({ drafters: [promptLookup()], size: 3 });
    const proposed = chunks.filter((c) => c.proposedBy === "prompt-lookup").length;
    const { drafting } = last.stats!;
    // the text may end inside of the last accepted path
    expect(drafting!.accepted - proposed).toBeGreaterThanOrEqual(0);
    expect(drafting!.accepted - proposed).toBeLessThanOrEqual(3);
    expect(rows).toBe(tokenizer.encode("ab cd ab").length + drafting!.drafted + drafting!.steps);
    expect(drafting!.byProposer["prompt-lookup"]!.accepted).toBe(drafting!.accepted);
  });
});

/** Allows strings over a and b in which every a is followed by "bb"; complete after 12 tokens. */
class Rhythm implements Constraint {
  readonly vocabSize = vocabSize;
  readonly #tokens: number[] = [];
  get length() {
    return this.#tokens.length;
  }
  get #next(): number[] {
    const last = this.#tokens.slice(-2);
    if (this.#tokens.includes(257)) return [];
    if (this.#tokens.length >= 12 && this.#after(last) === 0) return [257];
    return this.#after(last) ? [98] : [97, 98];
  }
  #after(last: number[]): number {
    if (last[last.length - 1] === 97) return 2;
    return last[last.length - 2] === 97 ? 1 : 0;
  }
  mask(mask: Uint32Array) {
    mask.fill(0);
    for (const t of this.#next) mask[t >> 5]! |= 1 << (t & 31);
  }
  allows(token: number) {
    return this.#next.includes(token);
  }
  advance(token: number) {
    if (!this.allows(token)) return false;
    this.#tokens.push(token);
    return true;
  }
  rollback(count: number) {
    this.#tokens.length -= count;
  }
  isComplete() {
    return this.#next.includes(257);
  }
  forced() {
    return Array.from({ length: this.#after(this.#tokens.slice(-2)) }, () => 98);
  }
  shortestCompletion() {
    return [];
  }
  clone() {
    const copy = new Rhythm();
    for (const t of this.#tokens) copy.advance(t);
    return copy;
  }
}

/** The same, with what came in another text as suggestions, every fifth of them wrong. */
class Hinting extends Rhythm {
  constructor(readonly hints: readonly number[]) {
    super();
  }
  suggested() {
    const from = this.length;
    return this.hints.slice(from, from + 3).map((token, i) => ((from + i) % 5 ? token : 98));
  }
}

describe("constraints", () => {
  it("may suggest what comes: fewer steps, the same text", async () => {
    for (const options of [{}, { temperature: 1, seed: 3 }]) {
      const plain = await text(undefined, { ...options, constraint: new Rhythm() });
      const hinted = await text(undefined, { ...options, constraint: new Hinting(plain.tokens) });
      expect(hinted.tokens).toEqual(plain.tokens);
      expect(hinted.last.stats!.steps).toBeLessThan(plain.last.stats!.steps);
      expect(hinted.chunks.some(({ proposedBy }) => proposedBy === "schema")).toBe(true);
      const without = await text(undefined, { ...options, constraint: new Hinting(plain.tokens), draft: false });
      expect([without.tokens, without.last.stats!.steps]).toEqual([plain.tokens, plain.last.stats!.steps]);
      const misled = await text(undefined, { ...options, constraint: new Hinting(plain.tokens.map(() => 98)) });
      expect(misled.tokens).toEqual(plain.tokens);
      for (const make of Object.values(drafters)) {
        const constraint = new Hinting(plain.tokens);
        const joined = await text({ drafters: make(), size: "all" }, { ...options, constraint });
        expect(joined.tokens).toEqual(plain.tokens);
      }
    }
  });

  it("are obeyed, and drafts do not change what they lead to", async () => {
    const texts: number[][] = [];
    for (const make of [() => undefined, ...Object.values(drafters)])
      for (const options of [{}, { temperature: 1, seed: 3 }]) {
        const constraint = new Rhythm();
        const made = make();
        const { tokens, last } = await text(made && { drafters: made, size: "all" }, { ...options, constraint });
        expect(last.finishReason).toBe("stop");
        const check = new Rhythm();
        for (const token of tokens) expect(check.advance(token)).toBe(true);
        texts.push(tokens);
      }
    for (let i = 2; i < texts.length; i++) if (i % 2 === 0) expect(texts[i]).toEqual(texts[0]);
  });

  it("take forced tokens without asking the model for each", async () => {
    const { chunks, last } = await text(undefined, { constraint: new Rhythm() });
    const forced = chunks.filter((c) => c.proposedBy === "constraint").length;
    expect(forced).toBeGreaterThan(0);
    expect(last.stats!.steps).toBe(last.usage!.completionTokens - 1 - forced);
  });
});

describe("parts of drafting", () => {
  it("has the paper's tree of token recycling: 80 nodes on six levels", () => {
    const levels = paperTemplate.reduce<number[]>((counts, path) => {
      counts[path.length - 1] = (counts[path.length - 1] ?? 0) + 1;
      return counts;
    }, []);
    expect(levels).toEqual([8, 21, 25, 15, 8, 3]);
  });

  it("finds the largest logits in order", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 8, maxLength: 60 }), (values) => {
        const out = new Int32Array(8);
        topLogits(Float32Array.from(values), out, new Float32Array(8));
        const sorted = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
        expect([...out]).toEqual(sorted.slice(0, 8));
      }),
    );
  });

  it("matches the longest suffix that occurred before", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 60 }), (tokens) => {
        const automaton = new SuffixAutomaton();
        let match = { state: 0, length: 0 };
        tokens.forEach((token, i) => {
          automaton.moveEnd(match, i);
          const next = automaton.follow(match, token);
          automaton.push(token);
          match = automaton.renew(next);
          // the longest suffix of tokens[0..i] that ends earlier, too
          let longest = 0;
          for (let l = 1; l <= i; l++)
            for (let end = l; end <= i; end++)
              if (String(tokens.slice(end - l, end)) === String(tokens.slice(i + 1 - l, i + 1))) longest = l;
          expect(match.length).toBe(longest);
          if (longest) {
            const end = automaton.endOf(match);
            expect(end).toBeLessThanOrEqual(i);
            expect(tokens.slice(end - longest, end)).toEqual(tokens.slice(i + 1 - longest, i + 1));
          }
        });
      }),
    );
  });

  it("joins trees along equal paths", () => {
    const tree = joinDrafts([
      { drafter: "a", tree: chain([1, 2, 3], [0.9, 0.8, 0.7]) },
      { drafter: "b", tree: { tokens: [1, 5, 2], parents: [-1, -1, 0], confidences: [0.3, 0.2, 0.95] } },
    ]);
    expect(tree.tokens).toEqual([1, 2, 3, 5]);
    expect(tree.parents).toEqual([-1, 0, 1, -1]);
    expect(tree.proposers).toEqual(["a+b", "a+b", "a", "b"]);
    expect(tree.confidences).toEqual([0.9, 0.95, 0.7, 0.2]);
  });

  it("chooses the part of a tree with the best rate, exhaustively checked", () => {
    const random = new Random(4);
    for (let round = 0; round < 30; round++) {
      const count = 7;
      const tree: DraftTree = {
        tokens: Array.from({ length: count }, (_, i) => i),
        parents: Array.from({ length: count }, (_, i) => Math.floor(random.next() * (i + 1)) - 1),
        confidences: Array.from({ length: count }, () => random.next() * 0.9),
      };
      const line = [10, 11 + 3 * random.next(), 16, 19, 23, 27, 31, 36];
      const costs = new CostCurve({ contexts: [0], rows: [1, 2, 3, 4, 5, 6, 7, 8], milliseconds: [line] });
      const calibration = new Calibration();
      const chance = (i: number): number =>
        (tree.parents[i]! < 0 ? 1 : chance(tree.parents[i]!)) *
        calibration.chance("", tree.confidences![i]!, depthsOf(tree)[i]!);
      let best = 0;
      for (let set = 0; set < 1 << count; set++) {
        const has = (i: number) => i < 0 || ((set >> i) & 1) === 1;
        const nodes = tree.tokens.filter((_, i) => has(i));
        if (nodes.some((i) => !has(tree.parents[i]!))) continue;
        const rate = (1 + nodes.reduce((sum, i) => sum + chance(i), 0)) / line[nodes.length]!;
        best = Math.max(best, rate);
      }
      const plan = planDraft({ tree, calibration, costs, context: 5, maxNodes: 63, maxDepth: 63 });
      const rate = plan.expectedTokens / costs.milliseconds(1 + plan.draft.tokens.length, 5);
      expect(rate).toBeCloseTo(best, 10);
    }
  });

  it("learns how often guesses are right", () => {
    const calibration = new Calibration();
    for (let i = 0; i < 400; i++) calibration.learn(chain([1, 2], [0.9, 0.9]), i % 4 ? [1, 7] : [3, 2]);
    expect(calibration.chance("", 0.9, 1)).toBeCloseTo(0.75, 1);
    expect(calibration.chance("", 0.9, 2)).toBeLessThan(0.05);
    const again = new Calibration(calibration.counts());
    expect(again.chance("", 0.9, 1)).toBe(calibration.chance("", 0.9, 1));
  });

  it("cuts trees without orphans", () => {
    const tree: DraftTree = { tokens: [1, 2, 3, 4], parents: [-1, 0, -1, 1] };
    expect(limitDraft(tree, 2, 10).tokens).toEqual([1, 2, 3]);
    expect(limitDraft(tree, 9, 2)).toEqual({ tokens: [1, 2], parents: [-1, 0] });
    expect(prune(tree, (i) => i !== 0).tokens).toEqual([3]);
  });
});
