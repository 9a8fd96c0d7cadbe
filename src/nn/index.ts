/** Modules and layers. */
export * from "./embedding.ts";
export * from "./linear.ts";
export * from "./module.ts";
export * from "./norm.ts";
