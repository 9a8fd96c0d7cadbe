/**
 * The file format `.bnrv`: a learnt video in one file. Version 1, numbers with their lowest byte first:
 *
 * | bytes | what |
 * | --- | --- |
 * | 4 | `BNRV` |
 * | 1, 1 | version, coder (0 Huffman, 1 range coder) |
 * | 4 | CRC-32 of all that follows |
 * | 2, 2, 4 | width, height, frames |
 * | 4, 4 | frames in a second: numerator, denominator |
 * | 1, 1 | bits of weights, bits of codes |
 * | 1, 2, 8 | input (0 codes, 1 index), its channels or levels, base of the index (f64, 0 for codes) |
 * | 1 | stages, then 1, 1 for each: stride, kernel; then 2 for each and one more: channels |
 * | 1, … | for codes and each array of the decoder in order: axis (255 for none), minima and steps (f16) |
 * | … | tables: 128 bytes of word lengths in 4 bits for Huffman, 2 bytes an array (centre, shape) for the range coder |
 * | 4, 4 | bytes of coded codes, bytes of coded weights, then both, to the end of the file |
 *
 * Sizes are checked before memory is taken, and a damaged file ends in an error of code `format`, one from the future in `unsupported`.
 */
import type { AffineArray } from "../compress/index.ts";
import {
  type BellModel,
  BitReader,
  BitWriter,
  bellModel,
  countSymbols,
  fitBell,
  HuffmanCode,
  huffmanLengths,
  RangeDecoder,
  RangeEncoder,
} from "../formats/index.ts";
import { crc32 } from "../util/checksum.ts";
import { fail } from "../util/errors.ts";
import { sizeOf } from "../util/ndarray.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { checkVideoConfig, inputShape, type VideoNetworkConfig } from "./config.ts";
import { FrameDecoder } from "./decoder.ts";
import type { FrameRate, QuantizedVideo } from "./quantized.ts";

/** How symbols become bits: one canonical Huffman code for all, or a range coder with a bell-shaped model for each array. */
export type VideoCoder = "huffman" | "range";

/** Where the bytes of a file are. */
export interface VideoFileSizes {
  /** Magic, version, check sum, sizes, stages and lengths. */
  readonly header: number;
  /** Minima, steps and axes. */
  readonly scales: number;
  /** Tables of the coder. */
  readonly tables: number;
  readonly codes: number;
  readonly weights: number;
  readonly total: number;
}

/** A written file. */
export interface VideoFile {
  readonly bytes: Uint8Array;
  readonly sizes: VideoFileSizes;
}

const magic = 0x56524e42;
const version = 1;
const coders: readonly VideoCoder[] = ["huffman", "range"];
const noAxis = 255;
/** Symbols of the one Huffman code. */
const symbols = 256;
/** Bytes before what the check sum covers. */
const checkedFrom = 10;

function writeConfig(out: ByteWriter, { config, rate }: QuantizedVideo, bits: readonly [number, number]): void {
  const { width, height, frames, input, strides, kernels, channels } = config;
  out.u16(width);
  out.u16(height);
  out.u32(frames);
  out.u32(rate.numerator);
  out.u32(rate.denominator);
  for (const count of bits) out.u8(count);
  out.u8(input.kind === "codes" ? 0 : 1);
  out.u16(input.kind === "codes" ? input.channels : input.levels);
  out.f64(input.kind === "codes" ? 0 : input.base);
  out.u8(strides.length);
  strides.forEach((stride, i) => {
    out.u8(stride);
    out.u8(kernels[i]!);
  });
  for (const count of channels) out.u16(count);
}

