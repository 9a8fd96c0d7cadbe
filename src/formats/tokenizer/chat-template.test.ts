import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { builtInTemplateFor, builtInTemplates } from "./built-in-templates.ts";
import { type ChatTemplateInput, renderChatTemplate } from "./chat-template.ts";
import { strftime } from "./strftime.ts";

const input: ChatTemplateInput = {
  messages: [
    { role: "system", content: "Be nice" },
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
    { role: "user", content: "Bye" },
  ],
  bosToken: "<s>",
  eosToken: "</s>",
};

function codeAndMessage(template: string): string {
  try {
    return renderChatTemplate(template, input, { maxSteps: 200_000 });
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
}

describe("renderChatTemplate", () => {
  it("renders the template of SmolLM2 as its tokenizer does", () => {
    const golden = JSON.parse(
      readFileSync(new URL("../../../test/golden/lm/smollm2-135m-instruct-q4_1.json", import.meta.url), "utf8"),
    ) as { source: { metadata: Record<string, string> } };
    const template = golden.source.metadata["tokenizer.chat_template"];
    const messages = [{ role: "user", content: "Hi" }];
    expect(renderChatTemplate(template, { messages })).toBe(
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
    expect(renderChatTemplate(template, { ...input, addGenerationPrompt: false })).toBe(
      "<|im_start|>system\nBe nice<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n" +
        "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n",
    );
  });

  it("gives templates the tokens, tools, time and further variables", () => {
    const nowMs = new Date(2026, 6, 4, 9, 5, 3).getTime();
    const template =
      "{{ bos_token }}{{ eos_token }} {{ strftime_now('%d %b %Y') }} {{ tools | tojson }} {{ extra }} {{ none_such is defined }}";
    expect(renderChatTemplate(template, { ...input, nowMs, tools: [{ name: "f" }], variables: { extra: "x" } })).toBe(
      '<s></s> 04 Jul 2026 [{"name": "f"}] x false',
    );
    expect(renderChatTemplate("{% if tools is none %}no{% endif %}", input)).toBe("no");
  });

  it("strips the characters that are asked for, as Python does", () => {
    const answer = "<think>\nhm\n</think>\n\n  indented\n";
    const messages = [{ role: "assistant", content: answer }];
    const rendered = (expression: string) => renderChatTemplate(`{{ ${expression} }}`, { messages });
    expect(rendered("messages[0].content.split('</think>')[-1].lstrip('\\n')")).toBe("  indented\n");
    expect(rendered("messages[0].content.rstrip('\\n').lstrip('<')")).toBe(answer.slice(1, -1));
    expect(rendered("'x\ud83d\ude00ax'.strip('x\ud83d\ude00')")).toBe("a");
    expect(rendered("' \\nx '.strip()")).toBe("x");
    expect(rendered("'xx'.strip('x')")).toBe("");
  });

  it("reports what a template says and does wrong", () => {
    expect(codeAndMessage("{{ raise_exception('roles must alternate') }}")).toMatch(
      /^template: .*roles must alternate/,
    );
    expect(codeAndMessage("{% if %}")).toMatch(/^template: /);
    expect(codeAndMessage("{{ 1 + none }}")).toMatch(/^template: /);
    expect(codeAndMessage(`{{${"(".repeat(100_000)}`)).toMatch(/^template: /);
    expect(codeAndMessage(" ".repeat(300_000))).toMatch(/^template: .*300000/);
  });

  it.each([
    "{% for i in range(200000000) %}{% endfor %}",
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% for i in range(5, 1, 0) %}{% endfor %}",
    "{{ range('a') }}",
  ])("stops %s", (template) => {
    expect(codeAndMessage(template)).toMatch(/^template: /);
  });
});

describe("built-in templates", () => {
  it.each(Object.entries(builtInTemplates))("%s mentions every message in order", (_, template) => {
    const text = renderChatTemplate(template, input);
    const places = input.messages.map(({ content }) => text.indexOf(String(content)));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBeGreaterThanOrEqual(0);
  });

  it("are chosen by the vocabulary", () => {
    const having = (...tokens: string[]) => ({ idOf: (text: string) => (tokens.includes(text) ? 1 : undefined) });
    expect(builtInTemplateFor(having("<|im_start|>"))).toBe("chatml");
    expect(builtInTemplateFor(having("<start_of_turn>"))).toBe("gemma");
    expect(builtInTemplateFor(having())).toBe("plain");
  });
});

describe("strftime", () => {
  it("writes dates as C does", () => {
    const date = new Date(2026, 0, 5, 15, 4, 9);
    expect(strftime(date, "%A %a %B %b %d %-d %e %y %Y")).toBe("Monday Mon January Jan 05 5  5 26 2026");
    expect(strftime(date, "%H:%M:%S %I %p %j %F %T %% %Q")).toBe("15:04:09 03 PM 005 2026-01-05 15:04:09 % %Q");
  });
});
