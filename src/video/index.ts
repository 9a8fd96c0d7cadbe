/** Videos as networks: small decoders that learn one clip, and the file that holds them. */
export * from "./bnrv.ts";
export * from "./compress.ts";
export * from "./config.ts";
export * from "./decoder.ts";
export * from "./encoder.ts";
export * from "./fit.ts";
export * from "./holes.ts";
export * from "./network.ts";
export * from "./quality.ts";
export * from "./quantized.ts";
export * from "./reader.ts";
export * from "./sizes.ts";
