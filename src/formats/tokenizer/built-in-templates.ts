/**
 * Chat templates for files that bring none, chosen by the control tokens that the vocabulary has.
 */
import type { Tokenizer } from "./tokenizer.ts";

/** Name of a template that ships with the library. */
export type BuiltInTemplate = "chatml" | "gemma" | "llama3" | "mistral" | "zephyr" | "phi3" | "plain";

/** Templates by name. */
export const builtInTemplates: Readonly<Record<BuiltInTemplate, string>> = {
  chatml:
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  gemma:
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}" +
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'] | trim + '\\n\\n' %}{% else %}" +
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' + ns.system + message['content'] | trim + '<end_of_turn>\\n' }}" +
    "{% set ns.system = '' %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
  llama3:
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
  mistral:
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}" +
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'] + '\\n\\n' %}" +
    "{% elif message['role'] == 'user' %}{{ '[INST] ' + ns.system + message['content'] + ' [/INST]' }}{% set ns.system = '' %}" +
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}",
  zephyr:
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
  phi3:
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
  plain:
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}",
};

const signs: readonly (readonly [token: string, template: BuiltInTemplate])[] = [
  ["<|im_start|>", "chatml"],
  ["<start_of_turn>", "gemma"],
  ["<|start_header_id|>", "llama3"],
  ["<|end|>", "phi3"],
  ["[INST]", "mistral"],
  ["<|user|>", "zephyr"],
];

/** Name of the template that fits a vocabulary best; `plain` when it has no control tokens for turns. */
export function builtInTemplateFor(tokenizer: Pick<Tokenizer, "idOf">): BuiltInTemplate {
  return signs.find(([token]) => tokenizer.idOf(token) !== undefined)?.[1] ?? "plain";
}
