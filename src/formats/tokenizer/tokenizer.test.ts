import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GgufMetadata, GgufValue } from "../gguf/index.ts";
import { spellingOf } from "./bytes.ts";
import { parseTokenizerJson, StreamDecoder, type Tokenizer, tokenizerFromGguf, tokenizerFromJson } from "./index.ts";

const repository = new URL("../../../", import.meta.url);

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, repository), "utf8"));
}

interface TokenizerCase {
  readonly text: string;
  readonly ids: number[];
  readonly idsPlain?: number[];
  readonly decoded: string;
}

describe("the tokenizer of all-MiniLM-L6-v2", () => {
  const json = readFileSync(new URL("test/fixtures/tokenizers/all-minilm-l6-v2.json", repository), "utf8");
  const tokenizer = tokenizerFromJson(parseTokenizerJson(json), { cls_token: "[CLS]", sep_token: "[SEP]" });

  it("equals the reference on all sentences", () => {
    const { sentences } = readJson("test/golden/lm/all-minilm-l6-v2.json") as { sentences: TokenizerCase[] };
    expect(sentences.length).toBeGreaterThan(59);
    for (const { text, ids } of sentences) {
      const all = tokenizer.encode(text, { addSpecial: true, parseSpecial: true });
      // the reference cuts at 256 tokens and keeps the separator
      expect(all.length > 256 ? [...all.slice(0, 255), all.at(-1)] : all, text).toEqual(ids);
    }
  });

  it("cleans, decodes, and knows its tokens", () => {
    expect(tokenizer.decode(tokenizer.encode("Hello, WÖRLD! tokenizers"))).toBe("hello, world! tokenizers");
    expect(tokenizer.encode("\u{20000}\u{20001}")).toEqual(tokenizer.encode("\u{20000} \u{20001}"));
    expect(tokenizer.idOf("[CLS]")).toBe(101);
    expect(tokenizer.textOf(102)).toBe("[SEP]");
    expect(tokenizer.isSpecial(101)).toBe(true);
    expect(tokenizer.specials).toMatchObject({ bosId: 101, unknownId: 100, addBos: true, addEos: true });
    expect(new TextDecoder().decode(tokenizer.tokenBytes(tokenizer.idOf("##ing")!))).toBe("ing");
    expect(() => tokenizer.decode([1e6])).toThrow(/1000000/);
  });
});

/** Metadata of a byte-level vocabulary: the 256 bytes, two control tokens, and merges of some words. */
function byteLevelMetadata(pre: string, words: readonly string[]): GgufMetadata {
  const tokens = Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return printable ? String.fromCharCode(byte) : "";
  });
  let next = 256;
  for (let byte = 0; byte < 256; byte++) if (!tokens[byte]) tokens[byte] = String.fromCharCode(next++);
  const merges: string[] = [];
  for (const word of words) {
    const spelled = spellingOf(word);
    for (let i = 1; i < spelled.length; i++) {
      if (tokens.includes(spelled.slice(0, i + 1))) continue;
      merges.push(`${spelled.slice(0, i)} ${spelled[i]}`);
      tokens.push(spelled.slice(0, i + 1));
    }
  }
  const types = new Int32Array(tokens.length + 2).fill(1);
  types.fill(3, tokens.length);
  tokens.push("<s>", "<|im_end|>");
  return new Map<string, GgufValue>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", pre],
    ["tokenizer.ggml.tokens", tokens],
    ["tokenizer.ggml.token_type", types],
    ["tokenizer.ggml.merges", merges],
    ["tokenizer.ggml.bos_token_id", tokens.length - 2],
    ["tokenizer.ggml.eos_token_id", tokens.length - 1],
    ["tokenizer.ggml.add_bos_token", true],
  ]);
}

const pres = ["smollm", "gpt-2", "llama-bpe", "qwen2", "tekken", "gpt-4o", "deepseek-v3", "falcon", "bloom", "default"];
const anyText = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: fc.constantFrom(..."the  \n\t\r12<s>é日🙂'lL\u00a0\ufeff") }),
);

