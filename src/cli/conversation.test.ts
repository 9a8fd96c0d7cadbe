import { describe, expect, it } from "vitest";
import { type NextLogits, sayingAfter } from "../decode/testing/scripted.ts";
import { scriptedModel } from "../serve/testing/scripted-model.ts";
import { Conversation, describeAnswer, readLine } from "./conversation.ts";

const never = new AbortController().signal;

describe("readLine", () => {
  it.each([
    ["hello", { kind: "message", text: "hello" }],
    ["  two words ", { kind: "message", text: "two words" }],
    ["", { kind: "nothing" }],
    ["   ", { kind: "nothing" }],
    ["/reset", { kind: "command", name: "reset", rest: "" }],
    ["/System  be kind ", { kind: "command", name: "system", rest: "be kind" }],
    ["/", { kind: "command", name: "", rest: "" }],
    ["//reset is a command", { kind: "message", text: "/reset is a command" }],
    ["/usr/bin is a folder", { kind: "message", text: "/usr/bin is a folder" }],
    ["/system a\nb", { kind: "command", name: "system", rest: "a\nb" }],
  ])("understands %j", (line, input) => {
    expect(readLine(line)).toEqual(input);
  });
});

function conversationOf(next: NextLogits, contextLength = 1024, system?: string) {
  const { model } = scriptedModel({ next, contextLength });
  const conversation = new Conversation(model, {}, system);
  const say = async (text: string, signal = never) => {
    let answer = "";
    const notices: number[] = [];
    const result = await conversation.say(
      text,
      (piece) => {
        answer += piece;
      },
      signal,
      (count) => notices.push(count),
    );
    return { answer, notices, ...result };
  };
  return { conversation, say, model };
}

describe("Conversation", () => {
  it("passes answers on and remembers both sides", async () => {
    const { conversation, say, model } = conversationOf(sayingAfter("assistant\n", "hi"), 1024, "be brief");
    const { answer, ending, stats } = await say("hello");
    expect([answer, ending]).toEqual(["hi", "stop"]);
    expect(conversation.messages).toEqual([
      { role: "user", content: "hello" },
      { role: "assistant", content: "hi" },
    ]);
    const { tokens } = await model.chatPrompt([
      { role: "system", content: "be brief" },
      { role: "user", content: "hello" },
    ]);
    expect(stats!.promptTokens).toBe(tokens.length);
    // the next turn computes only what is new
    expect((await say("and?")).stats!.cachedTokens).toBe(tokens.length + 2);
    expect(conversation.messages).toHaveLength(4);
  });

  it("keeps the part of an answer that was said before it was stopped", async () => {
    const { conversation, say } = conversationOf(sayingAfter("assistant\n", "a long answer"));
    const controller = new AbortController();
    let heard = "";
    const stopped = await conversation.say(
      "hello",
      (piece) => {
        heard += piece;
        if (heard.length === 6) controller.abort();
      },
      controller.signal,
    );
    expect(stopped).toMatchObject({ ending: "stopped", stats: undefined });
    expect(conversation.messages.at(-1)).toEqual({ role: "assistant", content: "a long" });
    expect(describeAnswer(stopped, 1024)).toBe("stopped");
    expect((await say("go on")).answer).toBe("a long answer");
  });

  it("takes back, forgets, and takes other instructions", async () => {
    const { conversation, say } = conversationOf(sayingAfter("assistant\n", "hi"));
    expect(conversation.takeBack()).toBeUndefined();
    await say("one");
    await say("two");
    expect(conversation.takeBack()).toBe("two");
    expect(conversation.messages).toHaveLength(2);
    conversation.reset();
    expect(conversation.messages).toEqual([]);
    const plain = (await say("x")).stats!.promptTokens;
    conversation.instruct("be kind");
    expect(conversation.messages).toEqual([]);
    expect((await say("x")).stats!.promptTokens).toBeGreaterThan(plain);
  });

  it("leaves its oldest messages out for good when it outgrows the context, and says so", async () => {
    const { conversation, say } = conversationOf(sayingAfter("assistant\n", "ok"), 192, "rule");
    const dropped: number[] = [];
    for (let turn = 0; turn < 12; turn++) {
      const result = await say(`message number ${turn}`);
      dropped.push(...result.notices);
      expect(result.notices.at(0) ?? 0).toBe(result.dropped);
      expect(result.answer).toBe("ok");
    }
    expect(dropped.length).toBeGreaterThan(0);
    expect(dropped.length).toBeLessThan(6); // not every turn
    expect(conversation.messages.length).toBe(24 - dropped.reduce((sum, count) => sum + count));
    expect(conversation.messages.at(-2)).toEqual({ role: "user", content: "message number 11" });
  });

  it("forgets a message whose answer failed", async () => {
    const { conversation, say } = conversationOf(sayingAfter("assistant\n", "ok"), 128);
    await say("fine");
    await expect(say("x".repeat(200))).rejects.toMatchObject({ code: "context-overflow" });
    expect(conversation.messages).toHaveLength(2);
  });
});

describe("describeAnswer", () => {
  it("tells counts and speed", async () => {
    const { say } = conversationOf(sayingAfter("assistant\n", "hello"));
    expect(describeAnswer(await say("x"), 1024)).toMatch(
      /^6 tokens · \d+\.\d tokens\/s · first token \d+\.\d\d s · context \d+ of 1024$/,
    );
  });
});
