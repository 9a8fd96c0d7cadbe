import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSafetensors } from "../../formats/index.ts";
import { initialize, normal } from "../../nn/index.ts";
import { memoryFiles } from "../../runtime/index.ts";
import { f16BitsToF32, f32ToF16Bits } from "../../util/dtype.ts";
import { NDArray } from "../../util/ndarray.ts";
import { Random } from "../../util/random.ts";
import { childrenOf, type DraftTree, depthsOf } from "../draft-tree.ts";
import { SuffixDrafter } from "../drafters/suffix-automaton.ts";
import { generate } from "../generate.ts";
import type { GenerateOptions } from "../options.ts";
import type { Speculation } from "../speculate/speculation.ts";
import {
  byteTokenizer,
  type NextLogits,
  ScriptedModel,
  scriptedHidden,
  scriptedHiddenSize,
  vocabSize,
} from "../testing/scripted.ts";
import { recursiveRejection } from "../verifiers/rejection.ts";
import { HeadDrafter } from "./head-drafter.ts";
import { readHeads, writeHeads } from "./head-file.ts";
import { coverage, draftPlaces, frequentTokens, HeadLabels, headRows, type TokenEmbeddings } from "./head-labels.ts";
import { type DraftHeads, type HeadDesign, newDraftHeads } from "./head-modules.ts";
import { HeadRunner } from "./head-runner.ts";
import { agreement, draftMilliseconds, headRanks, measureHeads } from "./measure-heads.ts";
import { PrefixCache } from "./prefix-cache.ts";
import {
  chooseTree,
  cutTree,
  likeliestTree,
  rankChain,
  rankPaths,
  rankTree,
  rateTree,
  simulateTree,
  type TrueRanks,
} from "./rank-tree.ts";
import { recordTrace, splitTrace, type Trace, type TraceRecorder, type TraceSequence } from "./trace.ts";
import { trainDraftHeads } from "./train-heads.ts";

const tokenizer = byteTokenizer();
const size = scriptedHiddenSize;

/** Logits that depend on the last two tokens only and say one of a few letters. */
const repetitive: NextLogits = (tokens) => {
  const [a = 0, b = 0] = tokens.slice(-2);
  const logits = new Random(a * 1009 + b).normals(vocabSize, 1);
  for (let id = 97; id < 103; id++) logits[id]! += 6;
  logits[256] = logits[257] = -40;
  return logits;
};

/** A row of its own for each token. */
const embeddings: TokenEmbeddings = {
  read(token, out, offset) {
    out.set(new Random(token + 5).normals(size, 1), offset);
  },
};

const letters = Int32Array.from([97, 98, 99, 100, 101, 102, 32, 120]);

function randomHeads(design: Partial<HeadDesign>, seed = 3): DraftHeads {
  const lmHead = new Random(seed).normals(letters.length * size, 0.6);
  const whole: HeadDesign = {
    kind: "hydra",
    heads: 3,
    hiddenSize: size,
    blocks: 1,
    lmHead: "own",
    vocabSize,
    ...design,
  };
  const heads = newDraftHeads(whole, letters, lmHead, seed);
  initialize(heads, seed, [
    [/norm/, () => new Float32Array(size).fill(1)],
    [/./, normal(0.4)],
  ]);
  return heads;
}

async function text(speculation: Speculation | undefined, options: GenerateOptions = {}, prompt = "ab cd ab") {
  const sequence = await new ScriptedModel(repetitive).open();
  const tokens: number[] = [];
  const input = { sequence, tokenizer, prompt: tokenizer.encode(prompt), contextLength: 4096, speculation };
  for await (const chunk of generate(input, { maxTokens: 150, ...options })) tokens.push(...chunk.tokens);
  return tokens;
}

