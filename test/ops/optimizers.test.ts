/** Optimisers and schedules beyond the goldens, which the op table replays. */
import { afterAll, describe, expect, it } from "vitest";
import { adam, lion, schedule, sgd } from "../../src/optim/index.ts";
import { getDefaultEngine } from "../../src/runtime/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { trajectory } from "./rows/optimizers.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

describe("optimisers", () => {
  it("lion moves by signs, and its momentum forgets", async () => {
    const values = await trajectory(lion({ betas: [0.5, 0.5] }), 0.25, NDArray.from([1, -1]), [
      NDArray.from([3, -2]),
      NDArray.from([-1, 5]),
    ]);
    // momenta [1.5, -1]; then 0.5 · 1.5 − 0.5 · 1 > 0 and −0.5 + 2.5 > 0
    expect(values).toEqual([0.75, -0.75, 0.5, -1]);
  });

  it("fall by a power of what is left", () => {
    const rate = schedule({ decay: "polynomial", base: 2, minimum: 1, totalSteps: 10, power: 2 });
    expect([0, 5, 10, 20].map(rate)).toEqual([2, 1.25, 1, 1]);
    expect(schedule({ decay: "polynomial", base: 1, totalSteps: 4 })(2)).toBeCloseTo(0.5 ** 0.9, 12);
  });

  it("refuse what makes no sense", () => {
    expect(() => sgd({ nesterov: true })).toThrow(/nesterov needs momentum above 0/);
    expect(() => adam({ betas: [0.9, 1] })).toThrow(/betas are 0.9, 1; they must lie in \[0, 1\)/);
    expect(() => schedule({ decay: "cosine", base: 1 })).toThrow(/cosine decay needs totalSteps/);
    expect(() => schedule({ base: 1, warmupSteps: 5, totalSteps: 5 })).toThrow(/warm-up of 5 steps does not fit/);
  });
});
