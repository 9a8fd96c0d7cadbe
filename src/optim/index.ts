/** Optimisers, clipping and schedules. */
export * from "./adam.ts";
export * from "./clip.ts";
export * from "./lion.ts";
export * from "./optimizer.ts";
export * from "./schedule.ts";
export * from "./sgd.ts";
