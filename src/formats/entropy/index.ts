/** Symbols to bits and back. */
export * from "./bits.ts";
export * from "./huffman.ts";
export * from "./range-coder.ts";
