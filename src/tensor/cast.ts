/**
 * Changes of element type.
 */
import { type DType, dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { defineOp, type Tensor } from "./tensor.ts";

const onnxType: Readonly<Partial<Record<DType, number>>> = {
  f32: 1,
  u8: 2,
  i8: 3,
  u16: 4,
  i32: 6,
  i64: 7,
  bool: 9,
  f16: 10,
  u32: 12,
  bf16: 16,
};

/** ONNX's number of an element type, as `Cast` wants it. @throws `unsupported` for 4-bit types. */
export function onnxTypeOf(dtype: DType): number {
  return onnxType[dtype] ?? fail("unsupported", `cast: ${dtype} is a storage type; it cannot be computed in a graph`);
}

const castOp = defineOp<{ readonly dtype: DType }>({
  name: "cast",
  infer([x], { dtype }) {
    onnxTypeOf(x!.dtype);
    onnxTypeOf(dtype);
    return [{ dtype, shape: x!.shape }];
  },
  lower: (context, [x], { attributes }) => [context.node("Cast", [x!], { to: { int: onnxTypeOf(attributes.dtype) } })],
  vjp: ({ inputs: [x], attributes: { dtype } }, [cotangent]) => [
    cotangent && dtypes[dtype].float && dtypes[x!.dtype].float ? cast(cotangent, x!.dtype) : undefined,
  ],
});

/**
 * The same values in another element type: floats round to nearest even on the way to narrower floats and toward zero
 * on the way to integers; anything but 0 is true. Gradients flow between float types.
 * @throws `unsupported` for 4-bit types.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : castOp([x], { dtype })[0]!;
}
