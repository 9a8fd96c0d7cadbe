/**
 * `bletchley explain`: what a model's step consists of, and where its time goes.
 */
import { cpus } from "node:os";
import type { Command } from "commander";
import type { KvCache, StepModel } from "../lm/index.ts";
import type { Explanation } from "../runtime/index.ts";
import { defaultModel } from "../sources/catalogue.ts";
import { fail, throwIfAborted } from "../util/errors.ts";
import { NDArray, sizeOf } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { interruptible } from "./exit.ts";
import { wholeFrom } from "./options.ts";
import { withProgress } from "./progress.ts";

interface ExplainFlags {
  readonly form?: string;
  readonly threads?: number;
  readonly offline?: boolean;
  readonly rows: number;
  readonly context: number;
  readonly repeat: number;
  readonly nodes?: boolean;
  readonly json?: boolean;
}

/** Fills a cache without running the model, because runs would be counted. Times do not depend on what it holds. */
export function fillCache(model: Pick<StepModel, "lowered">, cache: KvCache, length: number): void {
  const { outputs } = model.lowered.graph;
  const shapeFor = (name: string, rows: number) =>
    outputs.find((y) => y.name === name)!.shape.map((n) => (typeof n === "number" ? n : rows));
  const random = new Random(1);
  while (cache.length < length) {
    const count = Math.min(cache.room, length - cache.length);
    const [keys, values] = ["keys", "values"].map((name) => {
      const shape = shapeFor(name, count);
      return new NDArray(
        Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
        shape,
        "f32",
      );
    });
    // the values' last column counts tokens
    const width = values!.shape.at(-1)!;
    for (let i = width - 1; i < values!.size; i += width) values!.set(i, 1);
    cache.commit(keys!, values!, [...Array(count).keys()]);
  }
}

/** An explained step, and how long one took as a whole. */
export interface ExplainedStep {
  readonly explanation: Explanation;
  /** Median of the runs, with profiling on. */
  readonly stepMs: number;
}

/** Runs steps of a model that was loaded with `profile`, which uses it up. */
export async function explainStep(
  model: StepModel,
  { rows, context, repeat, signal }: { rows: number; context: number; repeat: number; signal?: AbortSignal },
): Promise<ExplainedStep> {
  const [{ KvCache }, { explainGraph }] = await Promise.all([import("../lm/index.ts"), import("../runtime/index.ts")]);
  const cache = new KvCache(model.config);
  fillCache(model, cache, context);
  const random = new Random(2);
  const tokens = Array.from({ length: rows }, () => random.integer(model.config.vocabSize));
  const times: number[] = [];
  for (let i = 0; i < repeat; i++) {
    throwIfAborted(signal);
    const started = performance.now();
    await model.step(cache, { tokens });
    times.push(performance.now() - started);
  }
  const explanation = explainGraph(model.lowered, await model.profile());
  return { explanation, stepMs: times.sort((a, b) => a - b)[times.length >> 1]! };
}

async function explain(ref: string, flags: ExplainFlags, signal: AbortSignal): Promise<void> {
  const { rows, context, repeat, threads, offline } = flags;
  const [
    { resolveModel, cacheRoot },
    { conversionKey },
    { openCheckpoint },
    { blockLength, loadDecoder },
    { formatExplanation },
  ] = await Promise.all([
    import("../sources/index.ts"),
    import("../serve/load-model.ts"),
    import("../serve/engine/open-checkpoint.ts"),
    import("../lm/index.ts"),
    import("../runtime/index.ts"),
  ]);
  const { source, loaded } = await withProgress(async (onProgress) => {
    const source = await resolveModel(ref, { offline, signal, onProgress });
    await using opened = await openCheckpoint(source);
    const { contextLength } = opened.checkpoint.config;
    if (context + rows > contextLength)
      fail("argument", `--context ${context} and --rows ${rows} pass the model's limit of ${contextLength} tokens`);
    const room = blockLength - (context % blockLength);
    if (rows > room)
      fail(
        "argument",
        `--rows ${rows} do not fit behind --context ${context}: a step ends where the next ${blockLength} positions begin, so ${room} do`,
      );
    const loaded = await loadDecoder(opened.checkpoint, {
      form: flags.form,
      threads,
      profile: true,
      cacheFolder: `${cacheRoot()}/converted`,
      sha256: await conversionKey(source),
      onProgress,
    });
    return { source, loaded };
  });
  const { model, form } = loaded;
  try {
    const { explanation, stepMs } = await explainStep(model, { rows, context, repeat, signal });
    if (flags.json) {
      const report = { model: source.name, form, rows, context, repeat, stepMs, ...explanation };
      process.stdout.write(`${JSON.stringify(report)}\n`);
      return;
    }
    const setting = [source.title, form, `${rows} ${rows === 1 ? "row" : "rows"}`, `context ${context}`];
    process.stdout.write(
      `${setting.join(" · ")}\n${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Node ${process.version}\n` +
        `a step takes ${stepMs.toFixed(2)} ms (median of ${repeat}, slowed down by being timed)\n\n` +
        `${formatExplanation(explanation, { nodes: flags.nodes })}\n`,
    );
  } finally {
    await loaded.dispose();
  }
}

/** Adds the command to the program. */
export function addExplain(program: Command): void {
  program
    .command("explain")
    .description("show what a model's step consists of, and where its time goes")
    .argument("[model]", "model to explain", defaultModel)
    .option("--form <name>", "weight form, such as int8 or f32")
    .option("--threads <n>", "threads of the engine; all cores by default", wholeFrom(1, 1024))
    .option("--offline", "use only what is on this machine")
    .option("--rows <n>", "tokens of the step", wholeFrom(1, 64), 1)
    .option("--context <n>", "tokens before it", wholeFrom(0, 2 ** 24), 512)
    .option("--repeat <n>", "how often it is run; times are averages", wholeFrom(1, 10_000), 50)
    .option("--nodes", "list every node as well")
    .option("--json", "print one JSON object")
    .action((ref: string, flags: ExplainFlags) => interruptible((signal) => explain(ref, flags, signal)));
}
