/**
 * `bletchley tune`: finds the fastest lossless way to decode a model on this machine, and keeps it.
 */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { TuningProfile } from "../decode/index.ts";
import { defaultModel } from "../sources/catalogue.ts";
import { fail } from "../util/errors.ts";
import { interruptible } from "./exit.ts";
import { describeModel, openModel } from "./open-model.ts";
import { addModelOptions, type ModelFlags, wholeFrom } from "./options.ts";
import { withProgress } from "./progress.ts";
import { table } from "./terminal.ts";

interface TuneFlags extends ModelFlags {
  readonly prompts?: string;
  readonly heads?: string;
  readonly tokens: number;
  readonly svg?: string;
  readonly json?: boolean;
  readonly save: boolean;
}

const help = `
Measures what a step of 1 to 64 tokens costs here, lets every way of drafting answer half of the prompts, chooses the fastest
(plain decoding is one of them), and checks the choice on the other half. chat, generate and serve then decode that way. The
text never changes: only how fast it comes.

--prompts takes a text file with one prompt a line, or JSON lines that have "prompt", "question", or "turns" of which the
first counts.

--heads first trains draft heads: small networks that guess what the model says next, on its own answers to some hundred
questions like yours. It takes long, is gone on with when it was interrupted, and its result is kept
and tried in later tunings, too.

Examples:
  bletchley tune
  bletchley tune --form f32 --svg tuning.svg
  bletchley tune ./model.gguf --prompts questions.jsonl
  bletchley tune --heads many-questions.jsonl`;

/** Reads prompts: lines of text, or of JSON. @throws `format` for a JSON line without a prompt. */
export function parsePrompts(text: string): string[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim())
    .map((line, i) => {
      if (!line.trimStart().startsWith("{")) return line;
      let value: { readonly prompt?: unknown; readonly question?: unknown; readonly turns?: readonly unknown[] };
      try {
        value = JSON.parse(line);
      } catch (thrown) {
        return fail("format", `line ${i + 1} of the prompts begins like JSON and is none`, thrown);
      }
      const prompt = value.prompt ?? value.question ?? value.turns?.[0];
      return typeof prompt === "string"
        ? prompt
        : fail("format", `line ${i + 1} of the prompts has no prompt, question or turns`);
    });
}

const nameOf = (drafters: readonly string[]) => drafters.join(" + ") || "plain";

function print({ candidates, chosen, check, costs }: TuningProfile): void {
  const rows = candidates.map((c) => [
    `${nameOf(c.drafters) === nameOf(chosen) ? "→" : " "} ${nameOf(c.drafters)}`,
    c.tokensPerStep.toFixed(2),
    c.rowsPerStep.toFixed(1),
    `${c.predictedSpeedup.toFixed(2)}×`,
  ]);
  const line = costs.milliseconds[0]!;
  process.stdout.write(
    `A step of ${costs.rows.join(" / ")} tokens costs ${line.map((ms) => (ms / line[0]!).toFixed(2)).join(" / ")} steps of one.\n\n` +
      `${table(["  WAY", " TOKENS/STEP", " ROWS/STEP", " PREDICTED"], rows)}\n\n` +
      `On ${check.prompts} other prompts: ${check.tunedTokensPerSecond.toFixed(1)} tokens/s against ${check.plainTokensPerSecond.toFixed(1)} plain, ` +
      `${check.measuredSpeedup.toFixed(2)}× (predicted ${check.predictedSpeedup.toFixed(2)}×).\n`,
  );
}

async function tune(ref: string, flags: TuneFlags, signal: AbortSignal): Promise<void> {
  const prompts = flags.prompts ? parsePrompts(await readFile(flags.prompts, "utf8")) : undefined;
  const { saveProfile, tuneModel } = await import("../serve/tuning.ts");
  await using model = await openModel(ref, { ...flags, draft: false }, signal);
  process.stderr.write(`${describeModel(model)}\n`);
  if (flags.heads) {
    const questions = parsePrompts(await readFile(flags.heads, "utf8"));
    const { trainHeads } = await import("../serve/draft-heads.ts");
    await withProgress((onProgress) => trainHeads(model, { prompts: questions, signal, onProgress }));
  }
  const profile = await withProgress((onProgress) =>
    tuneModel(model, {
      ...(prompts && { prompts }),
      maxTokens: flags.tokens,
      threads: flags.threads,
      signal,
      onProgress,
    }),
  );
  const path = flags.save ? await saveProfile(profile) : undefined;
  if (flags.svg) {
    const { tuningFigure } = await import("../papers/index.ts");
    const { writeAtomically } = await import("../sources/index.ts");
    await writeAtomically(flags.svg, tuningFigure(profile));
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(profile)}\n`);
  else print(profile);
  if (path) process.stderr.write("chat, generate and serve decode this way from now on; --no-draft decodes plainly\n");
}

/** Adds the command to the program. */
export function addTune(program: Command): void {
  const command = program
    .command("tune")
    .description("find the fastest way to decode a model on this machine, without changing a token")
    .argument("[model]", "model to tune", defaultModel)
    .option("--prompts <file>", "prompts like yours, one a line; a built-in mix when absent")
    .option("--heads <file>", "first train draft heads on the model's own answers to these prompts")
    .option("--tokens <n>", "tokens to decode for each prompt", wholeFrom(8, 4096), 64)
    .option("--svg <file>", "draw cost of steps, acceptance and choice")
    .option("--json", "print the whole profile as one JSON object")
    .option("--no-save", "do not keep the result");
  addModelOptions(command)
    .addHelpText("after", help)
    .action((ref: string, flags: TuneFlags) => interruptible((signal) => tune(ref, flags, signal)));
}
