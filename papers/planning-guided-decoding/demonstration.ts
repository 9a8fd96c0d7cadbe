/**
 * A demonstration with a real model: twenty one-line functions that SmolLM2-135M may write, sampling against tree search. Too few for
 * statistics, so it is reported without a bar.
 */
import { loadModel } from "bletchley";
import {
  BranchingModel,
  type FunctionTest,
  type JsonValue,
  type Planner,
  passRate,
  planningGuided,
  type Sandbox,
  samplingPlanner,
} from "bletchley/decode";
import type { PaperContext } from "bletchley/papers";

/** A description, its parameters, what is meant, and arguments to try it with. */
type OneLiner = readonly [
  description: string,
  parameters: string,
  meant: (...args: never[]) => JsonValue,
  inputs: readonly (readonly JsonValue[])[],
];

const oneLiners: readonly OneLiner[] = [
  [
    "the sum of two numbers",
    "a, b",
    (a: number, b: number) => a + b,
    [
      [1, 2],
      [-3, 5],
      [0, 0],
    ],
  ],
  ["the square of a number", "x", (x: number) => x * x, [[3], [-4], [0]]],
  [
    "the larger of two numbers",
    "a, b",
    (a: number, b: number) => Math.max(a, b),
    [
      [1, 2],
      [5, -3],
      [4, 4],
    ],
  ],
  ["whether a number is even", "n", (n: number) => n % 2 === 0, [[4], [7], [0]]],
  ["the length of a string", "s", (s: string) => s.length, [["abc"], [""], ["hello you"]]],
  ["a string in capital letters", "s", (s: string) => s.toUpperCase(), [["abc"], ["Hi"], [""]]],
  ["a string reversed", "s", (s: string) => [...s].reverse().join(""), [["abc"], ["hello"], [""]]],
  ["the first element of a list", "xs", (xs: number[]) => xs[0]!, [[[3, 1]], [[7]], [[0, 9, 8]]]],
  ["the last element of a list", "xs", (xs: number[]) => xs[xs.length - 1]!, [[[3, 1]], [[7]], [[0, 9, 8]]]],
  ["the sum of a list", "xs", (xs: number[]) => xs.reduce((a, b) => a + b, 0), [[[1, 2, 3]], [[-1, 1]], [[5]]]],
  ["each number of a list doubled", "xs", (xs: number[]) => xs.map((x) => 2 * x), [[[1, 2]], [[]], [[-3]]]],
  ["the even numbers of a list", "xs", (xs: number[]) => xs.filter((x) => x % 2 === 0), [[[1, 2, 4]], [[3]], [[]]]],
  ["the largest number of a list", "xs", (xs: number[]) => Math.max(...xs), [[[1, 9, 4]], [[-3, -7]], [[2]]]],
  ["whether a list is empty", "xs", (xs: number[]) => xs.length === 0, [[[]], [[1]], [[0, 0]]]],
  ["a list without its first element", "xs", (xs: number[]) => xs.slice(1), [[[1, 2, 3]], [[5]], [[]]]],
  [
    "two lists one after the other",
    "a, b",
    (a: number[], b: number[]) => [...a, ...b],
    [
      [[1], [2]],
      [[], [3]],
    ],
  ],
  ["the words of a sentence", "s", (s: string) => s.split(" "), [["a b"], ["hello"], ["one two three"]]],
  [
    "whether a string contains another",
    "s, t",
    (s: string, t: string) => s.includes(t),
    [
      ["abc", "b"],
      ["abc", "d"],
    ],
  ],
  ["the absolute value of a number", "x", (x: number) => Math.abs(x), [[-3], [4], [0]]],
  ["degrees Fahrenheit from Celsius", "c", (c: number) => (c * 9) / 5 + 32, [[0], [100], [-40]]],
];

/** Lets both planners try all tasks, and measures how many they solve. */
export async function demonstrate(context: PaperContext, sandbox: Sandbox): Promise<void> {
  await using model = await loadModel("smollm2", { signal: context.signal });
  const { tokenizer } = model;
  const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id);
  const ends = new Set([...tokenizer.specials.eosIds, ...ids.filter((id) => tokenizer.decode([id]).includes("\n"))]);
  const branching = new BranchingModel(model);
  const planners: readonly Planner[] = [samplingPlanner({ seed: context.seed }), planningGuided()];
  const solved = planners.map(() => 0);
  for (const [i, [description, parameters, meant, inputs]] of oneLiners.entries()) {
    context.progress("SmolLM2", i, oneLiners.length);
    const head = `const f = (${parameters}) =>`;
    const prompt = `// JavaScript\n// returns the sum of three numbers\nconst g = (a, b, c) => a + b + c;\n\n// returns ${description}\n${head}`;
    const tests: FunctionTest[] = inputs.map((input) => ({
      input,
      output: (meant as (...args: readonly JsonValue[]) => JsonValue)(...input),
    }));
    for (const [which, planner] of planners.entries()) {
      const { best } = await planner.plan({
        model: branching,
        prompt: model.promptTokens(prompt),
        ends,
        horizon: 40,
        reward: ({ tokens }) => passRate(sandbox, head + tokenizer.decode([...tokens]), "f", tests),
        limits: { generations: 16, rollouts: 200 },
        signal: context.signal,
      });
      context.log(
        `${planner.name}, ${description}: ${best.reward === 1 ? "✓" : "✗"}${tokenizer.decode([...best.tokens])}`,
      );
      if (best.reward === 1) solved[which]!++;
    }
  }
  await branching.close();
  context.measure({
    name: "one-line functions that SmolLM2 solves within 16 generations, PG-TD against sampling",
    value: solved[1]!,
    baseline: solved[0]!,
    unit: "of 20",
  });
}
