/**
 * Convolutions and their transposes in one to three dimensions, layout `[batch, channels, space…]`. Convolution means
 * correlation: kernels are not flipped. The gradient for the input is the other of the two ops.
 */
import { fail } from "../util/errors.ts";
import { sum } from "./broadcast.ts";
import { type ConvAttributes, convWeightGradient } from "./conv-weight-gradient.ts";
import { addDims, type Dim, divideDims, mulDims, shapeText, subDims } from "./dims.ts";
import { reshape, transpose } from "./movement.ts";
import { flip } from "./slice.ts";
import { defineOp, type OpCall, type Tensor, type TensorType } from "./tensor.ts";
import { paddingPairs, perAxis, reachOf, type WindowPadding, windowCount } from "./windows.ts";

/** Options of convolutions; a single number counts for every spatial axis. */
export interface ConvOptions {
  /** Step of the kernel; 1 by default. */
  readonly stride?: number | readonly number[];
  /** Zeros around the input: on both sides, or `[before, after]` per spatial axis; 0 by default. */
  readonly padding?: WindowPadding;
  /** Distance between kernel elements; 1 by default. */
  readonly dilation?: number | readonly number[];
  /** Input and output channels are split into this many groups that do not see each other; 1 by default. */
  readonly groups?: number;
}

/** Options of transposed convolutions. */
export interface ConvTransposeOptions extends ConvOptions {
  /**
   * Added to one end of the output's size, which several input sizes share when the stride is above 1; below the stride, 0 by
   * default.
   */
  readonly outputPadding?: number | readonly number[];
}

interface ConvTransposeAttributes extends ConvAttributes {
  readonly outputPadding: readonly number[];
}

/** Checks what both ops ask of their inputs; returns the kernel's size. */
function checkInputs(op: string, x: TensorType, weight: TensorType, groups: number, inAxis: 0 | 1): readonly number[] {
  const rank = x.shape.length - 2;
  if (x.dtype !== "f32" || weight.dtype !== "f32")
    fail("dtype", `${op}: needs f32, got ${x.dtype} and ${weight.dtype}; cast them first`);
  if (rank < 1 || rank > 3 || weight.shape.length !== rank + 2)
    fail(
      "shape",
      `${op}: needs [batch, channels, 1 to 3 spatial axes] and a weight of the same rank, got ${shapeText(x.shape)} and ${shapeText(weight.shape)}`,
    );
  const channels = inAxis === 1 ? mulDims(weight.shape[1]!, groups) : weight.shape[0]!;
  if (channels !== x.shape[1])
    fail(
      "shape",
      `${op}: x ${shapeText(x.shape)} has ${x.shape[1]} channels, weight ${shapeText(weight.shape)} in ${groups} groups needs ${channels}`,
    );
  if (typeof weight.shape[0] === "number" && weight.shape[0] % groups)
    fail(
      "shape",
      `${op}: ${weight.shape[0]} channels of weight ${shapeText(weight.shape)} do not split in ${groups} groups`,
    );
  return weight.shape.slice(2).map((n) => {
    if (typeof n !== "number" || n < 1)
      return fail("unsupported", `${op}: kernel sizes must be known, got ${shapeText(weight.shape)}`);
    return n;
  });
}

function onnxAttributes({ stride, padding, dilation, groups }: ConvAttributes, kernel: readonly number[]) {
  return {
    strides: { ints: stride },
    pads: { ints: [...padding.map(([before]) => before), ...padding.map(([, after]) => after)] },
    dilations: { ints: dilation },
    group: { int: groups },
    kernel_shape: { ints: kernel },
  };
}

const convOp: OpCall<ConvAttributes> = defineOp<ConvAttributes>({
  name: "conv",
  infer([x, weight, bias], { stride, padding, dilation, groups }) {
    const kernel = checkInputs("conv", x!, weight!, groups, 1);
    const out = weight!.shape[0]!;
    checkBias("conv", bias, out);
    const space = kernel.map((k, i) =>
      windowCount("conv", x!.shape[2 + i]!, reachOf(k, dilation[i]!), stride[i]!, padding[i]!),
    );
    return [{ dtype: "f32", shape: [x!.shape[0]!, out, ...space] }];
  },
  lower: (context, names, { inputs, attributes }) => [
    context.node("Conv", names, onnxAttributes(attributes, inputs[1]!.shape.slice(2) as number[])),
  ],
  vjp({ inputs: [x, weight, bias], attributes }, [c]) {
    if (!c) return [undefined, undefined, undefined];
    const { stride, padding, dilation } = attributes;
    // what a stride leaves over at the end
    const outputPadding = x!.shape.slice(2).map((size, i) => {
      const reach = reachOf(weight!.shape[2 + i] as number, dilation[i]!);
      const [before, after] = padding[i]!;
      const reached = addDims(mulDims(subDims(c.shape[2 + i]!, 1), stride[i]!), reach - before - after);
      const rest = subDims(size, reached);
      return typeof rest === "number" ? rest : fail("unsupported", `conv: no gradient along an axis of size ${size}`);
    });
    return [
      inputGradient(c, weight!, attributes, outputPadding),
      convWeightGradient(x!, c, weight!.shape.slice(2) as number[], attributes),
      bias && channelSums(c),
    ];
  },
});

