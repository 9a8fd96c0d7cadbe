/**
 * Superposed Decoding on the sentences of grade-school problems, and in the full profile on Shakespeare's. The method is in
 * src/decode/superposed.
 */
import { loadModel, type Model } from "bletchley";
import { argmax, NgramCounts, type SuperposedOptions, superposedDrafts } from "bletchley/decode";
import { prefill } from "bletchley/lm";
import { definePaper, drawPlot, type PaperContext, Plot, spread } from "bletchley/papers";
import { decodeOne, without } from "./continuations.ts";
import { type Linearity, probeLinearity } from "./linearity.ts";
import { cutPrefixes, type Prefix, problemTexts, sceneTexts } from "./prefixes.ts";
import { otherWays, runTrials, summarizeTrials, superposed, type Trials, type Way } from "./trials.ts";

const trainData = {
  path: "reasoning/gsm8k-train-3000.jsonl",
  sha256: "3a9ec12b5270734ae6ec65995b0c27b651517d71e78c1e895d6b5bc28f8eae66",
};
const testData = {
  path: "reasoning/gsm8k-test.jsonl",
  sha256: "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
};
const playData = {
  path: "text/tinyshakespeare.txt",
  sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
  profiles: ["full"],
} as const;

/** Tokens of a prefix, and of a draft. */
const prefixLength = 15;
const draftLength = 10;

/** What the paper's settings are replaced by, as held-out prefixes tell. */
interface Setting {
  readonly ngramShare: number;
  readonly temperature: number;
}

/** Names of the ways. */
const names = {
  superposed: "superposed",
  ranked: "superposed, best 3 of 8 by the model",
  noNgrams: "superposed, no n-grams",
  first: "superposed, first draft's embedding only",
  greedy: "greedy",
  serial: "nucleus, one by one",
  batch: "nucleus, in a batch",
  beam: "beam",
} as const;

/** A body of text: what is counted, and where prefixes are cut. */
interface Domain {
  readonly ngrams: NgramCounts;
  readonly prefixes: readonly Prefix[];
  readonly heldOut: readonly Prefix[];
}

function makeDomain(
  context: PaperContext,
  model: Model,
  counted: readonly string[],
  cut: readonly string[],
  count: number,
): Domain {
  const { tokenizer } = model;
  const encode = (text: string) => tokenizer.encode(text);
  const endsSentence = (token: number) => /[.?!]\s*$|\n$/.test(tokenizer.decode([token]));
  const startsSentence = (before: number, after: number) =>
    endsSentence(before) && /^\s|^[A-Z]/.test(tokenizer.decode([after]));
  const heldOutCount = context.pick({ smoke: 1, quick: 40, full: 60 });
  const all = cutPrefixes(
    spread(cut, Math.min(cut.length, 2 * (count + heldOutCount))).map(encode),
    prefixLength,
    draftLength,
    startsSentence,
    context.seed,
  );
  return {
    ngrams: NgramCounts.fromDocuments(counted.map(encode)),
    prefixes: all.slice(0, count),
    heldOut: all.slice(count, count + heldOutCount),
  };
}

const label = ({ ngramShare, temperature }: Setting) => `α ${ngramShare}, τ ${temperature}`;

/** The setting under which the plain model finds the drafts of held-out prefixes likeliest. */
async function tuneSetting(
  context: PaperContext,
  model: Model,
  banned: readonly number[],
  { ngrams, heldOut }: Domain,
): Promise<{ readonly chosen: Setting; readonly tried: readonly (Setting & { readonly perplexity: number })[] }> {
  const settings = context
    .pick({ smoke: [0.3], quick: [0.1, 0.3, 0.54], full: [0.05, 0.1, 0.3, 0.54] })
    .flatMap((ngramShare) =>
      context.pick({ smoke: [0.3], quick: [0.06, 0.3, 1], full: [0.06, 0.3, 1] }).map((temperature) => ({
        ngramShare,
        temperature,
      })),
    );
  const ways = Object.fromEntries(
    settings.map((setting) => [label(setting), superposed({ ngrams, tokens: draftLength, ...setting })]),
  );
  const trials = await runTrials(model, banned, ways, heldOut, (done) =>
    context.progress("tuning α and τ", done, heldOut.length),
  );
  const tried = settings.map((setting) => ({
    ...setting,
    perplexity: summarizeTrials(trials[label(setting)]!, heldOut).mean,
  }));
  const { ngramShare, temperature } = tried.reduce((best, next) => (next.perplexity < best.perplexity ? next : best));
  return { chosen: { ngramShare, temperature }, tried };
}

