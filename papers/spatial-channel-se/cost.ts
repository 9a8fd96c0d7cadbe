/**
 * What gates cost: parameters by counting, time by running networks in turn.
 */
import { initialize } from "bletchley/nn";
import type { PaperContext } from "bletchley/papers";
import { compile, type Executable } from "bletchley/runtime";
import { NDArray, Random } from "bletchley/util";
import { countGateParameters, SegmentationUNet } from "bletchley/vision";
import { type ArmName, configOf } from "./arms.ts";

/** Counts parameters. */
export function measureParameters(context: PaperContext): void {
  const counts = (arm: ArmName, r?: number) => {
    const config = configOf(arm);
    const gates = r && config.gates?.kind === "scSE" ? { ...config.gates, r } : config.gates;
    return countGateParameters(new SegmentationUNet({ ...config, gates }));
  };
  const none = counts("none").all;
  const { channels } = configOf("none");
  // every level on the way down, and all but the deepest on the way up
  const sites = [...channels, ...channels.slice(0, -1)];
  const formula = sites.reduce((sum, c) => sum + c * c + 2.5 * c + 1, 0);
  context.measure({
    name: "parameters that scSE adds at r = 2, against the sum of C² + 2.5 C + 1 over its places",
    value: counts("scSE-max").gates,
    baseline: formula,
    unit: "",
    bar: "exactly as many",
    expect: (value, baseline) => value === baseline && counts("scSE-max").all === none + baseline,
    tolerance: 0,
  });
  context.measure({
    name: "parameters that sSE adds",
    value: (100 * counts("sSE").gates) / none,
    unit: "%",
    bar: "≤ 0.2 %",
    expect: (value) => value <= 0.2,
    tolerance: 0,
  });
  context.measure({
    name: "parameters that scSE adds at r = 2",
    value: (100 * counts("scSE-max").gates) / none,
    unit: "%",
    paper: "1.5 %",
    tolerance: 0,
  });
  context.measure({
    name: "parameters that scSE adds at r = 8",
    value: (100 * counts("scSE-max", 8).gates) / none,
    unit: "%",
    paper: "1.5 %",
    tolerance: 0,
  });
  if (context.profile === "full")
    context.measure({
      name: "parameters of the wide network without gates, against scSE",
      value: counts("wide").all,
      baseline: counts("scSE-max").all,
      unit: "",
      tolerance: 0,
    });
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Times a slice through networks that take turns, so that whatever else the machine does troubles all of them alike. */
export async function measureLatency(context: PaperContext, arms: readonly ArmName[]): Promise<void> {
  for (const { size, rounds, runs } of [
    { size: 64, rounds: 60, runs: 5 },
    { size: 256, rounds: 40, runs: 1 },
  ]) {
    const images = new NDArray(new Random(context.seed).normals(size * size), [1, 1, size, size], "f32");
    const executables: Executable<"labels">[] = [];
    try {
      for (const arm of arms) {
        const model = new SegmentationUNet(configOf(arm));
        initialize(model, context.seed);
        executables.push(
          await compile(({ images }) => ({ labels: model.labels(images) }), {
            inputs: { images: { dtype: "f32", shape: images.shape } },
          }),
        );
        for (let i = 0; i < 3; i++) await executables[executables.length - 1]!.run({ images });
      }
      const times = arms.map((): number[] => []);
      for (let round = 0; round < rounds; round++) {
        context.progress(`latency at ${size} pixels`, round, rounds);
        // another one begins every time
        for (let n = 0; n < arms.length; n++) {
          const arm = (round + n) % arms.length;
          const started = performance.now();
          for (let i = 0; i < runs; i++) await executables[arm]!.run({ images });
          times[arm]!.push((performance.now() - started) / runs);
        }
      }
      const none = arms.indexOf("none");
      for (const [i, arm] of arms.entries()) {
        if (i === none) continue;
        context.measure({
          name: `time of a slice of ${size} pixels, ${arm} against none`,
          value: median(times[i]!),
          baseline: median(times[none]!),
          unit: "ms",
          ...(arm === "scSE-max" && {
            bar: "≤ 1.25×",
            expect: (value: number, baseline: number) => value <= 1.25 * baseline,
          }),
          tolerance: Number.POSITIVE_INFINITY,
        });
      }
    } finally {
      for (const executable of executables) await executable.dispose();
    }
  }
}
