/**
 * Arrays on their way between threads: their parts, and the memory that changes hands.
 */
import { type DType, dtypes, storageLength, type TypedArray } from "../../util/dtype.ts";
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";

/** An array in a message. */
export interface WireArray {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** The parts of an array. */
export const toWire = ({ data, shape, dtype }: NDArray): WireArray => ({ data, shape, dtype });

/** The array again. */
export const fromWire = ({ data, shape, dtype }: WireArray): NDArray => new NDArray(data, shape, dtype);

/** @throws `argument` when the array's memory has gone to another thread. */
export function checkPresent(name: string, { data, size, dtype }: NDArray): void {
  if (data.length !== storageLength(dtype, size))
    fail("argument", `input "${name}" is empty: its memory was transferred in an earlier run; feed another array`);
}

/** Whether an array is all that its memory holds, so that nobody else loses by its transfer. */
function ownsMemory({ data }: NDArray): boolean {
  return data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength;
}

/** A copy that may be transferred. A message would copy all of the memory that an array is a part of, and twice. */
export function copyOf({ data, shape, dtype }: NDArray): NDArray {
  // not `slice`, which for Node's buffers copies nothing
  const copied = new dtypes[dtype].array(data.length);
  (copied as Float32Array).set(data as Float32Array);
  return new NDArray(copied, shape, dtype);
}

/** An array that may be transferred: the same where it owns its memory, else a copy of its part. */
export function asOwned(array: NDArray): NDArray {
  return ownsMemory(array) ? array : copyOf(array);
}

/** The array itself, to be transferred. @throws `argument` when others may hold parts of its memory. */
export function givenAway(name: string, array: NDArray): NDArray {
  if (!ownsMemory(array))
    fail(
      "argument",
      `input "${name}" cannot be transferred: it is a part of ${array.data.buffer.byteLength} bytes that others may use; leave it out of \`transfer\`, and it is copied`,
    );
  return array;
}
