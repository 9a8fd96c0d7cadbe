/**
 * Gradients of convolutions of any shape: a convolution is linear in its input and in its weight, so the gradient's product with other
 * values is the result at those values.
 */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { compile } from "../../src/runtime/index.ts";
import { conv, grad, type Tensor } from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

const small = (most: number, least = 1) => fc.integer({ min: least, max: most });

/** An axis: its size, kernel, stride, dilation and padding. */
const axis = fc
  .record({
    size: small(9),
    kernel: small(4),
    stride: fc.constantFrom(1, 1, 1, 2, 3),
    dilation: small(3),
    before: small(5, 0),
    after: small(5, 0),
  })
  .filter(({ size, kernel, dilation, before, after }) => size + before + after >= dilation * (kernel - 1) + 1);

const dot = (a: NDArray, b: NDArray) => a.toNumbers().reduce((sum, value, i) => sum + value * b.at(i), 0);

it("of convolutions agree with the convolution at other values", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        axes: fc.array(axis, { minLength: 1, maxLength: 3 }),
        batch: small(3),
        groups: small(3),
        inputs: small(3),
        outputs: small(3),
        seed: fc.nat(),
      }),
      async ({ axes, batch, groups, inputs, outputs, seed }) => {
        const shapes = {
          x: [batch, groups * inputs, ...axes.map(({ size }) => size)],
          w: [groups * outputs, inputs, ...axes.map(({ kernel }) => kernel)],
        };
        const options = {
          stride: axes.map(({ stride }) => stride),
          dilation: axes.map(({ dilation }) => dilation),
          padding: axes.map(({ before, after }) => [before, after] as const),
          groups,
        };
        const random = new Random(seed);
        const draw = (shape: readonly number[]) =>
          new NDArray(random.normals(shape.reduce((a, b) => a * b, 1)), shape, "f32");
        const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const;
        const apply = (x: Tensor, w: Tensor) => conv(x, w, undefined, options);
        await using forward = await compile(({ x, w }) => ({ y: apply(x, w) }), {
          inputs: { x: f32(shapes.x), w: f32(shapes.w) },
        });
        const [x, w, otherX, otherW] = [draw(shapes.x), draw(shapes.w), draw(shapes.x), draw(shapes.w)];
        const { y } = await forward.run({ x, w });
        const c = draw(y.shape);
        await using backward = await compile(
          (t) => {
            const [dx, dw] = grad((a: Tensor, b: Tensor) => apply(a, b).mul(t.c).sum())(t.x, t.w);
            return { dx: dx!, dw: dw! };
          },
          { inputs: { x: f32(shapes.x), w: f32(shapes.w), c: f32(c.shape) } },
        );
        const { dx, dw } = await backward.run({ x, w, c });
        const near = (got: number, want: number, scale: number) =>
          expect(Math.abs(got - want)).toBeLessThanOrEqual(1e-4 * (1 + scale));
        const byX = (await forward.run({ x: otherX, w })).y;
        const byW = (await forward.run({ x, w: otherW })).y;
        const size = (a: NDArray) => Math.sqrt(dot(a, a));
        near(dot(dx, otherX), dot(byX, c), size(byX) * size(c));
        near(dot(dw, otherW), dot(byW, c), size(byW) * size(c));
      },
    ),
    { numRuns: 150, seed: 7 },
  );
}, 60_000);
