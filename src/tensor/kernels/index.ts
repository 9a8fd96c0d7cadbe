/** Ops that lower to one fused kernel of ONNX Runtime, where speed demands it. */
export * from "./block-matmul.ts";
export * from "./integer-matmul.ts";
export * from "./rotary.ts";
export * from "./scaled-matmul.ts";
export * from "./unit-rows.ts";
