import { describe, expect, it } from "vitest";
import { type NextLogits, noisyLogits, sayingAfter } from "../../decode/testing/scripted.ts";
import { eventsOf, post } from "../testing/http.ts";
import { scriptedModel } from "../testing/scripted-model.ts";
import { createApp } from "./app.ts";

const path = "/v1/chat/completions";
const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      description: "the weather of a place",
      parameters: {
        type: "object",
        properties: { place: { enum: ["Oslo", "Rome"] } },
        required: ["place"],
        additionalProperties: false,
      },
    },
  },
  { type: "function", function: { name: "clock" } },
];

function serverOf(next: NextLogits) {
  const { model } = scriptedModel({ next, contextLength: 4096 });
  const app = createApp({ models: { tiny: model } });
  const ask = (extra: object) =>
    app.fetch(post(path, { model: "tiny", messages: [{ role: "user", content: "hi" }], max_tokens: 120, ...extra }));
  return { ask };
}

interface Chunk {
  choices: {
    delta: { content?: string; tool_calls?: { function: { name: string; arguments: string } }[] };
    finish_reason: string | null;
  }[];
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely
const jsonOf = async (response: Response | Promise<Response>): Promise<any> => {
  const answer = await response;
  expect(answer.status, await answer.clone().text()).toBe(200);
  return answer.json();
};

describe("response_format", () => {
  it("makes an object of any answer, and what a schema says of another", async () => {
    const { ask } = serverOf(noisyLogits);
    for (const seed of [1, 2, 3]) {
      const any = await jsonOf(ask({ seed, temperature: 1, response_format: { type: "json_object" } }));
      expect(typeof JSON.parse(any.choices[0].message.content)).toBe("object");
      const schema = { type: "array", items: { type: "integer", minimum: 3, maximum: 9 }, minItems: 1, maxItems: 4 };
      const response_format = { type: "json_schema", json_schema: { name: "list", strict: true, schema } };
      const { choices } = await jsonOf(ask({ seed, temperature: 1, response_format, n: 2 }));
      for (const { message, finish_reason } of choices) {
        const list = JSON.parse(message.content) as number[];
        expect(list.every((x) => Number.isInteger(x) && x >= 3 && x <= 9)).toBe(true);
        expect(finish_reason).toBe("stop");
      }
    }
  });
});

describe("patterns, grammars and choices", () => {
  it("shape any text, in chats and completions", async () => {
    const { model } = scriptedModel({ next: noisyLogits, contextLength: 4096 });
    const app = createApp({ models: { tiny: model } });
    const base = { model: "tiny", temperature: 1, seed: 4, max_tokens: 60 };
    const cases: [object, RegExp][] = [
      [{ regex: "(ab|c){2,4}!" }, /^(?:ab|c){2,4}!$/],
      [{ choices: ["yes", "no", "perhaps"] }, /^(?:yes|no|perhaps)$/],
      [{ grammar: 'root ::= "<" [a-z]{2,5} ">"' }, /^<[a-z]{2,5}>$/],
      [{ grammar: 'start: "(" WORD ("," WORD)* ")"\nWORD: /[xyz]{1,3}/' }, /^\([xyz]{1,3}(?:,[xyz]{1,3})*\)$/],
    ];
    for (const [extra, looks] of cases) {
      const messages = [{ role: "user", content: "hi" }];
      const chat = await jsonOf(app.fetch(post(path, { ...base, messages, ...extra })));
      expect(chat.choices[0].message.content).toMatch(looks);
      const plain = await jsonOf(app.fetch(post("/v1/completions", { ...base, prompt: "hi", ...extra })));
      expect(plain.choices[0].text).toMatch(looks);
    }
  });

  it("are refused when they are wrong, or several", async () => {
    const { ask } = serverOf(noisyLogits);
    for (const [extra, param] of [
      [{ regex: "(" }, "regex"],
      [{ grammar: "root ::= (" }, "grammar"],
      [{ choices: [] }, "choices"],
      [{ choices: ["a"], regex: "a" }, "grammar"],
      [{ regex: "a", response_format: { type: "json_object" } }, "response_format"],
      [{ regex: "a", tools, tool_choice: "required" }, "regex"],
    ] as const) {
      const response = await ask(extra);
      expect(response.status, JSON.stringify(extra)).toBe(400);
      expect(((await response.json()) as { error: { param: string } }).error.param).toBe(param);
    }
  });
});

describe("tools", () => {
  it("are called when the request asks for a call, whatever the model says, streamed or not", async () => {
    const { ask } = serverOf(noisyLogits);
    for (const tool_choice of ["required", { type: "function", function: { name: "weather" } }]) {
      const { choices } = await jsonOf(ask({ tools, tool_choice, seed: 2, temperature: 1 }));
      const { message, finish_reason } = choices[0];
      expect(finish_reason).toBe("tool_calls");
      expect(message.content).toBeNull();
      const { name, arguments: given } = message.tool_calls[0].function;
      if (tool_choice !== "required") expect(name).toBe("weather");
      if (name === "weather") expect(["Oslo", "Rome"]).toContain(JSON.parse(given).place);
      const chunks = (await eventsOf(
        await ask({ tools, tool_choice, seed: 2, temperature: 1, stream: true }),
      )) as Chunk[];
      const calls = chunks.flatMap((c) => c.choices[0]?.delta.tool_calls ?? []);
      expect(calls.map((c) => c.function)).toEqual([message.tool_calls[0].function]);
      expect(chunks.map((c) => c.choices[0]?.finish_reason).filter(Boolean)).toEqual(["tool_calls"]);
    }
  });

  it("are called when the model calls one, and left alone when it answers in words", async () => {
    const call = '{"name": "weather", "arguments": {"place": "Rome"}}';
    for (const text of [call, `<tool_call>${call}</tool_call>`]) {
      const { ask } = serverOf(sayingAfter("assistant\n", text));
      const { choices } = await jsonOf(ask({ tools }));
      expect(choices[0].message.tool_calls[0].function).toEqual({ name: "weather", arguments: '{"place":"Rome"}' });
      expect(choices[0].finish_reason).toBe("tool_calls");
    }
    for (const text of ["It rains.", '{"name": "other", "arguments": {}}', "{ not a call", "<b>bold</b>"]) {
      const { ask } = serverOf(sayingAfter("assistant\n", text));
      const { choices } = await jsonOf(ask({ tools }));
      expect(choices[0].message).toMatchObject({ content: text });
      expect(choices[0].finish_reason).toBe("stop");
      const chunks = (await eventsOf(await ask({ tools, stream: true }))) as Chunk[];
      expect(chunks.map((c) => c.choices[0]?.delta.content ?? "").join("")).toBe(text);
    }
  });

  it("come back with their results as messages", async () => {
    const { ask } = serverOf(sayingAfter("assistant\n", "Sunny."));
    const messages = [
      { role: "user", content: "Weather in Rome?" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: '{"place":"Rome"}' } }],
      },
      { role: "tool", tool_call_id: "call_1", content: "sun, 31 degrees" },
    ];
    const { choices } = await jsonOf(ask({ tools, messages }));
    expect(choices[0].message.content).toBe("Sunny.");
  });

  it("are not called under tool_choice none", async () => {
    const { ask } = serverOf(sayingAfter("assistant\n", '{"name": "clock", "arguments": {}}'));
    const { choices } = await jsonOf(ask({ tools, tool_choice: "none" }));
    expect(choices[0].message.tool_calls).toBeUndefined();
  });
});
