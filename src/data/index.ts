/** Data to train on and to measure by: loaders and seeded generators, one file each. */
export * from "./arrays.ts";
export * from "./characters.ts";
export * from "./copy-task.ts";
export * from "./digits.ts";
export * from "./shapes.ts";
export * from "./text-windows.ts";
