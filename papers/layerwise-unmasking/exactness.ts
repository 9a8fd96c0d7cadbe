/**
 * What must hold exactly whatever was learnt: nothing changes when no layer is unmasked, the future reaches the past only through unmasked layers,
 * padding is seen by nobody, one graph serves all configurations.
 */
import { takeRows } from "bletchley/data";
import {
  type Decoder,
  sequenceLogits,
  TokenClassifier,
  unmaskedLayers,
  unmaskedLayout,
  unmaskingConfigurations,
} from "bletchley/lm";
import { initialize } from "bletchley/nn";
import type { PaperContext } from "bletchley/papers";
import { compile, type Executable, exportOnnx, getDefaultEngine } from "bletchley/runtime";
import { NDArray } from "bletchley/util";
import { bitsOf } from "./tuner.ts";

const machine = { tolerance: Number.POSITIVE_INFINITY };

/** Largest difference of two ranges, and NaN where there is one. */
function largest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= most)) most = difference;
  }
  return most;
}

const ones = (batch: number, length: number) => {
  const mask = NDArray.zeros([batch, length], "i64");
  (mask.data as BigInt64Array).fill(1n);
  return mask;
};

const floats = (array: NDArray) => array.data as Float32Array;

/** A classifier with everything that is compared chosen when it runs. */
export function compileClassifier(
  classifier: TokenClassifier,
  batch: number,
  length: number,
): Promise<Executable<"logits">> {
  return compile(
    ({ tokens, mask, unmask }) => ({
      logits: classifier.forward(tokens, unmaskedLayout({ unmask, length, attentionMask: mask })),
    }),
    {
      inputs: {
        tokens: { dtype: "i64", shape: [batch, length] },
        mask: { dtype: "i64", shape: [batch, length] },
        unmask: { dtype: "bool", shape: [classifier.decoder._config.layerCount] },
      },
    },
  );
}

/**
 * Checks a decoder.
 * @param name what it is called in measurements. @param tokens `i64[2, length]`: two texts. @param groups groups of layers.
 */
