/**
 * Planners on models whose every distribution is known: what they find, what they count, and that caches change nothing.
 */
import { describe, expect, it } from "vitest";
import { Random } from "../../util/random.ts";
import { logSumExp } from "../sampler.ts";
import { type NextLogits, noisyLogits, ScriptedModel, vocabSize } from "../testing/scripted.ts";
import { beamPlanner, greedyPlanner, populationPlanner, samplingPlanner } from "./baselines.ts";
import type { Planner, PlanningProblem, PlanningResult } from "./planner.ts";
import { BranchingModel, constrainedPrefixes, type PrefixModel } from "./prefix-model.ts";
import { passRate, sameJson, testReward, withBrevity } from "./rewards.ts";
import { Sandbox } from "./sandbox/sandbox.ts";
import { SearchTree } from "./search-tree.ts";
import { planningGuided, type TreeSearchOptions } from "./tree-search.ts";

const end = 0;
const words = 6;

/** Texts of the tokens 1 to 5 whose law depends on everything before. */
const randomModel = (seed: number): PrefixModel => ({
  async logits(tokens) {
    let hash = seed;
    for (const token of tokens) hash = (Math.imul(hash, 31) + token + 1) >>> 0;
    const logits = new Random(hash).normals(words, 2);
    if (tokens.length < 3) logits[end] = -20;
    return logits;
  },
});

/** Four positions, three words each: always the same law, so that the likeliest text is all ones. */
const flatModel: PrefixModel = {
  async logits(tokens) {
    const law = tokens.length < 5 ? [0, 0.5, 0.3, 0.2, 0, 0] : [1, 0, 0, 0, 0, 0];
    return Float32Array.from(law, (p) => Math.log(p));
  },
};

const problem = (model: PrefixModel, reward: PlanningProblem["reward"], more: Partial<PlanningProblem> = {}) => ({
  model,
  prompt: [9],
  ends: new Set([end]),
  horizon: 12,
  reward,
  ...more,
});

/** A reward without order: a hash of the tokens. */
const hashReward: PlanningProblem["reward"] = ({ tokens }) =>
  new Random(Number(`1${tokens.slice(0, 12).join("")}`)).next();

/** Counts how often a model is asked. */
function counted(model: PrefixModel): PrefixModel & { steps: number } {
  const counting = {
    steps: 0,
    logits(tokens: readonly number[]) {
      counting.steps++;
      return model.logits(tokens);
    },
  };
  return counting;
}

/** Log-probability of a text and its end. */
async function logprobOf(model: PrefixModel, tokens: readonly number[]): Promise<number> {
  let sum = 0;
  for (const [i, token] of [...tokens, end].entries()) {
    const logits = await model.logits([9, ...tokens.slice(0, i)]);
    sum += logits[token]! - logSumExp(logits);
  }
  return sum;
}

const textsOf = ({ programs }: PlanningResult) => programs.map(({ tokens }) => tokens.join(""));