describe.each(pres)("a byte-level tokenizer of kind %s", (pre) => {
  const tokenizer = tokenizerFromGguf(byteLevelMetadata(pre, ["the", " the", "hello", "日本", "1", "  "]));

  it("decodes to what it encoded, streamed or not", () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), (text, parseSpecial) => {
        const ids = tokenizer.encode(text, { parseSpecial });
        expect(tokenizer.decode(ids)).toBe(text);
        const stream = new StreamDecoder(tokenizer);
        expect(ids.map((id) => stream.push(id)).join("") + stream.flush()).toBe(text);
        const bytes = Buffer.concat(ids.map((id) => tokenizer.tokenBytes(id)));
        expect(bytes.toString("utf8")).toBe(text);
      }),
      { numRuns: 150 },
    );
  });
});

describe("control tokens", () => {
  const tokenizer = tokenizerFromGguf(byteLevelMetadata("smollm", ["hi"]));
  const [bos, eos] = [tokenizer.specials.bosId!, tokenizer.specials.eosIds[0]];

  it("are parsed, added and skipped only when asked for", () => {
    expect(tokenizer.encode("<s>hi<|im_end|>", { parseSpecial: true })).toEqual([bos, tokenizer.idOf("hi"), eos]);
    expect(tokenizer.encode("<s>hi")).not.toContain(bos);
    expect(tokenizer.encode("hi", { addSpecial: true })).toEqual([bos, tokenizer.idOf("hi")]);
    expect(tokenizer.decode([bos, tokenizer.idOf("hi")!, eos], { skipSpecial: true })).toBe("hi");
    const stream = new StreamDecoder(tokenizer, { skipSpecial: true });
    expect([bos, tokenizer.idOf("hi")!, eos].map((id) => stream.push(id))).toEqual(["", "hi", ""]);
  });

  it("leave ids beyond the vocabulary without text in a stream", () => {
    const stream = new StreamDecoder(tokenizer);
    const ids = [tokenizer.idOf("hi")!, tokenizer.vocabSize, tokenizer.vocabSize + 1000, tokenizer.idOf("hi")!];
    expect(ids.map((id) => stream.push(id))).toEqual(["hi", "", "", "hi"]);
    expect(() => stream.push(-1)).toThrow(/-1/);
  });

  it("end the held-back bytes of an incomplete character", () => {
    const stream = new StreamDecoder(tokenizer);
    const [first, second] = tokenizer.encode("é");
    expect([stream.push(first), stream.push(second), stream.push(first), stream.flush()]).toEqual([
      "",
      "é",
      "",
      "\ufffd",
    ]);
    expect(stream.push(first) + stream.push(eos)).toBe("\ufffd<|im_end|>");
    expect(stream.flush()).toBe("");
  });
});

describe("a SentencePiece tokenizer", () => {
  const pieces = ["<unk>", "<s>", "</s>", "▁", "h", "i", "hi", "▁hi", "<0xC3>", "<0xA9>", "hih", "a", "aa", "<0x61>"];
  const scores = Float32Array.from(pieces, (_, i) => -i);
  const types = Int32Array.from(pieces, (p, i) => (i === 0 ? 2 : i < 3 ? 3 : p.startsWith("<0x") ? 6 : 1));
  const metadata = (extra: [string, GgufValue][]) =>
    new Map<string, GgufValue>([
      ["tokenizer.ggml.model", "llama"],
      ["tokenizer.ggml.tokens", pieces],
      ["tokenizer.ggml.scores", scores],
      ["tokenizer.ggml.token_type", types],
      ["tokenizer.ggml.bos_token_id", 1],
      ["tokenizer.ggml.eos_token_id", 2],
      ["tokenizer.ggml.unknown_token_id", 0],
      ...extra,
    ]);
  const texts = (tokenizer: Tokenizer, text: string) => tokenizer.encode(text).map((id) => tokenizer.textOf(id));

  it("merges by score, falls back to bytes, then to the unknown token", () => {
    const plain = tokenizerFromGguf(metadata([["tokenizer.ggml.add_space_prefix", false]]));
    expect(texts(plain, "hi hih")).toEqual(["hi", "▁hi", "h"]);
    expect(texts(plain, "aaé")).toEqual(["aa", "<0xC3>", "<0xA9>"]);
    expect(texts(plain, "z")).toEqual(["<unk>"]);
    expect(plain.decode(plain.encode("hi é"))).toBe("hi é");
    expect(plain.encode("hi", { addSpecial: true })[0]).toBe(1);
  });

  it("puts a space first where the file says so, and takes it away again", () => {
    const spaced = tokenizerFromGguf(metadata([]));
    expect(texts(spaced, "hi")).toEqual(["▁hi"]);
    expect(spaced.decode(spaced.encode("hi"))).toBe("hi");
    expect(spaced.decode(spaced.encode(" hi"))).toBe(" hi");
  });
});

