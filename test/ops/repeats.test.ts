/**
 * Sums at repeated indices on inputs large enough that ONNX Runtime splits them among threads: none may get lost.
 */
import { afterAll, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import * as t from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";

const [rows, columns, table] = [8192, 128, 16];
const ids = NDArray.from(
  Array.from({ length: rows }, (_, i) => i % 3),
  [rows],
  "i64",
);
const updates = new NDArray(new Float32Array(rows * columns).fill(1), [rows, columns], "f32");
const counts = Array.from({ length: table }, (_, i) => (i < 3 ? Math.floor((rows - 1 - i) / 3) + 1 : 0));

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

it("add up in indexAdd, in the gradient of an embedding, and element by element", async () => {
  const f = await compile(
    ({ weight, ids, updates }) => ({
      added: t.indexAdd(weight, ids, updates),
      gradient: t.pullback([t.embedding(weight, ids)], [updates], [weight])[0]!,
      elements: t.scatterAdd(weight, t.broadcastTo(ids.unsqueeze(1), [rows, columns]), updates, 0),
    }),
    {
      inputs: {
        weight: { dtype: "f32", shape: [table, columns] },
        ids: { dtype: "i64", shape: [rows] },
        updates: { dtype: "f32", shape: [rows, columns] },
      },
    },
  );
  for (let run = 0; run < 10; run++)
    for (const [name, sums] of Object.entries(await f.run({ weight: NDArray.zeros([table, columns]), ids, updates })))
      for (let i = 0; i < sums.size; i++)
        if (sums.at(i) !== counts[Math.floor(i / columns)])
          expect.fail(`${name}[${i}] is ${sums.at(i)}, not ${counts[Math.floor(i / columns)]}`);
  await f.dispose();
});

it("count tuples from the end where they are negative", async () => {
  const f = await compile(({ x, at, updates }) => ({ y: t.scatterNdAdd(x, at, updates) }), {
    inputs: {
      x: { dtype: "f32", shape: ["n", 3] },
      at: { dtype: "i64", shape: ["k", 2] },
      updates: { dtype: "f32", shape: ["k"] },
    },
  });
  const at = NDArray.from([-1, -1, 1, 2, 0, -3], [3, 2], "i64");
  const { y } = await f.run({ x: NDArray.zeros([2, 3]), at, updates: NDArray.from([1, 2, 4]) });
  expect(y.toNumbers()).toEqual([4, 0, 0, 0, 0, 3]);
  await f.dispose();
});
