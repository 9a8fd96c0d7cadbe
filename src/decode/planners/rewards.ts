/**
 * Rewards that planners are often given: tests that a program passes, and how short it is.
 */
import { fail } from "../../util/errors.ts";
import type { CompleteProgram, Reward } from "./planner.ts";
import type { JsonValue, Sandbox } from "./sandbox/sandbox.ts";

/** What a function should return for some arguments. */
export interface FunctionTest {
  readonly input: readonly JsonValue[];
  readonly output: JsonValue;
}

/** Whether two values are the same JSON; keys may be in any order. */
export function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const keys = Object.keys(a);
  if (Array.isArray(a) !== Array.isArray(b) || keys.length !== Object.keys(b).length) return false;
  const [left, right] = [a, b] as readonly Readonly<Record<string, JsonValue>>[];
  return keys.every((key) => Object.hasOwn(right!, key) && sameJson(left![key], right![key]));
}

/** Share of the tests that a function of a program passes, 0 for a program that does not run. @throws `argument` without tests. */
export async function passRate(
  sandbox: Sandbox,
  program: string,
  name: string,
  tests: readonly FunctionTest[],
): Promise<number> {
  if (!tests.length) fail("argument", "passRate: there are no tests; give at least one");
  const outcomes = await sandbox.call(
    program,
    name,
    tests.map(({ input }) => input),
  );
  const passed = outcomes.filter((outcome, i) => outcome.kind === "value" && sameJson(outcome.value, tests[i]!.output));
  return passed.length / tests.length;
}

/** What {@link testReward} needs. */
export interface TestRewardOptions {
  readonly sandbox: Sandbox;
  /** The source of a program's tokens. */
  readonly source: (tokens: readonly number[]) => string;
  /** Name of the function that is tested. */
  readonly name: string;
  readonly tests: readonly FunctionTest[];
}

/** The share of tests passed as a reward; a program that was cut at the horizon gets 0. */
export function testReward({ sandbox, source, name, tests }: TestRewardOptions): Reward {
  return ({ tokens, finished }) => (finished ? passRate(sandbox, source(tokens), name, tests) : 0);
}

/** Adds `weight · e^(−tokens / scale)` to a reward, so that of two programs that are as good the shorter one is better. */
export function withBrevity(reward: Reward, weight = 0.2, scale = 20): Reward {
  return async (program: CompleteProgram) =>
    (await reward(program)) + weight * Math.exp(-program.tokens.length / scale);
}
