/** Making models smaller: quantisation of arrays. */
export * from "./affine.ts";
