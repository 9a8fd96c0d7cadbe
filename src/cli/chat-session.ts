/**
 * The loop of a conversation: reads lines, answers, tells how fast, and minds Ctrl-C.
 */
import type { Model } from "../serve/model.ts";
import { BletchleyError } from "../util/errors.ts";
import type { ChatFlags } from "./chat.ts";
import { type Answered, Conversation, chatCommands, describeAnswer, readLine } from "./conversation.ts";
import { exitCodes, Interrupted, interruptible, reportOf } from "./exit.ts";
import { inputLines } from "./input.ts";
import { describeModel, openModel } from "./open-model.ts";
import { answerOptionsOf } from "./options.ts";
import { LinePrompt } from "./prompt.ts";
import { faint, NameColours } from "./terminal.ts";

/** Tells something that is no answer; answers alone go to standard output. */
function tell(text: string): void {
  process.stderr.write(`${faint(text, process.stderr)}\n`);
}

/** Answers one message on standard output. */
async function answer(
  conversation: Conversation,
  text: string,
  signal: AbortSignal,
  showDrafts = false,
): Promise<Answered> {
  const colours = new NameColours(process.stdout);
  const result = await conversation.say(
    text,
    (piece, proposedBy) => process.stdout.write(showDrafts ? colours.paint(piece, proposedBy) : piece),
    signal,
    (count) => tell(`the conversation outgrew the context: its ${count} oldest messages are left out from now on`),
  );
  process.stdout.write("\n");
  if (showDrafts && colours.legend()) process.stderr.write(`${colours.legend()}\n`);
  return result;
}

/** What a line asks for: a message to answer, the end, or nothing more. */
function follow(line: string, conversation: Conversation): { readonly say?: string; readonly leave?: boolean } {
  const input = readLine(line);
  if (input.kind === "nothing") return {};
  if (input.kind === "message") return { say: input.text };
  switch (input.name) {
    case "exit":
    case "quit":
    case "bye":
      return { leave: true };
    case "reset":
    case "clear":
      conversation.reset();
      tell("the conversation is forgotten");
      return {};
    case "system":
      conversation.instruct(input.rest || undefined);
      tell(input.rest ? "new instructions, new conversation" : "no instructions, new conversation");
      return {};
    case "retry": {
      const say = conversation.takeBack();
      if (say === undefined) tell("there is nothing to answer again yet");
      return { say };
    }
    case "help":
    case "":
      tell(chatCommands.map(([usage, what]) => `${usage.padEnd(14)}${what}`).join("\n"));
      return {};
    default:
      tell(`there is no command /${input.name}; /help shows those there are`);
      return {};
  }
}

/** Runs `body` with a signal that Ctrl-C fires; nothing else happens then. */
async function stoppable<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.on("SIGINT", stop);
  try {
    return await body(controller.signal);
  } finally {
    process.off("SIGINT", stop);
  }
}

async function converse(model: Model, conversation: Conversation, showDrafts?: boolean): Promise<void> {
  tell(`${describeModel(model)} · /help for commands`);
  const prompt = new LinePrompt("> ");
  let interrupted = false;
  for (;;) {
    const line = await prompt.ask();
    if (line.kind === "end") return;
    if (line.kind === "interrupt") {
      if (interrupted) throw new Interrupted(exitCodes.interrupted);
      interrupted = true;
      tell("Ctrl-C again leaves, and so does Ctrl-D");
      continue;
    }
    interrupted = false;
    const { say, leave } = follow(line.text, conversation);
    if (leave) return;
    if (say === undefined) continue;
    try {
      const result = await stoppable((signal) => answer(conversation, say, signal, showDrafts));
      tell(`${describeAnswer(result, model.contextLength)}\n`);
    } catch (thrown) {
      // the conversation goes on, unless the model is gone
      if (model.disposed || !(thrown instanceof BletchleyError)) throw thrown;
      process.stderr.write(`${reportOf(thrown)}\n`);
    }
  }
}

/** Every line is a message; the first failure ends it. */
async function answerLines(conversation: Conversation, signal: AbortSignal): Promise<void> {
  for await (const line of inputLines(signal)) {
    const { say, leave } = follow(line, conversation);
    if (leave) return;
    if (say !== undefined) await answer(conversation, say, signal);
  }
}

/** Runs the command. @throws {@link Interrupted} after Ctrl-C, and what loading and answering throw. */
export async function chat(ref: string | undefined, flags: ChatFlags): Promise<void> {
  const conversationWith = (model: Model) => new Conversation(model, answerOptionsOf(flags), flags.system);
  if (!process.stdin.isTTY) {
    await interruptible(async (signal) => {
      await using model = await openModel(ref, flags, signal);
      await answerLines(conversationWith(model), signal);
    });
    return;
  }
  await using model = await interruptible((signal) => openModel(ref, flags, signal));
  await converse(model, conversationWith(model), flags.showDrafts);
}
