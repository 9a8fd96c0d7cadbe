/**
 * Losses beyond the goldens: infinite scores where nothing counts, and sequences without a step.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import * as t from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

async function lossAndGradient(loss: (x: Tensor) => Tensor, x: NDArray) {
  await using executable = await compile(
    (inputs) => {
      const y = loss(inputs.x);
      return { y, gradient: t.gradients(y.rank ? y.sum() : y, [inputs.x])[0]! };
    },
    { inputs: { x: { dtype: "f32", shape: x.shape } } },
  );
  const { y, gradient } = await executable.run({ x });
  return { loss: y.toNumbers(), gradient: gradient.toNumbers() };
}

describe("targets that are ignored", () => {
  // the class that stands in for an ignored target is impossible
  const scores = NDArray.from([Number.NEGATIVE_INFINITY, 0, 0, Number.NEGATIVE_INFINITY, 0, 0], [2, 3]);
  const target = t.constant(NDArray.from([1, -100], [2], "i64"));

  it("cost nothing in cross entropy, however impossible their scores", async () => {
    const { loss, gradient } = await lossAndGradient((x) => t.crossEntropy(x, target, { ignoreIndex: -100 }), scores);
    expect(loss[0]).toBeCloseTo(Math.LN2, 6);
    expect(gradient).toEqual([0, -0.5, 0.5, 0, 0, 0]);
  });

  it("cost nothing in the negative log likelihood", async () => {
    const options = { ignoreIndex: -100, classWeights: t.constant(NDArray.from([1, 2, 3])) };
    const { loss, gradient } = await lossAndGradient((x) => t.nllLoss(x.sub(1), target, options), scores);
    expect(loss).toEqual([1]);
    expect(gradient).toEqual([0, -1, 0, 0, 0, 0]);
  });
});

it("a sequence without a step spells no labels for certain, and nothing else", async () => {
  const scores = NDArray.from([1, 2, 3, 0.5, 0.1, 0.2, 1, 1, 1], [1, 3, 3]);
  const lengths = (values: readonly number[]) => t.constant(NDArray.from(values, [3], "i64"));
  const spelled = (x: Tensor) =>
    t.ctcLoss(x, t.constant(NDArray.from([1, 2, 1], [3, 1], "i64")), {
      inputLengths: lengths([0, 0, 1]),
      targetLengths: lengths([0, 1, 0]),
      reduction: "none",
    });
  const { loss, gradient } = await lossAndGradient(spelled, scores);
  expect(loss[0]).toBeCloseTo(0, 12);
  expect(loss[1]).toBe(Number.POSITIVE_INFINITY);
  expect(loss[2]).toBeCloseTo(Math.log(3), 6);
  expect(gradient.slice(0, 6)).toEqual([0, 0, 0, 0, 0, 0]);
});
