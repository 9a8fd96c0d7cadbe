/** Arrays, element types, errors, random numbers and progress: what every other folder may use. */
export * from "./abort.ts";
export * from "./bytes.ts";
export * from "./checksum.ts";
export * from "./dtype.ts";
export * from "./errors.ts";
export * from "./measurement.ts";
export * from "./ndarray.ts";
export * from "./progress.ts";
export * from "./random.ts";
export * from "./symmetric.ts";
