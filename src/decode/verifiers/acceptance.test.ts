/** Exactness of the rules and their formulas of acceptance, against enumeration and a maximum flow. */
import { describe, expect, it } from "vitest";
import { Random } from "../../util/random.ts";
import { beamChildren, drawWithoutReplacement } from "../drafters/draft-shapes.ts";
import { distinctRejectionAcceptance, optimalAcceptance, repeatedRejectionAcceptance } from "./acceptance.ts";
import { kSeqAcceptance, kSeqResidual, kSeqRho, kSeqVerifier } from "./k-seq.ts";
import { nodeLaw } from "./node-law.ts";
import { recursiveRejection, speculativeSampling } from "./rejection.ts";
import type { NodeRule } from "./walk.ts";

const random = new Random(11);

function normalised(weights: readonly number[]): Float64Array {
  const total = weights.reduce((a, b) => a + b);
  return Float64Array.from(weights, (w) => w / total);
}

/** A draft and a target that resemble each other; now and then a token is missing in one of them. */
function pair(size: number): readonly [p: Float64Array, q: Float64Array] {
  const weights = Array.from({ length: size }, () => -Math.log(1 - random.next()));
  const missing = (chance: number) => (random.next() < chance ? 0 : 1);
  const p = weights.map((w, i) => w * (i ? missing(0.1) : 1));
  const q = weights.map((w, i) => w * Math.exp(random.normal()) * (i ? missing(0.1) : 1));
  return [normalised(p), normalised(q)];
}

const far = (a: Float64Array, b: Float64Array) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

/** Greatest acceptance of any coupling: the maximum flow from sequences of draws to tokens that are in them. */
function greatestFlow(p: Float64Array, q: Float64Array, count: number): number {
  const size = p.length;
  const tuples = Array.from({ length: size ** count }, (_, n) =>
    Array.from({ length: count }, (_, i) => Math.floor(n / size ** i) % size),
  );
  const supply = tuples.map((tuple) => tuple.reduce((product, token) => product * p[token]!, 1));
  const demand = [...q];
  const sent = tuples.map(() => new Array<number>(size).fill(0));
  let flow = 0;
  for (;;) {
    // a path of least length from a tuple with supply to a token with demand
    const cameFrom = new Map<string, string | undefined>();
    const queue: { readonly tuple?: number; readonly token?: number }[] = [];
    tuples.forEach((_, tuple) => {
      if (supply[tuple]! > 1e-15) {
        cameFrom.set(`s${tuple}`, undefined);
        queue.push({ tuple });
      }
    });
    let end: number | undefined;
    for (let at = 0; at < queue.length && end === undefined; at++) {
      const { tuple, token } = queue[at]!;
      if (tuple !== undefined) {
        for (const next of new Set(tuples[tuple]!))
          if (!cameFrom.has(`t${next}`)) {
            cameFrom.set(`t${next}`, `s${tuple}`);
            queue.push({ token: next });
          }
      } else if (demand[token!]! > 1e-15) end = token;
      else
        tuples.forEach((_, back) => {
          if (sent[back]![token!]! > 1e-15 && !cameFrom.has(`s${back}`)) {
            cameFrom.set(`s${back}`, `t${token}`);
            queue.push({ tuple: back });
          }
        });
    }
    if (end === undefined) return flow;
    const path = [`t${end}`];
    for (let node = cameFrom.get(path[0]!); node !== undefined; node = cameFrom.get(node)) path.unshift(node);
    const number = (node: string) => Number(node.slice(1));
    let most = Math.min(supply[number(path[0]!)]!, demand[end]!);
    for (let i = 1; i + 1 < path.length; i += 2) most = Math.min(most, sent[number(path[i + 1]!)]![number(path[i]!)]!);
    path.forEach((node, i) => {
      if (i + 1 === path.length) return;
      if (node[0] === "s") sent[number(node)]![number(path[i + 1]!)]! += most;
      else sent[number(path[i + 1]!)]![number(node)]! -= most;
    });
    supply[number(path[0]!)]! -= most;
    demand[end]! -= most;
    flow += most;
  }
}

describe("rules", () => {
  it.each([
    ["speculative sampling", speculativeSampling, "independent"],
    ["k-SEQ", kSeqVerifier, "independent"],
    ["recursive rejection", recursiveRejection, "without-replacement"],
  ] as const)("%s leaves the distribution as it is", (_, { rule }, kind) => {
    for (let round = 0; round < 60; round++) {
      const [p, q] = pair(5);
      for (const count of [1, 2, 3]) expect(far(nodeLaw(rule, p, q, count, kind).output, q)).toBeLessThan(1e-11);
    }
  });

  it("that are wrong are seen to be", () => {
    const careless: NodeRule = (q, p, drawn, chance) => {
      for (const { node, token } of drawn) if (chance.happens(q[token]! / p[token]!)) return { child: node };
      return { token: chance.draw(q, 1) };
    };
    const [p, q] = pair(5);
    expect(far(nodeLaw(careless, p, q, 2, "independent").output, q)).toBeGreaterThan(1e-3);
    const backwards: NodeRule = (target, draft, drawn, chance) =>
      recursiveRejection.rule(target, draft, drawn.toReversed(), chance);
    expect(far(nodeLaw(backwards, p, q, 2, "without-replacement").output, q)).toBeGreaterThan(1e-3);
    // exact for independent draws only
    expect(far(nodeLaw(kSeqVerifier.rule, p, q, 2, "without-replacement").output, q)).toBeGreaterThan(1e-3);
  });
});

