/**
 * `bletchley generate`: one prompt, one answer, for scripts and pipes.
 */
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { Constraint } from "../decode/constraints/constraint.ts";
import type { GenerationStats } from "../decode/options.ts";
import type { AnswerFormat } from "../serve/answer-format.ts";
import type { Model, ModelOptions } from "../serve/model.ts";
import { fail, messageOf } from "../util/errors.ts";
import { describeStats } from "./describe-stats.ts";
import { interruptible } from "./exit.ts";
import { readInput } from "./input.ts";
import { defaultModelNote, openModel } from "./open-model.ts";
import {
  addModelOptions,
  addSamplingOptions,
  answerOptionsOf,
  type ModelFlags,
  type SamplingFlags,
  wholeFrom,
} from "./options.ts";

interface GenerateFlags extends ModelFlags, SamplingFlags {
  readonly model: string;
  readonly raw?: boolean;
  readonly system?: string;
  readonly json?: boolean;
  readonly stats?: boolean;
  readonly logprobs?: number;
  readonly schema?: string;
  readonly jsonObject?: boolean;
  readonly regex?: string;
  readonly grammar?: string;
  readonly monitor?: "typescript";
  readonly project?: string;
  readonly file?: string;
}

const help = `
The prompt is read from standard input when none is given. Without --raw it is put into the model's chat template, as the
first message of a conversation.

--monitor typescript asks TypeScript, which must be installed, what may follow each dot.

--json prints one object: text, tokens (their ids), finishReason ("stop" or "length"), stats (counts, times, tokens per
second), and with --logprobs one entry a token.

Examples:
  bletchley generate "Why is the sky blue?"
  bletchley generate --raw --temperature 0 --max-tokens 20 --json "Once upon a time"
  bletchley generate --system "Answer in one word." < question.txt
  head -n 20 src/main.ts | bletchley generate --raw --monitor typescript --file src/main.ts`;

async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (thrown) {
    return fail("not-found", `the ${what} ${file} cannot be read: ${messageOf(thrown)}`, thrown);
  }
}

/** What the answer must look like. A schema stays text, so that large numbers in it stay exact. */
async function readFormat({ schema, jsonObject, regex, grammar }: GenerateFlags): Promise<AnswerFormat | undefined> {
  const given = [schema, jsonObject, regex, grammar].filter((value) => value !== undefined).length;
  if (given > 1)
    fail(
      "argument",
      "--schema, --json-object, --regex and --grammar each say all of what an answer looks like: give one of them",
    );
  if (jsonObject) return { kind: "json-object" };
  if (regex !== undefined) return { kind: "regex", pattern: regex };
  if (grammar !== undefined) return { kind: "grammar", text: await readText(grammar, "grammar") };
  return schema === undefined ? undefined : { kind: "json-schema", schema: await readText(schema, "schema") };
}

/** What watches the text that is generated, if anything. */
async function openMonitor(
  { monitor, project = ".", file }: GenerateFlags,
  model: Model,
  before: string,
): Promise<Constraint | undefined> {
  if (!monitor) return undefined;
  // loaded where it is needed: reads the whole vocabulary, and a compiler
  const { CodeMonitor } = await import("../serve/code-monitor.ts");
  return (await CodeMonitor.open(model, { directory: project })).start({ file, before });
}

async function generate(words: readonly string[], flags: GenerateFlags, signal: AbortSignal): Promise<void> {
  if (flags.raw && flags.system !== undefined)
    fail("argument", "--system needs the chat template, which --raw leaves out: give one of them");
  if (flags.logprobs !== undefined && !flags.json) fail("argument", "--logprobs are only printed with --json");
  if (!flags.monitor && (flags.project !== undefined || flags.file !== undefined))
    fail("argument", "--project and --file say what --monitor watches: give --monitor typescript as well");
  if (flags.monitor && !flags.raw) fail("argument", "--monitor watches code that goes on as it is: add --raw");
  const format = await readFormat(flags);
  if (flags.monitor && format) fail("argument", "--monitor and a form of the answer both limit it: give one of them");
  const prompt = words.length ? words.join(" ") : (await readInput("the prompt", signal)).replace(/\r?\n$/, "");
  await using model = await openModel(flags.model, flags, signal);
  const constraint = await openMonitor(flags, model, prompt);
  const options: ModelOptions = {
    ...answerOptionsOf(flags),
    logprobs: flags.logprobs,
    signal,
    ...(format && { format }),
    ...(constraint && { constraint }),
  };
  const { system } = flags;
  const messages = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  const chunks = flags.raw ? model.generate(prompt, options) : model.chat(messages, options);
  if (flags.json) {
    const { text, tokens, finishReason, stats, logprobs } = await model.collect(chunks);
    process.stdout.write(`${JSON.stringify({ text, tokens, finishReason, stats, logprobs })}\n`);
    return;
  }
  let last: GenerationStats | undefined;
  for await (const { text, stats } of chunks) {
    process.stdout.write(text);
    last = stats;
  }
  process.stdout.write("\n");
  if (flags.stats && last) process.stderr.write(`${describeStats(last)}\n`);
}

/** Adds the command to the program. */
export function addGenerate(program: Command): void {
  const command = program
    .command("generate")
    .description("answer one prompt, or continue a text")
    .argument("[prompt...]", "what to answer; several words are joined")
    .option("-m, --model <ref>", `model to use ${defaultModelNote}`)
    .option("--raw", "continue the prompt as it is, without a chat template")
    .option("-s, --system <text>", "instructions that come before the prompt")
    .option("--json", "print one JSON object when done")
    .option("--schema <file>", "answer with JSON that this JSON Schema accepts")
    .option("--json-object", "answer with a JSON object")
    .option("--regex <pattern>", "answer with a text that this pattern matches from end to end")
    .option("--grammar <file>", "answer with a text of this grammar, in Lark's notation or llama.cpp's GBNF")
    .addOption(
      new Option("--monitor <language>", "behind dots, write only members that there are; needs --raw").choices([
        "typescript",
      ]),
    )
    .option("--project <dir>", "with --monitor: folder of the project; the current one by default")
    .option("--file <path>", "with --monitor: file that the prompt begins, relative to the project")
    .option("--stats", "tell afterwards what the steps did: drafts, acceptance, times")
    .option("--logprobs <n>", "with --json: log-probabilities of tokens and of n alternatives", wholeFrom(0, 100));
  addModelOptions(addSamplingOptions(command))
    .addHelpText("after", help)
    .action((words: string[], flags: GenerateFlags) => interruptible((signal) => generate(words, flags, signal)));
}