describe("tokenizerFromJson", () => {
  const base = { model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] } };
  const codeOf = (json: unknown): string => {
    try {
      tokenizerFromJson(json).encode("ab ab");
      return "none";
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  };

  it("reads merges as strings and as pairs", () => {
    expect(tokenizerFromJson(base).encode("abba")).toEqual([2, 1, 0]);
    const pairs = { model: { ...base.model, merges: [["a", "b"]] } };
    expect(tokenizerFromJson(pairs).encode("abba")).toEqual([2, 1, 0]);
  });

  it.each([
    ["Isolated", ["a", "-", "b"]],
    ["Removed", ["a", "b"]],
    ["MergedWithPrevious", ["a-", "b"]],
    ["MergedWithNext", ["a", "-b"]],
  ])("splits with the behaviour %s", (behavior, expected) => {
    const vocab = Object.fromEntries(["a", "b", "-", "a-", "-b", "[UNK]"].map((text, id) => [text, id]));
    const tokenizer = tokenizerFromJson({
      model: { type: "WordLevel", vocab, unk_token: "[UNK]" },
      pre_tokenizer: { type: "Split", pattern: { String: "-" }, behavior, invert: false },
    });
    expect(tokenizer.encode("a-b").map((id) => tokenizer.textOf(id))).toEqual(expected);
  });

  it("finds the most probable Unigram path", () => {
    const vocab = [
      ["<unk>", 0],
      ["▁a", -1],
      ["b", -2],
      ["▁ab", -2.5],
      ["c", -3],
      ["bc", -9],
    ];
    const tokenizer = tokenizerFromJson({
      model: { type: "Unigram", vocab, unk_id: 0 },
      pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
      decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
    });
    expect(tokenizer.encode("abc a🙂🙂b")).toEqual([3, 4, 1, 0, 2]);
    expect(tokenizer.decode(tokenizer.encode("abc ab"))).toBe("abc ab");
  });

  it("refuses broken files with a typed error", () => {
    expect(codeOf(null)).toBe("format");
    expect(codeOf({ model: { type: "BPE", vocab: { a: -1 }, merges: [] } })).toBe("format");
    expect(codeOf({ model: { type: "BPE", vocab: { a: 2 ** 40 }, merges: [] } })).toBe("format");
    expect(codeOf({ model: { type: "BPE", vocab: { a: 0 }, merges: [3] } })).toBe("format");
    expect(codeOf({ model: { type: "Strange", vocab: { a: 0 } } })).toBe("unsupported");
    expect(codeOf({ ...base, normalizer: { type: "Strange" } })).toBe("unsupported");
    expect(codeOf({ ...base, pre_tokenizer: { type: "Split", pattern: { Regex: "(a+)+$(" } } })).toBe("format");
    let nested: unknown = { type: "NFC" };
    for (let i = 0; i < 1000; i++) nested = { type: "Sequence", normalizers: [nested] };
    expect(codeOf({ ...base, normalizer: nested })).toBe("format");
    expect(() => parseTokenizerJson("[".repeat(1_000_000))).toThrow(/nested/);
    expect(() => parseTokenizerJson('{"a":')).toThrow(/JSON/);
  });

  it("stops a pattern that backtracks without end", () => {
    const pre_tokenizer = { type: "Split", pattern: { Regex: "(?:(?:a|b|ab)+)+$" }, behavior: "Isolated" };
    const tokenizer = tokenizerFromJson({ ...base, pre_tokenizer });
    expect(() => tokenizer.encode(`${"ab".repeat(400)}c`)).toThrow(/pattern/);
  });
});

