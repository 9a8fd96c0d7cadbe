/**
 * Windows of an image as columns, and columns added up to an image again: each is the other's gradient. Layout
 * `[batch, channels, height, width]`.
 */
import { fail } from "../util/errors.ts";
import { type Dim, divideDims, mulDims, shapeSize, shapeText } from "./dims.ts";
import { checkSpatial } from "./pool-average.ts";
import { defineOp, type OpCall, type Tensor } from "./tensor.ts";
import { type PaddingPair, paddingPairs, perAxis, reachOf, type WindowPadding, windowCount } from "./windows.ts";

/** Options of {@link unfold} and {@link fold}; a single number counts for both axes. */
export interface UnfoldOptions {
  /** Size of the window. */
  readonly kernel: number | readonly number[];
  /** Step of the window; 1 by default. */
  readonly stride?: number | readonly number[];
  /** Zeros around the image: on both sides, or `[before, after]` per axis; 0 by default. */
  readonly padding?: WindowPadding;
  /** Distance between elements of a window; 1 by default. */
  readonly dilation?: number | readonly number[];
}

interface WindowAttributes {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly PaddingPair[];
  readonly dilation: readonly number[];
}

function counts(op: string, size: readonly Dim[], { kernel, stride, padding, dilation }: WindowAttributes): Dim[] {
  return kernel.map((k, i) => windowCount(op, size[i]!, reachOf(k, dilation[i]!), stride[i]!, padding[i]!));
}

const unfoldOp: OpCall<WindowAttributes> = defineOp<WindowAttributes>({
  name: "unfold",
  infer([x], attributes) {
    const [batch, channels, ...size] = x!.shape as [Dim, Dim, Dim, Dim];
    const windows = shapeSize(counts("unfold", size, attributes));
    return [{ dtype: "f32", shape: [batch, mulDims(channels, shapeSize(attributes.kernel)), windows] }];
  },
  lower(context, [x], { inputs, outputs: [y], attributes }) {
    const { kernel, stride, padding, dilation } = attributes;
    const [batch, channels, ...size] = inputs[0]!.shape as [Dim, Dim, Dim, Dim];
    const windows = counts("unfold", size, attributes);
    const padded = padding.flat().some((n) => n > 0)
      ? context.node("Pad", [
          x!,
          context.int64s([...padding.map(([before]) => before), ...padding.map(([, after]) => after)]),
          "",
          context.int64s([2, 3]),
        ])
      : x!;
    // one strided slice per position in the window
    const axes = context.int64s([2, 3]);
    const steps = context.int64s(stride);
    const parts: string[] = [];
    for (let row = 0; row < kernel[0]!; row++)
      for (let column = 0; column < kernel[1]!; column++) {
        const starts = [row * dilation[0]!, column * dilation[1]!];
        const ends = starts.map((start, i) => (windows[i] as number) * stride[i]! + start - stride[i]! + 1);
        const part = context.node("Slice", [padded, context.int64s(starts), context.int64s(ends), axes, steps]);
        parts.push(context.node("Reshape", [part, context.shape([batch, channels, 1, shapeSize(windows)])]));
      }
    const stacked = parts.length === 1 ? parts[0]! : context.node("Concat", parts, { axis: { int: 2 } });
    return [context.node("Reshape", [stacked, context.shape(y!.shape)])];
  },
  vjp: ({ inputs: [x], attributes }, [c]) => [
    c && foldOp([c], { ...attributes, size: x!.shape.slice(2) as readonly number[] })[0]!,
  ],
});

const foldOp: OpCall<WindowAttributes & { readonly size: readonly number[] }> = defineOp<
  WindowAttributes & { readonly size: readonly number[] }
>({
  name: "fold",
  infer([x], { size, ...attributes }) {
    const area = shapeSize(attributes.kernel);
    const [batch, rows, columns] = x!.shape as [Dim, Dim, Dim];
    const channels = divideDims(rows, area);
    const windows = shapeSize(counts("fold", size, attributes));
    if (x!.shape.length !== 3 || channels === undefined || columns !== windows)
      return fail(
        "shape",
        `fold: [${size}] has ${windows} windows of ${area} elements, which needs [batch, channels·${area}, ${windows}], got ${shapeText(x!.shape)}`,
      );
    return [{ dtype: "f32", shape: [batch, channels, ...size] }];
  },
  lower: (context, [x], { attributes: { size, kernel, stride, padding, dilation } }) => [
    context.node("Col2Im", [x!, context.int64s(size), context.int64s(kernel)], {
      strides: { ints: stride },
      pads: { ints: [...padding.map(([before]) => before), ...padding.map(([, after]) => after)] },
      dilations: { ints: dilation },
    }),
  ],
  vjp: ({ attributes: { size: _, ...attributes } }, [c]) => [c && unfoldOp([c], attributes)[0]!],
});

function attributesOf(op: string, options: UnfoldOptions): WindowAttributes {
  return {
    kernel: perAxis(op, "kernel", options.kernel, 2, 1),
    stride: perAxis(op, "stride", options.stride ?? 1, 2, 1),
    padding: paddingPairs(op, options.padding ?? 0, 2),
    dilation: perAxis(op, "dilation", options.dilation ?? 1, 2, 1),
  };
}

/**
 * Every window of `x` `[batch, channels, height, width]` as a column: `[batch, channels · window, windows]`; rows run over
 * channels, then down and across the window. @throws `shape` when a window does not fit; `unsupported` for symbolic sizes.
 */
export function unfold(x: Tensor, options: UnfoldOptions): Tensor {
  if (checkSpatial("unfold", x) !== 2 || x.shape.slice(2).some((n) => typeof n !== "number"))
    fail(
      "unsupported",
      `unfold: needs an image of known size, [batch, channels, height, width], got ${shapeText(x.shape)}`,
    );
  return unfoldOp([x], attributesOf("unfold", options))[0]!;
}

/**
 * Adds the columns of {@link unfold} up to an image of the given size: where windows overlap, their elements are summed.
 * @param x `[batch, channels · window, windows]`. @returns `[batch, channels, …size]`.
 */
export function fold(x: Tensor, size: readonly number[], options: UnfoldOptions): Tensor {
  if (x.dtype !== "f32") fail("dtype", `fold: needs f32, got ${x.dtype}; cast it first`);
  return foldOp([x], { ...attributesOf("fold", options), size: perAxis("fold", "size", size, 2, 1) })[0]!;
}
