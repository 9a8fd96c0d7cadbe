import { describe, expect, it } from "vitest";
import { compile } from "../runtime/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { distillBatch, distillLoss, reducedVectors, type TaughtText } from "./distill.ts";

/** Two tokens of a prompt, three of an answer; after the first two of these the teacher was asked. */
const text: TaughtText = {
  tokens: [5, 6, 7, 8, 9],
  promptLength: 2,
  topTokens: [8, 3, 9, 4],
  topLogits: [1, 0, 2, 0],
  top: 2,
};
const options = {
  length: 6,
  hardShare: 0.5,
  temperature: 1,
  candidates: 9,
  frequent: [8, 1],
  vocabSize: 12,
  padding: 0,
};

describe("a batch", () => {
  const batch = distillBatch([text], options, new Random(1));
  const candidates = batch.candidates.toNumbers();
  const said = (row: number) =>
    [0, 1, 2].map((k) => [candidates[batch.places.at(3 * row + k)], batch.weights.at(3 * row + k)] as const);

  it("teaches what follows, and what else could", () => {
    expect(batch.tokens.toNumbers()).toEqual([5, 6, 7, 8, 9, 0]);
    // within the prompt only what follows, for a fifth
    expect(said(0)[0]).toEqual([6, expect.closeTo(0.2, 6)]);
    expect(
      said(0)
        .slice(1)
        .map(([, weight]) => weight),
    ).toEqual([0, 0]);
    // the answer's first token follows the prompt, whose end has no row of likely ones
    expect(said(1)[0]).toEqual([7, expect.closeTo(0.2, 6)]);
    const likely = 1 / (1 + Math.exp(-1));
    expect(said(2)).toEqual([
      [8, 0.5],
      [8, expect.closeTo(0.5 * likely, 6)],
      [3, expect.closeTo(0.5 * (1 - likely), 6)],
    ]);
    expect(said(3)[0]).toEqual([9, 0.5]);
    // nothing follows the last token, and padding teaches nothing
    for (const row of [4, 5]) expect(said(row).map(([, weight]) => weight)).toEqual([0, 0, 0]);
  });

  it("has all candidates that it needs, each once, and as many as were asked for", () => {
    expect(candidates).toHaveLength(9);
    expect(new Set(candidates).size).toBe(9);
    expect(candidates.slice(0, 2)).toEqual([8, 1]);
    expect(() => distillBatch([text], { ...options, candidates: 4 }, new Random(1))).toThrow(/different tokens/);
    // likely tokens for which there is no room are left out, and what follows counts for them
    const tight = distillBatch([text], { ...options, candidates: 5 }, new Random(1));
    expect([...tight.candidates.toNumbers()].sort()).toEqual([1, 6, 7, 8, 9]);
    const [first, , third] = [0, 1, 2].map((k) => tight.candidates.at(tight.places.at(6 + k)));
    expect([first, third]).toEqual([8, 8]);
    expect(tight.weights.toNumbers()).toEqual(batch.weights.toNumbers());
    // a vocabulary may be smaller than that
    expect(distillBatch([text], { ...options, candidates: 50 }, new Random(1)).candidates.size).toBe(12);
  });

  it("keeps the end of texts that are too long", () => {
    const cut = distillBatch([text], { ...options, length: 3 }, new Random(1));
    expect(cut.tokens.toNumbers()).toEqual([7, 8, 9]);
    expect(cut.weights.at(0)).toBe(0.5);
  });
});

describe("the loss", () => {
  it("is the cross entropy with what should be said, over the candidates", async () => {
    const batch = distillBatch([text], options, new Random(1));
    const random = new Random(2);
    const [hidden, head] = [random.normals(6 * 4), random.normals(12 * 4)];
    await using f = await compile(
      ({ hidden, head, candidates, places, weights }) => ({
        loss: distillLoss(hidden, head, { candidates, places, weights }),
      }),
      {
        inputs: {
          hidden: { dtype: "f32", shape: [1, 6, 4] },
          head: { dtype: "f32", shape: [12, 4] },
          candidates: { dtype: "i64", shape: [9] },
          places: { dtype: "i64", shape: [6, 3] },
          weights: { dtype: "f32", shape: [6, 3] },
        },
      },
    );
    const { tokens: _, ...labels } = batch;
    const { loss } = await f.run({
      ...labels,
      hidden: NDArray.from(hidden, [1, 6, 4]),
      head: NDArray.from(head, [12, 4]),
    });
    let [sum, all] = [0, 0];
    for (let row = 0; row < 6; row++) {
      const logits = batch.candidates.toNumbers().map((token) => {
        let dot = 0;
        for (let i = 0; i < 4; i++) dot += hidden[row * 4 + i]! * head[token * 4 + i]!;
        return dot;
      });
      const total = Math.log(logits.reduce((partial, value) => partial + Math.exp(value), 0));
      for (let k = 0; k < 3; k++) {
        const weight = batch.weights.at(3 * row + k);
        sum -= weight * (logits[batch.places.at(3 * row + k)]! - total);
        all += weight;
      }
    }
    expect(loss.at(0)).toBeCloseTo(sum / all, 5);
  });
});

describe("reduced vectors", () => {
  it("keep products where all that there is lies along few axes", () => {
    const random = new Random(3);
    const [count, from, to] = [40, 10, 3];
    const [codes, axes] = [random.normals(count * to), random.normals(to * from)];
    const vectors = new Float32Array(count * from);
    for (let n = 0; n < count; n++)
      for (let k = 0; k < to; k++)
        for (let i = 0; i < from; i++) vectors[n * from + i]! += codes[n * to + k]! * axes[k * from + i]!;
    const covariance = new Float64Array(from * from);
    for (let n = 0; n < count; n++)
      for (let i = 0; i < from; i++)
        for (let j = 0; j < from; j++) covariance[i * from + j]! += vectors[n * from + i]! * vectors[n * from + j]!;
    const reduced = reducedVectors(vectors, covariance, { from, to, deviation: 0.5 });
    const product = (of: Float32Array, size: number, a: number, b: number) => {
      let dot = 0;
      for (let i = 0; i < size; i++) dot += of[a * size + i]! * of[b * size + i]!;
      return dot;
    };
    const scale = product(reduced, to, 0, 0) / product(vectors, from, 0, 0);
    for (let n = 1; n < count; n++)
      expect(product(reduced, to, 0, n)).toBeCloseTo(scale * product(vectors, from, 0, n), 4);
    const square = reduced.reduce((sum, value) => sum + value * value, 0) / reduced.length;
    expect(Math.sqrt(square)).toBeCloseTo(0.5, 5);
    expect(() => reducedVectors(vectors, covariance, { from, to: 11, deviation: 1 })).toThrow(/cannot become 11/);
  });
});