function waysOf(
  ngrams: NgramCounts,
  setting: Setting,
  seed: number,
  tokens = draftLength,
  drafts = 3,
): Record<string, Way> {
  const options: SuperposedOptions = { ngrams, tokens, drafts, ...setting };
  return {
    [names.superposed]: superposed(options),
    [names.ranked]: superposed({ ...options, pool: Math.max(8, 2 * drafts) }),
    [names.noNgrams]: superposed({ ...options, ngrams: undefined }),
    [names.first]: superposed({ ...options, input: "first" }),
    ...otherWays(tokens, drafts, seed),
  };
}

/** The two limits in which the method must be plain decoding: one draft without n-grams, and a mixture of one token. */
async function exactness(
  context: PaperContext,
  model: Model,
  banned: readonly number[],
  prefixes: readonly Prefix[],
): Promise<void> {
  const { differing, largest } = await context.stage("limits", async () => {
    let differing = 0;
    let largest = 0;
    for (const [i, { tokens }] of prefixes.entries()) {
      const sequence = without(banned, await model.open());
      const { drafts } = await superposedDrafts(sequence, tokens, { drafts: 1, tokens: draftLength });
      await sequence.close();
      const plain = without(banned, await model.open());
      const greedy = await decodeOne(plain, tokens, draftLength);
      await plain.close();
      if (String(drafts[0]!.tokens) !== String(greedy.drafts[0])) differing++;
      if (i < 20) {
        const open = await model.open();
        const next = argmax(await prefill(open, tokens));
        const fed = await open.step({ tokens: [next] });
        const mixed = await open.step({ tokens: [next], mixtures: { 0: { tokens: [next], weights: [1] } } });
        await open.close();
        const other = mixed.logits.data as Float32Array;
        (fed.logits.data as Float32Array).forEach((logit, token) => {
          largest = Math.max(largest, Math.abs(logit - other[token]!));
        });
      }
      context.progress("limits", i + 1, prefixes.length);
    }
    return { differing, largest };
  });
  context.measure({
    name: "prefixes where one draft without n-grams differs from greedy decoding",
    value: differing,
    unit: "prefixes",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  context.measure({
    name: "largest difference of logits between a token and the mixture of it alone",
    value: largest,
    unit: "",
    bar: "≤ 1e-5",
    expect: (value) => value <= 1e-5,
    tolerance: 0,
  });
}

/** Steps after the prompt for every number of drafts. */
async function countSteps(
  context: PaperContext,
  model: Model,
  { ngrams, prefixes }: Domain,
  setting: Setting,
): Promise<void> {
  let most = 0;
  for (const drafts of context.pick({ smoke: [1, 10], quick: [1, 2, 3, 5, 10], full: [1, 2, 3, 5, 10] })) {
    const sequence = await model.open();
    const options = { ngrams, drafts, tokens: draftLength, ...setting };
    most = Math.max(most, (await superposedDrafts(sequence, prefixes[0]!.tokens, options)).steps);
    await sequence.close();
  }
  context.measure({
    name: "steps after the prompt for 10 tokens, at most, with 1 to 10 drafts",
    value: most,
    unit: "steps",
    bar: "9",
    expect: (value) => value === draftLength - 1,
    tolerance: 0,
  });
}

function report(context: PaperContext, domain: string, trials: Trials, prefixes: readonly Prefix[]): void {
  const smoke = context.profile === "smoke";
  const of = (name: string) => summarizeTrials(trials[name]!, prefixes);
  const ours = of(names.superposed);
  const judged = <T extends object>(expectation: T) => (smoke ? {} : expectation);
  const machine = { tolerance: Number.POSITIVE_INFINITY };
  const time = (against: string, bar: string, expect: (value: number, baseline: number) => boolean, paper?: string) =>
    context.measure({
      name: `time for three superposed drafts against ${against}, ${domain}`,
      value: ours.milliseconds,
      baseline: of(against).milliseconds,
      unit: "ms",
      ...(paper && { paper }),
      ...machine,
      ...judged({ bar, expect }),
    });
  time(names.greedy, "≤ 1.15×", (value, baseline) => value <= 1.15 * baseline);
  time(names.serial, "≤ 1/2.2", (value, baseline) => 2.2 * value <= baseline, "≥ 2.44× faster");
  context.measure({
    name: `time for three superposed drafts against ${names.batch}, whose rows are run again in each step, ${domain}`,
    value: ours.milliseconds,
    baseline: of(names.batch).milliseconds,
    unit: "ms",
    ...machine,
  });
  const serial = of(names.serial);
  for (const [what, value, baseline] of [
    ["best draft", ours.best, serial.best],
    ["all drafts", ours.mean, serial.mean],
  ] as const)
    context.measure({
      name: `perplexity under the plain model, ${what}, superposed against nucleus, ${domain}`,
      value,
      baseline,
      unit: "",
      paper: "at least as good",
      ...judged({ bar: "≤ 1×", expect: (v: number, b: number) => v <= b }),
    });
  // beyond the paper: more drafts cost nothing until they are ranked
  const ranked = of(names.ranked);
  for (const [what, value, baseline, unit] of [
    ["perplexity of the best draft", ranked.best, serial.best, ""],
    ["perplexity of all drafts", ranked.mean, serial.mean, ""],
    ["P@3", ranked.coverage(3, 2), serial.coverage(3, 2), "%"],
  ] as const)
    context.measure({ name: `${what}, best 3 of 8 by the model against nucleus, ${domain}`, value, baseline, unit });
  context.measure({
    name: `time for the best 3 of 8 by the model against ${names.serial}, ${domain}`,
    value: ranked.milliseconds,
    baseline: serial.milliseconds,
    unit: "ms",
    ...machine,
  });
  const covered = (name: string, k: number, against: string, kOther: number, slack: number) =>
    context.measure({
      name: `drafts that begin with the next two tokens, P@${k} of ${name} against P@${kOther} of ${against}, ${domain}`,
      value: of(name).coverage(k, 2),
      baseline: of(against).coverage(kOther, 2),
      unit: "%",
      paper: "at least as good",
      ...judged({
        bar: `at most ${slack} ${slack === 1 ? "point" : "points"} less`,
        expect: (value: number, baseline: number) => value >= baseline - slack,
      }),
    });
  covered(names.superposed, 3, names.serial, 3, 1);
  covered(names.superposed, 1, names.greedy, 1, 2);
  const bare = of(names.noNgrams);
  context.measure({
    name: `what n-grams are worth: perplexity of all drafts without them against with them, ${domain}`,
    value: bare.mean,
    baseline: ours.mean,
    unit: "",
    ...judged({
      bar: "≥ 1.1×, or two points of P@3 less",
      expect: (value: number, baseline: number) =>
        value >= 1.1 * baseline || bare.coverage(3, 2) <= ours.coverage(3, 2) - 2,
    }),
  });
  context.measure({
    name: `P@3 of drafts without n-grams, ${domain}`,
    value: bare.coverage(3, 2),
    baseline: ours.coverage(3, 2),
    unit: "%",
  });
  context.measure({
    name: `P@3 of drafts that are fed the first draft's embedding only, ${domain}`,
    value: of(names.first).coverage(3, 2),
    baseline: ours.coverage(3, 2),
    unit: "%",
    ...judged({ bar: "less", expect: (value: number, baseline: number) => value < baseline }),
  });
  context.measure({
    name: `texts of batched nucleus sampling that differ from those one by one, ${domain}`,
    value: trials[names.batch]!.filter(({ drafts }, i) => String(drafts) !== String(trials[names.serial]![i]!.drafts))
      .length,
    unit: "prefixes",
    bar: "0",
    expect: (value) => value === 0,
    tolerance: 0,
  });
  for (const name of Object.values(names)) {
    const { best, mean, distinct, edits, coverage } = of(name);
    const row = { unit: "", tolerance: 0.1 };
    context.measure({ name: `perplexity of all drafts, ${name}, ${domain}`, value: mean, ...row });
    context.measure({ name: `perplexity of the best draft, ${name}, ${domain}`, value: best, ...row });
    context.measure({ name: `P@3 over the next three tokens, ${name}, ${domain}`, value: coverage(3, 3), unit: "%" });
    context.measure({ name: `different drafts, ${name}, ${domain}`, value: distinct, ...row });
    context.measure({ name: `edits from draft to draft, ${name}, ${domain}`, value: edits, ...row });
  }
  if (!smoke)
    context.figure({
      name: `drafts-${domain.replaceAll(" ", "-")}`,
      caption: `Perplexity of all drafts under the plain model, and how often one of them begins with the next two tokens of the text: ${domain}.`,
      svg: drawPlot({
        title: "Likely drafts, and right ones",
        x: { label: "perplexity of all drafts", grid: true },
        y: { label: "P@3, %", grid: true, zero: true },
        marginRight: 180,
        marks: [
          Plot.dot(
            Object.values(names).map((name) => ({ name, x: of(name).mean, y: of(name).coverage(3, 2) })),
            { x: "x", y: "y", fill: "#4e79a7", r: 5 },
          ),
          Plot.text(
            Object.values(names).map((name) => ({ name, x: of(name).mean, y: of(name).coverage(3, 2) })),
            { x: "x", y: "y", text: "name", textAnchor: "start", dx: 8 },
          ),
        ],
      }),
    });
}

function reportLinearity(context: PaperContext, found: readonly Linearity[]): void {
  const first = found[0]!;
  const last = found[found.length - 1]!;
  const judged = <T extends object>(expectation: T) => (context.profile === "smoke" ? {} : expectation);
  context.measure({
    name: "cosine of a mixture's last hidden state and the mixture of its parts', first step",
    value: first.last,
    unit: "",
    ...judged({ bar: "≥ 0.7", expect: (value: number) => value >= 0.7 }),
  });
  context.measure({
    name: `the same at step ${last.step} against the first`,
    value: last.last,
    baseline: first.last,
    unit: "",
    ...judged({ bar: "less", expect: (value: number, baseline: number) => value < baseline }),
  });
  context.measure({ name: "weight of the best draft in the mixture, first step", value: first.weight, unit: "" });
  if (context.profile === "smoke") return;
  const steps = found.filter(({ step }) => step === 1 || step % 3 === 0);
  context.figure({
    name: "linearity",
    caption:
      "Cosine between the hidden state of a mixture and the mixture of the drafts' own hidden states, by block and step.",
    svg: drawPlot({
      title: "How linear the model is in mixtures",
      series: steps.map(({ step }) => `step ${step}`),
      x: { label: "block" },
      y: { label: "cosine", grid: true },
      marks: [
        Plot.line(
          steps.flatMap(({ step, layers }) =>
            layers.map((similar, layer) => ({ step: `step ${step}`, layer: layer + 1, similar })),
          ),
          { x: "layer", y: "similar", stroke: "step" },
        ),
      ],
    }),
  });
}

/** Numbers of drafts and lengths of drafts, on some prefixes. */
async function sweep(
  context: PaperContext,
  model: Model,
  banned: readonly number[],
  { ngrams, prefixes }: Domain,
  setting: Setting,
): Promise<void> {
  const some = prefixes.slice(0, 60);
  for (const [drafts, tokens] of [
    [2, 10],
    [5, 10],
    [10, 10],
    [3, 5],
    [3, 20],
  ] as const) {
    const { [names.superposed]: ours, [names.serial]: nucleus } = waysOf(ngrams, setting, context.seed, tokens, drafts);
    const trials = await context.stage(`${drafts} drafts of ${tokens}`, () =>
      runTrials(model, banned, { ours: ours!, nucleus: nucleus! }, some, (done) =>
        context.progress(`${drafts} drafts of ${tokens} tokens`, done, some.length),
      ),
    );
    const [a, b] = [summarizeTrials(trials.ours!, some), summarizeTrials(trials.nucleus!, some)];
    const what = `${drafts} drafts of ${tokens} tokens, superposed against nucleus one by one`;
    const measured = { unit: "", tolerance: 0.1 };
    context.measure({ name: `perplexity of ${what}`, value: a.mean, baseline: b.mean, ...measured });
    context.measure({
      name: `P@${drafts} of ${what}`,
      value: a.coverage(drafts, 2),
      baseline: b.coverage(drafts, 2),
      unit: "%",
    });
    context.measure({
      name: `time of ${what}`,
      value: a.milliseconds,
      baseline: b.milliseconds,
      unit: "ms",
      tolerance: Number.POSITIVE_INFINITY,
    });
  }
}

async function run(context: PaperContext): Promise<void> {
  const { signal } = context;
  await using model = await loadModel("smollm2", { signal, draft: false });
  // a plain text has no control tokens, and templates of chats would look likely to the model
  const banned = Array.from({ length: model.tokenizer.vocabSize }, (_, id) => id).filter((id) =>
    model.tokenizer.isSpecial(id),
  );
  const training = problemTexts(await context.text(trainData.path));
  const problems = makeDomain(
    context,
    model,
    training.slice(0, context.pick({ smoke: 100, quick: 3000, full: 3000 })),
    problemTexts(await context.text(testData.path)),
    context.pick({ smoke: 1, quick: 120, full: 400 }),
  );
  context.measure({
    name: "memory of the n-gram counts",
    value: problems.ngrams.byteLength / 1e6,
    unit: "MB",
    paper: "14 GB (orders 3 to 6 of 200,000 documents)",
    bar: "≤ 40",
    expect: (value) => value <= 40,
    tolerance: 0,
  });
  const { chosen, tried } = await context.stage("tuning", () => tuneSetting(context, model, banned, problems));
  for (const setting of tried)
    context.log(`held-out perplexity with ${label(setting)}: ${setting.perplexity.toFixed(3)}`);
  context.measure({ name: "α chosen on held-out prefixes", value: chosen.ngramShare, unit: "", paper: "0.54" });
  context.measure({ name: "τ chosen on held-out prefixes", value: chosen.temperature, unit: "", paper: "0.06" });
  await exactness(context, model, banned, problems.prefixes);
  await countSteps(context, model, problems, chosen);
  const compare = async (name: string, { ngrams, prefixes }: Domain, seed: number) =>
    context.stage(`${name}, seed ${seed}`, () =>
      runTrials(model, banned, waysOf(ngrams, chosen, seed), prefixes, (done) =>
        context.progress(name, done, prefixes.length),
      ),
    );
  report(context, "problems", await compare("problems", problems, context.seed), problems.prefixes);
  const found = await context.stage("linearity", () =>
    probeLinearity(
      model.source,
      model.form,
      problems.prefixes.slice(0, context.pick({ smoke: 1, quick: 50, full: 50 })).map(({ tokens }) => tokens),
      { ngrams: problems.ngrams, tokens: context.pick({ smoke: 3, quick: draftLength, full: draftLength }), ...chosen },
      (done) => context.progress("linearity", done, context.pick({ smoke: 1, quick: 50, full: 50 })),
    ),
  );
  reportLinearity(context, found);
  if (context.profile !== "full") return;
  const scenes = sceneTexts(await context.text(playData.path));
  const split = Math.floor(0.9 * scenes.length);
  const play = makeDomain(context, model, scenes.slice(0, split), scenes.slice(split), 100);
  report(context, "Shakespeare", await compare("Shakespeare", play, context.seed), play.prefixes);
  for (const seed of [1, 2]) {
    const { [names.serial]: way } = waysOf(problems.ngrams, chosen, context.seed + seed);
    const trials = await context.stage(`nucleus, seed ${seed}`, () =>
      runTrials(model, banned, { nucleus: way! }, problems.prefixes),
    );
    const { mean, coverage } = summarizeTrials(trials.nucleus!, problems.prefixes);
    context.measure({ name: `perplexity of all drafts, nucleus, seed ${seed}`, value: mean, unit: "" });
    context.measure({ name: `P@3, nucleus, seed ${seed}`, value: coverage(3, 2), unit: "%" });
  }
  await sweep(context, model, banned, problems, chosen);
}

export default definePaper({
  slug: "superposed-decoding",
  title: "Superposed Decoding: Multiple Generations from a Single Autoregressive Inference Pass",
  authors:
    "Ethan Shen, Alan Fan, Sarah Pratt, Jae Sung Park, Matthew Wallingford, Sham Kakade, Ari Holtzman, Ranjay Krishna, Ali Farhadi, Aditya Kusupati",
  year: 2024,
  arxiv: "2405.18400",
  kind: "strategy",
  summary: "several short drafts from one sequence of steps, each fed the mixture of the drafts' last tokens",
  claim:
    "Three or more drafts at least 2.44× faster than as many nucleus samples, as coherent and as factual as nucleus sampling and greedy decoding (Llama-2-7B, n-grams of 200,000 documents).",
  scale:
    "SmolLM2-135M-Instruct in 8 bits as a plain completer, control tokens ruled out everywhere; n-grams of 3,000 GSM8K problems; prefixes of 15 tokens from the sentences of GSM8K's test problems, drafts of 10 tokens; α and τ are tuned on held-out prefixes.",
  code: [
    "src/decode/superposed/superposed.ts",
    "src/decode/superposed/ngram-counts.ts",
    "src/decode/superposed/draft-logprobs.ts",
    "src/decode/superposed/suggest.ts",
  ],
  data: [trainData, testData, playData],
  notes:
    "Everything shows but coherence: with this small model and the n-grams of 3,000 problems, drafts are less likely than nucleus samples (perplexity of all drafts 1.16 times theirs, of the best one 1.18 times), though they begin as often with the words that follow. The mixture is mostly its best draft (weight 0.92 at the first step), so feeding that draft's embedding alone does nearly as well. Tried, without closing the gap: n-gram shares from 0 to 0.54 under temperatures 0.06, 0.3 and 1 (chosen on held-out prefixes), flat n-gram weights and short contexts only, and the best 3 of 8 drafts by the model's own ranking.",
  run,
});