describe("tree search", () => {
  it("begins with the greedy program", async () => {
    const greedy = await greedyPlanner().plan(problem(randomModel(1), () => 0));
    const plan = await planningGuided().plan(problem(randomModel(1), () => 0, { limits: { rollouts: 5 } }));
    expect(plan.programs[0]!.tokens).toEqual(greedy.best.tokens);
    expect(greedy.statistics.generations).toBe(1);
  });

  it("finds the one rewarded text among 81, wherever it is", async () => {
    for (const goal of ["3333", "1232", "2111", "1113"]) {
      // each right word is worth a little, as a test that passes is
      const reward: PlanningProblem["reward"] = ({ tokens }) =>
        tokens.filter((t, i) => String(t) === goal[i]).length / 4;
      const { best, statistics } = await planningGuided().plan(problem(flatModel, reward));
      expect(best.tokens.join("")).toBe(goal);
      expect(best.reward).toBe(1);
      expect(statistics.generations).toBeLessThan(81);
    }
  });

  it("tries every text when nothing tells them apart", async () => {
    const plan = await planningGuided().plan(problem(flatModel, () => 0, { limits: { rollouts: 3000 } }));
    expect(new Set(textsOf(plan)).size).toBe(81);
  });

  const variants: Readonly<Record<string, TreeSearchOptions>> = {
    "the defaults": {},
    "four branches": { branches: 4 },
    "fixed exploration": { selection: "p-ucb", exploration: 2 },
    "no priors": { selection: "ucb", exploration: 1 },
    "uniform priors": { priors: "uniform" },
    means: { value: "mean" },
    "joined tokens": { joinAbove: 0.7 },
    "a token at a time": { rolloutsPerToken: 10 },
  };

  it.each(Object.entries(variants))(
    "with %s, caches leave every rollout as it is and save steps",
    async (_, options) => {
      for (let seed = 0; seed < 5; seed++) {
        const settings = { limits: { rollouts: 60, generations: 1e9 }, enough: 2 };
        const cached = counted(randomModel(seed));
        const plain = counted(randomModel(seed));
        const a = await planningGuided(options).plan(problem(cached, hashReward, settings));
        const b = await planningGuided({ ...options, caches: false }).plan(problem(plain, hashReward, settings));
        expect(a.rollouts.map((i) => textsOf(a)[i])).toEqual(b.rollouts.map((i) => textsOf(b)[i]));
        expect(a.best.tokens).toEqual(b.best.tokens);
        expect(a.statistics.modelSteps).toBe(cached.steps);
        expect(b.statistics.modelSteps).toBe(plain.steps);
        expect(cached.steps).toBeLessThan(plain.steps);
        expect(a.statistics.completionHits).toBeGreaterThan(0);
      }
    },
  );

  it("completes by a beam, never worse in likelihood than greedily", async () => {
    const model = counted(randomModel(3));
    const plan = await planningGuided({ beam: 3 }).plan(problem(model, hashReward, { limits: { rollouts: 30 } }));
    expect(plan.statistics.modelSteps).toBe(model.steps);
    // the beam sees the greedy way, too, unless three better ones crowd it out
    const greedy = await planningGuided().plan(problem(randomModel(3), hashReward, { limits: { rollouts: 1 } }));
    expect(await logprobOf(randomModel(3), plan.programs[0]!.tokens)).toBeGreaterThanOrEqual(
      await logprobOf(randomModel(3), greedy.programs[0]!.tokens),
    );
  });

  it("joins tokens that are no choice: the tree is as deep as there are choices", async () => {
    // a choice, and then three tokens that are certain
    const model: PrefixModel = {
      async logits(tokens) {
        const at = tokens.length - 1;
        const law = at >= 12 ? [1, 0, 0, 0, 0, 0] : at % 4 ? [0, 0.001, 0.998, 0.001, 0, 0] : [0, 0.4, 0.3, 0.3, 0, 0];
        return Float32Array.from(law, (p) => Math.log(p));
      },
    };
    const goal = "322232223222";
    const reward: PlanningProblem["reward"] = ({ tokens }) =>
      tokens.filter((t, i) => i % 4 === 0 && String(t) === goal[i]).length / 3;
    const search = { limits: { rollouts: 400 }, horizon: 20 };
    const joined = await planningGuided({ joinAbove: 0.99 }).plan(problem(model, reward, search));
    const tokenwise = await planningGuided().plan(problem(model, reward, search));
    expect(joined.best.tokens.join("")).toBe(goal);
    expect(tokenwise.best.tokens.join("")).toBe(goal);
    expect(joined.statistics.rollouts).toBeLessThan(tokenwise.statistics.rollouts);
  });

  it("commits tokens one by one and ends at the end of a text", async () => {
    const { best, statistics } = await planningGuided({ rolloutsPerToken: 40 }).plan(
      problem(flatModel, ({ tokens }) => tokens.filter((token) => token === 3).length / 4, { enough: 2 }),
    );
    expect(best.tokens).toEqual([3, 3, 3, 3]);
    expect(statistics.rollouts).toBeLessThanOrEqual(200);
  });

  it("commits tokens that were tried, also where all rewards are negative", async () => {
    const { best, statistics } = await planningGuided({ rolloutsPerToken: 2 }).plan(
      problem(flatModel, ({ tokens }) => tokens.filter((token) => token === 3).length - 9),
    );
    // two for each of four tokens, and two where nothing but the end is left
    expect(statistics.rollouts).toBeGreaterThanOrEqual(8);
    expect(best.finished).toBe(true);
  });

  it("ends at the first program that is good enough, or at a limit", async () => {
    const found = await planningGuided().plan(problem(flatModel, ({ tokens }) => (tokens[0] === 2 ? 1 : 0)));
    expect(found.programs.filter(({ reward }) => reward === 1)).toHaveLength(1);
    expect(found.programs[found.programs.length - 1]).toBe(found.best);
    const limited = await planningGuided().plan(problem(flatModel, () => 0, { limits: { generations: 7 } }));
    expect(limited.statistics.generations).toBe(7);
    expect(limited.programs).toHaveLength(7);
    expect(limited.best).toBe(limited.programs[0]);
  });

  it("cuts programs at the horizon, and says so", async () => {
    const seen: boolean[] = [];
    const reward: PlanningProblem["reward"] = ({ finished }) => {
      seen.push(finished);
      return 0;
    };
    const plan = await planningGuided().plan(problem(flatModel, reward, { horizon: 3, limits: { rollouts: 40 } }));
    expect(seen).not.toContain(true);
    expect(plan.programs.every(({ tokens }) => tokens.length === 3)).toBe(true);
  });

  it("stays within a constraint", async () => {
    const taken: number[] = [];
    // no two equal words in a row
    const allows = (token: number) => token === end || token !== taken[taken.length - 1];
    const constraint = {
      vocabSize: words,
      get length() {
        return taken.length;
      },
      mask: (mask: Uint32Array) => {
        mask[0] = [...Array(words).keys()].reduce((bits, token) => bits | (allows(token) ? 1 << token : 0), 0);
      },
      allows,
      advance: (token: number) => allows(token) && taken.push(token) > 0,
      rollback: (count: number) => {
        taken.length -= count;
      },
      isComplete: () => true,
      forced: () => [],
      shortestCompletion: () => [],
      clone: () => constraint,
    };
    const model = constrainedPrefixes(flatModel, constraint, 1);
    const plan = await planningGuided().plan(problem(model, () => 0, { limits: { rollouts: 1000 } }));
    const texts = textsOf(plan);
    expect(new Set(texts).size).toBe(3 * 2 * 2 * 2);
    for (const text of texts) expect(text).not.toMatch(/(.)\1/);
  });

  it("refuses impossible options and problems", async () => {
    for (const options of [
      { branches: 0 },
      { beam: 1.5 },
      { joinAbove: 0.3 },
      { exploration: -1 },
      { explorationBase: 0 },
    ])
      expect(() => planningGuided(options)).toThrow(expect.objectContaining({ code: "argument" }));
    for (const wrong of [{ prompt: [] }, { horizon: 0 }, { enough: Number.NaN }, { limits: { rollouts: 0 } }])
      await expect(planningGuided().plan(problem(flatModel, () => 0, wrong))).rejects.toMatchObject({
        code: "argument",
      });
    await expect(planningGuided().plan(problem(flatModel, () => Number.NaN))).rejects.toMatchObject({
      code: "argument",
    });
    const aborted = AbortSignal.abort();
    await expect(planningGuided().plan(problem(flatModel, () => 0, { signal: aborted }))).rejects.toMatchObject({
      code: "aborted",
    });
  });
});

