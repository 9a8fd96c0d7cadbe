/**
 * Tokenizer and chat template of a model that was found, from the files beside its weights.
 */
import { readFile } from "node:fs/promises";
import {
  parseJson,
  parseTokenizerJson,
  readGguf,
  type Tokenizer,
  tokenizerFromGguf,
  tokenizerFromJson,
} from "../formats/index.ts";
import { openFile } from "../runtime/node/file-source.ts";
import type { ResolvedModel } from "../sources/index.ts";
import { fail } from "../util/errors.ts";

/** What stands beside a model's weights and concerns text. */
export interface TextFiles {
  readonly tokenizer: Tokenizer;
  /** The model's own chat template, if it has one. */
  readonly template?: string;
  /** Fields of `tokenizer_config.json`; none for GGUF files. */
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

const limits = { maxBytes: 1 << 24, maxDepth: 32, maxValues: 2_000_000 };

/** Parses a JSON object of a model's folder, or gives an empty one where there is no such file. */
export async function readJsonObject(path: string | undefined): Promise<Readonly<Record<string, unknown>>> {
  if (path === undefined) return {};
  const value = parseJson(await readFile(path, "utf8"), path, limits);
  if (value === null || typeof value !== "object" || Array.isArray(value))
    return fail("format", `${path} is not a JSON object`);
  return value as Record<string, unknown>;
}

/** `tokenizer_config.json` holds one template, or several by name. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as readonly { readonly name?: unknown; readonly template?: unknown }[];
  const chosen = named.find((entry) => entry?.name === "default") ?? named[0];
  return typeof chosen?.template === "string" ? chosen.template : undefined;
}

/** Name of the token that ends a text, where only `generation_config.json` or `config.json` tell it, and only by its id. */
function endOfText(tokenizerJson: unknown, ...configs: Readonly<Record<string, unknown>>[]): string | undefined {
  const ids = configs.flatMap((config) => config.eos_token_id ?? []);
  const { added_tokens: added } = (tokenizerJson ?? {}) as { readonly added_tokens?: unknown };
  const tokens = (Array.isArray(added) ? added : []) as readonly ({ id?: unknown; content?: unknown } | null)[];
  const content = tokens.find((token) => token?.id !== undefined && token.id === ids[0])?.content;
  return typeof content === "string" ? content : undefined;
}

/**
 * Reads a model's tokenizer and chat template.
 * @throws `not-found` when a safetensors model has no `tokenizer.json`; `format` and `unsupported` for files that cannot
 * be used.
 */
export async function readTextFiles(source: ResolvedModel): Promise<TextFiles> {
  if (source.kind === "gguf") {
    const bytes = await openFile(source.path);
    try {
      const { metadata } = await readGguf(bytes);
      const template = templateOf(metadata.get("tokenizer.chat_template"));
      return { tokenizer: tokenizerFromGguf(metadata), template, tokenizerConfig: {} };
    } finally {
      await bytes.close();
    }
  }
  const { files, folder } = source;
  if (!files.tokenizer)
    fail("not-found", `${folder} has no tokenizer.json, which turns text into tokens; put the model's own beside it`);
  const own = await readJsonObject(files.tokenizerConfig);
  const json = parseTokenizerJson(await readFile(files.tokenizer, "utf8"));
  const eos =
    own.eos_token ?? endOfText(json, await readJsonObject(files.generationConfig), await readJsonObject(files.config));
  const tokenizerConfig = eos === undefined ? own : { ...own, eos_token: eos };
  const tokenizer = tokenizerFromJson(json, tokenizerConfig);
  const template = files.chatTemplate
    ? await readFile(files.chatTemplate, "utf8")
    : templateOf(tokenizerConfig.chat_template);
  return { tokenizer, template, tokenizerConfig };
}