/** Writes a video. @throws `argument` for arrays of different bits, which the format does not know. */
export function writeVideo(video: QuantizedVideo, coder: VideoCoder = "range"): VideoFile {
  const weights = [...video.weights.values()];
  const arrays = [...(video.codes ? [video.codes] : []), ...weights];
  const weightBits = weights[0]!.bits;
  if (weights.some(({ bits }) => bits !== weightBits))
    fail("argument", "writeVideo: all weights must have the same number of bits");
  const out = new ByteWriter();
  writeConfig(out, video, [weightBits, video.codes?.bits ?? 0]);
  const header = out.length;
  for (const { axis, minima, steps } of arrays) {
    out.u8(axis ?? noAxis);
    for (const half of [...minima, ...steps]) out.u16(half);
  }
  const scales = out.length - header;
  const parts = [video.codes ? [video.codes] : [], weights] as const;
  const coded = coder === "huffman" ? codeHuffman(out, arrays, parts) : codeRange(out, arrays, parts);
  const tables = out.length - header - scales;
  for (const part of coded) out.u32(part.length);
  for (const part of coded) out.bytes(part);
  const body = out.toBytes();
  const head = new ByteWriter();
  head.u32(magic);
  head.u8(version);
  head.u8(coders.indexOf(coder));
  head.u32(crc32(body));
  head.bytes(body);
  const bytes = head.toBytes();
  const [codes, rest] = coded.map(({ length }) => length) as [number, number];
  return {
    bytes,
    sizes: { header: checkedFrom + header + 8, scales, tables, codes, weights: rest, total: bytes.length },
  };
}

type Parts = readonly (readonly AffineArray[])[];

function codeHuffman(out: ByteWriter, arrays: readonly AffineArray[], parts: Parts): readonly Uint8Array[] {
  const counted = arrays.map(({ levels }) => countSymbols(levels, symbols));
  const counts = Float64Array.from({ length: symbols }, (_, symbol) =>
    counted.reduce((sum, each) => sum + each[symbol]!, 0),
  );
  const lengths = huffmanLengths(counts, 15);
  for (let i = 0; i < symbols; i += 2) out.u8(lengths[i]! * 16 + lengths[i + 1]!);
  const code = new HuffmanCode(lengths);
  return parts.map((part) => {
    const writer = new BitWriter();
    for (const { levels } of part) code.encode(levels, writer);
    return writer.toBytes();
  });
}

function codeRange(out: ByteWriter, arrays: readonly AffineArray[], parts: Parts): readonly Uint8Array[] {
  const bells = new Map<AffineArray, BellModel>();
  for (const array of arrays) {
    const bell = fitBell(countSymbols(array.levels, 2 ** array.bits));
    out.u8(bell.centre);
    out.u8(bell.shape);
    bells.set(array, bell);
  }
  return parts.map((part) => {
    if (!part.length) return new Uint8Array();
    const encoder = new RangeEncoder();
    for (const array of part) {
      const model = bellModel(bells.get(array)!, 2 ** array.bits);
      for (const level of array.levels) encoder.encode(level, model);
    }
    return encoder.finish();
  });
}

function readConfig(reader: ByteReader): {
  readonly config: VideoNetworkConfig;
  readonly rate: FrameRate;
  readonly bits: readonly [weights: number, codes: number];
} {
  const [width, height, frames] = [reader.u16(), reader.u16(), reader.u32()];
  const rate = { numerator: reader.u32(), denominator: reader.u32() };
  if (!rate.numerator || !rate.denominator)
    fail("format", `${reader.name}: ${rate.numerator}/${rate.denominator} frames a second are impossible`);
  const bits = [reader.u8(), reader.u8()] as const;
  const kind = reader.u8();
  const [count, base] = [reader.u16(), reader.f64()];
  if (kind > 1) fail("format", `${reader.name}: there is no input of kind ${kind}`);
  const stages = Array.from({ length: reader.u8() }, () => ({ stride: reader.u8(), kernel: reader.u8() }));
  const channels = Array.from({ length: stages.length + 1 }, () => reader.u16());
  const config: VideoNetworkConfig = {
    width,
    height,
    frames,
    input: kind === 0 ? { kind: "codes", channels: count } : { kind: "index", levels: count, base },
    strides: stages.map(({ stride }) => stride),
    kernels: stages.map(({ kernel }) => kernel),
    channels,
  };
  try {
    checkVideoConfig(config);
  } catch (thrown) {
    fail("format", `${reader.name} describes an impossible network: ${(thrown as Error).message}`, thrown);
  }
  const coded = kind === 0 ? bits : [bits[0]];
  if (coded.some((n) => n < 1 || n > 8))
    fail("format", `${reader.name}: levels of ${coded.join(" and ")} bits; 1 to 8 are possible`);
  return { config, rate, bits };
}

/** An array whose levels are still to be read. */
interface Empty extends Omit<AffineArray, "levels"> {
  readonly path: string;
}

