/**
 * PEARL on paper: two workers with known step times and a chance that a drafted token is right. Tells how fast a window would be before
 * anything is run, and what the method can gain at all.
 */
import { fail } from "../../util/errors.ts";
import { Random } from "../../util/random.ts";
import { bothStrategies, type PearlStrategies } from "./pearl-loop.ts";
import type { SpanListener } from "./spans.ts";

/** What the two models take. */
export interface PearlCosts {
  /** Milliseconds in which the draft model writes a token. */
  readonly draftMs: number;
  /** Milliseconds of the target's steps by number of rows, from 1 on; the last two are extended beyond. */
  readonly targetMs: readonly number[];
  /** Chance that a drafted token is accepted. */
  readonly acceptance: number;
}

/** What is simulated. */
export interface SimulationOptions {
  readonly window: number;
  /** Everything at the same time by default. */
  readonly strategies?: PearlStrategies;
  /** Length of the text; 32,768 tokens by default. */
  readonly tokens?: number;
  readonly seed?: number;
  /** Is told of every step, in milliseconds since the beginning. */
  readonly onSpan?: SpanListener;
}

/** What a simulation yields. */
export interface Simulation {
  readonly milliseconds: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  readonly targetSteps: number;
}

/** Time of a target's step. */
function targetTime({ targetMs }: PearlCosts, rows: number): number {
  const last = targetMs.length - 1;
  if (rows - 1 <= last) return targetMs[rows - 1]!;
  const slope = last > 0 ? Math.max(0, targetMs[last]! - targetMs[last - 1]!) : 0;
  return targetMs[last]! + slope * (rows - 1 - last);
}

/**
 * Plays PEARL's rules on two clocks. @throws `argument` for an impossible chance, time or window.
 */
export function simulatePearl(costs: PearlCosts, options: SimulationOptions): Simulation {
  const { window, strategies = bothStrategies, tokens: length = 32_768, seed = 0, onSpan } = options;
  const { draftMs, targetMs, acceptance } = costs;
  if (!(acceptance >= 0 && acceptance <= 1)) fail("argument", `acceptance is ${acceptance}; it must be from 0 to 1`);
  if (!(draftMs > 0) || !targetMs.length || targetMs.some((ms) => !(ms > 0)))
    fail("argument", `step times are ${draftMs} and [${targetMs}] ms; they must be above 0`);
  if (!Number.isInteger(window) || window < 1)
    fail("argument", `window is ${window}; it must be a whole number of at least 1`);
  const random = new Random(seed, 0x51a);
  const accepts = () => random.next() < acceptance;
  let clock = 0;
  let tokens = 0;
  let pending = 0;
  let targetSteps = 0;
  /** Both begin together; who is done waits for the other. */
  const together = (rows: number, written: number) => {
    const checked = rows ? targetTime(costs, rows) : 0;
    if (rows) {
      targetSteps++;
      onSpan?.({ worker: "target", start: clock, end: clock + checked, rows });
    }
    for (let i = 0; onSpan && i < written; i++)
      onSpan({ worker: "draft", start: clock + i * draftMs, end: clock + (i + 1) * draftMs, rows: 1 });
    clock += Math.max(checked, written * draftMs);
  };
  while (tokens < length) {
    const written = pending && !strategies.postVerify ? 0 : window;
    if (!pending && !strategies.preVerify) {
      together(0, written);
      pending = written;
      continue;
    }
    together(1 + pending, written);
    let right = 0;
    while (right < pending && accepts()) right++;
    tokens += right;
    if (right < pending) {
      tokens++;
      pending = 0;
    } else {
      // the first of the new batch, or the token that takes its place, or the one that the last row gives for nothing
      tokens++;
      pending = written && accepts() ? written - 1 : 0;
    }
  }
  return { milliseconds: clock, tokens, tokensPerSecond: (tokens / clock) * 1000, targetSteps };
}

/** The window from 1 to `most` that the simulation finds fastest, with its speed. */
export function choosePearlWindow(
  costs: PearlCosts,
  strategies: PearlStrategies = bothStrategies,
  most = 8,
): { readonly window: number; readonly tokensPerSecond: number } {
  return Array.from({ length: most }, (_, i) => ({
    window: i + 1,
    tokensPerSecond: simulatePearl(costs, { window: i + 1, strategies }).tokensPerSecond,
  })).reduce((best, next) => (next.tokensPerSecond > best.tokensPerSecond ? next : best));
}
