/**
 * The command line: its commands, its errors, its end.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addBench } from "./bench.ts";
import { addChat } from "./chat.ts";
import { addDistill } from "./distill.ts";
import { addEmbed } from "./embed.ts";
import { exitCodeOf, exitCodes, Interrupted, reportOf } from "./exit.ts";
import { addExplain } from "./explain.ts";
import { addExport } from "./export.ts";
import { addGenerate } from "./generate.ts";
import { addModels } from "./models.ts";
import { addPapers } from "./papers.ts";
import { addPull } from "./pull.ts";
import { addServe } from "./serve.ts";
import { addTune } from "./tune.ts";
import { addVideo } from "./video.ts";

const help = `
Models are named as "bletchley models" lists them, by path, as hf:org/repo/file@revision or as wheel:package. They are kept in
~/.cache/bletchley, or where BLETCHLEY_CACHE says.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 a model could not be had (not found, no network, no access), 130 Ctrl-C.
With BLETCHLEY_DEBUG=1 errors are printed with their whole stack.`;

function version(): string {
  const file = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(file) as { version: string }).version;
}

/** Makes the program. Commands import what they need when they run. */
export function createProgram(): Command {
  const program = new Command("bletchley")
    .description("Neural decoders on this machine: talk with them, serve them, measure them.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      // Commander writes over two lines: what is wrong, and what may have been meant
      outputError: (text, write) => write(text.replace(/^error: /, "bletchley: ").replace(/\n\((.*)\)\n$/, " ($1)\n")),
    })
    .addHelpText("after", help);
  for (const add of [
    addChat,
    addGenerate,
    addServe,
    addEmbed,
    addPull,
    addModels,
    addBench,
    addTune,
    addDistill,
    addExplain,
    addPapers,
    addVideo,
    addExport,
  ])
    add(program);
  for (const command of everyCommand(program)) command.exitOverride().copyInheritedSettings(program);
  return program;
}

function* everyCommand(parent: Command): Generator<Command> {
  for (const command of parent.commands) {
    yield command;
    yield* everyCommand(command);
  }
}

/** Runs a command line. @returns the exit code; errors have been reported. */
export async function run(args: readonly string[]): Promise<number> {
  const program = createProgram();
  if (!args.length) {
    program.outputHelp();
    return exitCodes.done;
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return Number(process.exitCode ?? exitCodes.done);
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode ? exitCodes.usage : exitCodes.done;
    if (!(thrown instanceof Interrupted)) process.stderr.write(`${reportOf(thrown)}\n`);
    return exitCodeOf(thrown);
  }
}