/** A text with random rows. */
function randomText(count: number, promptLength: number, seed: number, top = 16): TraceSequence {
  const random = new Random(seed);
  const rows = (n: number) => Uint16Array.from(random.normals(n, 1), f32ToF16Bits);
  const answered = count - promptLength - 1;
  const topTokens = Array.from({ length: answered }, () => {
    const order = Array.from({ length: 32 }, (_, i) => 90 + i);
    for (let i = 31; i > 0; i--) {
      const j = random.integer(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order.slice(0, top);
  }).flat();
  return {
    tokens: Int32Array.from({ length: count }, () => 95 + random.integer(12)),
    promptLength,
    hidden: rows((count - 1) * size),
    topTokens: Int32Array.from(topTokens),
    topLogits: Float32Array.from({ length: answered * top }, (_, i) => 5 - (i % top) * 0.5),
  };
}

describe("traces", () => {
  const prompts = ["ab cd", "cd ab a", "bb", "a b c d"].map((prompt) => tokenizer.encode(prompt));
  const decode =
    (drafts: boolean, seen: number[][] = []) =>
    async (prompt: readonly number[], recorder: TraceRecorder) => {
      seen.push([...prompt]);
      const drafters = drafts ? [recorder, new SuffixDrafter()] : [recorder];
      return text({ drafters, size: "all" }, { maxTokens: 40 }, tokenizer.decode([...prompt]));
    };
  const subject = { sha256: "0", form: "scripted", prompts, maxTokens: 40 };

  it("hold what plain decoding says, also when others draft", async () => {
    for (const drafts of [false, true]) {
      const trace = await recordTrace({ ...subject, files: memoryFiles(), answerTokens: 1000, decode: decode(drafts) });
      expect(trace.sequences).toHaveLength(4);
      expect(trace.hiddenSize).toBe(size);
      for (const [i, { tokens, promptLength, hidden, topTokens, topLogits }] of trace.sequences.entries()) {
        const all = [...prompts[i]!, ...(await text(undefined, { maxTokens: 40 }, tokenizer.decode(prompts[i]!)))];
        expect([...tokens]).toEqual(all);
        expect(promptLength).toBe(prompts[i]!.length);
        expect(hidden).toHaveLength((all.length - 1) * size);
        for (let place = 0; place < all.length - 1; place++) {
          const state = scriptedHidden(all.slice(0, place + 1));
          for (let k = 0; k < size; k++) expect(f16BitsToF32(hidden[place * size + k]!)).toBeCloseTo(state[k]!, 2);
          if (place < promptLength) continue;
          const logits = repetitive(all.slice(0, place + 1));
          const at = (place - promptLength) * 16;
          expect(topTokens[at]).toBe(all[place + 1]);
          expect(topLogits[at]).toBe(Math.max(...logits));
          expect(topLogits[at + 15]).toBe([...logits].sort((a, b) => b - a)[15]);
        }
      }
    }
  });

  it("go on where they ended, and end when there are enough tokens", async () => {
    const files = memoryFiles();
    const many = Array.from({ length: 40 }, (_, i) => tokenizer.encode(`ab ${String.fromCharCode(97 + (i % 6))} ${i}`));
    const seen: number[][] = [];
    const options = { ...subject, prompts: many, files, decode: decode(false, seen) };
    const first = await recordTrace({ ...options, answerTokens: 100 });
    expect(first.sequences).toHaveLength(3);
    expect(seen).toHaveLength(16);
    const second = await recordTrace({ ...options, answerTokens: 700 });
    expect(second.sequences).toHaveLength(18);
    expect(seen).toHaveLength(32);
    expect(second.sequences.slice(0, 3)).toEqual(first.sequences);
    await files.write("trace-00000.safetensors", [new Uint8Array(9)]);
    await expect(recordTrace({ ...options, answerTokens: 100 })).rejects.toThrow();
  });

  it("are split by answers", () => {
    const sequences = [randomText(20, 8, 1), randomText(30, 8, 2), randomText(16, 8, 3)];
    const { training, heldOut } = splitTrace({ hiddenSize: size, top: 16, sequences }, 9);
    expect(training.sequences).toEqual(sequences.slice(0, 1));
    expect(heldOut.sequences).toEqual(sequences.slice(1));
  });
});

describe("labels", () => {
  const tokens = Int32Array.from([95, 96, 97, 98, 99, 100, 101, 102]);
  const places = draftPlaces(tokens, vocabSize);
  const sequence = randomText(14, 5, 8);
  const labels = new HeadLabels({ hiddenSize: size, top: 16 }, { heads: 3, places, embeddings });
  const rows = headRows(sequence);

  it("begin at the prompt's last token and end where nothing is left to learn", () => {
    expect(rows.map(({ place }) => place)).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    expect(headRows(sequence, 8).map(({ place }) => place)).toEqual([4, 5, 6, 7]);
    expect(headRows(randomText(7, 5, 1))).toHaveLength(1);
  });

  it("are those of a naive computation, place by place", () => {
    const hard = labels.labels(rows);
    const soft = labels.soft(rows, 0.7);
    const next = labels.next(rows);
    const later = labels.laterHidden(rows);
    const row = new Float32Array(size);
    for (const [r, { place: t }] of rows.entries())
      for (let i = 1; i <= 3; i++) {
        const at = r * 3 + i - 1;
        const target = t + 1 + i;
        const known = target < sequence.tokens.length;
        const id = known ? tokens.indexOf(sequence.tokens[target]!) : -1;
        expect(Number(hard[at]!)).toBe(id);
        embeddings.read(sequence.tokens[t + i] ?? 0, row, 0);
        expect([...next.subarray(at * size, (at + 1) * size)]).toEqual(
          t + i < sequence.tokens.length ? [...row] : Array(size).fill(0),
        );
        const state = [...sequence.hidden.subarray((t + i) * size, (t + i + 1) * size)].map(f16BitsToF32);
        expect([...later.subarray(at * size, (at + 1) * size)]).toEqual(known ? state : Array(size).fill(0));
        // p of place t + i, of the tokens that can be drafted
        const wanted = new Map<number, number>();
        if (known)
          for (let k = 0; k < 16; k++) {
            const from = (t + i - sequence.promptLength) * 16 + k;
            const place = tokens.indexOf(sequence.topTokens[from]!);
            if (place >= 0) wanted.set(place, Math.exp(sequence.topLogits[from]! / 0.7));
          }
        const total = [...wanted.values()].reduce((a, b) => a + b, 0);
        const found = new Map<number, number>();
        for (let k = 0; k < 16; k++)
          if (soft.weights[at * 16 + k]! > 0) found.set(Number(soft.places[at * 16 + k]!), soft.weights[at * 16 + k]!);
        expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
        for (const [place, weight] of found) expect(weight).toBeCloseTo(wanted.get(place)! / total, 5);
      }
  });

  it("know which tokens are frequent, and how many of the rest there are", () => {
    const trace: Trace = {
      hiddenSize: size,
      top: 16,
      sequences: [{ ...sequence, tokens: Int32Array.from([7, 7, 7, 7, 7, 1, 2, 2, 3, 3, 3, 1, 2, 2]) }],
    };
    expect([...frequentTokens(trace, 2, vocabSize)]).toEqual([2, 3]);
    expect([...frequentTokens(trace, 4, vocabSize)]).toEqual([2, 3, 1, 7]);
    expect([...frequentTokens(trace, 9, 3)]).toEqual([0, 1, 2]);
    expect(coverage(trace, Int32Array.from([2, 3]))).toBeCloseTo(7 / 9);
    expect(() => draftPlaces(Int32Array.from([2, 2]), 4)).toThrow(/twice/);
  });
});

describe("rank trees", () => {
  it("are made of paths, in order of depth, and refuse what is none", () => {
    const tree = rankTree([[0], [0, 0], [1], [0, 1], [0, 0, 0]]);
    expect(tree).toEqual({ parents: [-1, -1, 0, 0, 2], ranks: [0, 1, 0, 1, 0], depths: [1, 1, 2, 2, 3] });
    expect(rankTree(rankPaths(tree))).toEqual(tree);
    expect(cutTree(tree, 2, 9).parents).toEqual([-1, -1, 0, 0]);
    expect(cutTree(tree, 9, 3).parents).toEqual([-1, -1, 0]);
    expect(() => rankTree([[0, 0]])).toThrow(/needs its parent/);
    expect(() => rankTree([[0], [0]])).toThrow(/twice/);
  });

  const infinite = Number.POSITIVE_INFINITY;
  const truth: TrueRanks = {
    heads: 2,
    ranks: Float64Array.from([0, 0, 1, 0, 0, 1, 3, 0, 0, 0, infinite, 0, 0, infinite]),
    starts: [0, 5],
  };

  it("yield what walking over the ranks says", () => {
    // first text: 3 tokens, then 1 of rank 3 (nothing accepted), then 1 that is left; second: 1, 1 left
    expect(simulateTree(rankChain(2), truth)).toBeCloseTo((3 + 1 + 1 + 1 + 1) / 5);
    expect(simulateTree(rankTree([[0], [1]]), truth)).toBeCloseTo((2 + 2 + 1 + 1 + 1) / 5);
    expect(simulateTree(rankTree([[7]]), truth)).toBe(1);
  });

  it("of the likeliest nodes hold those that the truth takes most often", () => {
    expect(rankPaths(likeliestTree(truth, 3))).toEqual([[0], [1], [0, 0]]);
    expect(rankPaths(likeliestTree(truth, 99, 2))).toHaveLength(5);
  });

  it("are chosen by their cost, or not at all", () => {
    const draft = () => 0;
    const cheap = chooseTree(truth, { step: () => 1, draft })!;
    expect(cheap.tokensPerStep).toBe(
      Math.max(...[1, 2, 3, 4, 5].map((n) => simulateTree(likeliestTree(truth, n), truth))),
    );
    const dear = chooseTree(truth, { step: (rows) => 1 + 0.2 * (rows - 1), draft })!;
    expect(dear.tree.parents.length).toBeLessThanOrEqual(cheap.tree.parents.length);
    expect(rateTree(dear.tree, truth, { step: (rows) => 1 + 0.2 * (rows - 1), draft }).speedup).toBe(dear.speedup);
    expect(chooseTree(truth, { step: (rows) => rows, draft })).toBeUndefined();
    expect(chooseTree(truth, { step: () => 1, draft: () => 2 })).toBeUndefined();
  });
});

describe("draft heads", () => {
  const runners: HeadRunner[] = [];
  const compileHeads = async (heads: DraftHeads, top = 8) => {
    const runner = await HeadRunner.compile(heads, { threads: 1, top });
    runners.push(runner);
    return runner;
  };
  let hydra: HeadRunner;
  let medusa: HeadRunner;
  let plus: HeadRunner;
  beforeAll(async () => {
    hydra = await compileHeads(randomHeads({}));
    medusa = await compileHeads(randomHeads({ kind: "medusa", lmHead: "shared" }));
    plus = await compileHeads(randomHeads({ blocks: 3, prefixHeads: 2, dropout: 0.2 }));
  });
  afterAll(async () => {
    for (const runner of runners) await runner.dispose();
  });

  const tree = rankTree([[0], [1], [2], [0, 0], [0, 1], [1, 0], [2, 3], [0, 0, 0], [0, 1, 2], [1, 0, 0]]);

  it("start as the target's own guess of the token before", async () => {
    const lmHead = new Random(2).normals(letters.length * size, 1);
    const design: HeadDesign = {
      kind: "hydra",
      heads: 2,
      hiddenSize: size,
      blocks: 2,
      prefixHeads: 2,
      lmHead: "own",
      vocabSize,
    };
    const heads = newDraftHeads(design, letters, lmHead, 1);
    const runner = await compileHeads(heads);
    const x = new Random(4).normals(3 * size, 1);
    const scores = [...letters].map((_, v) =>
      lmHead.subarray(v * size, (v + 1) * size).reduce((s, w, i) => s + w * x[i]!, 0),
    );
    const { tokens } = await runner.run(1, x, 1);
    expect(tokens[0]).toBe(letters[scores.indexOf(Math.max(...scores))]);
    const { states } = await runner.runPrefix(x.slice(0, 2 * size), 0, {
      keys: new Float32Array(size),
      values: new Float32Array(size),
      masked: 1,
    });
    expect([...states]).toEqual([...x.slice(0, 2 * size)]);
  });

  it("fill rank trees with what each head finds after the path so far", async () => {
    for (const runner of [hydra, medusa]) {
      const session = await new HeadDrafter({ runner, embeddings, tree }).open();
      const known = [100, 97, 99];
      const hidden = scriptedHidden(known.slice(0, 2));
      session.observeHidden!(0, NDArray.from([...scriptedHidden([100]), ...hidden], [2, size]));
      const request = { tokens: known, maxNodes: 63, maxDepth: 9, sampling: {}, random: new Random(1) };
      const draft = await session.propose(request);
      expect(draft.parents).toEqual(tree.parents);
      const depths = depthsOf(draft);
      for (let node = 0; node < draft.tokens.length; node++) {
        const path: number[] = [];
        for (let at = draft.parents[node]!; at >= 0; at = draft.parents[at]!) path.unshift(draft.tokens[at]!);
        const seen = runner === medusa ? [] : [99, ...path];
        const x = new Float32Array((1 + seen.length) * size);
        x.set(hidden);
        seen.forEach((token, i) => {
          embeddings.read(token, x, (i + 1) * size);
        });
        const head = depths[node]! - 1;
        const { tokens, probabilities } = await runner.run(head, x, 1);
        const place = (runner === medusa ? head * runner.top : 0) + tree.ranks[node]!;
        expect(draft.tokens[node]).toBe(tokens[place]);
        expect(draft.confidences![node]).toBeCloseTo(probabilities[place]!, 5);
      }
    }
  });

  it("pass over heads for tokens that were forced, and end with the last head", async () => {
    const session = await new HeadDrafter({ runner: hydra, embeddings, tree }).open();
    const request = { tokens: [100, 97], maxNodes: 63, maxDepth: 9, sampling: {}, random: new Random(1) };
    expect((await session.propose(request)).tokens).toEqual([]);
    session.observeHidden!(0, NDArray.from([...scriptedHidden([100])], [1, size]));
    const whole = await session.propose(request);
    const first = whole.tokens[0]!;
    const later = await session.propose({ ...request, tokens: [100, 97, first] });
    const depths = depthsOf(later);
    expect(Math.max(...depths)).toBe(2);
    // ranks 0 and 1 below the first node are the same nodes, seen from one token on
    const under = childrenOf(whole)[1]!.map((node) => whole.tokens[node]);
    expect(
      childrenOf(later)[0]!
        .map((node) => later.tokens[node])
        .slice(0, 2),
    ).toEqual(under);
    expect((await session.propose({ ...request, tokens: [100, 97, 98, 99, 100] })).tokens).toEqual([]);
    expect((await session.propose({ ...request, maxDepth: 1, maxNodes: 2 })).tokens).toEqual(whole.tokens.slice(0, 2));
  });

  it("leave out paths that they do not believe in", async () => {
    const session = await new HeadDrafter({ runner: hydra, embeddings, tree, leastChance: 0.15 }).open();
    session.observeHidden!(0, NDArray.from([...scriptedHidden([100])], [1, size]));
    const { tokens, parents, confidences } = await session.propose({
      tokens: [100, 97],
      maxNodes: 63,
      maxDepth: 9,
      sampling: {},
      random: new Random(1),
    });
    const chances: number[] = [];
    parents.forEach((parent, i) => {
      chances.push((parent < 0 ? 1 : chances[parent]!) * confidences![i]!);
    });
    expect(tokens.length).toBeGreaterThan(0);
    expect(tokens.length).toBeLessThan(tree.parents.length);
    expect(Math.min(...chances)).toBeGreaterThanOrEqual(0.15);
    expect(() => new HeadDrafter({ runner: hydra, embeddings, tree, leastChance: 0.1, children: "drawn" })).toThrow(
      /exclude/,
    );
    expect(() => new HeadDrafter({ runner: hydra, embeddings, tree: rankChain(4) })).toThrow(/does not fit 3 heads/);
  });

  it("change no token, with chains and trees, greedy and sampled", async () => {
    for (const options of [{}, { temperature: 1, seed: 5 }]) {
      const plain = await text(undefined, options);
      for (const runner of [hydra, medusa, plus])
        for (const shape of [rankChain(1), rankChain(3), tree])
          for (const draftSize of ["all", "planned"] as const) {
            const drafter = new HeadDrafter({ runner, embeddings, tree: shape });
            expect(await text({ drafters: [drafter], size: draftSize }, options)).toEqual(plain);
          }
    }
  });

  it("draw children for verifiers of random drafts", async () => {
    const drafter = new HeadDrafter({ runner: hydra, embeddings, tree, children: "drawn" });
    expect(drafter.kind).toBe("without-replacement");
    const greedy = await text({ drafters: [drafter], verifier: recursiveRejection, size: "all" });
    expect(greedy).toEqual(await text(undefined));
    const session = await drafter.open();
    session.observeHidden!(0, NDArray.from([...scriptedHidden([100])], [1, size]));
    const counts = new Map<number, number>();
    const random = new Random(9);
    let draft: DraftTree | undefined;
    for (let i = 0; i < 4000; i++) {
      draft = await session.propose({
        tokens: [100, 97],
        maxNodes: 1,
        maxDepth: 9,
        sampling: { temperature: 0.7 },
        random,
      });
      counts.set(draft.tokens[0]!, (counts.get(draft.tokens[0]!) ?? 0) + 1);
    }
    const law = draft!.distributions!.get(-1)!;
    expect(law.reduce((a, b) => a + b)).toBeCloseTo(1);
    for (const token of letters) expect((counts.get(token) ?? 0) / 4000).toBeCloseTo(law[token]!, 1);
  });

  it("keep a prefix layer's cache that equals computing all anew", async () => {
    const cache = new PrefixCache(plus);
    const rows = Array.from({ length: 150 }, (_, i) => new Random(i).normals(size, 1));
    let at = 0;
    for (const count of [5, 1, 3, 1, 140]) {
      cache.push(at, Float32Array.from(rows.slice(at, at + count).flatMap((row) => [...row])));
      at += count;
      const state = (await cache.state())!;
      const all = await plus.runPrefix(Float32Array.from(rows.slice(0, at).flatMap((row) => [...row])), 0, {
        keys: new Float32Array(size),
        values: new Float32Array(size),
        masked: 1,
      });
      const anew = all.states.subarray(all.states.length - size);
      for (let i = 0; i < size; i++) expect(state[i]).toBeCloseTo(anew[i]!, 4);
    }
    expect(await cache.state()).toEqual(await cache.state());
    expect(await new PrefixCache(plus).state()).toBeUndefined();
  });

  it("come back from a file as they were", async () => {
    for (const { heads } of [hydra, medusa, plus]) {
      const target = { sha256: "abc", form: "f32" };
      const bytes = Buffer.concat([...writeHeads({ heads, target, tree })]);
      const read = await readHeads(bytes, "heads.safetensors");
      expect(read.target).toEqual(target);
      expect(read.tree).toEqual(tree);
      expect(read.heads._design).toEqual(heads._design);
      expect([...read.heads._tokens]).toEqual([...letters]);
      const runner = await compileHeads(read.heads);
      const x = new Random(1).normals(heads._design.kind === "medusa" ? size : 2 * size, 1);
      const before = await [hydra, medusa, plus].find((r) => r.heads === heads)!.run(0, x, 1);
      expect(await runner.run(0, x, 1)).toEqual(before);
    }
    await expect(readHeads(Buffer.concat([...writeSafetensors(new Map(), new Map())]), "x")).rejects.toThrow(
      /no draft heads/,
    );
  });

  it("say much the same in 8 bits", async () => {
    const exact = randomHeads({ kind: "hydra" }, 8);
    const [full, small] = [
      await compileHeads(exact),
      await HeadRunner.compile(exact, { form: "int8-fast", threads: 1 }),
    ];
    runners.push(small);
    const x = new Random(6).normals(4 * 2 * size, 1);
    const [a, b] = [await full.run(0, x, 4, true), await small.run(0, x, 4, true)];
    a.all!.forEach((p, i) => {
      expect(Math.abs(p - b.all![i]!)).toBeLessThan(0.05);
    });
  });

  it("cost one run a level", async () => {
    const costs = await measureHeads(hydra, { repeats: 2 });
    expect(costs.heads).toHaveLength(3);
    expect((await measureHeads(plus, { repeats: 1 })).prefix).toBeGreaterThan(0);
    const fixed = {
      rows: [1, 2, 4],
      heads: [
        [1, 2, 4],
        [10, 20, 40],
        [100, 200, 400],
      ],
      prefix: 0.5,
    };
    expect(draftMilliseconds(fixed, rankChain(1))).toBe(1.5);
    expect(draftMilliseconds(fixed, rankChain(3))).toBe(111.5);
    expect(draftMilliseconds(fixed, rankTree([[0], [1], [2], [0, 0], [1, 0], [2, 0]]))).toBe(31.5);
    expect(draftMilliseconds({ rows: [1], heads: [[3]], prefix: 0 }, tree)).toBe(3);
  });
});

describe("training", () => {
  /** Texts whose next token follows from the last two, with the states and logits of the scripted model. */
  async function scriptedTrace(): Promise<Trace> {
    const prompts = Array.from({ length: 24 }, (_, i) =>
      tokenizer.encode(`${String.fromCharCode(97 + (i % 6))}${String.fromCharCode(97 + ((i >> 2) % 6))}`),
    );
    return recordTrace({
      sha256: "0",
      form: "scripted",
      prompts,
      maxTokens: 30,
      files: memoryFiles(),
      answerTokens: 10_000,
      decode: (prompt, recorder) => text({ drafters: [recorder] }, { maxTokens: 30 }, tokenizer.decode([...prompt])),
    });
  }

  it("teaches heads what follows, and those that see tokens more of it", { timeout: 60_000 }, async () => {
    const trace = await scriptedTrace();
    const tokens = frequentTokens(trace, 8, vocabSize);
    const found: Record<string, number[]> = {};
    for (const [name, design, weights] of [
      ["medusa", { kind: "medusa", blocks: 1 }, { hard: 1 }],
      ["hydra", { kind: "hydra", blocks: 1 }, { hard: 1 }],
      ["soft", { kind: "hydra", blocks: 1 }, { hard: 0, soft: 1, states: 0.1 }],
      ["plus", { kind: "hydra", blocks: 2, prefixHeads: 2, dropout: 0.1 }, { hard: 1 }],
    ] as const) {
      const heads = newDraftHeads(
        { ...design, heads: 2, hiddenSize: size, lmHead: "own", vocabSize },
        tokens,
        new Random(1).normals(8 * size, 0.3),
        1,
      );
      const before = agreement(await headRanks(heads, trace, embeddings), 1);
      const { loss } = await trainDraftHeads(heads, {
        trace,
        embeddings,
        epochs: 25,
        batch: 4,
        length: 32,
        learningRate: 2e-2,
        weights,
        temperature: 0.5,
        seed: 1,
      });
      expect(loss).toBeLessThan(3);
      found[name] = agreement(await headRanks(heads, trace, embeddings), 1);
      expect(found[name]![1]!).toBeGreaterThan(before[1]! + 0.2);
    }
    for (const name of ["hydra", "soft", "plus"]) expect(found[name]![1]!).toBeGreaterThan(found.medusa![1]! - 0.05);
  });

  it("leaves a shared LM head as it is, and refuses what teaches nothing", async () => {
    const trace: Trace = { hiddenSize: size, top: 16, sequences: [randomText(20, 5, 1), randomText(18, 4, 2)] };
    const heads = randomHeads({ lmHead: "shared", heads: 2 });
    const before = (heads.lm_head!.weight.value as NDArray).copy();
    const options = { trace, embeddings, epochs: 2, batch: 2, length: 16, learningRate: 1e-2, seed: 0 };
    const gate = (heads.heads[0]!.blocks[0]!.gate.weight.value as NDArray).copy();
    await trainDraftHeads(heads, options);
    expect((heads.lm_head!.weight.value as NDArray).data).toEqual(before.data);
    expect((heads.heads[0]!.blocks[0]!.gate.weight.value as NDArray).data).not.toEqual(gate.data);
    await expect(trainDraftHeads(heads, { ...options, batch: 3 })).rejects.toThrow(/fewer than a batch/);
    await expect(trainDraftHeads(heads, { ...options, weights: { hard: 0 } })).rejects.toThrow(/learn nothing/);
    // answers that are too short for the last head, and a prompt that is as long as all places
    const short: Trace = { ...trace, sequences: [randomText(8, 6, 1), randomText(9, 7, 2), randomText(40, 38, 3)] };
    const { loss } = await trainDraftHeads(heads, { ...options, trace: short, batch: 2 });
    expect(Number.isFinite(loss)).toBe(true);
    await expect(trainDraftHeads(heads, { ...options, trace: short, batch: 3 })).rejects.toThrow(
      /2 texts with answers/,
    );
  });
});
