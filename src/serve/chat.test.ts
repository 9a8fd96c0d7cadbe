import { describe, expect, it, vi } from "vitest";
import { byteTokenizer } from "../decode/testing/scripted.ts";
import { builtInTemplates, type ChatMessage } from "../formats/index.ts";
import { ChatFormat } from "./chat.ts";

const sandboxed = vi.hoisted(() => ({ count: 0 }));
vi.mock("../runtime/node/template-sandbox.ts", async (original) => {
  const module = await original<typeof import("../runtime/node/template-sandbox.ts")>();
  return {
    ...module,
    renderInSandbox: (...given: Parameters<typeof module.renderInSandbox>) => {
      sandboxed.count++;
      return module.renderInSandbox(...given);
    },
  };
});

const tokenizer = byteTokenizer();
const format = new ChatFormat(tokenizer, builtInTemplates.plain);
const say = (role: string, content: string): ChatMessage => ({ role, content });

/** The template in the files of SmolLM2-135M-Instruct. */
const smollm2 =
  "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

describe("ChatFormat", () => {
  it("renders templates that are known to be harmless without a process, all others in the sandbox", async () => {
    const hello = [say("user", "hi")];
    expect(await new ChatFormat(tokenizer, smollm2).render(hello)).toContain("user\nhi<|im_end|>");
    expect(await format.render(hello)).toBe("user: hi\nassistant:");
    expect(sandboxed.count).toBe(0);
    expect(await new ChatFormat(tokenizer, `${smollm2} `).render(hello)).toContain("user\nhi<|im_end|>");
    expect(sandboxed.count).toBe(1);
  }, 20_000);

  it("takes control tokens of the template as such", async () => {
    const chatml = new ChatFormat(tokenizer, builtInTemplates.chatml);
    const { tokens } = await chatml.fit([say("user", "hi")], { room: 100, overflow: "error" });
    expect(tokens[0]).toBe(256);
    expect(tokens.filter((token) => token === 257)).toHaveLength(1);
  });

  const long = [
    say("system", "be brief"),
    ...Array.from({ length: 10 }, (_, i) => [say("user", `question ${i}`), say("assistant", `answer ${i}`)]).flat(),
    say("user", "last"),
  ];

  it("leaves a conversation that fits alone", async () => {
    const { messages, dropped } = await format.fit(long, { room: 1000, overflow: "drop-oldest" });
    expect(messages).toEqual(long);
    expect(dropped).toBe(0);
  });

  it("drops whole turns from the oldest on, a few more than it must, and never instructions or the last message", async () => {
    const room = 300;
    const prompt = await format.fit(long, { room, overflow: "drop-oldest" });
    expect(prompt.tokens.length).toBeLessThanOrEqual(room * 0.75);
    expect(prompt.messages[0]).toEqual(long[0]);
    expect(prompt.messages[1]!.role).toBe("user");
    expect(prompt.messages.at(-1)).toEqual(long.at(-1));
    expect(prompt.dropped).toBe(long.length - prompt.messages.length);
    // the next turn fits without dropping again
    const more = [...prompt.messages, say("assistant", "ok"), say("user", "next")];
    expect((await format.fit(more, { room, overflow: "drop-oldest" })).dropped).toBe(0);
  });

  it("keeps instructions that were given between the turns", async () => {
    const given = [say("user", "a".repeat(50)), say("system", "rule"), say("user", "b")];
    const { messages } = await format.fit(given, { room: 60, overflow: "drop-oldest" });
    expect(messages).toEqual(given.slice(1));
  });

  it("uses all of the room when there is nothing to drop", async () => {
    const { tokens } = await format.fit([say("user", "x".repeat(70))], { room: 90, overflow: "drop-oldest" });
    expect(tokens.length).toBeGreaterThan(90 * 0.75);
  });

  it("refuses what does not fit when told to, or when nothing is left to drop", async () => {
    const error = { code: "context-overflow" };
    await expect(format.fit(long, { room: 300, overflow: "error" })).rejects.toMatchObject(error);
    const huge = [say("system", "s"), say("user", "x".repeat(400))];
    await expect(format.fit(huge, { room: 300, overflow: "drop-oldest" })).rejects.toMatchObject(error);
  });
});
