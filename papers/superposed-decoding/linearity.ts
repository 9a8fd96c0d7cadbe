/**
 * How linear a model is in mixtures: whether the hidden states of a mixed input are the mixture of those of its parts, layer by layer and
 * step by step. It loads a decoder of its own whose hidden states can be read.
 */
import { type SuperposedDraft, type SuperposedOptions, superposedDrafts } from "bletchley/decode";
import { LocalSequenceModel, loadDecoder, openGguf, prefill, type Sequence } from "bletchley/lm";
import { cacheRoot, fileSource, type ResolvedModel } from "bletchley/sources";

/** Mean cosines of one step. */
export interface Linearity {
  readonly step: number;
  /** After each block. */
  readonly layers: readonly number[];
  /** After the final norm. */
  readonly last: number;
  /** Weight of the best draft. */
  readonly weight: number;
}

interface Hidden {
  readonly [name: string]: Float32Array;
}

const sitesOf = (layers: number) => [...Array.from({ length: layers }, (_, i) => `tap:blocks.${i}.residual`), "hidden"];

/** A sequence whose steps of one row leave their hidden states with `seen`. */
function watched(sequence: Sequence, outputs: readonly string[], seen: (hidden: Hidden) => void): Sequence {
  return {
    get length() {
      return sequence.length;
    },
    get room() {
      return sequence.room;
    },
    step: async (request) => {
      if (!request.mixtures) return sequence.step(request);
      const result = await sequence.step({ ...request, outputs });
      seen(Object.fromEntries(Object.entries(result.extra).map(([name, x]) => [name, x.data as Float32Array])));
      return result;
    },
    commit: (rows) => sequence.commit(rows),
    truncate: (length) => sequence.truncate(length),
    fork: () => sequence.fork(),
    close: () => sequence.close(),
  };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

function weightsOf(drafts: readonly SuperposedDraft[]): number[] {
  const highest = Math.max(...drafts.map(({ score }) => score));
  const weights = drafts.map(({ score }) => Math.exp(score - highest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Measures prefixes, and gives the means by step. @param form weight form of the decoder. */
export async function probeLinearity(
  source: ResolvedModel,
  form: string,
  prefixes: readonly (readonly number[])[],
  options: SuperposedOptions,
  onPrefix?: (done: number) => void,
): Promise<Linearity[]> {
  await using file = await fileSource(source.weights[0]!);
  const checkpoint = await openGguf(file, source.weights[0]!);
  const layers = checkpoint.config.layerCount;
  const outputs = sitesOf(layers);
  const loaded = await loadDecoder(checkpoint, {
    form,
    cacheFolder: `${cacheRoot()}/converted`,
    sha256: source.sha256,
    taps: outputs.flatMap((name) => (name.startsWith("tap:") ? [name.slice(4)] : [])),
  });
  const sums: { layers: number[]; last: number; weight: number; count: number }[] = [];
  try {
    const model = new LocalSequenceModel(loaded.model);
    for (const [done, prefix] of prefixes.entries()) {
      const mixed: Hidden[] = [];
      const alive: (readonly SuperposedDraft[])[] = [];
      const sequence = watched(await model.open(), outputs, (hidden) => mixed.push(hidden));
      await superposedDrafts(sequence, prefix, { ...options, onStep: (_, __, drafts) => alive.push(drafts) });
      await sequence.close();
      const plain = await model.open();
      await prefill(plain, prefix);
      for (const [step, drafts] of alive.entries()) {
        const hidden = await lastStates(plain, drafts, outputs);
        const weights = weightsOf(drafts);
        sums[step] ??= { layers: new Array(layers).fill(0), last: 0, weight: 0, count: 0 };
        const sum = sums[step];
        for (const [k, name] of outputs.entries()) {
          const expected = new Float32Array(mixed[step]![name]!.length);
          hidden.forEach((states, i) => {
            for (let c = 0; c < expected.length; c++) expected[c]! += weights[i]! * states[name]![c]!;
          });
          const similar = cosine(mixed[step]![name]!, expected);
          if (k < layers) sum.layers[k]! += similar;
          else sum.last += similar;
        }
        sum.weight += Math.max(...weights);
        sum.count++;
      }
      await plain.close();
      onPrefix?.(done + 1);
    }
  } finally {
    await loaded.dispose();
  }
  return sums.map(({ layers: total, last, weight, count }, i) => ({
    step: i + 1,
    layers: total.map((x) => x / count),
    last: last / count,
    weight: weight / count,
  }));
}

/** Hidden states of each draft's last token, read as plain text. */
async function lastStates(
  sequence: Sequence,
  drafts: readonly SuperposedDraft[],
  outputs: readonly string[],
): Promise<Hidden[]> {
  const rows = drafts.flatMap(({ tokens }) => tokens);
  let at = 0;
  const parents = drafts.flatMap(({ tokens }) => {
    const start = at;
    at += tokens.length;
    return tokens.map((_, i) => (i ? start + i - 1 : -1));
  });
  const { extra } = await sequence.step({ tokens: rows, parents, wanted: [0], outputs });
  let end = -1;
  return drafts.map(({ tokens }) => {
    end += tokens.length;
    return Object.fromEntries(
      Object.entries(extra).map(([name, { data, shape }]) => {
        const width = shape[shape.length - 1]!;
        return [name, (data as Float32Array).slice(end * width, (end + 1) * width)];
      }),
    );
  });
}