describe("selection", () => {
  it("follows the paper's formula", () => {
    const tree = new SearchTree({ rule: "p-ucb-variable", exploration: 4, explorationBase: 10, value: "best" });
    const node = tree.addNode([1, 2, 3], [0.6, 0.25, 0.1]);
    const priors = [0.6, 0.25, 0.1].map((p) => p / 0.95);
    const returns: number[][] = [[], [], []];
    const random = new Random(1);
    // the first choice is the likeliest token: ln 1 = 0 leaves nothing but the value
    expect(tree.select(node)).toBe(0);
    for (let visits = 1; visits < 40; visits++) {
      const beta = Math.log((visits + 11) / 10) + 4;
      const scores = returns.map(
        (seen, i) => Math.max(0, ...seen) + (beta * priors[i]! * Math.sqrt(Math.log(visits))) / (1 + seen.length),
      );
      const edge = tree.select(node);
      expect(edge).toBe(scores.indexOf(Math.max(...scores)));
      const reward = random.next();
      returns[edge]!.push(reward);
      tree.backUp([{ node, edge }], reward);
      expect(tree.valueOf(edge)).toBe(Math.max(...returns[edge]!));
    }
    const best = returns.map((seen) => Math.max(0, ...seen));
    expect(tree.bestEdge(node)).toBe(best.indexOf(Math.max(...best)));
  });
});

