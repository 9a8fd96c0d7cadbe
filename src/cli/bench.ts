/**
 * `bletchley bench`: how fast a model reads and writes on this machine.
 */
import { cpus } from "node:os";
import type { Command } from "commander";
import type { Model } from "../serve/model.ts";
import { defaultModel } from "../sources/catalogue.ts";
import { Random } from "../util/random.ts";
import { interruptible } from "./exit.ts";
import { describeModel, openModel } from "./open-model.ts";
import { addModelOptions, type ModelFlags, wholeFrom } from "./options.ts";
import { ProgressDrawing } from "./progress.ts";
import { table } from "./terminal.ts";

interface BenchFlags extends ModelFlags {
  readonly json?: boolean;
  readonly tokens: number;
  readonly repeat: number;
}

/** Speed at one context length. */
export interface Speed {
  /** Tokens of the prompt. */
  readonly context: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  readonly timeToFirstTokenMs: number;
}

const contexts = [128, 512, 2048];

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Measures one context length.
 * @param tokens how many tokens to write. @param repeat how often; the medians count. @param step told after each time.
 */
export async function measureSpeed(
  model: Model,
  context: number,
  { tokens, repeat, step, signal }: { tokens: number; repeat: number; step?: () => void; signal?: AbortSignal },
): Promise<Speed> {
  const runs: Omit<Speed, "context">[] = [];
  for (let run = 0; run < repeat; run++) {
    // another prompt each time, so that nothing of it is in a cache
    const random = new Random(context + 1, run + 1);
    const prompt = Array.from({ length: context }, () => random.integer(model.tokenizer.vocabSize));
    const { stats } = await model.collect(
      model.generate(prompt, { maxTokens: tokens, ignoreEos: true, temperature: 0, signal }),
    );
    runs.push(stats);
    step?.();
  }
  const middle = (name: keyof Omit<Speed, "context">) => median(runs.map((run) => run[name]));
  return {
    context,
    prefillTokensPerSecond: middle("prefillTokensPerSecond"),
    decodeTokensPerSecond: middle("decodeTokensPerSecond"),
    timeToFirstTokenMs: middle("timeToFirstTokenMs"),
  };
}

async function bench(ref: string, flags: BenchFlags, signal: AbortSignal): Promise<void> {
  await using model = await openModel(ref, flags, signal);
  const { tokens, repeat } = flags;
  const fitting = contexts.filter((context) => context + tokens <= model.contextLength);
  const drawing = new ProgressDrawing();
  let done = 0;
  const step = () =>
    drawing.listener({ task: `measure ${ref}`, done: ++done, total: fitting.length * repeat + 1, unit: "steps" });
  const speeds: Speed[] = [];
  try {
    // the first run pays for memory that later ones find ready
    await measureSpeed(model, Math.min(64, model.contextLength >> 1), { tokens: 2, repeat: 1, step, signal });
    for (const context of fitting) speeds.push(await measureSpeed(model, context, { tokens, repeat, step, signal }));
  } finally {
    drawing.clear();
  }
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
  if (flags.json) {
    const { name } = model.source;
    process.stdout.write(`${JSON.stringify({ model: name, form: model.form, machine, tokens, repeat, speeds })}\n`);
    return;
  }
  const rows = speeds.map((speed) => [
    String(speed.context),
    speed.prefillTokensPerSecond.toFixed(0),
    speed.decodeTokensPerSecond.toFixed(1),
    `${(speed.timeToFirstTokenMs / 1000).toFixed(2)} s`,
  ]);
  process.stdout.write(
    `${describeModel(model)}\n${machine.cpu}, ${machine.cores} cores, Node ${machine.node}\n\n` +
      `${table([" CONTEXT", " READ tokens/s", " WRITE tokens/s", " FIRST TOKEN"], rows)}\n`,
  );
}

/** Adds the command to the program. */
export function addBench(program: Command): void {
  const command = program
    .command("bench")
    .description(`measure a model's speed at contexts of ${contexts.join(", ")} tokens`)
    .argument("[model]", "model to measure", defaultModel)
    .option("--tokens <n>", "tokens to write at each context", wholeFrom(2, 4096), 32)
    .option("--repeat <n>", "how often; the medians are printed", wholeFrom(1, 100), 3)
    .option("--json", "print one JSON object");
  addModelOptions(command).action((ref: string, flags: BenchFlags) =>
    interruptible((signal) => bench(ref, flags, signal)),
  );
}