const convTransposeOp: OpCall<ConvTransposeAttributes> = defineOp<ConvTransposeAttributes>({
  name: "convTranspose",
  infer([x, weight, bias], { stride, padding, dilation, groups, outputPadding }) {
    const kernel = checkInputs("convTranspose", x!, weight!, groups, 0);
    const out = mulDims(weight!.shape[1]!, groups);
    checkBias("convTranspose", bias, out);
    const space = kernel.map((k, i) => {
      const [before, after] = padding[i]!;
      const steps = mulDims(subDims(x!.shape[2 + i]!, 1), stride[i]!);
      const size = addDims(steps, reachOf(k, dilation[i]!) - before - after + outputPadding[i]!);
      if (typeof size === "number" && size < 1)
        fail("shape", `convTranspose: padding ${before} + ${after} leaves nothing of x ${shapeText(x!.shape)}`);
      return size;
    });
    return [{ dtype: "f32", shape: [x!.shape[0]!, out, ...space] }];
  },
  lower: (context, names, { inputs, attributes }) => [
    context.node("ConvTranspose", names, {
      ...onnxAttributes(attributes, inputs[1]!.shape.slice(2) as number[]),
      output_padding: { ints: attributes.outputPadding },
    }),
  ],
  vjp({ inputs: [x, weight, bias], attributes }, [c]) {
    if (!c) return [undefined, undefined, undefined];
    const { stride, padding, dilation, groups } = attributes;
    const kernel = weight!.shape.slice(2) as number[];
    return [
      convOp([c, weight!], { stride, padding, dilation, groups })[0]!,
      // the same sum as for a convolution, with the roles of input and output changed
      convWeightGradient(c, x!, kernel, attributes),
      bias && channelSums(c),
    ];
  },
});

/** Gradient of a convolution for its input. */
function inputGradient(
  c: Tensor,
  weight: Tensor,
  attributes: ConvAttributes,
  outputPadding: readonly number[],
): Tensor {
  const { stride, padding, dilation, groups } = attributes;
  const spatial = padding.map((_, i) => i + 2);
  const framed = padding.map(([before, after], i) => {
    const most = reachOf(weight.shape[2 + i] as number, dilation[i]!) - 1;
    return [most - before, most - after + outputPadding[i]!] as const;
  });
  if (stride.some((n) => n !== 1) || framed.flat().some((n) => n < 0))
    return convTransposeOp([c, weight], { ...attributes, outputPadding })[0]!;
  // the same as a convolution with the kernel turned round, in ONNX Runtime in half the time
  const [out, perGroup, ...kernel] = weight.shape;
  const split = reshape(weight, [groups, divideDims(out!, groups)!, perGroup!, ...kernel]);
  const turned = transpose(split, [0, 2, 1, ...spatial.map((i) => i + 1)]);
  const [, , outPerGroup] = turned.shape;
  const back = flip(reshape(turned, [mulDims(groups, perGroup!), outPerGroup!, ...kernel]), spatial);
  return convOp([c, back], { stride, padding: framed, dilation, groups })[0]!;
}

function checkBias(op: string, bias: TensorType | undefined, channels: Dim): void {
  if (bias && String(bias.shape) !== String([channels]))
    fail("shape", `${op}: the bias is ${shapeText(bias.shape)}, ${channels} output channels need [${channels}]`);
}

function channelSums(c: Tensor): Tensor {
  return sum(
    c,
    c.shape.map((_, i) => i).filter((i) => i !== 1),
  );
}

function attributesOf(op: string, x: Tensor, options: ConvOptions): ConvAttributes {
  const rank = x.rank - 2;
  const { padding = 0, groups = 1 } = options;
  if (!Number.isInteger(groups) || groups < 1)
    fail("argument", `${op}: groups is ${groups}; it must be a whole number of at least 1`);
  return {
    stride: perAxis(op, "stride", options.stride ?? 1, rank, 1),
    padding: paddingPairs(op, padding, rank),
    dilation: perAxis(op, "dilation", options.dilation ?? 1, rank, 1),
    groups,
  };
}

/**
 * Convolution of `x` `[batch, channels, space…]` with `weight` `[out, channels / groups, kernel…]` and `bias` `[out]`, in one
 * to three dimensions. @throws `shape` when they do not fit.
 */
export function conv(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvOptions = {}): Tensor {
  return convOp(bias ? [x, weight, bias] : [x, weight], attributesOf("conv", x, options))[0]!;
}

/**
 * Transposed convolution of `x` `[batch, channels, space…]` with `weight` `[channels, out / groups, kernel…]`: the gradient of
 * {@link conv} for its input, used to enlarge. The size is
 * `(n − 1) stride − padding + dilation (kernel − 1) + outputPadding + 1`.
 */
export function convTranspose(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvTransposeOptions = {}): Tensor {
  const outputPadding = perAxis("convTranspose", "outputPadding", options.outputPadding ?? 0, x.rank - 2, 0);
  const attributes = { ...attributesOf("convTranspose", x, options), outputPadding };
  if (outputPadding.some((n, i) => n >= attributes.stride[i]!))
    fail("shape", `convTranspose: outputPadding [${outputPadding}] must be below the stride [${attributes.stride}]`);
  return convTransposeOp(bias ? [x, weight, bias] : [x, weight], attributes)[0]!;
}
