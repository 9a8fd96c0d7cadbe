/**
 * The element types of GGUF and how many bytes their blocks take. Knows no values: packing and unpacking live in
 * `quantize.ts` and `dequantize.ts`.
 */

/** One element type of the format. */
export interface GgufTypeInfo {
  /** The number that stands for it in a file. */
  readonly id: number;
  /** Its name, as ggml spells it. */
  readonly name: string;
  /** Elements in one block; 1 for plain types. The innermost dimension of a tensor is a multiple of it. */
  readonly blockSize: number;
  /** Bytes that one block takes. */
  readonly bytesPerBlock: number;
}

function table<const T extends Record<string, readonly [id: number, blockSize: number, bytesPerBlock: number]>>(
  rows: T,
): { readonly [K in keyof T]: GgufTypeInfo } {
  return Object.fromEntries(
    Object.entries(rows).map(([name, [id, blockSize, bytesPerBlock]]) => [
      name,
      { id, name, blockSize, bytesPerBlock },
    ]),
  ) as { [K in keyof T]: GgufTypeInfo };
}

/** Every element type that has a size: those that can be dequantised and those that can only be listed. */
export const ggufTypes = table({
  F32: [0, 1, 4],
  F16: [1, 1, 2],
  Q4_0: [2, 32, 18],
  Q4_1: [3, 32, 20],
  Q5_0: [6, 32, 22],
  Q5_1: [7, 32, 24],
  Q8_0: [8, 32, 34],
  Q8_1: [9, 32, 36],
  Q2_K: [10, 256, 84],
  Q3_K: [11, 256, 110],
  Q4_K: [12, 256, 144],
  Q5_K: [13, 256, 176],
  Q6_K: [14, 256, 210],
  Q8_K: [15, 256, 292],
  IQ2_XXS: [16, 256, 66],
  IQ2_XS: [17, 256, 74],
  IQ3_XXS: [18, 256, 98],
  IQ1_S: [19, 256, 50],
  IQ4_NL: [20, 32, 18],
  IQ3_S: [21, 256, 110],
  IQ2_S: [22, 256, 82],
  IQ4_XS: [23, 256, 136],
  I8: [24, 1, 1],
  I16: [25, 1, 2],
  I32: [26, 1, 4],
  I64: [27, 1, 8],
  F64: [28, 1, 8],
  IQ1_M: [29, 256, 56],
  BF16: [30, 1, 2],
  TQ1_0: [34, 256, 54],
  TQ2_0: [35, 256, 66],
  MXFP4: [39, 32, 17],
});

/** Name of an element type whose size is known. */
export type GgufType = keyof typeof ggufTypes;

const byId = new Map(Object.values(ggufTypes).map((info) => [info.id, info.name as GgufType]));

/** Name of the type with a number; `undefined` when the number means nothing to this version. */
export function ggufTypeOfId(id: number): GgufType | undefined {
  return byId.get(id);
}
