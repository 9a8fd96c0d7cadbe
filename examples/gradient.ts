/**
 * Fits a line to points by gradient descent: a function of tensors, its gradient, both compiled to run in ONNX Runtime.
 *
 *     npx tsx examples/gradient.ts
 */
import { compile } from "bletchley/runtime";
import { type Tensor, valueAndGrad } from "bletchley/tensor";
import { NDArray } from "bletchley/util";

const scalar = { dtype: "f32", shape: [] } as const;
const points = { dtype: "f32", shape: ["n"] } as const;

await using step = await compile(
  ({ x, y, slope, offset }) => {
    const loss = (slope: Tensor, offset: Tensor) => x.mul(slope).add(offset).sub(y).square().mean();
    const { value, gradients } = valueAndGrad(loss)(slope, offset);
    const [bySlope, byOffset] = gradients;
    return { loss: value, newSlope: slope.sub(bySlope!.mul(0.1)), newOffset: offset.sub(byOffset!.mul(0.1)) };
  },
  { inputs: { x: points, y: points, slope: scalar, offset: scalar } },
);

const x = NDArray.from([-1, 0, 1, 2]);
const y = NDArray.from([-2, 1, 4, 7]);
let slope = NDArray.scalar(0);
let offset = NDArray.scalar(0);
for (let i = 0; i <= 100; i++) {
  const { loss, newSlope, newOffset } = await step.run({ x, y, slope, offset });
  if (i % 25 === 0) console.log(`step ${i}: loss ${Number(loss.data[0]).toFixed(6)}`);
  slope = newSlope;
  offset = newOffset;
}
console.log(`y = ${Number(slope.data[0]).toFixed(3)} x + ${Number(offset.data[0]).toFixed(3)}`);
