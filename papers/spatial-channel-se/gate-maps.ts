/**
 * What the gates of places have learnt: their maps at full size, and their means by kind of place.
 */
import type { AbdomenSlices } from "bletchley/data";
import { takeRows } from "bletchley/data";
import { trace } from "bletchley/nn";
import { compile } from "bletchley/runtime";
import type { NDArray } from "bletchley/util";
import type { SegmentationUNet } from "bletchley/vision";

/** Maps `f32[n, 1, size, size]` of the first block on the way down and of the last on the way up. */
export interface GateMaps {
  readonly down: NDArray;
  readonly up: NDArray;
}

/** Gates of places of a network on some slices. */
export async function gateMaps(model: SegmentationUNet, images: NDArray): Promise<GateMaps> {
  const prefix = model._config.gates?.kind === "scSE" ? "sSE." : "";
  const paths = { down: `behindDown.0.${prefix}gate`, up: `behindUp.0.${prefix}gate` };
  await using executable = await compile(
    ({ images }) => {
      const { taps } = trace({ taps: Object.values(paths) }, () => model.forward(images));
      return { down: taps[paths.down]!, up: taps[paths.up]! };
    },
    { inputs: { images: { dtype: "f32", shape: images.shape } } },
  );
  return await executable.run({ images });
}

/** Kinds of places. */
export const places = ["borders of organs", "insides of organs", "elsewhere"] as const;

/** Mean gate by kind of place. A border is an organ's pixel beside one of another label. */
export function meanByPlace(maps: NDArray, { organs }: AbdomenSlices, numbers: readonly number[]): readonly number[] {
  const labels = takeRows(organs, numbers);
  const [, height, width] = labels.shape as readonly [number, number, number];
  const sums = places.map(() => 0);
  const counts = places.map(() => 0);
  for (let i = 0; i < labels.size; i++) {
    const label = labels.data[i]!;
    const [x, y] = [i % width, Math.floor(i / width) % height];
    const beside = [
      ...(x > 0 ? [i - 1] : []),
      ...(x < width - 1 ? [i + 1] : []),
      ...(y > 0 ? [i - width] : []),
      ...(y < height - 1 ? [i + width] : []),
    ];
    const kind = !label ? 2 : beside.some((at) => labels.data[at] !== label) ? 0 : 1;
    sums[kind]! += maps.at(i);
    counts[kind]!++;
  }
  return sums.map((sum, kind) => sum / Math.max(1, counts[kind]!));
}