describe("acceptance", () => {
  it("by formula is what enumeration gives", () => {
    for (let round = 0; round < 40; round++) {
      const [p, q] = pair(5);
      for (const count of [1, 2, 3]) {
        const of = (rule: NodeRule, kind: "independent" | "without-replacement") =>
          nodeLaw(rule, p, q, count, kind).acceptance;
        const repeated = of(speculativeSampling.rule, "independent");
        expect(repeatedRejectionAcceptance(p, q, count)).toBeCloseTo(repeated, 11);
        expect(kSeqAcceptance(p, q, count)).toBeCloseTo(of(kSeqVerifier.rule, "independent"), 11);
        const distinct = of(recursiveRejection.rule, "without-replacement");
        expect(distinctRejectionAcceptance(p, q, count)).toBeCloseTo(distinct, 11);
      }
    }
  });

  it("without replacement is estimated without bias", () => {
    const [p, q] = pair(6);
    const exact = distinctRejectionAcceptance(p, q, 3);
    const estimate = distinctRejectionAcceptance(p, q, 3, { random: new Random(1), ways: 20_000 });
    expect(Math.abs(estimate - exact)).toBeLessThan(0.005);
    expect(() => distinctRejectionAcceptance(new Float64Array(1024), q, 4)).toThrow(/too many ways/);
  });

  it("at best is the maximum flow", () => {
    for (let round = 0; round < 20; round++)
      for (const [size, count] of [
        [3, 1],
        [4, 2],
        [4, 3],
        [3, 3],
      ] as const) {
        const [p, q] = pair(size);
        expect(optimalAcceptance(p, q, count)[count - 1]).toBeCloseTo(greatestFlow(p, q, count), 11);
      }
  });

  it("of k-SEQ lies within its bounds, and leaves no negative weight", () => {
    for (let round = 0; round < 300; round++) {
      const [p, q] = pair(12);
      const best = optimalAcceptance(p, q, 6);
      for (let k = 1; k <= 6; k++) {
        const accepted = kSeqAcceptance(p, q, k);
        expect(accepted).toBeLessThanOrEqual(best[k - 1]! + 1e-9);
        expect(accepted).toBeGreaterThanOrEqual((1 - (1 - 1 / k) ** k) * best[k - 1]! - 1e-9);
        expect(Math.min(...kSeqResidual(p, q, k, kSeqRho(p, q, k)))).toBeGreaterThan(-1e-12);
      }
    }
  });

  it("is certain for equal distributions, and impossible for disjoint ones", () => {
    const p = Float64Array.from([0.5, 0.5, 0, 0]);
    const q = Float64Array.from([0, 0, 0.25, 0.75]);
    for (const f of [repeatedRejectionAcceptance, kSeqAcceptance, distinctRejectionAcceptance]) {
      expect(f(p, p, 2)).toBeCloseTo(1, 12);
      expect(f(p, q, 2)).toBeCloseTo(0, 12);
    }
    expect(nodeLaw(kSeqVerifier.rule, p, q, 2, "independent").output).toEqual(q);
    expect(nodeLaw(recursiveRejection.rule, p, q, 3, "without-replacement").output).toEqual(q);
  });
});

describe("draws in order", () => {
  const draws = 40_000;
  const first = normalised([5, 3, 2]);
  const second = [normalised([1, 8, 1]), normalised([4, 1, 1]), normalised([1, 1, 1])];

  /** Sum of (seen − expected)² / expected, over ordered pairs of different outcomes drawn without replacement. */
  function chiSquare(seen: ReadonlyMap<string, number>, law: ReadonlyMap<string, number>): number {
    let sum = 0;
    for (const [a, x] of law)
      for (const [b, y] of law) {
        if (a === b) continue;
        const expected = (draws * x * y) / (1 - x);
        sum += ((seen.get(`${a} ${b}`) ?? 0) - expected) ** 2 / expected;
      }
    return sum;
  }

  it("below one node have the law of successive draws", () => {
    const source = new Random(5);
    const seen = new Map<string, number>();
    for (let i = 0; i < draws; i++) {
      const key = drawWithoutReplacement(first, 2, source).join(" ");
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    const law = new Map([...first].map((x, i) => [String(i), x]));
    // six cells; 20.5 is exceeded once in a thousand times
    expect(chiSquare(seen, law)).toBeLessThan(20.5);
  });

  it("of a stochastic beam have the law of whole paths drawn without replacement", () => {
    const source = new Random(6);
    const seen = new Map<string, number>();
    for (let i = 0; i < draws; i++) {
      const beams = beamChildren(first, { phi: 0, psi: 0 }, 2, source);
      const paths = beams.flatMap((beam) =>
        beamChildren(second[beam.token]!, beam, 2, source).map(({ token, psi }) => ({
          path: [beam.token, token],
          psi,
        })),
      );
      paths.sort((a, b) => b.psi - a.psi);
      const key = `${paths[0]!.path} ${paths[1]!.path}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    const law = new Map([...first].flatMap((x, i) => [...second[i]!].map((y, j) => [`${i},${j}`, x * y])));
    // 72 cells; 113 is exceeded once in a thousand times
    expect(chiSquare(seen, law)).toBeLessThan(113);
  });
});
