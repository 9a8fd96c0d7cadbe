import { describe, expect, it } from "vitest";
import { type NextLogits, noisyLogits, sayingAfter } from "../../decode/testing/scripted.ts";
import { eventsOf, post } from "../testing/http.ts";
import { scriptedModel } from "../testing/scripted-model.ts";
import type { ErrorBody } from "./api-error.ts";
import { createApp } from "./app.ts";

interface TextChoice {
  index: number;
  text: string;
  finish_reason: string | null;
  logprobs: {
    tokens: string[];
    token_logprobs: (number | null)[];
    top_logprobs: (Record<string, number> | null)[];
    text_offset: number[];
  } | null;
}

interface TextAnswer {
  object: string;
  choices: TextChoice[];
  usage: { prompt_tokens: number; completion_tokens: number };
}

function serverOf(next: NextLogits = noisyLogits, contextLength = 1024) {
  const { model } = scriptedModel({ next, contextLength });
  const app = createApp({ models: { tiny: model } });
  const ask = (body: object) => app.fetch(post("/v1/completions", { model: "tiny", ...body }));
  const answer = async (body: object) => {
    const response = await ask(body);
    expect(response.status, await response.clone().text()).toBe(200);
    return (await response.json()) as TextAnswer;
  };
  const texts = async (body: object) => (await answer(body)).choices.map(({ text }) => text);
  return { ask, answer, texts, model };
}

const ids = (text: string) => [...new TextEncoder().encode(text)];

