/**
 * `bletchley chat`: a conversation in the terminal, or through pipes.
 */
import type { Command } from "commander";
import { chatCommands } from "./conversation.ts";
import { defaultModelNote } from "./open-model.ts";
import { addModelOptions, addSamplingOptions, type ModelFlags, type SamplingFlags } from "./options.ts";

/** What the options of the command yield. */
export interface ChatFlags extends ModelFlags, SamplingFlags {
  readonly system?: string;
  readonly showDrafts?: boolean;
}

const help = `
In the conversation:
${chatCommands.map(([usage, what]) => `  ${usage.padEnd(14)}${what}`).join("\n")}
  Several lines that are pasted at once are one message. Ctrl-C stops an answer.

When the conversation outgrows the context, its oldest messages are left out, with a notice; instructions stay.

Without a terminal every line of standard input is a message (or one of the commands), and each answer is a line or more of
standard output. For one long text use "bletchley generate" instead.`;

/** Adds the command to the program. */
export function addChat(program: Command): void {
  const command = program
    .command("chat")
    .description("talk with a model")
    .argument("[model]", `model to talk with ${defaultModelNote}`)
    .option("-s, --system <text>", "instructions that come before the conversation")
    .option("--show-drafts", "colour tokens by who proposed them (a model that was tuned, see bletchley tune)");
  addModelOptions(addSamplingOptions(command))
    .addHelpText("after", help)
    .action(async (ref: string | undefined, flags: ChatFlags) => {
      const { chat } = await import("./chat-session.ts");
      await chat(ref, flags);
    });
}
