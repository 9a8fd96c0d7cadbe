/**
 * Pictures of the experiment.
 */
import { type AbdomenSlices, abdomenOrgans, takeRows } from "bletchley/data";
import { drawPictures, drawPlot, type Figure, greyPicture, Plot } from "bletchley/papers";
import type { NDArray } from "bletchley/util";
import type { GateMaps } from "./gate-maps.ts";

/** The background and the organs. */
const colours = ["#101418", "#e15759", "#4e79a7", "#76b7b2", "#edc949", "#af7aa1", "#ff9da7"] as const;
const legend = abdomenOrgans.map((name, i) => [name, colours[i + 1]!] as const);

const rowOf = (array: NDArray, n: number) => takeRows(array, [n]).data as Float32Array | Int32Array;
const sizeOf = (slices: AbdomenSlices) => ({ width: slices.images.shape[3]!, height: slices.images.shape[2]! });
const scanOf = (slices: AbdomenSlices, n: number) =>
  greyPicture(rowOf(slices.images, n) as Float32Array, sizeOf(slices), [-2, 2.2]);

/** Labels beside predictions. @param numbers which slices, from the worst to the best. */
export function masksFigure(
  slices: AbdomenSlices,
  predicted: Readonly<Record<string, NDArray>>,
  numbers: readonly number[],
  names: readonly string[],
): Figure {
  const picture = (labels: NDArray, n: number) => ({
    ...sizeOf(slices),
    pixels: Uint8Array.from(rowOf(labels, n)),
    palette: colours,
  });
  return {
    name: "masks",
    caption: `Test slices, their labels and what networks make of them: ${names.join(", ")}, by the Dice overlap of the network without gates.`,
    svg: drawPictures({
      title: "Labels and predictions",
      columns: ["slice", "labels", ...Object.keys(predicted)],
      rows: numbers.map((n, i) => ({
        name: names[i]!,
        pictures: [
          scanOf(slices, n),
          picture(slices.organs, n),
          ...Object.values(predicted).map((labels) => picture(labels, n)),
        ],
      })),
      legend,
    }),
  };
}

/** Maps of gates beside what they were made of; each map in the range of its own values. */
export function gatesFigure(
  slices: AbdomenSlices,
  maps: Readonly<Record<string, GateMaps>>,
  numbers: readonly number[],
  names: readonly string[],
): Figure {
  const range = (map: NDArray): readonly [number, number] => [
    Math.min(...(map.data as Float32Array)),
    Math.max(...(map.data as Float32Array)),
  ];
  const columns = Object.entries(maps).flatMap(([arm, { down, up }]) => [
    { name: `${arm}, down`, map: down, range: range(down) },
    { name: `${arm}, up`, map: up, range: range(up) },
  ]);
  return {
    name: "gates",
    caption: `Gates of places behind the first block on the way down and the last on the way up, dark where they hold back: ${columns.map(({ name, range: [low, high] }) => `${name} from ${low.toFixed(2)} to ${high.toFixed(2)}`).join("; ")}.`,
    svg: drawPictures({
      title: "Where gates let pass",
      columns: ["slice", ...columns.map(({ name }) => name)],
      rows: numbers.map((n, i) => ({
        name: names[i]!,
        pictures: [
          scanOf(slices, n),
          ...columns.map(({ map, range }) => greyPicture(rowOf(map, i) as Float32Array, sizeOf(slices), range)),
        ],
      })),
    }),
  };
}

/** Dice overlap by organ. */
export function organsFigure(arms: Readonly<Record<string, readonly number[]>>): Figure {
  const series = Object.keys(arms);
  const bars = series.flatMap((arm) => abdomenOrgans.map((organ, i) => ({ arm, organ, dice: arms[arm]![i]! })));
  const lowest = Math.min(...bars.map(({ dice }) => dice));
  return {
    name: "organs",
    caption: "Mean Dice overlap on test slices, by organ; all networks have seen the same batches.",
    svg: drawPlot({
      title: "Dice overlap by organ",
      series,
      fx: { label: null, domain: [...abdomenOrgans] },
      x: { axis: null, domain: series },
      y: { label: "Dice", grid: true, domain: [Math.max(0, Math.floor(10 * lowest) / 10 - 0.1), 1] },
      marks: [Plot.dot(bars, { fx: "organ", x: "arm", y: "dice", fill: "arm", r: 5 }), Plot.frame({ stroke: "#ccc" })],
    }),
  };
}
