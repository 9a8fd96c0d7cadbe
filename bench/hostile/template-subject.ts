/**
 * Hostile chat templates: rendered in the product's sandbox, a child process that is ended after two seconds.
 */
import { readFile } from "node:fs/promises";
import { builtInTemplates } from "../../src/formats/index.ts";
import { TemplateSandbox } from "../../src/runtime/node/template-sandbox.ts";
import type { Random } from "../../src/util/random.ts";
import { pick } from "./mutate-bytes.ts";
import { mutateCharacters } from "./mutate-text.ts";
import { type HostileCase, readParts, type Subject } from "./subject.ts";

const input = {
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: "What is {{ 7 * 7 }}?" },
    { role: "assistant", content: "Let me see.", tool_calls: [{ function: { name: "f", arguments: { x: [1, 2] } } }] },
    { role: "tool", content: "49" },
    { role: "user", content: "a".repeat(2000) },
  ],
  tools: [
    { type: "function", function: { name: "f", description: "d", parameters: { type: "object", properties: {} } } },
  ],
  bosToken: "<s>",
  eosToken: "</s>",
  nowMs: 0,
  variables: { enable_thinking: true },
};

/** Templates in the manner of Llama 3.1 and Qwen 3: tools, macros, namespaces, slices, filters, dates. */
const elaborate: Readonly<Record<string, string>> = {
  "llama 3.1": `{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] | trim %}{%- set messages = messages[1:] %}{%- else %}{%- set system_message = "" %}{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" + "Today: " + date_string }}
{%- if tools is not none %}{%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\\n\\n" }}{%- endfor %}{%- endif %}
{{- system_message }}{{- "<|eot_id|>" }}
{%- for message in messages %}
  {%- if 'tool_calls' in message %}{%- set call = message.tool_calls[0].function %}{{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- "}<|eot_id|>" }}
  {%- elif message.role in ["tool", "ipython"] %}{{- message.content if message.content is string else message.content | tojson }}
  {%- else %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}`,
  "qwen 3": `{%- macro show(content, depth=0) %}{%- if content is string %}{{- content }}{%- elif content is iterable and content is not mapping %}{%- for item in content %}{{- show(item, depth + 1) }}{%- endfor %}{%- else %}{{- content | default('') }}{%- endif %}{%- endmacro %}
{%- set ns = namespace(multi_step=true, last=messages | length - 1) %}
{%- for message in messages[::-1] %}{%- set index = (messages | length - 1) - loop.index0 %}{%- if ns.multi_step and message.role == "user" and message.content is string and not (message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}{%- set ns.multi_step = false %}{%- set ns.last = index %}{%- endif %}{%- endfor %}
{%- for message in messages %}
  {%- if message.role == "assistant" %}{%- set content = message.content or '' %}{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}{{- '<|im_start|>assistant\\n' ~ show(content) }}{%- if message.tool_calls %}{%- for call in message.tool_calls %}{{- '<tool_call>' ~ (call.function.arguments | tojson) ~ '</tool_call>' }}{%- endfor %}{%- endif %}{{- '<|im_end|>\\n' }}
  {%- else %}{{- '<|im_start|>' + message.role + '\\n' + show(message.content) + '<|im_end|>' + '\\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}`,
};

/** Pieces that are put into templates, or take the place of parts of them. */
const pieces: readonly string[] = [
  "{% for i in range(200000000) %}x{% endfor %}",
  "{% for i in range(0, 10 ** 18, 1) %}{% endfor %}",
  "{% for i in range(100000) %}{% for j in range(100000) %}{{ i * j }}{% endfor %}{% endfor %}",
  "{{ range(99999999999) | list }}",
  "{% set ns = namespace(s='ab') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
  "{% set ns = namespace(s='ab') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s | length }}",
  "{{ 'a' * 1000000000 }}",
  "{{ ('a' * 100000) | replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') }}",
  "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
  "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x | length }}",
  "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
  "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}",
  "{% macro g() %}{{ caller() }}{% endmacro %}{% call g() %}{{ g() }}{% endcall %}",
  "{{ messages.constructor }}{{ messages['constructor'] }}{{ messages.__proto__ }}",
  "{{ ''.__class__.__mro__[1].__subclasses__() }}",
  "{{ ''.constructor.constructor('return process')().exit(1) }}",
  "{{ range.constructor('return 1')() }}",
  "{{ messages | map(attribute='constructor') | list }}",
  "{{ messages | selectattr('__proto__', 'defined') | list | length }}",
  "{{ strftime_now('%Y' * 1000000) }}",
  "{{ raise_exception('x' * 100000000) }}",
  "{{ ('x' * 1000000) | indent(1000000) }}",
  "{{ messages | tojson(indent=1000000000) }}",
  "{{ ' '.join(range(99999)) }}",
  "{{ range(99999) | join('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') }}",
  "{{ range(90000) | map('string') | join | length }}",
  "{{ range(90000) | sort | reverse | list | length }}",
  "{{ ('a b ' * 500000).split(' ') | length }}",
  "{{ ('a' * 1000000).split('') | length }}",
  "{{ ('a' * 1000000) | title | upper | lower | capitalize | trim | length }}",
  "{{ 1 // 0 }}{{ 1 % 0 }}{{ 10 ** 400 }}{{ -1 ** 0.5 }}",
  "{{ messages[:: -1] }}{{ messages[::0] }}{{ messages[1e9] }}{{ messages[-1e9:1e9:1e9] }}",
  "{% set messages = range(10) %}{% set add_generation_prompt = messages %}",
  "{% set loop = 1 %}{{ loop.index }}",
  "{% for a in messages recursive %}{{ loop(messages) }}{% endfor %}",
  "{% for k, v in messages[0].items() %}{% for k, v in messages[0].items() %}{{ k }}{% endfor %}{% endfor %}",
  "{% include '/etc/passwd' %}",
  "{% import 'os' as os %}",
  "{% extends messages %}",
  "{%- generation %}{% endgeneration %}",
  "{{ a.b.c.d.e }}",
  "{{ none.x }}",
  "{{ (((((((((((1))))))))))) }}",
  "{% if x %}{% if x %}{% if x %}",
  "{% raw %}{{",
  "{#",
];

