/** GGUF: reading, dequantising, quantising and writing. */
export { canDequantize, dequantize, dequantizeInto } from "./dequantize.ts";
export type { GgufMetadata, GgufNumbers, GgufValue, GgufValueType } from "./metadata.ts";
export { quantizableTypes, quantize } from "./quantize.ts";
export { type GgufFile, type GgufTensorInfo, readGguf, readTensor, readTensorF32 } from "./reader.ts";
export { type GgufType, type GgufTypeInfo, ggufTypeOfId, ggufTypes } from "./types.ts";
export { type GgufTensorToWrite, type GgufToWrite, type TypedGgufValue, writeGguf } from "./writer.ts";
