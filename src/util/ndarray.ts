/**
 * Concrete data: a typed array with a shape. No arithmetic lives here; that is what compiled graphs are for.
 */
import {
  bf16BitsToF32,
  type DType,
  dtypes,
  f16BitsToF32,
  f32ToBf16Bits,
  f32ToF16Bits,
  storageLength,
  type TypedArray,
} from "./dtype.ts";
import { fail } from "./errors.ts";

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** A row-major array: `data.length` is the product of `shape` (half of it, rounded up, for 4-bit types). */
export class NDArray {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly dtype: DType;

  /** @throws `shape` when the data's length does not fit, `dtype` when the array's class does not. */
  constructor(data: TypedArray, shape: readonly number[], dtype: DType) {
    if (!(data instanceof dtypes[dtype].array))
      fail("dtype", `NDArray: ${dtype} is held by a ${dtypes[dtype].array.name}, not a ${data.constructor.name}`);
    const expected = storageLength(dtype, sizeOf(shape));
    if (data.length !== expected)
      fail(
        "shape",
        `NDArray: shape [${shape.join(", ")}] of ${dtype} needs ${expected} entries, the data has ${data.length}`,
      );
    this.data = data;
    this.shape = shape;
    this.dtype = dtype;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Zeros of a shape. */
  static zeros(shape: readonly number[], dtype: DType = "f32"): NDArray {
    return new NDArray(new dtypes[dtype].array(storageLength(dtype, sizeOf(shape))), shape, dtype);
  }

  /** Builds an array from plain numbers, rounding to the element type. */
  static from(values: ArrayLike<number>, shape: readonly number[] = [values.length], dtype: DType = "f32"): NDArray {
    const out = NDArray.zeros(shape, dtype);
    if (out.size !== values.length)
      fail(
        "shape",
        `NDArray.from: shape [${shape.join(", ")}] has ${out.size} elements, ${values.length} values were given`,
      );
    for (let i = 0; i < values.length; i++) out.set(i, values[i] as number);
    return out;
  }

  /** A scalar. */
  static scalar(value: number, dtype: DType = "f32"): NDArray {
    return NDArray.from([value], [], dtype);
  }

  /** Element at a flat index, as a number. */
  at(index: number): number {
    switch (this.dtype) {
      case "f16":
        return f16BitsToF32(this.data[index] as number);
      case "bf16":
        return bf16BitsToF32(this.data[index] as number);
      case "u4":
      case "i4": {
        const half = ((this.data[index >> 1] as number) >> (index & 1 ? 4 : 0)) & 15;
        return this.dtype === "i4" && half > 7 ? half - 16 : half;
      }
      default:
        return Number(this.data[index]);
    }
  }

  /** Writes the element at a flat index, rounding half types to nearest even. */
  set(index: number, value: number): void {
    switch (this.dtype) {
      case "f16":
        this.data[index] = f32ToF16Bits(value);
        break;
      case "bf16":
        this.data[index] = f32ToBf16Bits(value);
        break;
      case "i64":
        this.data[index] = BigInt(Math.trunc(value));
        break;
      case "u4":
      case "i4": {
        const old = this.data[index >> 1] as number;
        this.data[index >> 1] = index & 1 ? (old & 15) | ((value & 15) << 4) : (old & 240) | (value & 15);
        break;
      }
      default:
        this.data[index] = value;
    }
  }

  /** All elements as plain numbers, row-major. */
  toNumbers(): number[] {
    return Array.from({ length: this.size }, (_, i) => this.at(i));
  }

  /** A copy with memory of its own. */
  copy(): NDArray {
    return new NDArray(this.data.slice(), this.shape, this.dtype);
  }

  /** The same data under another shape of equal size. */
  reshape(shape: readonly number[]): NDArray {
    return new NDArray(this.data, shape, this.dtype);
  }

  /** The same values as `f32`; the same object if it is `f32` already. */
  toF32(): NDArray {
    if (this.dtype === "f32") return this;
    const out = new Float32Array(this.size);
    for (let i = 0; i < out.length; i++) out[i] = this.at(i);
    return new NDArray(out, this.shape, "f32");
  }
}
