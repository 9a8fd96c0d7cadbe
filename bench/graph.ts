/**
 * What it costs to write graphs as functions instead of by hand: speed of compiled graphs beside the same graphs written for
 * ONNX Runtime node by node, and the time to trace and lower a language model's step. `--form NAME` takes another weight
 * form; the argument is another model file.
 */
import { buildStepGraph } from "../src/lm/index.ts";
import { prepareDecoder } from "../src/lm/load.ts";
import { encodeOnnxModel, type LoweredGraph } from "../src/runtime/index.ts";
import { openCheckpoint } from "../src/serve/engine/open-checkpoint.ts";
import { conversionKey } from "../src/serve/load-model.ts";
import { cacheRoot, resolveModel } from "../src/sources/index.ts";
import { attentionByHand, layerByHand, mlpByHand } from "./graph/by-hand.ts";
import { compareInTurns } from "./graph/compare.ts";
import { attention, layer, mlp } from "./graph/layers.ts";
import { type BarContext, median, runBar } from "./harness.ts";

const leastSpeed = 0.95;
const mostMs = 300;

async function compareGraphs({ measure, quick }: BarContext): Promise<void> {
  const pairs: readonly [graph: LoweredGraph, byHand: Uint8Array, rows: readonly number[]][] = [
    [mlp(), mlpByHand(), [1, 16, 128]],
    [attention(), attentionByHand(), [1, 16, 128]],
    [layer(), layerByHand(), [1, 16, 128]],
  ];
  for (const [graph, byHand, rowCounts] of pairs) {
    const results = await compareInTurns(graph, byHand, rowCounts, quick ? 1000 : 3000);
    for (const [rows, { compiledMs, byHandMs, speed }] of results)
      measure({
        name: `${graph.graph.name}, ${rows} ${rows === 1 ? "row" : "rows"}: compiled against by hand`,
        value: 1000 / compiledMs,
        unit: "runs/s",
        baseline: 1000 / byHandMs,
        ratio: speed,
        bar: `≥ ${leastSpeed}× by hand`,
        pass: speed >= leastSpeed,
      });
  }
}

function timed<T>(body: () => T): { value: T; ms: number } {
  const started = performance.now();
  const value = body();
  return { value, ms: performance.now() - started };
}

async function measureTracing({ measure, options, inputs, quick }: BarContext): Promise<void> {
  const source = await resolveModel(inputs[0] ?? "smollm2");
  await using opened = await openCheckpoint(source);
  const { decoder, form } = await prepareDecoder(opened.checkpoint, {
    form: options.get("form"),
    cacheFolder: `${cacheRoot()}/converted`,
    sha256: await conversionKey(source),
  });
  const name = (what: string) => `${source.name}, ${form.name}: ${what}`;
  const shown = (what: string, value: number, unit: string) => measure({ name: name(what), value, unit, pass: null });
  const cold = timed(() => buildStepGraph(decoder));
  const warm = Array.from({ length: quick ? 5 : 15 }, () => timed(() => buildStepGraph(decoder)).ms);
  const value = median(warm);
  shown("nodes of the step", cold.value.graph.nodes.length, "nodes");
  shown("tracing and lowering the step for the first time in a process", cold.ms, "ms");
  measure({
    name: name("tracing and lowering the step"),
    value,
    unit: "ms",
    bar: `≤ ${mostMs} ms`,
    pass: value <= mostMs,
  });
  const encoding = Array.from({ length: 5 }, () => timed(() => encodeOnnxModel(cold.value.graph)).ms);
  shown("encoding it as ONNX", median(encoding), "ms");
}

await runBar("graph", async (context) => {
  // first, while nothing is warm
  await measureTracing(context);
  await compareGraphs(context);
});
