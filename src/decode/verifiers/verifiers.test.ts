import { describe, expect, it } from "vitest";
import { Random } from "../../util/random.ts";
import { beamChildren, drawWithoutReplacement, shapeDepth, shapeNodes } from "../drafters/draft-shapes.ts";
import { ModelDrafter } from "../drafters/model-drafter.ts";
import { generate } from "../generate.ts";
import type { GenerateOptions } from "../options.ts";
import { checkSpeculation } from "../speculate/speculation.ts";
import { byteTokenizer, ScriptedModel } from "../testing/scripted.ts";
import { perturbed, toyLogits } from "../testing/toy.ts";
import { kSeqRho, kSeqVerifier } from "./k-seq.ts";
import { matchVerifier } from "./match.ts";
import { recursiveRejection, speculativeSampling } from "./rejection.ts";

const tokenizer = byteTokenizer();
const target = toyLogits(3);
const draftModel = () => new ScriptedModel(perturbed(target, 5));

async function textOf(drafter: ModelDrafter | undefined, options: GenerateOptions, verifier = matchVerifier) {
  const sequence = await new ScriptedModel(target).open();
  const tokens: number[] = [];
  let accepted = 0;
  const speculation = drafter && { drafters: [drafter], verifier, size: "all" as const };
  const input = { sequence, tokenizer, prompt: [97, 98], contextLength: 4096, speculation };
  for await (const chunk of generate(input, { maxTokens: 90, ...options })) {
    tokens.push(...chunk.tokens);
    accepted = chunk.stats?.drafting?.accepted ?? 0;
  }
  return { tokens, accepted };
}

describe("a draft model", () => {
  const shapes = [
    { kind: "chain", length: 4 },
    { kind: "independent", count: 3, length: 3 },
    { kind: "branching", widths: [3, 2, 2] },
    { kind: "branching", widths: [2, 2, 2], replacement: true },
    { kind: "beam", width: 4, depth: 4 },
  ] as const;
  it.each(shapes)("drafts without changing a token: $kind", async (shape) => {
    let accepted = 0;
    for (const options of [{}, { temperature: 1, seed: 4 }, { temperature: 0.5, seed: 5 }]) {
      const plain = await textOf(undefined, options);
      const drafted = await textOf(new ModelDrafter({ model: draftModel(), shape }), options);
      expect(drafted.tokens).toEqual(plain.tokens);
      accepted += drafted.accepted;
    }
    expect(accepted).toBeGreaterThan(20);
  });

  it("is greedy under every verifier when the text is", async () => {
    const drafter = new ModelDrafter({ model: draftModel(), shape: shapes[2] });
    expect(await textOf(drafter, {}, recursiveRejection)).toEqual(await textOf(drafter, {}));
  });

  it("ends a chain that is no longer likely, without changing a token", async () => {
    const shape = { kind: "chain", length: 6 } as const;
    const drafted = async (leastChance: number, options: GenerateOptions) => {
      const drafter = new ModelDrafter({ model: draftModel(), shape, leastChance });
      const session = await drafter.open();
      const request = { tokens: [97, 98], maxNodes: 63, maxDepth: 6, sampling: options, random: new Random(1) };
      const { tokens } = await session.propose(request);
      await session.close?.();
      return { length: tokens.length, text: (await textOf(drafter, options)).tokens };
    };
    for (const options of [{}, { temperature: 1, seed: 4 }]) {
      const plain = (await textOf(undefined, options)).tokens;
      const [never, likely, certain] = [
        await drafted(0, options),
        await drafted(0.3, options),
        await drafted(1, options),
      ];
      for (const { text } of [never, likely, certain]) expect(text).toEqual(plain);
      expect(never.length).toBe(6);
      expect(likely.length).toBeLessThan(6);
      // what was drawn stays
      expect(certain.length).toBe(1);
    }
    const tree = { kind: "branching", widths: [2] } as const;
    expect(() => new ModelDrafter({ model: draftModel(), shape: tree, leastChance: 0.1 })).toThrow(/for chains/);
  });

  it("closes its sequences", async () => {
    const model = draftModel();
    await textOf(new ModelDrafter({ model, shape: shapes[0] }), {});
    expect(model.openCount).toBe(0);
  });

  it("refuses shapes without nodes or with too many", () => {
    const make = (shape: ConstructorParameters<typeof ModelDrafter>[0]["shape"]) => () =>
      new ModelDrafter({ model: draftModel(), shape });
    expect(make({ kind: "chain", length: 0 })).toThrow(/has 0 nodes/);
    expect(make({ kind: "branching", widths: [8, 8] })).toThrow(/has 72 nodes/);
  });
});

