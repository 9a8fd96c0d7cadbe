/**
 * SmolLM2 as a labeller: low-rank adapters on its top blocks and a head learn, on residual streams that its lower blocks made once for each mask.
 */
import { takeRows } from "bletchley/data";
import { readGguf, type Tokenizer, tokenizerFromGguf } from "bletchley/formats";
import {
  addLowRank,
  type Decoder,
  decoderInMemory,
  openGguf,
  sequencePrefix,
  TokenClassifier,
  unmaskedLayers,
  unmaskedLayout,
} from "bletchley/lm";
import { initialize, loadStateDict } from "bletchley/nn";
import type { PaperContext } from "bletchley/papers";
import { compile } from "bletchley/runtime";
import { fileSource, resolveModel } from "bletchley/sources";
import { type LabelledTokens, noLabel } from "bletchley/train";
import { NDArray } from "bletchley/util";
import { type Labelled, type TuneRecipe, Tuner } from "./tuner.ts";

/** Groups of the decoder's blocks. */
export const realGroups = 3;

/** A real decoder and its tokenizer. */
export interface RealDecoder {
  readonly decoder: Decoder;
  readonly tokenizer: Tokenizer;
}

/** Finds, fetches if need be, and reads SmolLM2. */
export async function openRealDecoder(context: PaperContext): Promise<RealDecoder> {
  const { path } = await resolveModel("smollm2", {
    signal: context.signal,
    onProgress: ({ task, done, total }) => context.progress(task, done, total ?? done),
  });
  const source = await fileSource(path);
  try {
    const decoder = await decoderInMemory(await openGguf(source, path));
    const { metadata } = await readGguf(source);
    return { decoder, tokenizer: tokenizerFromGguf(metadata) };
  } finally {
    await source.close();
  }
}

/** Sequences of one length as arrays. @param pad token that fills them up. */
export function paddedRows(sequences: readonly LabelledTokens[], length: number, pad: number): Labelled {
  const rows = (of: (sequence: LabelledTokens) => readonly number[], rest: number) =>
    NDArray.from(
      sequences.flatMap((sequence) => {
        const own = of(sequence);
        return [...own, ...Array<number>(length - own.length).fill(rest)];
      }),
      [sequences.length, length],
      "i64",
    );
  return {
    from: rows(({ tokens }) => tokens, pad),
    mask: rows(({ tokens }) => tokens.map(() => 1), 0),
    labels: rows(({ labels }) => labels, noLabel),
  };
}

/** Blocks whose results are kept. */
const keptBlocks = (decoder: Decoder) => ((realGroups - 1) * decoder._config.layerCount) / realGroups;

/** Residual streams after the lower groups' blocks. */
async function prefixes(
  context: PaperContext,
  decoder: Decoder,
  configuration: string,
  { from, mask, labels }: Labelled,
  name: string,
): Promise<Labelled> {
  const batch = 8;
  const [count, length] = from.shape as readonly [number, number];
  const { hiddenSize, layerCount } = decoder._config;
  const ids = { dtype: "i64", shape: [batch, length] } as const;
  const unmask = unmaskedLayers(configuration, layerCount);
  await using lower = await compile(
    ({ tokens, mask }) => ({
      residual: sequencePrefix(
        decoder,
        tokens,
        keptBlocks(decoder),
        unmaskedLayout({ unmask, length, attentionMask: mask }),
      ).residual,
    }),
    { inputs: { tokens: ids, mask: ids }, parameters: "inputs" },
  );
  const out = NDArray.zeros([count, length, hiddenSize]);
  for (let at = 0; at < count; at += batch) {
    const numbers = Array.from({ length: batch }, (_, i) => Math.min(count - 1, at + i));
    const { residual } = await lower.run({ tokens: takeRows(from, numbers), mask: takeRows(mask, numbers) });
    const size = length * hiddenSize;
    const rows = Math.min(batch, count - at);
    (out.data as Float32Array).set((residual.data as Float32Array).subarray(0, rows * size), at * size);
    context.progress(name, at + rows, count);
  }
  return { from: out, mask, labels };
}