function readScales(reader: ByteReader, path: string, shape: readonly number[], bits: number): Empty {
  const at = reader.u8();
  if (at !== noAxis && at >= shape.length)
    fail("format", `${reader.name}: ${path} has ${shape.length} axes, and no axis ${at}`);
  const places = at === noAxis ? 1 : shape[at]!;
  // reading is bounded by the file's size, and so is what is taken
  reader.need(4 * places);
  const halves = () => Uint16Array.from({ length: places }, () => reader.u16());
  return { path, shape, bits, ...(at !== noAxis && { axis: at }), minima: halves(), steps: halves() };
}

/**
 * Reads a video.
 * @param name for error messages. @throws `format` for what is damaged, cut, or no such file; `unsupported` for a later version.
 */
export function readVideo(bytes: Uint8Array, name = "video"): QuantizedVideo {
  const reader = new ByteReader(bytes, name);
  if (bytes.length < checkedFrom || reader.u32() !== magic) fail("format", `${name} is no .bnrv file`);
  const written = reader.u8();
  if (written !== version)
    fail("unsupported", `${name} is of version ${written}, and this program reads ${version}; use a newer program`);
  const coder = coders[reader.u8()] ?? fail("format", `${name}: its coder is unknown`);
  if (reader.u32() !== crc32(bytes.subarray(checkedFrom)))
    fail("format", `${name} is damaged or cut: its check sum does not fit`);
  const { config, rate, bits } = readConfig(reader);
  const codes =
    config.input.kind === "codes" ? [readScales(reader, "codes", [config.frames, ...inputShape(config)], bits[1])] : [];
  const weights = [...new FrameDecoder(config).parameters()].map(([path, { shape }]) =>
    readScales(reader, path, shape, bits[0]),
  );
  const all = [codes, weights] as const;
  const decode = coder === "huffman" ? huffmanReader(reader) : rangeReader(reader, all);
  const lengths = [reader.u32(), reader.u32()];
  const [readCodes, readWeights] = all.map((part, i) => decode(reader.take(lengths[i]!), part));
  if (reader.left) fail("format", `${name} has ${reader.left} bytes behind its end`);
  return {
    config,
    rate,
    ...(readCodes!.length && { codes: readCodes![0]![1] }),
    weights: new Map(readWeights!),
  };
}

type ReadPart = (coded: Uint8Array, part: readonly Empty[]) => readonly (readonly [string, AffineArray])[];

/** Refuses more symbols than so many bits can hold, before memory is taken for them. */
function checkCount(name: string, part: readonly Empty[], most: number): void {
  const count = part.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  if (count > most) fail("format", `${name} is cut: ${count} numbers do not fit its coded bytes`);
}

function huffmanReader(reader: ByteReader): ReadPart {
  const lengths = new Uint8Array(symbols);
  for (let i = 0; i < symbols; i += 2) {
    const two = reader.u8();
    lengths[i] = two >> 4;
    lengths[i + 1] = two & 15;
  }
  const code = new HuffmanCode(lengths);
  return (coded, part) => {
    checkCount(reader.name, part, 8 * coded.length);
    const bits = new BitReader(coded);
    return part.map(({ path, ...array }) => {
      const levels = Uint8Array.from({ length: sizeOf(array.shape) }, () => code.decode(bits));
      const beyond = levels.find((level) => level >= 2 ** array.bits);
      if (beyond !== undefined) fail("format", `${reader.name}: ${path} holds ${beyond}, more than ${array.bits} bits`);
      return [path, { ...array, levels }] as const;
    });
  };
}

function rangeReader(reader: ByteReader, parts: readonly (readonly Empty[])[]): ReadPart {
  const bells = new Map<string, BellModel>();
  for (const { path, bits } of parts.flat()) {
    const [centre, shape] = [reader.u8(), reader.u8()];
    if (centre >= 2 ** bits)
      fail("format", `${reader.name}: the model of ${path} has its centre at ${centre}, of ${bits} bits`);
    bells.set(path, { centre, shape });
  }
  return (coded, part) => {
    // a symbol takes at least log2(65536 / 65535) bits
    checkCount(reader.name, part, 45_426 * 8 * (coded.length + 8));
    const decoder = new RangeDecoder(coded);
    return part.map(({ path, ...array }) => {
      const model = bellModel(bells.get(path)!, 2 ** array.bits);
      const levels = Uint8Array.from({ length: sizeOf(array.shape) }, () => decoder.decode(model));
      return [path, { ...array, levels }] as const;
    });
  };
}