export async function measureExactness(
  context: PaperContext,
  name: string,
  decoder: Decoder,
  tokens: NDArray,
  groups: number,
): Promise<void> {
  const length = tokens.shape[1]!;
  const { layerCount } = decoder._config;
  const ids = { dtype: "i64", shape: [1, length] } as const;
  const text = takeRows(tokens, [0]);
  const configurations = unmaskingConfigurations(groups);
  const labels = 8;
  const classifier = new TokenClassifier(decoder, { labels });
  initialize(classifier.score, 7);
  const causal = "0".repeat(groups);

  await using stock = await compile(({ tokens }) => ({ logits: sequenceLogits(decoder, tokens) }), {
    inputs: { tokens: ids },
  });
  await using masked = await compile(
    ({ tokens, unmask }) => ({ logits: sequenceLogits(decoder, tokens, unmaskedLayout({ unmask, length })) }),
    { inputs: { tokens: ids, unmask: { dtype: "bool", shape: [layerCount] } } },
  );
  const a = floats((await stock.run({ tokens: text })).logits);
  const b = floats((await masked.run({ tokens: text, unmask: bitsOf(causal, layerCount) })).logits);
  context.measure({
    name: `${name}: largest difference of logits, ${causal} and the causal model`,
    value: largest(a, b),
    unit: "",
    bar: "≤ 1e-6",
    expect: (value) => value <= 1e-6,
    ...machine,
  });

  await using one = await compileClassifier(classifier, 1, length);
  await using two = await compileClassifier(classifier, 2, length);
  const run = async (of: Executable<"logits">, feeds: Record<string, NDArray>, configuration: string) =>
    floats((await of.run({ ...feeds, unmask: bitsOf(configuration, layerCount) })).logits);
  let wrong = 0;
  let padding = 0;
  const short = Math.floor((2 * length) / 3);
  for (const [i, configuration] of configurations.entries()) {
    context.progress(`${name}: exactness`, i, configurations.length);
    const feeds = { tokens: text, mask: ones(1, length) };
    const before = await run(one, feeds, configuration);
    const open = configuration.includes("1");
    for (const at of [Math.floor(length / 3), length - 1]) {
      const changed = text.copy();
      changed.set(at, (text.at(at) + 1) % decoder._config.vocabSize);
      const after = await run(one, { ...feeds, tokens: changed }, configuration);
      const reached = largest(before.subarray(0, at * labels), after.subarray(0, at * labels));
      if (open ? !(reached > 1e-6) : reached !== 0) wrong++;
    }
    // the first text, cut and padded with tokens of the other one, beside a full one
    const batch = tokens.copy();
    const mask = ones(2, length);
    for (let p = short; p < length; p++) {
      batch.set(p, tokens.at(length + p));
      mask.set(p, 0);
    }
    const cutMask = ones(1, length);
    const cut = text.copy();
    for (let p = short; p < length; p++) {
      cut.set(p, 0);
      cutMask.set(p, 0);
    }
    const beside = await run(two, { tokens: batch, mask }, configuration);
    const alone = await run(one, { tokens: cut, mask: cutMask }, configuration);
    padding = Math.max(padding, largest(alone.subarray(0, short * labels), beside.subarray(0, short * labels)));
  }
  context.measure({
    name: `${name}: configurations and places at which a later token reaches earlier ones against the rule, of ${2 * configurations.length}`,
    value: wrong,
    unit: "",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  context.measure({
    name: `${name}: largest change of a logit by what stands in the padding, or beside in the batch`,
    value: padding,
    unit: "",
    bar: "≤ 1e-5",
    expect: (value) => value <= 1e-5,
    ...machine,
  });
  context.measure({
    name: `${name}: largest change of a logit when tokens and their positions are shuffled, everything unmasked`,
    value: await orderDependence(decoder, text),
    unit: "",
    bar: "≤ 1e-5 of the largest",
    expect: (value) => value <= 1e-5,
    ...machine,
  });
  await measureExport(context, name, classifier, text, configurations, one);
}

/** Of logits that are put back in order, relative to the largest. */
async function orderDependence(decoder: Decoder, text: NDArray): Promise<number> {
  const length = text.shape[1]!;
  const ids = { dtype: "i64", shape: [1, length] } as const;
  const layout = unmaskedLayout({ unmask: decoder._config.localLayers.map(() => true), length });
  await using f = await compile(
    ({ tokens, positions }) => ({ logits: sequenceLogits(decoder, tokens, { ...layout, positions }) }),
    { inputs: { tokens: ids, positions: ids } },
  );
  // 5 shares no divisor with the lengths in use
  const order = Array.from({ length }, (_, i) => (5 * i + 2) % length);
  const rows = (values: readonly number[]) => NDArray.from(values, [1, length], "i64");
  const straight = floats((await f.run({ tokens: text, positions: rows(order.map((_, i) => i)) })).logits);
  const shuffled = await f.run({ tokens: rows(order.map((from) => text.at(from))), positions: rows(order) });
  const width = decoder._config.vocabSize;
  let [most, size] = [0, 0];
  for (const [to, from] of order.entries()) {
    const own = straight.subarray(from * width, (from + 1) * width);
    most = Math.max(most, largest(own, floats(shuffled.logits).subarray(to * width, (to + 1) * width)));
    for (const value of own) size = Math.max(size, Math.abs(value));
  }
  return most / size;
}

/** One exported file against a graph for each configuration. */
async function measureExport(
  context: PaperContext,
  name: string,
  classifier: TokenClassifier,
  text: NDArray,
  configurations: readonly string[],
  chosen: Executable<"logits">,
): Promise<void> {
  // a file of half a gigabyte shows nothing that a small one does not
  if (classifier.decoder._config.hiddenSize > 256) return;
  const length = text.shape[1]!;
  const { layerCount } = classifier.decoder._config;
  const engine = await getDefaultEngine();
  const session = await engine.load({ bytes: exportOnnx(chosen), name: "exported" }, {});
  let most = 0;
  for (const configuration of configurations) {
    const layout = unmaskedLayout({ unmask: unmaskedLayers(configuration, layerCount), length });
    await using fixed = await compile(({ tokens }) => ({ logits: classifier.forward(tokens, layout) }), {
      inputs: { tokens: { dtype: "i64", shape: [1, length] } },
    });
    const { logits } = await fixed.run({ tokens: text });
    const feeds = { tokens: text, mask: ones(1, length), unmask: bitsOf(configuration, layerCount) };
    const other = await session.run(feeds, ["logits"], {});
    most = Math.max(most, largest(floats(logits), floats(other.logits!)));
  }
  await session.dispose();
  context.measure({
    name: `${name}: largest difference of logits, one ONNX file with the configuration as input and a graph for each of ${configurations.length}`,
    value: most,
    unit: "",
    bar: "≤ 1e-5",
    expect: (value) => value <= 1e-5,
    ...machine,
  });
}