describe("baselines", () => {
  const planners: readonly Planner[] = [samplingPlanner({ seed: 1 }), populationPlanner({ seed: 1 }), beamPlanner(5)];

  it.each(planners.map((planner) => [planner.name, planner] as const))(
    "%s finds better than greedy, repeatably",
    async (_, planner) => {
      let better = 0;
      for (let seed = 0; seed < 10; seed++) {
        const limits = { generations: 16, rollouts: 200 };
        const plan = await planner.plan(problem(randomModel(seed), hashReward, { limits }));
        const again = await planner.plan(problem(randomModel(seed), hashReward, { limits }));
        expect(textsOf(again)).toEqual(textsOf(plan));
        expect(plan.statistics.generations).toBeLessThanOrEqual(16);
        const greedy = await greedyPlanner().plan(problem(randomModel(seed), hashReward));
        if (plan.best.reward > greedy.best.reward) better++;
        for (const { tokens, reward } of plan.programs)
          expect(reward).toBe(await hashReward({ tokens, finished: true }));
      }
      expect(better).toBeGreaterThan(3);
    },
  );

  it("draws from the model's distribution", async () => {
    const plan = await samplingPlanner({ temperature: 1, seed: 2 }).plan(
      problem(flatModel, () => 0, { limits: { generations: 2000, rollouts: 2000 } }),
    );
    const texts = textsOf(plan);
    const ones = plan.rollouts.filter((i) => texts[i]![0] === "1").length;
    expect(Math.abs(ones / 2000 - 0.5)).toBeLessThan(0.04);
  });
});

describe("a branching model", () => {
  it("says what the decoder says, whatever order it is asked in, and computes common prefixes once", async () => {
    const next: NextLogits = noisyLogits;
    const model = new ScriptedModel(next);
    const branching = new BranchingModel(model, 3);
    const random = new Random(4);
    const prefixes = [[65, 66, 67]];
    let tokens = 0;
    for (let i = 0; i < 200; i++) {
      const parent = prefixes[random.integer(prefixes.length)]!;
      const prefix = [...parent, 65 + random.integer(20)];
      prefixes.push(prefix);
      tokens += prefix.length;
      expect(await branching.logits(prefix)).toEqual(next(prefix));
    }
    expect(model.rows).toBe(branching.rows);
    expect(branching.rows).toBeLessThan(tokens / 2);
    expect(model.openCount).toBeLessThanOrEqual(3);
    await branching.close();
    expect(model.openCount).toBe(0);
    await expect(branching.logits([])).rejects.toMatchObject({ code: "argument" });
    expect(vocabSize).toBeGreaterThan(words);
  });

  it("serves planners as a plain function does", async () => {
    const plan = (model: PrefixModel) =>
      planningGuided().plan({
        model,
        prompt: [65],
        ends: new Set([90]),
        horizon: 12,
        reward: ({ tokens }) => tokens.filter((token) => token % 2).length / 12,
        limits: { rollouts: 50 },
      });
    const branching = await plan(new BranchingModel(new ScriptedModel(noisyLogits)));
    const direct = await plan({ logits: async (tokens) => noisyLogits(tokens) });
    expect(branching.programs).toEqual(direct.programs);
  });
});

describe("rewards", () => {
  it("are the share of tests that pass", async () => {
    const sandbox = await Sandbox.open();
    const tests = [1, 2, 3, 4].map((x) => ({ input: [x], output: { squares: [x * x, null] } }));
    const rate = (source: string) => passRate(sandbox, source, "f", tests);
    expect(await rate("function f(x) { return { squares: [x * x, null] } }")).toBe(1);
    expect(await rate("function f(x) { return { squares: [x + x, null] } }")).toBe(0.25);
    expect(await rate("function f(x) { if (x > 2) throw x; return { squares: [x * x, undefined] } }")).toBe(0.5);
    expect(await rate("function f(x) {")).toBe(0);
    await expect(passRate(sandbox, "1", "f", [])).rejects.toMatchObject({ code: "argument" });
    const source = (tokens: readonly number[]) => `function f(x) { return { squares: [x ** ${tokens[0]}, null] } }`;
    const reward = testReward({ sandbox, source, name: "f", tests });
    expect(await reward({ tokens: [2], finished: true })).toBe(1);
    expect(await reward({ tokens: [2], finished: false })).toBe(0);
    expect(await withBrevity(reward)({ tokens: [2], finished: true })).toBeCloseTo(1 + 0.2 * Math.exp(-1 / 20), 12);
  });

  it("tell values apart that are not the same JSON", () => {
    expect(sameJson({ a: 1, b: [2] }, { b: [2], a: 1 })).toBe(true);
    for (const [a, b] of [
      [1, "1"],
      [[1], { 0: 1 }],
      [[1], [1, 2]],
      [null, 0],
      [{ a: 1 }, { b: 1 }],
      [undefined, null],
    ] as const)
      expect(sameJson(a, b)).toBe(false);
  });
});
