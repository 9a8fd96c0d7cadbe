/**
 * Hostile `tokenizer.json` files: parsed, built and used on texts that tokenizers find hard.
 */
import { readFile } from "node:fs/promises";
import { parseTokenizerJson, tokenizerFromJson } from "../../src/formats/index.ts";
import { charOfByte } from "../../src/formats/tokenizer/bytes.ts";
import { pick } from "./mutate-bytes.ts";
import { hostilePatterns, mutateJson } from "./mutate-text.ts";
import { type HostileCase, type Outcome, readParts, type Subject } from "./subject.ts";
import { useTokenizer } from "./texts.ts";

interface Files {
  readonly name: string;
  readonly json: string;
  readonly config: string;
}

const config = JSON.stringify({
  bos_token: "<s>",
  eos_token: { content: "</s>" },
  unk_token: "<unk>",
  pad_token: null,
});

function read(json: string, configJson = config): Promise<Outcome> {
  return readParts(() => useTokenizer(tokenizerFromJson(parseTokenizerJson(json), parseTokenizerJson(configJson))));
}

function idsOf(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

const specials = ["<unk>", "<s>", "</s>"];
const added = specials.map((content, id) => ({
  id,
  content,
  special: true,
  lstrip: false,
  rstrip: true,
  normalized: false,
}));
const letters = [..."abcdefghijklmnopqrstuvwxyz0123456789.,!?"];
const around = {
  type: "TemplateProcessing",
  single: [
    { SpecialToken: { id: "<s>", type_id: 0 } },
    { Sequence: { id: "A", type_id: 0 } },
    { SpecialToken: { id: "</s>", type_id: 0 } },
  ],
  special_tokens: {
    "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] },
    "</s>": { id: "</s>", ids: [2], tokens: ["</s>"] },
  },
};
const llamaSplit =
  "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const byteTokens = [
  ...specials,
  ...Array.from(charOfByte, (char) => String.fromCharCode(char)),
  "th",
  "the",
  "Ġthe",
  "aa",
  "aaaa",
];

const bases: Readonly<Record<string, object>> = {
  "byte-level BPE": {
    added_tokens: added,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Digits", individual_digits: true },
        { type: "Split", pattern: { Regex: llamaSplit }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      ],
    },
    post_processor: around,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      ignore_merges: true,
      vocab: idsOf(byteTokens),
      merges: ["t h", ["th", "e"], "Ġ the", "a a", "aa aa"],
    },
  },
  "SentencePiece BPE": {
    added_tokens: added,
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
        { type: "NFKC" },
      ],
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      byte_fallback: true,
      fuse_unk: true,
      unk_token: "<unk>",
      vocab: idsOf([
        ...specials,
        ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
        "▁",
        ...letters,
        "th",
        "the",
        "▁the",
      ]),
      merges: [
        ["t", "h"],
        ["th", "e"],
        ["▁", "the"],
      ],
    },
  },
  WordPiece: {
    added_tokens: [
      { id: 0, content: "[UNK]", special: true },
      { id: 1, content: "[CLS]", special: true },
      { id: 2, content: "[SEP]", special: true, single_word: true },
    ],
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", cls: ["[CLS]", 1], sep: ["[SEP]", 2] },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: idsOf([
        "[UNK]",
        "[CLS]",
        "[SEP]",
        ...letters,
        ...letters.map((letter) => `##${letter}`),
        "the",
        "##ing",
        "fox",
      ]),
    },
  },
  Unigram: {
    added_tokens: added,
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Strip", strip_left: true, strip_right: true },
        { type: "Lowercase" },
        { type: "NFD" },
        { type: "StripAccents" },
        { type: "Precompiled", precompiled_charsmap: "" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "WhitespaceSplit" },
        { type: "Punctuation" },
        { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
      ],
    },
    post_processor: { type: "Sequence", processors: [around] },
    decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
    model: {
      type: "Unigram",
      unk_id: 0,
      vocab: [...specials, "▁", ...letters, "▁the", "the", "aa", "aaaa"].map((token, id) => [token, -id]),
    },
  },
  WordLevel: {
    added_tokens: added,
    pre_tokenizer: { type: "Whitespace" },
    decoder: null,
    model: { type: "WordLevel", unk_token: "<unk>", vocab: idsOf([...specials, "the", "fox", "a"]) },
  },
};

function variation(base: string, change: (json: Record<string, never>) => void): string {
  const json = structuredClone(bases[base]) as Record<string, never>;
  change(json);
  return JSON.stringify(json);
}

function handmade(what: string, json: () => string): HostileCase {
  return { what, run: () => read(json()) };
}