describe("a hostile tokenizer.json", () => {
  const base = { model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2, x: 3 }, merges: ["a b"] } };
  const refused = expect.objectContaining({ code: "format" });
  const replace = (content: string) => ({ type: "Replace", pattern: { String: "a" }, content });

  it("cannot make a text much longer", () => {
    const normalizers = Array.from({ length: 64 }, () => replace("aa"));
    const doubling = tokenizerFromJson({ ...base, normalizer: { type: "Sequence", normalizers } });
    expect(() => doubling.encode("a".repeat(1000))).toThrow(refused);
    const longer = tokenizerFromJson({ ...base, normalizer: replace("x".repeat(1000)) });
    expect(longer.encode("a")).toHaveLength(1000);
    expect(() => longer.encode("a".repeat(1000))).toThrow(refused);
    expect(() => tokenizerFromJson({ ...base, normalizer: replace("x".repeat(1025)) })).toThrow(refused);
  });

  it("cannot make each piece of a text cost what a whole text may", () => {
    const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated" });
    const pretokenizers = [split(".{20}"), ...Array.from({ length: 60 }, () => split("(?:a|aa)+b"))];
    const tokenizer = tokenizerFromJson({ ...base, pre_tokenizer: { type: "Sequence", pretokenizers } });
    expect(() => tokenizer.encode("a".repeat(5000))).toThrow(refused);
    expect(tokenizer.encode("ab")).toEqual([2]);
  });

  it("cannot have tokens that are as long as books", () => {
    const long = "a".repeat(600);
    const added_tokens = [{ id: 4, content: long, special: true }];
    expect(() => tokenizerFromJson({ ...base, added_tokens })).toThrow(refused);
    const unigram = {
      type: "Unigram",
      unk_id: 0,
      vocab: [
        ["<unk>", 0],
        [long, -1],
      ],
    };
    expect(() => tokenizerFromJson({ model: unigram })).toThrow(refused);
    const wordPiece = { type: "WordPiece", unk_token: "[UNK]", vocab: { "[UNK]": 0, [long]: 1 } };
    expect(() => tokenizerFromJson({ model: wordPiece })).toThrow(refused);
  });

  it("cannot add ids that are no numbers", () => {
    const post_processor = {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "x" } }, { Sequence: { id: "A" } }],
      special_tokens: { x: { ids: [[1]] } },
    };
    expect(() => tokenizerFromJson({ ...base, post_processor })).toThrow(refused);
  });

  it("cannot have millions of values", () => {
    expect(() => parseTokenizerJson(`[${"0,".repeat(5_000_000)}0]`)).toThrow(refused);
  });
});

describe("tokenizerFromGguf", () => {
  const valid = byteLevelMetadata("smollm", ["hi"]);
  const codeOf = (key: string, value: GgufValue | undefined): string => {
    const metadata = new Map(valid);
    if (value === undefined) metadata.delete(`tokenizer.ggml.${key}`);
    else metadata.set(`tokenizer.ggml.${key}`, value);
    try {
      tokenizerFromGguf(metadata);
      return "none";
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  };

  it("refuses metadata that contradict each other with a typed error", () => {
    expect(codeOf("model", undefined)).toBe("format");
    expect(codeOf("model", "rwkv")).toBe("unsupported");
    expect(codeOf("pre", "strange")).toBe("unsupported");
    expect(codeOf("tokens", undefined)).toBe("format");
    expect(codeOf("tokens", new Float32Array(3))).toBe("format");
    expect(codeOf("token_type", new Int32Array(3))).toBe("format");
    expect(codeOf("merges", ["nospace"])).toBe("format");
    expect(codeOf("bos_token_id", 1e6)).toBe("format");
    expect(codeOf("bos_token_id", "1")).toBe("format");
    expect(codeOf("model", "llama")).toBe("format");
  });
});
