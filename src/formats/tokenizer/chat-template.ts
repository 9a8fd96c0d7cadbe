/**
 * Renders chat templates (Jinja, as Hugging Face's `apply_chat_template` does) with bounds on steps, lists and output.
 * Templates come out of model files and are hostile code: programs on Node render them through
 * `runtime/node/template-sandbox.ts`, where even a template that slips through these bounds costs two seconds at most.
 */
import * as library from "@huggingface/jinja";
import { fail, messageOf } from "../../util/index.ts";
import { strftime } from "./strftime.ts";

/** One message of a chat; further keys (`name`, `tool_calls`, …) reach the template as they are. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, `tool`, or whatever the template knows. */
  readonly role: string;
  /** Text, or the parts of a multimodal message. */
  readonly content?: string | null | readonly unknown[];
  readonly [key: string]: unknown;
}

/** What a template is rendered with. All of it must survive JSON. */
export interface ChatTemplateInput {
  readonly messages: readonly ChatMessage[];
  /** JSON schemas of the tools that the model may call. */
  readonly tools?: readonly unknown[] | null;
  /** End with the opening of the assistant's turn; default true. */
  readonly addGenerationPrompt?: boolean;
  /** Text of the beginning-of-sequence token; default "". */
  readonly bosToken?: string;
  /** Text of the end-of-sequence token; default "". */
  readonly eosToken?: string;
  /** Time that `strftime_now` tells, in milliseconds since 1970; default now. */
  readonly nowMs?: number;
  /** Further variables, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** Bounds on a rendering; generous for real templates. */
export interface ChatTemplateLimits {
  /** Longest template, in characters. */
  readonly maxTemplate: number;
  /** Longest output or intermediate text, in characters. */
  readonly maxOutput: number;
  /** Evaluations of an expression or statement, iterations counted with them. */
  readonly maxSteps: number;
  /** Entries of a list. */
  readonly maxList: number;
}

const defaultLimits: ChatTemplateLimits = {
  maxTemplate: 1 << 18,
  maxOutput: 1 << 23,
  maxSteps: 4_000_000,
  maxList: 100_000,
};

interface SyntaxNode {
  readonly type: string;
  readonly iterable?: SyntaxNode;
  readonly lhs?: SyntaxNode;
  readonly callee?: SyntaxNode;
  readonly args?: readonly SyntaxNode[];
  readonly object?: SyntaxNode;
  readonly property?: SyntaxNode;
  readonly computed?: boolean;
  readonly value?: unknown;
}
interface Value {
  readonly type: string;
  readonly value: unknown;
}
interface Scope {
  set(name: string, value: unknown): void;
}

/** What is used of the library; its own type declarations do not resolve under Node's module rules. */
const jinja = library as unknown as {
  tokenize(template: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown;
  parse(tokens: unknown): SyntaxNode;
  readonly Environment: new () => Scope;
  readonly Interpreter: new (
    scope: Scope,
  ) => { run(program: SyntaxNode): Value; evaluate(node: SyntaxNode | undefined, scope: Scope): Value };
};

/** Which ends of a text Python's methods strip. */
const strippedEnds: Readonly<Record<string, readonly [left: boolean, right: boolean]>> = {
  strip: [true, true],
  lstrip: [true, false],
  rstrip: [false, true],
};

/** A text without the given characters at its ends. */
function stripCharacters(text: string, characters: string, [left, right]: readonly [boolean, boolean]): string {
  const unwanted = new Set(characters);
  let start = 0;
  let end = text.length;
  while (left && start < end) {
    const first = String.fromCodePoint(text.codePointAt(start)!);
    if (!unwanted.has(first)) break;
    start += first.length;
  }
  while (right && end > start) {
    const pair = end - start > 1 ? text.slice(end - 2, end) : "";
    const last = pair && pair.codePointAt(0)! > 0xffff ? pair : text[end - 1]!;
    if (!unwanted.has(last)) break;
    end -= last.length;
  }
  return text.slice(start, end);
}

/** Evaluates a template, and counts what that takes. */
class BoundedInterpreter extends jinja.Interpreter {
  readonly #limits: ChatTemplateLimits;
  readonly #iterables = new WeakSet<SyntaxNode>();
  #steps: number;
  #text: number;

  constructor(scope: Scope, limits: ChatTemplateLimits) {
    super(scope);
    this.#limits = limits;
    this.#steps = limits.maxSteps;
    this.#text = 64 * limits.maxOutput;
  }

  override evaluate(node: SyntaxNode | undefined, scope: Scope): Value {
    if (node?.type === "For" && node.iterable) this.#iterables.add(node.iterable.lhs ?? node.iterable);
    const result = this.#strip(node, scope) ?? super.evaluate(node, scope);
    const { maxOutput, maxList, maxSteps } = this.#limits;
    let cost = 1;
    const value = result?.value;
    if (typeof value === "string") {
      if (value.length > maxOutput)
        fail("template", `the chat template makes a text longer than ${maxOutput} characters`);
      this.#text -= value.length;
      if (this.#text < 0) fail("template", "the chat template copies too much text; it may loop without end");
    } else if (Array.isArray(value)) {
      if (value.length > maxList) fail("template", `the chat template makes a list of more than ${maxList} entries`);
      cost += node && this.#iterables.has(node) ? 8 * value.length : value.length >> 6;
    }
    this.#steps -= cost;
    if (this.#steps < 0)
      fail("template", `the chat template takes more than ${maxSteps} steps; it may loop without end`);
    return result;
  }

  /** `text.strip("\n")` and its like: the library strips all white space, whatever characters are asked for. */
  #strip(node: SyntaxNode | undefined, scope: Scope): Value | undefined {
    const { callee, args } = node ?? {};
    if (node?.type !== "CallExpression" || callee?.type !== "MemberExpression" || callee.computed) return undefined;
    const ends = Object.hasOwn(strippedEnds, String(callee.property?.value)) && args?.length === 1;
    if (!ends) return undefined;
    const text = this.evaluate(callee.object, scope);
    const characters = this.evaluate(args[0], scope);
    if (text.type !== "StringValue" || characters.type !== "StringValue") return undefined;
    const stripped = stripCharacters(
      String(text.value),
      String(characters.value),
      strippedEnds[String(callee.property?.value)]!,
    );
    return new (text.constructor as new (value: string) => Value)(stripped);
  }
}

function boundedRange(maxList: number) {
  return (start: number, stop?: number, step = 1): number[] => {
    const [from, to] = stop === undefined || stop === null ? [0, start] : [start, stop];
    const count = Math.ceil((to - from) / step);
    if (!Number.isFinite(count)) return fail("template", `the chat template calls range(${from}, ${to}, ${step})`);
    if (count > maxList)
      return fail("template", `the chat template asks for a range of ${count}, at most ${maxList} is allowed`);
    return Array.from({ length: Math.max(count, 0) }, (_, i) => from + i * step);
  };
}

function scopeOf(input: ChatTemplateInput, limits: ChatTemplateLimits): Scope {
  const scope = new jinja.Environment();
  const now = new Date(input.nowMs ?? Date.now());
  const globals: Record<string, unknown> = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range: boundedRange(limits.maxList),
    strftime_now: (format: unknown) => strftime(now, String(format).slice(0, 1000)),
    raise_exception: (message: unknown) =>
      fail("template", `the chat template refuses this chat: ${String(message).slice(0, 500)}`),
    messages: input.messages,
    tools: input.tools ?? null,
    add_generation_prompt: input.addGenerationPrompt ?? true,
    bos_token: input.bosToken ?? "",
    eos_token: input.eosToken ?? "",
  };
  for (const [name, value] of Object.entries({ ...input.variables, ...globals })) scope.set(name, value);
  return scope;
}

/**
 * Renders a chat template to the text that the model's tokenizer then encodes with `parseSpecial`. On Node prefer
 * `TemplateSandbox`, unless the template is one of {@link builtInTemplates}.
 * @throws `template` when the template is invalid, raises an exception, or goes beyond the limits.
 */
export function renderChatTemplate(
  template: string,
  input: ChatTemplateInput,
  limits: Partial<ChatTemplateLimits> = {},
): string {
  const bounds = { ...defaultLimits, ...limits };
  if (template.length > bounds.maxTemplate)
    fail("template", `the chat template has ${template.length} characters, at most ${bounds.maxTemplate} are allowed`);
  try {
    const program = jinja.parse(jinja.tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
    const result = new BoundedInterpreter(scopeOf(input, bounds), bounds).run(program).value;
    return typeof result === "string" ? result : "";
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === "template") throw error;
    return fail("template", `the chat template fails: ${messageOf(error).slice(0, 500)}`, error);
  }
}