function withSplit(...patterns: readonly string[]): string {
  return variation("byte-level BPE", (json) => {
    const pretokenizers = patterns.map((Regex) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated" }));
    Object.assign(json, { pre_tokenizer: { type: "Sequence", pretokenizers } });
  });
}

function withModel(base: string, change: object): string {
  return variation(base, (json) => Object.assign(json.model, change));
}

function withNormalizer(...normalizers: readonly object[]): string {
  return variation("SentencePiece BPE", (json) =>
    Object.assign(json, { normalizer: { type: "Sequence", normalizers } }),
  );
}

const handmadeFiles: readonly HostileCase[] = [
  handmade("nested a million deep", () => '{"a":'.repeat(1_000_000)),
  ...hostilePatterns.map((pattern) => handmade(`the split pattern /${pattern}/`, () => withSplit(pattern))),
  ...hostilePatterns
    .slice(0, 6)
    .map((pattern) => handmade(`pieces of one character, then /${pattern}/`, () => withSplit("[\\s\\S]", pattern))),
  handmade("64 patterns that backtrack", () => withSplit(...Array<string>(64).fill("(a|aa)+b"))),
  handmade("pieces of 24 characters, then 60 patterns that backtrack", () =>
    withSplit(".{24}", ...Array<string>(60).fill("(a|aa)+b")),
  ),
  ...hostilePatterns
    .slice(0, 9)
    .map((Regex) =>
      handmade(`replacing /${Regex}/`, () => withNormalizer({ type: "Replace", pattern: { Regex }, content: "b" })),
    ),
  handmade("each letter replaced by 60,000", () =>
    withNormalizer({ type: "Replace", pattern: { String: "a" }, content: "x".repeat(60_000) }),
  ),
  handmade("letters doubled 64 times", () =>
    withNormalizer(...Array<object>(64).fill({ type: "Replace", pattern: { String: "a" }, content: "aa" })),
  ),
  handmade("64 long prefixes", () =>
    withNormalizer(...Array<object>(64).fill({ type: "Prepend", prepend: "a".repeat(65_536) })),
  ),
  handmade("a WordPiece vocabulary of one long token and words as long", () =>
    withModel("WordPiece", {
      max_input_chars_per_word: 1e9,
      vocab: idsOf(["[UNK]", "[CLS]", "[SEP]", "a", "##a", `${"a".repeat(9999)}b`]),
    }),
  ),
  handmade("a Unigram token of 100,000 characters", () =>
    withModel("Unigram", {
      vocab: [
        ["<unk>", 0],
        ["<s>", 0],
        ["</s>", 0],
        ["a", -1],
        [`${"a".repeat(99_999)}b`, -1],
      ],
    }),
  ),
  handmade("Unigram scores that are not finite", () =>
    withModel("Unigram", {
      vocab: ["<unk>", "<s>", "</s>", "a", "b"].map((token, i) => [token, i % 2 ? 1e308 : -1e308]),
    }),
  ),
  handmade("an added token of 4,096 letters", () =>
    variation(
      "byte-level BPE",
      (json) => void (json.added_tokens as object[]).push({ id: 400, content: `${"a".repeat(4095)}b` }),
    ),
  ),
  handmade("2,000 added tokens of 4,000 letters", () =>
    variation("byte-level BPE", (json) => {
      const letters26 = (i: number) =>
        Array.from({ length: 4 }, (_, d) => String.fromCharCode(97 + (Math.floor(i / 26 ** d) % 26))).join("");
      Object.assign(json, {
        added_tokens: Array.from({ length: 2000 }, (_, i) => ({
          id: 400 + i,
          content: letters26(i) + "abcdefgh".repeat(500),
        })),
      });
    }),
  ),
  handmade("added tokens in a million ids", () =>
    variation("byte-level BPE", (json) => void (json.added_tokens as object[]).push({ id: 2_000_000, content: "far" })),
  ),
  handmade(
    "four million tokens",
    () =>
      `{"model":{"type":"BPE","merges":[],"vocab":{${Array.from({ length: 4_000_000 }, (_, i) => `"${i.toString(36)}":${i % 1000}`).join(",")}}}}`,
  ),
  handmade("two million merges", () => withModel("byte-level BPE", { merges: Array<string>(2_000_000).fill("a a") })),
  handmade("ten million numbers", () => `{"model":{"vocab":[${"0,".repeat(10_000_000)}0]}}`),
  handmade("tokens with names of the prototype", () =>
    withModel("byte-level BPE", { vocab: { __proto__x: 0, constructor: 1, toString: 2, hasOwnProperty: 3 } }),
  ),
];

/** `tokenizer.json` files. */
export function tokenizerSubject(): Subject {
  let files: Files[] = [];
  return {
    name: "tokenizer.json",
    handmade: handmadeFiles,
    async prepare(inputs) {
      files = Object.entries(bases).map(([name, json]) => ({ name, json: JSON.stringify(json), config }));
      for (const path of inputs) files.push({ name: path, json: await readFile(path, "utf8"), config });
      for (const { name, json } of files) {
        const { codes } = await read(json);
        if (codes.length) throw new Error(`${name} is not sound: ${codes}`);
      }
    },
    mutate(random) {
      const file = pick(random, files);
      if (random.integer(12) === 0) {
        const { what, value } = mutateJson(random, file.config);
        return { what: `${file.name}: config: ${what}`, run: () => read(file.json, value) };
      }
      const { what, value } = mutateJson(random, file.json);
      return { what: `${file.name}: ${what}`, run: () => read(value) };
    },
  };
}