describe("a text completion", () => {
  it("continues a text, sixteen tokens unless told otherwise", async () => {
    const { answer } = serverOf();
    const { object, choices, usage } = await answer({ prompt: "once" });
    expect(object).toBe("text_completion");
    expect(choices).toEqual([{ index: 0, text: expect.any(String), logprobs: null, finish_reason: "length" }]);
    expect(usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 16 });
    expect((await answer({ prompt: "once", max_tokens: 5 })).usage.completion_tokens).toBe(5);
  });

  it("takes texts and token ids, one or many, with the same results", async () => {
    const { texts, answer } = serverOf();
    const [one] = await texts({ prompt: "once" });
    const [two] = await texts({ prompt: "upon" });
    expect(one).not.toBe(two);
    expect(await texts({ prompt: ids("once") })).toEqual([one]);
    expect(await texts({ prompt: ["once", "upon"] })).toEqual([one, two]);
    expect(await texts({ prompt: [ids("once"), ids("upon")] })).toEqual([one, two]);
    expect((await answer({ prompt: ["once", "upon"], n: 2 })).choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(await texts({})).toHaveLength(1); // from the beginning of a text
  });

  it("echoes the prompt, with its log-probabilities when asked", async () => {
    const { answer, model } = serverOf(sayingAfter(">", "über"));
    const { choices } = await answer({ prompt: "é>", echo: true, logprobs: 1, max_tokens: 50 });
    const { text, logprobs } = choices[0]!;
    expect(text).toBe("é>über");
    const { tokens, token_logprobs, top_logprobs, text_offset } = logprobs!;
    expect(tokens).toEqual(["bytes:\\xc3", "bytes:\\xa9", ">", "bytes:\\xc3", "bytes:\\xbc", "b", "e", "r"]);
    expect(text_offset).toEqual([0, 0, 1, 2, 2, 3, 4, 5]);
    expect(token_logprobs[0]).toBeNull();
    const scores = await model.score("é>");
    expect(token_logprobs.slice(1, 3)).toEqual(scores.slice(1).map((score) => score!.logprob));
    expect(top_logprobs[0]).toBeNull();
    expect(Object.keys(top_logprobs[5]!)).toEqual(["b"]);
    // scoring a text without continuing it
    const scored = await answer({ prompt: "é>", echo: true, logprobs: 0, max_tokens: 0 });
    expect(scored.choices[0]).toMatchObject({ text: "é>", finish_reason: "length" });
    expect(scored.choices[0]!.logprobs!.token_logprobs).toEqual(token_logprobs.slice(0, 3));
    expect(scored.usage.completion_tokens).toBe(0);
  });

  it("streams the same as it answers whole", async () => {
    const { ask, answer } = serverOf();
    const body = { prompt: ["once", "upon"], n: 2, echo: true, logprobs: 2, temperature: 1, seed: 3 };
    const { choices } = await answer(body);
    const events = (await eventsOf(await ask({ ...body, stream: true }))) as TextAnswer[];
    for (const choice of choices) {
      const pieces = events.flatMap((event) => event.choices).filter(({ index }) => index === choice.index);
      expect(pieces.map(({ text }) => text).join("")).toBe(choice.text);
      expect(pieces.at(-1)!.finish_reason).toBe(choice.finish_reason);
      expect(pieces.flatMap(({ logprobs }) => logprobs?.tokens ?? [])).toEqual(choice.logprobs!.tokens);
      expect(pieces.flatMap(({ logprobs }) => logprobs?.text_offset ?? [])).toEqual(choice.logprobs!.text_offset);
    }
    const usage = await eventsOf(await ask({ prompt: "a", stream: true, stream_options: { include_usage: true } }));
    expect(usage.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 16 } });
  });

  it("answers the likeliest of several candidates", async () => {
    const { answer } = serverOf();
    const body = { prompt: "x", temperature: 1.5, seed: 1, logprobs: 0, max_tokens: 10 };
    const mean = ({ logprobs }: TextChoice) => logprobs!.token_logprobs.reduce<number>((sum, x) => sum + x!, 0) / 10;
    const all = (await answer({ ...body, n: 6 })).choices.map(mean).sort((a, b) => b - a);
    const { choices, usage } = await answer({ ...body, n: 2, best_of: 6 });
    expect(choices.map(mean)).toEqual(all.slice(0, 2));
    expect(choices.map(({ index }) => index)).toEqual([0, 1]);
    expect(usage.completion_tokens).toBe(60);
    expect((await answer({ ...body, logprobs: undefined, n: 1, best_of: 6 })).choices[0]!.logprobs).toBeNull();
  });

  it.each([
    [{ prompt: 5 }, "prompt"],
    [{ prompt: [] }, "prompt"],
    [{ prompt: ["a", [1]], max_tokens: 1, n: 1, foo: 1 }, "foo"],
    [{ prompt: ["a", 1] }, "prompt"],
    [{ prompt: [999] }, "prompt"],
    [{ prompt: [1.5] }, "prompt"],
    [{ prompt: new Array(129).fill("a") }, "prompt"],
    [{ prompt: "a", suffix: "z" }, "suffix"],
    [{ prompt: "a", logprobs: 21 }, "logprobs"],
    [{ prompt: "a", logprobs: true }, "logprobs"],
    [{ prompt: "a", n: 3, best_of: 2 }, "best_of"],
    [{ prompt: "a", best_of: 2, stream: true }, "best_of"],
    [{ prompt: "a", max_tokens: -1 }, "max_tokens"],
    [{ prompt: "a", messages: [] }, "messages"],
  ])("is refused for %j", async (body, param) => {
    const response = await serverOf().ask(body);
    expect(response.status).toBe(400);
    expect(((await response.json()) as ErrorBody).error.param).toBe(param);
  });

  it("is refused when the prompt leaves no room for a token", async () => {
    const { ask } = serverOf(noisyLogits, 32);
    const status = async (length: number, extra: object = {}) =>
      (await ask({ prompt: "x".repeat(length), ...extra })).status;
    expect(await status(31)).toBe(200);
    expect(await status(32)).toBe(400);
    expect(await status(32, { max_tokens: 0, echo: true })).toBe(200);
    expect(await status(33, { max_tokens: 0, echo: true })).toBe(400);
  });
});
