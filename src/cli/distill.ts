/**
 * `bletchley distill`: trains a small draft model on a model's own answers, for speculative decoding.
 */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { defaultModel } from "../sources/catalogue.ts";
import { interruptible } from "./exit.ts";
import { describeModel, openModel } from "./open-model.ts";
import { addModelOptions, type ModelFlags, wholeFrom } from "./options.ts";
import { withProgress } from "./progress.ts";
import { parsePrompts } from "./tune.ts";

interface DistillFlags extends ModelFlags {
  readonly prompts?: string;
  readonly tokens: number;
  readonly epochs: number;
  readonly layers: number;
  readonly width: number;
  readonly seed: number;
}

const help = `
The model answers questions (its own, or those of --prompts), and a decoder of a few million parameters with the same
vocabulary learns to say the same. It takes long, is gone on with when it was interrupted, and its result is kept;
"bletchley tune" then tries it beside the other ways of drafting. The text never changes: a draft is checked by the model.

Examples:
  bletchley distill
  bletchley distill smollm2 --prompts questions.jsonl --tokens 300000
  bletchley tune`;

async function distill(ref: string, flags: DistillFlags, signal: AbortSignal): Promise<void> {
  const prompts = flags.prompts ? parsePrompts(await readFile(flags.prompts, "utf8")) : undefined;
  const { distillDraft } = await import("../serve/draft-model.ts");
  await using model = await openModel(ref, flags, signal);
  process.stderr.write(`${describeModel(model)}\n`);
  const { path, parameters, answerTokens, agreement } = await withProgress((onProgress) =>
    distillDraft(model, {
      ...(prompts && { prompts }),
      answerTokens: flags.tokens,
      epochs: flags.epochs,
      layers: flags.layers,
      width: flags.width,
      seed: flags.seed,
      signal,
      onProgress,
    }),
  );
  process.stdout.write(
    `${path}: ${(parameters / 1e6).toFixed(1)} million parameters, learned from ${answerTokens.toLocaleString("en")} tokens; ` +
      `says ${(100 * agreement).toFixed(1)} % of held-out answers' tokens as the model does\n`,
  );
  process.stderr.write('"bletchley tune" tries it from now on\n');
}

/** Adds the command to the program. */
export function addDistill(program: Command): void {
  const command = program
    .command("distill")
    .description("train a small draft model on a model's own answers, for speculative decoding")
    .argument("[model]", "model to learn from", defaultModel)
    .option("--prompts <file>", "questions, one a line or as JSON lines; the model's own when absent")
    .option("--tokens <n>", "tokens of answers to learn from", wholeFrom(200), 150_000)
    .option("--epochs <n>", "how often every answer is learned from", wholeFrom(1), 6)
    .option("--layers <n>", "blocks of the draft model", wholeFrom(1, 32), 3)
    .option("--width <n>", "width of the draft model, a multiple of 32", wholeFrom(32, 2048), 128)
    .option("--seed <n>", "seed of everything random", wholeFrom(0), 0);
  addModelOptions(command)
    .addHelpText("after", help)
    .action((ref: string, flags: DistillFlags) => interruptible((signal) => distill(ref, flags, signal)));
}
