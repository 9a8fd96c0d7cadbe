import { describe, expect, it } from "vitest";
import { choosePearlWindow, simulatePearl } from "./simulate.ts";
import { idleShare, type Span } from "./spans.ts";

const turns = { preVerify: false, postVerify: false };

describe("the simulation", () => {
  it("is arithmetic when every token is right, and when every one is wrong", () => {
    const costs = { draftMs: 1, targetMs: [4, 4, 4, 4, 4], acceptance: 1 };
    // after the first batch every 4 ms yield 4 tokens
    expect(simulatePearl(costs, { window: 4, tokens: 4000 }).tokensPerSecond).toBeCloseTo(1000, -1);
    // taking turns: 4 + 4 ms for 5 tokens
    expect(simulatePearl(costs, { window: 4, strategies: turns, tokens: 4000 }).tokensPerSecond).toBeCloseTo(625, 6);
    const wrong = { ...costs, acceptance: 0 };
    expect(simulatePearl(wrong, { window: 4 }).tokensPerSecond).toBeCloseTo(250, 6);
    expect(simulatePearl(wrong, { window: 4, strategies: turns }).tokensPerSecond).toBeCloseTo(125, 6);
  });

  it("agrees with the law of speculative decoding", () => {
    const [alpha, window] = [0.8, 3];
    const costs = { draftMs: 1, targetMs: [5], acceptance: alpha };
    const expected = (1 - alpha ** (window + 1)) / (1 - alpha) / (window + 5);
    const { tokensPerSecond } = simulatePearl(costs, { window, strategies: turns, tokens: 200_000 });
    expect(tokensPerSecond / 1000).toBeCloseTo(expected, 2);
  });

  it("finds the published ratios of PEARL and speculative decoding", () => {
    // verification as cheap as a step, c = 3 and 5: the speeds in steps of the target
    for (const [c, acceptance, speculative, parallel] of [
      [3, 0.8, 1.47, 1.89],
      [3, 0.95, 2.02, 2.61],
      [5, 0.9, 2.38, 3.13],
    ] as const) {
      const costs = { draftMs: 1000 / c, targetMs: [1000], acceptance };
      expect(choosePearlWindow(costs, turns, 16).tokensPerSecond).toBeCloseTo(speculative, 1);
      expect(choosePearlWindow(costs, undefined, 16).tokensPerSecond).toBeCloseTo(parallel, 1);
    }
  });

  it("chooses a window near the ratio of speeds, and keeps the target busier", () => {
    const costs = { draftMs: 1, targetMs: [4], acceptance: 0.9 };
    expect(choosePearlWindow(costs).window).toBe(4);
    const idle = (strategies?: typeof turns) => {
      const spans: Span[] = [];
      simulatePearl(costs, { window: 4, strategies, onSpan: (span) => spans.push(span) });
      return idleShare(spans, "target");
    };
    expect(idle()).toBeLessThan(0.2);
    expect(idle(turns)).toBeGreaterThan(0.4);
  });

  it("extends the cost of rows, and refuses what cannot be", () => {
    const costs = { draftMs: 1, targetMs: [4, 5], acceptance: 1 };
    // 1 + 4 rows: 5 + 3 · 1 ms, after 4 ms of writing
    expect(simulatePearl(costs, { window: 4, strategies: turns, tokens: 5 }).milliseconds).toBe(12);
    expect(() => simulatePearl({ ...costs, acceptance: 1.5 }, { window: 1 })).toThrow(/acceptance is 1.5/);
    expect(() => simulatePearl({ ...costs, targetMs: [] }, { window: 1 })).toThrow(/step times/);
    expect(() => simulatePearl(costs, { window: 0 })).toThrow(/window is 0/);
  });
});
