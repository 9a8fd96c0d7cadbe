/** Symbolic tensors: ops, gradients, dimensions. Graphs are run by `bletchley/runtime`. */

export { broadcastTo, type ReduceOptions, sum, sumTo } from "./broadcast.ts";
export * from "./dims.ts";
export * from "./elementwise.ts";
export * from "./grad.ts";
export * from "./lowering.ts";
export * from "./matmul.ts";
export * from "./methods.ts";
export * from "./movement.ts";
export * from "./tensor.ts";
