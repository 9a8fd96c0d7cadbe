/**
 * Replays golden cases of ops: values and gradients. It needs no test runner, so the bar of ops uses it too.
 */
import { compile } from "../../src/runtime/index.ts";
import { constant, pullback, type Tensor } from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { expectClose, type GoldenCase, toArray } from "./golden.ts";
import type { Family, GoldenRow } from "./rows/index.ts";

async function replayGraph(
  row: GoldenRow,
  golden: GoldenCase,
  note?: (tensors: readonly Tensor[]) => void,
): Promise<void> {
  const arrays = Object.fromEntries(Object.entries(golden.inputs).map(([name, t]) => [name, toArray(t)]));
  const wanted = Object.keys(golden.grads ?? {});
  const executable = await compile(
    (inputs) => {
      const outputs = row(inputs as Record<string, Tensor>, golden.attrs);
      const names = Object.keys(golden.cotangents ?? {});
      const pulled = pullback(
        names.map((name) => outputs[name]!),
        names.map((name) => constant(toArray(golden.cotangents![name]!))),
        wanted.map((name) => (inputs as Record<string, Tensor>)[name]!),
      );
      // prefixes, because an output may be named like an input
      const everything = {
        ...Object.fromEntries(Object.entries(outputs).map(([name, y]) => [`out:${name}`, y])),
        ...Object.fromEntries(wanted.map((name, i) => [`grad:${name}`, pulled[i]!])),
      };
      note?.(Object.values(everything));
      return everything;
    },
    {
      inputs: Object.fromEntries(Object.entries(arrays).map(([name, a]) => [name, { dtype: a.dtype, shape: a.shape }])),
    },
  );
  const results: Record<string, NDArray> = await executable.run(arrays);
  await executable.dispose();
  for (const [name, want] of Object.entries(golden.outputs))
    expectClose(results[`out:${name}`]!, want, golden.tolerance, `output ${name}`);
  for (const name of wanted) {
    const want = golden.grads![name]!;
    expectClose(results[`grad:${name}`]!, want, golden.tolerance, `gradient of ${name}`);
  }
}

/**
 * Replays a case. Throws where a value or gradient is not what the case says, and when no row tells how to write its op.
 * @param note receives the tensors of the graph, if there is one.
 */
export async function replay(
  family: Family,
  golden: GoldenCase,
  note?: (tensors: readonly Tensor[]) => void,
): Promise<void> {
  const { golden: rows, plain = {} } = family;
  const row = rows[golden.op];
  if (row) return replayGraph(row, golden, note);
  const compute = plain[golden.op];
  if (!compute) throw new Error(`no row of the op table writes "${golden.op}"`);
  const arrays = Object.fromEntries(Object.entries(golden.inputs).map(([name, t]) => [name, toArray(t)]));
  const results = await compute(arrays, golden.attrs);
  const isNaNBits = family.nanBits?.[golden.op];
  for (const [name, want] of Object.entries(golden.outputs)) {
    const got = results[name]!;
    if (isNaNBits) {
      const joined = (bits: number) => (isNaNBits(bits) ? -1 : bits);
      const actual = NDArray.from(got.toNumbers().map(joined), got.shape, "i64");
      expectClose(actual, { ...want, data: want.data.map((bits) => joined(Number(bits))) }, golden.tolerance, name);
    } else expectClose(got, want, golden.tolerance, `output ${name}`);
  }
}

/**
 * Cases with those of bit patterns first: once ONNX Runtime has run in a thread, it flushes the smallest floats there to zero,
 * and they are what conversions of bit patterns are about.
 */
export function inReplayOrder<Job extends { readonly family: Family; readonly golden: GoldenCase }>(
  jobs: readonly Job[],
): Job[] {
  const later = ({ family, golden }: Job) => Number(!(golden.op in (family.nanBits ?? {})));
  return [...jobs].sort((a, b) => later(a) - later(b));
}
