/**
 * The part of the ONNX format that is written here: nodes, initialisers (inline or in an external file), inputs,
 * outputs. Knows ONNX, and nothing of tensors or tracing.
 */
import type { AttributeValue } from "../../tensor/lowering.ts";
import type { DType } from "../../util/dtype.ts";
import { fail } from "../../util/errors.ts";
import type { NDArray } from "../../util/ndarray.ts";
import { MessageWriter } from "./protobuf.ts";

/** One ONNX node. An empty input name stands for an omitted optional input. */
export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Bytes of an initialiser that lie in a file beside the model. */
export interface ExternalData {
  /** File name relative to the model's folder. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** A constant of the graph. */
export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: NDArray | ExternalData;
}

/** Name, type and shape of a graph input or output; strings are symbolic dimensions. */
export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}

/** A size inside of the graph that must not be too small in any run. */
export interface LeastSize {
  readonly least: number;
  /** What there is so much of, and who asks for it. */
  readonly what: string;
  readonly size: string;
}

/** A whole graph, ready to be encoded. */
export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** What must hold of symbolic sizes; not part of the encoded graph. */
  readonly leastSizes?: readonly LeastSize[];
}

/** The standard operator set that graphs are written for. */
export const opsetVersion = 21;

/** Operator domain of ONNX Runtime's own operators. */
export const microsoftDomain = "com.microsoft";

/** ONNX's numbers of element types. */
export const onnxTypes: Readonly<Record<DType, number>> = {
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
  u4: 21,
  i4: 22,
};

function encodeAttribute(name: string, value: AttributeValue): MessageWriter {
  const out = new MessageWriter().string(1, name);
  if ("int" in value) return out.integer(3, value.int).integer(20, 2);
  if ("float" in value) return out.float(2, value.float).integer(20, 1);
  if ("string" in value) return out.string(4, value.string).integer(20, 3);
  if ("ints" in value) {
    for (const i of value.ints) out.integer(8, i);
    return out.integer(20, 7);
  }
  for (const f of value.floats) out.float(7, f);
  return out.integer(20, 6);
}

function encodeNode(node: OnnxNode): MessageWriter {
  const out = new MessageWriter();
  for (const input of node.inputs) out.string(1, input);
  for (const output of node.outputs) out.string(2, output);
  out.string(3, node.name).string(4, node.opType);
  for (const [name, value] of Object.entries(node.attributes)) out.message(5, encodeAttribute(name, value));
  if (node.domain) out.string(7, node.domain);
  return out;
}

function encodeInitializer(initializer: OnnxInitializer): MessageWriter {
  const out = new MessageWriter();
  for (const n of initializer.shape) out.integer(1, n);
  out.integer(2, onnxTypes[initializer.dtype]).string(8, initializer.name);
  const { data } = initializer;
  if ("location" in data) {
    for (const [key, value] of [
      ["location", data.location],
      ["offset", String(data.offset)],
      ["length", String(data.length)],
    ] as const)
      out.message(13, new MessageWriter().string(1, key).string(2, value));
    out.integer(14, 1);
  } else {
    const { buffer, byteOffset, byteLength } = data.data;
    out.bytes(9, new Uint8Array(buffer, byteOffset, byteLength));
  }
  return out;
}

function encodeValue(value: OnnxValue): MessageWriter {
  const shape = new MessageWriter();
  for (const n of value.shape)
    shape.message(1, typeof n === "number" ? new MessageWriter().integer(1, n) : new MessageWriter().string(2, n));
  const tensor = new MessageWriter().integer(1, onnxTypes[value.dtype]).message(2, shape);
  return new MessageWriter().string(1, value.name).message(2, new MessageWriter().message(1, tensor));
}

/**
 * Encodes a graph as the bytes of an ONNX model.
 * @throws `unsupported` when the inline weights pass protobuf's limit of 2 GiB; keep those in an external file.
 */
export function encodeOnnxModel(graph: OnnxGraph): Uint8Array {
  const out = new MessageWriter();
  for (const node of graph.nodes) out.message(1, encodeNode(node));
  out.string(2, graph.name);
  for (const initializer of graph.initializers) out.message(5, encodeInitializer(initializer));
  for (const input of graph.inputs) out.message(11, encodeValue(input));
  for (const output of graph.outputs) out.message(12, encodeValue(output));
  if (out.length >= 2 ** 31)
    fail(
      "unsupported",
      `ONNX model of ${out.length} bytes passes protobuf's 2 GiB; store its weights in an external file`,
    );
  const opset = (domain: string, version: number) => new MessageWriter().string(1, domain).integer(2, version);
  return new MessageWriter()
    .integer(1, 10)
    .string(2, "bletchley")
    .message(8, opset("", opsetVersion))
    .message(8, opset(microsoftDomain, 1))
    .message(7, out)
    .finish();
}