describe("verifiers", () => {
  it("refuse drafts that they are not exact for", () => {
    const beam = new ModelDrafter({ model: draftModel(), shape: { kind: "beam", width: 2, depth: 2 } });
    const chains = new ModelDrafter({ model: draftModel(), shape: { kind: "independent", count: 2, length: 2 } });
    expect(() => checkSpeculation({ drafters: [beam], verifier: speculativeSampling })).toThrow(/without-replacement/);
    expect(() => checkSpeculation({ drafters: [chains], verifier: recursiveRejection })).toThrow(/independent/);
    expect(() => checkSpeculation({ drafters: [beam, chains], verifier: matchVerifier })).not.toThrow();
    expect(() => checkSpeculation({ drafters: [chains, chains], verifier: kSeqVerifier })).toThrow(/one drafter/);
  });

  it("find the ρ at which k-SEQ balances", () => {
    const random = new Random(2);
    const normalised = (values: number[]) => {
      const total = values.reduce((a, b) => a + b);
      return Float64Array.from(values, (v) => v / total);
    };
    for (let round = 0; round < 50; round++) {
      const p = normalised(Array.from({ length: 8 }, () => -Math.log(1 - random.next())));
      const q = normalised([...p].map((x) => x * Math.exp(random.normal())));
      for (const k of [1, 2, 3, 4]) {
        const rho = kSeqRho(p, q, k);
        const beta = p.reduce((sum, x, i) => sum + Math.min(x, q[i]! / rho), 0);
        if (k === 1) expect(rho).toBe(1);
        else expect(1 - (1 - beta) ** k).toBeCloseTo(rho * beta, 9);
        // the residual has no negative weight
        const share = (1 - (1 - beta) ** k) / beta;
        for (let i = 0; i < 8; i++) expect(q[i]! - Math.min(p[i]!, q[i]! / rho) * share).toBeGreaterThan(-1e-9);
      }
    }
  });
});

describe("draws", () => {
  const p = Float64Array.from([0.5, 0.3, 0, 0.2]);
  it("without replacement have no token twice and none without probability", () => {
    const random = new Random(1);
    const first = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) {
      const drawn = drawWithoutReplacement(p, 4, random);
      expect(new Set(drawn).size).toBe(3);
      expect(drawn).not.toContain(2);
      first[drawn[0]!]!++;
    }
    expect(first[0]! / 4000).toBeCloseTo(0.5, 1);
    expect(first[1]! / 4000).toBeCloseTo(0.3, 1);
  });

  it("of a stochastic beam keep the parent's ψ for the first child, and fall from there", () => {
    const random = new Random(3);
    for (let i = 0; i < 200; i++) {
      const children = beamChildren(p, { phi: -1, psi: -0.7 }, 3, random);
      expect(children[0]!.psi).toBe(-0.7);
      for (let k = 1; k < children.length; k++) expect(children[k]!.psi).toBeLessThanOrEqual(children[k - 1]!.psi);
      for (const { token, phi } of children) expect(phi).toBeCloseTo(-1 + Math.log(p[token]!), 12);
    }
  });

  it("know the size of their shapes", () => {
    expect(shapeNodes({ kind: "branching", widths: [2, 2, 2] })).toBe(14);
    expect(shapeDepth({ kind: "branching", widths: [2, 2, 2] })).toBe(3);
    expect(shapeNodes({ kind: "beam", width: 3, depth: 4 })).toBe(12);
    expect(shapeNodes({ kind: "independent", count: 8, length: 3 })).toBe(24);
  });
});
