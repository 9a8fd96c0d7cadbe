/**
 * Data to train on and to measure by: loaders and seeded generators, one file each. Batches are made in the thread that trains:
 * text, digits and pictures that lie ready take 0.1 to 0.3 ms a batch (measured), a step from 5 to 400 ms.
 */
export * from "./abdomen.ts";
export * from "./arrays.ts";
export * from "./characters.ts";
export * from "./conll.ts";
export * from "./copy-task.ts";
export * from "./cue-sentences.ts";
export * from "./digits.ts";
export * from "./pan-video.ts";
export * from "./shapes.ts";
export * from "./shift.ts";
export * from "./text-windows.ts";
