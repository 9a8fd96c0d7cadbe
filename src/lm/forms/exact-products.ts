/**
 * Whether this CPU multiplies unsigned rows with signed columns exactly. CPUs without VNNI add pairs of products in 16 bits
 * and saturate; a form that counts on exact sums must not be used there.
 */
import { compile, type Engine } from "../../runtime/index.ts";
import { constant, scalar } from "../../tensor/index.ts";
import { integerMatmul } from "../../tensor/kernels/index.ts";
import { NDArray } from "../../util/ndarray.ts";

const inputs = 64;
const outputs = 16;

/** Multiplies the largest bytes there are, whose pairs do not fit 16 bits, for few and for many rows. */
async function probe(engine: Engine | undefined): Promise<boolean> {
  const weights = new Int8Array(inputs * outputs).map((_, i) => (Math.floor(i / outputs) % 16 < 14 ? 127 : -127));
  await using f = await compile(
    ({ x }) => ({
      y: integerMatmul(
        x,
        constant(new NDArray(weights, [inputs, outputs], "i8")),
        scalar(1),
        constant(new NDArray(new Float32Array(outputs).fill(1), [outputs], "f32")),
      ),
    }),
    { inputs: { x: { dtype: "u8", shape: ["n", inputs] } }, name: "exact product probe", threads: 1, engine },
  );
  const expected = (255 - 128) * weights.filter((_, i) => i % outputs === 0).reduce((sum, w) => sum + w, 0);
  for (const rows of [1, 2, 16]) {
    const x = new NDArray(new Uint8Array(rows * inputs).fill(255), [rows, inputs], "u8");
    if ((await f.run({ x })).y.toNumbers().some((y) => y !== expected)) return false;
  }
  return true;
}

let answer: Promise<boolean> | undefined;

/** Probes once per process; takes a few milliseconds. */
export function productsAreExact(engine?: Engine): Promise<boolean> {
  answer ??= probe(engine);
  return answer;
}
