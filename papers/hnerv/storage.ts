/**
 * What a trained network costs as a file and what comes out of the file: bits a pixel, exactness, and single frames.
 */
import { takeRows } from "bletchley/data";
import { BitReader, BitWriter, countSymbols, HuffmanCode, huffmanLengths } from "bletchley/formats";
import type { PaperContext } from "bletchley/papers";
import { compile } from "bletchley/runtime";
import type { NDArray } from "bletchley/util";
import {
  decoderInputs,
  inputShape,
  openVideo,
  type QuantizedVideo,
  quantizeVideo,
  readVideo,
  reviveVideo,
  type VideoFile,
  type VideoNetwork,
  type VideoQuality,
  videoQuality,
  writeVideo,
} from "bletchley/video";

const exact = { tolerance: 0 };
const machine = { tolerance: Number.POSITIVE_INFINITY };

/** A network as it is stored, and how well it gives the frames back. */
export interface Stored {
  readonly video: QuantizedVideo;
  readonly file: VideoFile;
  /** The same with one Huffman code instead of the range coder. */
  readonly huffman: VideoFile;
  /** Frames out of the file. */
  readonly frames: NDArray;
  /** Of the network in 32-bit floats. */
  readonly before: VideoQuality;
  /** Of the frames out of the file. */
  readonly after: VideoQuality;
}

const allOf = (frames: NDArray) => Array.from({ length: frames.shape[0]! }, (_, i) => i);

/** Quantises, writes and reads a network. */
export async function store(network: VideoNetwork, frames: NDArray): Promise<Stored> {
  const { _config: config, decoder, encoder } = network;
  const video = await quantizeVideo(network, frames, { threads: 1 });
  const file = writeVideo(video, "range");
  await using whole = await compile(
    ({ input }) => ({ frames: decoder.forward(encoder ? encoder.forward(input) : input) }),
    {
      threads: 1,
      inputs: { input: { dtype: "f32", shape: encoder ? frames.shape : [frames.shape[0]!, ...inputShape(config)] } },
    },
  );
  const input = encoder ? frames : decoderInputs(config, undefined, allOf(frames));
  const { frames: floats } = await whole.run({ input });
  await using reader = await openVideo(readVideo(file.bytes), { threads: 1 });
  const decoded = await reader.frames(allOf(frames));
  return {
    video,
    file,
    huffman: writeVideo(video, "huffman"),
    frames: decoded,
    before: await videoQuality(floats, frames),
    after: await videoQuality(decoded, frames),
  };
}

/** Bits a pixel of so many bytes. */
export const bitsPerPixel = (bytes: number, { shape }: NDArray): number =>
  (8 * bytes) / (shape[0]! * shape[2]! * shape[3]!);

/** Largest difference of two arrays. */
function largestDifference(a: NDArray, b: NDArray): number {
  let most = 0;
  for (let i = 0; i < a.size; i++) most = Math.max(most, Math.abs((a.data[i] as number) - (b.data[i] as number)));
  return most;
}

/** Symbols that do not come back from a file, and from a Huffman code by itself. */
function lostSymbols({ video, file, huffman }: Stored): number {
  const arrays = (of: QuantizedVideo) => [...(of.codes ? [of.codes] : []), ...of.weights.values()];
  const written = arrays(video).flatMap(({ levels }) => [...levels]);
  let lost = 0;
  for (const { bytes } of [file, huffman]) {
    const back = arrays(readVideo(bytes)).flatMap(({ levels }) => [...levels]);
    lost += Math.abs(back.length - written.length) + back.filter((level, i) => level !== written[i]).length;
  }
  const code = new HuffmanCode(huffmanLengths(countSymbols(written, 256)));
  const writer = new BitWriter();
  code.encode(written, writer);
  const reader = new BitReader(writer.toBytes());
  return lost + written.filter((level) => code.decode(reader) !== level).length;
}

/** That files lose nothing: frames, symbols, bytes. */
export async function measureExactness(context: PaperContext, stored: Stored, frames: NDArray): Promise<void> {
  const { video, file } = stored;
  const { decoder, codes } = reviveVideo(video);
  const numbers = allOf(frames);
  await using memory = await compile(({ inputs }) => ({ frames: decoder.forward(inputs) }), {
    threads: 1,
    inputs: { inputs: { dtype: "f32", shape: ["n", ...inputShape(video.config)] } },
  });
  const { frames: inMemory } = await memory.run({ inputs: decoderInputs(video.config, codes, numbers) });
  await using reader = await openVideo(readVideo(file.bytes), { batchSize: numbers.length, threads: 1 });
  context.measure({
    name: "largest difference of frames, decoded from the file and by the quantised network in memory",
    value: largestDifference(await reader.frames(numbers), inMemory),
    unit: "",
    bar: "0",
    expect: (value) => value === 0,
    ...exact,
  });
  let alone = 0;
  for (const number of numbers)
    alone = Math.max(alone, largestDifference(await reader.frames([number]), takeRows(inMemory, [number])));
  context.measure({
    name: "largest difference of a frame, decoded alone and with all others",
    value: alone,
    unit: "",
    bar: "≤ 1e-5",
    expect: (value) => value <= 1e-5,
    ...machine,
  });
  context.measure({
    name: "symbols that do not come back from either coder",
    value: lostSymbols(stored),
    unit: "",
    bar: "0",
    expect: (value) => value === 0,
    ...exact,
  });
  const { total, ...parts } = file.sizes;
  const declared = Object.values(parts).reduce((sum, bytes) => sum + bitsPerPixel(bytes, frames), 0);
  const pixels = frames.size / 3;
  context.measure({
    name: "bits by the declared parts of bits a pixel, less those of the file",
    value: Math.round(declared * pixels * 1e6) / 1e6 - 8 * file.bytes.length,
    unit: "bits",
    bar: "0",
    expect: (value) => value === 0,
    ...exact,
  });
}