/** What a configuration came to. */
export interface RealResult {
  /** Logits at the first token of each word of the test sequences, rounded to what a report needs. */
  readonly logits: readonly (readonly (readonly number[])[])[];
  readonly prefixSeconds: number;
  readonly seconds: number;
  readonly losses: readonly number[];
}

/** Tunes SmolLM2 under some configurations, each on its own stream and from the same first values. */
export async function tuneRealDecoder(
  context: PaperContext,
  { decoder, tokenizer }: RealDecoder,
  options: {
    readonly name: string;
    readonly configurations: readonly string[];
    readonly training: readonly LabelledTokens[];
    readonly test: readonly LabelledTokens[];
    readonly labels: number;
    readonly length: number;
    readonly recipe: TuneRecipe;
  },
): Promise<Readonly<Record<string, RealResult>>> {
  const { configurations, length, name, recipe } = options;
  const pad = tokenizer.specials.padId ?? tokenizer.specials.eosIds[0] ?? 0;
  const training = paddedRows(options.training, length, pad);
  const test = paddedRows(options.test, length, pad);
  const blocks = keptBlocks(decoder);
  const classifier = new TokenClassifier(decoder, { labels: options.labels });
  const layers = Array.from({ length: decoder._config.layerCount - blocks }, (_, i) => blocks + i).join("|");
  addLowRank(decoder, {
    targets: new RegExp(`^model\\.layers\\.(${layers})\\.self_attn\\.(q|v)_proj$`),
    rank: 16,
    alpha: 32,
    dropout: 0.1,
    seed: context.seed,
  });
  initialize(classifier.score, context.seed);
  const first = copyOfTrainable(classifier);
  const out: Record<string, RealResult> = {};
  const tuner = await Tuner.open(classifier, recipe, length, blocks);
  try {
    const known = new Map<string, { readonly data: readonly [Labelled, Labelled]; readonly seconds: number }>();
    for (const configuration of configurations) {
      const lower = configuration.slice(0, -1);
      out[configuration] = await context.stage(`${name}: ${configuration}`, async () => {
        let made = known.get(lower);
        if (!made) {
          // one stream at a time: each is some hundred megabytes
          known.clear();
          const began = performance.now();
          const of = (part: Labelled) =>
            prefixes(context, decoder, configuration, part, `${name}: blocks below, ${lower}`);
          made = { data: [await of(training), await of(test)], seconds: (performance.now() - began) / 1000 };
          known.set(lower, made);
        }
        loadStateDict(classifier, new Map([...first].map(([path, array]) => [path, array.copy()])), { strict: false });
        const began = performance.now();
        const losses = await tuner.train({
          configuration,
          data: made.data[0],
          seed: context.seed + 1,
          signal: context.signal,
          onStep: (done, total) => context.progress(`${name}: train ${configuration}`, done, total),
        });
        const seconds = (performance.now() - began) / 1000;
        const rows = await tuner.logits(configuration, made.data[1]);
        const logits = options.test.map(({ firsts }, i) =>
          firsts.map((at) =>
            rows[i]!.slice(at * options.labels, (at + 1) * options.labels).map(
              (value) => Math.round(1e4 * value) / 1e4,
            ),
          ),
        );
        context.log(`${name}, ${configuration}: ${seconds.toFixed(0)} s, last loss ${losses.at(-1)!.toFixed(3)}`);
        return { logits, prefixSeconds: made.seconds, seconds, losses };
      });
    }
  } finally {
    await tuner[Symbol.asyncDispose]();
  }
  return out;
}

/** Values that training changes. */
function copyOfTrainable(classifier: TokenClassifier): ReadonlyMap<string, NDArray> {
  const changing = [...classifier.parameters()].filter(([path]) => /lora_|^score\./.test(path));
  return new Map(changing.map(([path, { value }]) => [path, (value as NDArray).copy()]));
}