/** Whole templates that would be too long among the pieces. */
const huge: readonly (readonly [string, () => string])[] = [
  ["nested 100,000 parentheses", () => `{{ ${"(".repeat(100_000)}1${")".repeat(100_000)} }}`],
  ["nested 20,000 conditions", () => `${"{% if 1 %}".repeat(20_000)}${"{% endif %}".repeat(20_000)}`],
  ["nested 3,000 loops", () => `${"{% for i in [1, 2] %}".repeat(3000)}x${"{% endfor %}".repeat(3000)}`],
  ["a sum of 100,000 terms", () => `{{ ${"1+".repeat(100_000)}1 }}`],
  ["100,000 filters", () => `{{ 'x' ${"|trim".repeat(50_000)} }}`],
  ["200,000 spaces in a tag", () => `{%${" ".repeat(200_000)}`],
  ["100,000 openings", () => "{%".repeat(100_000)],
  ["100,000 quotes", () => `{{ ${'"\\"'.repeat(60_000)}`],
  ["a list of 100,000 lists", () => `{{ [${"[],".repeat(80_000)}[]] }}`],
  ["a name of 250,000 letters", () => `{{ ${"a".repeat(250_000)} }}`],
  ["a number of 250,000 digits", () => `{{ ${"9".repeat(250_000)} }}`],
  ["blank lines before tags", () => `${`${"\n \t".repeat(20)}{%- if 1 -%}x{%- endif -%}`.repeat(2000)}`],
  ["beyond the longest template", () => "x".repeat(1 << 20)],
];

/** Chat templates. */
export function templateSubject(): Subject {
  const sandbox = new TemplateSandbox();
  const templates: (readonly [string, string])[] = [...Object.entries(builtInTemplates), ...Object.entries(elaborate)];
  const render = (template: string) => readParts(() => sandbox.render(template, input));
  const one = (what: string, template: () => string): HostileCase => ({ what, run: () => render(template()) });
  return {
    name: "chat template",
    handmade: [
      ...pieces.map((piece) => one(piece, () => piece)),
      ...huge.map(([what, template]) => one(what, template)),
      ...pieces
        .slice(0, 12)
        .map((piece) => one(`for each message: ${piece}`, () => `{% for m in messages %}${piece}{% endfor %}`)),
    ],
    async prepare(inputs) {
      const golden = new URL("../../test/golden/lm/smollm2-135m-instruct-q4_1.json", import.meta.url);
      const { source } = JSON.parse(await readFile(golden, "utf8")) as { source: { metadata: Record<string, string> } };
      templates.push(["smollm2", source.metadata["tokenizer.chat_template"]!]);
      for (const path of inputs) templates.push([path, await readFile(path, "utf8")]);
      for (const [name, template] of templates) {
        const { codes } = await render(template);
        if (codes.length) throw new Error(`the template ${name} is not sound: ${codes}`);
      }
    },
    mutate(random: Random): HostileCase {
      const [name, original] = pick(random, templates);
      const done: string[] = [];
      let template = original;
      for (let count = 1 + random.integer(3); count > 0; count--) {
        const parts = template.split(/(\{\{.*?\}\}|\{%.*?%\})/s);
        const at = random.integer(parts.length);
        const kind = random.integer(7);
        if (kind === 0) {
          const piece = pick(random, pieces);
          parts.splice(at, 0, piece);
          done.push(`put in ${piece}`);
        } else if (kind === 1) {
          done.push(`part ${at} taken out`);
          parts.splice(at, 1);
        } else if (kind === 2) {
          done.push(`part ${at} repeated`);
          parts.splice(at, 0, ...Array<string>(pick(random, [1, 10, 500])).fill(parts[at]!));
        } else if (kind === 3) {
          const other = random.integer(parts.length);
          [parts[at], parts[other]] = [parts[other]!, parts[at]!];
          done.push(`parts ${at} and ${other} changed places`);
        } else if (kind === 4) {
          done.push("numbers became huge");
          parts[at] = parts[at]!.replace(/\d+/g, "1000000000");
          parts.splice(at, 0, "{{ range(10000) | length }}");
        } else {
          const { what, value } = mutateCharacters(random, template);
          done.push(what);
          template = value;
          continue;
        }
        template = parts.join("");
      }
      return one(`${name}: ${done.join("; ")}`, () => template);
    },
    // after a template was ended, the next process is started outside of the next one's time
    async between() {
      await sandbox.render("", { messages: [] });
    },
    close: () => sandbox.close(),
  };
}