/** Where the bits of a file are, and what the other coder takes. */
export function measureSizes(context: PaperContext, name: string, { file, huffman }: Stored, frames: NDArray): void {
  const { total, codes, weights, scales, tables, header } = file.sizes;
  for (const [what, bytes] of [
    ["in all", total],
    ["weights", weights],
    ["codes", codes],
    ["minima and steps", scales],
    ["tables", tables],
    ["header", header],
  ] as const)
    context.measure({ name: `${name}, bits a pixel, ${what}`, value: bitsPerPixel(bytes, frames), unit: "bpp" });
  context.measure({
    name: `${name}, bytes with the range coder against one Huffman code`,
    value: total,
    baseline: huffman.sizes.total,
    unit: "bytes",
  });
}

/** Time of one frame alone over the time of a frame among all: each the least of many tries, since other work only adds. */
export async function measureRandomAccess(context: PaperContext, { video }: Stored, frames: NDArray): Promise<void> {
  const numbers = allOf(frames);
  const middle = numbers.length >> 1;
  const timed = async (work: () => Promise<unknown>) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  await using reader = await openVideo(video, { threads: 1 });
  let [one, all] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < 25; i++) {
    one = Math.min(one, await timed(() => reader.frames([middle])), await timed(() => reader.frames([middle])));
    all = Math.min(all, await timed(() => reader.frames(numbers)));
  }
  context.measure({
    name: "time of the middle frame alone",
    value: one,
    baseline: all / numbers.length,
    unit: "ms",
    bar: "≤ 1.5 × the time of all frames / their number",
    expect: (value, baseline) => value <= 1.5 * baseline,
    ...machine,
  });
  context.measure({
    name: "frames that a codec with one key frame decodes to show the middle one",
    value: middle + 1,
    baseline: 1,
    unit: "",
    ...exact,
  });
}

/** Mean PSNR of frames that no network saw: between neighbours' codes, seen by the encoder, and as the neighbours' mean. */
export async function measureInterpolation(
  context: PaperContext,
  network: VideoNetwork,
  even: NDArray,
  all: NDArray,
): Promise<NDArray> {
  const video = await quantizeVideo(network, even, { threads: 1 });
  await using reader = await openVideo(video, { threads: 1 });
  const count = even.shape[0]! - 1;
  const between: NDArray[] = [];
  for (let i = 0; i < count; i++) between.push(await reader.between(i, i + 1));
  const odd = takeRows(
    all,
    Array.from({ length: count }, (_, i) => 2 * i + 1),
  );
  const made = joined(between, odd.shape);
  const blended = odd.copy();
  const size = odd.size / count;
  for (let i = 0; i < blended.size; i++)
    blended.data[i] = ((even.data[i] as number) + (even.data[i + size] as number)) / 2;
  await using seen = await compile(({ frames }) => ({ made: network.forward(frames) }), {
    threads: 1,
    inputs: { frames: { dtype: "f32", shape: odd.shape } },
  });
  const { made: encoded } = await seen.run({ frames: odd });
  const learnt = await videoQuality(await reader.frames(allOf(even)), even);
  context.measure({ name: "even frames that were learnt", value: learnt.meanPsnr, unit: "dB" });
  const mean = await videoQuality(blended, odd);
  for (const [name, frames] of [
    ["odd frames from the mean of their neighbours' codes", made],
    ["odd frames that the encoder sees, which is no interpolation", encoded],
  ] as const)
    context.measure({
      name: `${name}, against the mean of the neighbours' pixels`,
      value: (await videoQuality(frames, odd)).meanPsnr,
      baseline: mean.meanPsnr,
      unit: "dB",
    });
  return made;
}

function joined(frames: readonly NDArray[], shape: readonly number[]): NDArray {
  const out = takeRows(frames[0]!, new Array<number>(shape[0]!).fill(0));
  frames.forEach(({ data }, i) => {
    (out.data as Float32Array).set(data as Float32Array, i * data.length);
  });
  return out;
}
