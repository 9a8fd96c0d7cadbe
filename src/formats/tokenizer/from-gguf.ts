/**
 * Tokenizers from the metadata of a GGUF file: byte-level BPE (`gpt2`), SentencePiece with scores (`llama`) and
 * WordPiece (`bert`).
 */
import { fail } from "../../util/index.ts";
import type { GgufMetadata } from "../gguf/index.ts";
import type { AddedToken } from "./added.ts";
import { byteOfToken } from "./bytes.ts";
import { mergeModel, rankedMerges, scoredMerges, wordPieceModel } from "./models.ts";
import { ignoresMerges, patternsOfPre } from "./patterns.ts";
import { type PipelineParts, pipelineTokenizer } from "./pipeline.ts";
import { bertNormalizer, bertSplit, splitByPatterns, wordPieceDecode } from "./stages.ts";
import { maxVocabulary, type Tokenizer, type TokenizerSpecials } from "./tokenizer.ts";

/** Kinds of tokens, as `tokenizer.ggml.token_type` numbers them. */
const tokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Control tokens that end a turn, whatever a file's metadata says. */
export const turnEnds: readonly string[] = [
  "<|im_end|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<end_of_turn>",
  "<|end|>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<|return|>",
  "<|call|>",
];

const prefix = "tokenizer.ggml.";

/** The tokenizer entries of a metadata table, each checked for its type. */
class Entries {
  constructor(readonly metadata: GgufMetadata) {}

  flag(key: string): boolean | undefined {
    const value = this.metadata.get(prefix + key);
    if (value === undefined || typeof value === "boolean") return value;
    return fail("format", `the metadata ${prefix}${key} is ${typeof value}, not a boolean`);
  }

  text(key: string): string | undefined {
    const value = this.metadata.get(prefix + key);
    if (value === undefined || typeof value === "string") return value;
    return fail("format", `the metadata ${prefix}${key} is ${typeof value}, not a string`);
  }

  id(key: string, vocabSize: number): number | undefined {
    const value = this.metadata.get(prefix + key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < vocabSize) return value;
    // files without such a token say so with the largest number
    if (value === 0xffffffff || value === -1) return undefined;
    return fail("format", `the metadata ${prefix}${key} is ${String(value)}, no id below ${vocabSize}`);
  }

  texts(key: string): readonly string[] {
    const value = this.metadata.get(prefix + key);
    if (Array.isArray(value) && (value.length === 0 || typeof value[0] === "string")) return value as string[];
    return fail("format", `the metadata has no list of strings ${prefix}${key}; a tokenizer cannot be made without it`);
  }

  numbers(key: string, length: number): ArrayLike<number> | undefined {
    const value = this.metadata.get(prefix + key);
    if (value === undefined) return undefined;
    const numeric = value instanceof Int32Array || value instanceof Uint32Array || value instanceof Float32Array;
    if (numeric && value.length === length) return value;
    return fail("format", `the metadata ${prefix}${key} is not a list of ${length} 32-bit numbers, one a token`);
  }
}

function specialsOf(
  entries: Entries,
  ids: ReadonlyMap<string, number>,
  vocabSize: number,
  addBos: boolean,
  addEos: boolean,
) {
  const bosId = entries.id("bos_token_id", vocabSize) ?? entries.id("cls_token_id", vocabSize);
  const first = [
    entries.id("eos_token_id", vocabSize),
    entries.id("eot_token_id", vocabSize),
    entries.id("eom_token_id", vocabSize),
  ];
  const ends = [...first, ...turnEnds.map((text) => ids.get(text))].filter((id) => id !== undefined);
  const specials: TokenizerSpecials = {
    bosId,
    eosIds: [...new Set(ends)],
    unknownId: entries.id("unknown_token_id", vocabSize),
    padId: entries.id("padding_token_id", vocabSize),
    addBos: (entries.flag("add_bos_token") ?? addBos) && bosId !== undefined,
    addEos: (entries.flag("add_eos_token") ?? addEos) && first[0] !== undefined,
  };
  return specials;
}

function addedTokens(texts: readonly string[], types: ArrayLike<number> | undefined): AddedToken[] {
  const added: AddedToken[] = [];
  if (types)
    for (let id = 0; id < texts.length; id++) {
      const special = types[id] === tokenType.control || types[id] === tokenType.unknown;
      if (special || types[id] === tokenType.userDefined) added.push({ id, content: texts[id], special });
    }
  return added;
}

type Shared = Pick<PipelineParts, "texts" | "ids" | "added">;

function byteLevelBpe(entries: Entries, shared: Shared): Tokenizer {
  const { texts, ids } = shared;
  const pre = entries.text("pre") ?? "default";
  const patterns =
    patternsOfPre(pre) ??
    fail("unsupported", `the pre-tokenizer ${pre} (${prefix}pre) is not known; use the model's tokenizer.json instead`);
  const merges = entries.texts("merges");
  if (merges.length > maxVocabulary) fail("format", `${merges.length} merges, at most ${maxVocabulary} are allowed`);
  function* pairs() {
    for (const merge of merges) {
      const space = merge.indexOf(" ", 1);
      if (space < 0) fail("format", `the merge ${JSON.stringify(merge.slice(0, 80))} is not two tokens and a space`);
      const left = merge.slice(0, space);
      const right = merge.slice(space + 1);
      const [l, r, merged] = [ids.get(left), ids.get(right), ids.get(left + right)];
      if (l !== undefined && r !== undefined && merged !== undefined) yield [l, r, merged] as const;
    }
  }
  const specials = specialsOf(entries, ids, texts.length, pre === "llama-bpe", false);
  return pipelineTokenizer({
    ...shared,
    split: splitByPatterns(patterns, entries.flag("add_space_prefix") ?? false),
    model: mergeModel(ids, rankedMerges(pairs(), merges.length), { byteLevel: true, ignoreMerges: ignoresMerges(pre) }),
    spelling: { kind: "byte-level" },
    specials,
    ...ends(specials),
  });
}

function ends(specials: TokenizerSpecials): Pick<PipelineParts, "prefix" | "suffix"> {
  return {
    prefix: specials.addBos && specials.bosId !== undefined ? [specials.bosId] : [],
    suffix: specials.addEos ? specials.eosIds.slice(0, 1) : [],
  };
}

function sentencePiece(entries: Entries, shared: Shared, types: ArrayLike<number> | undefined): Tokenizer {
  const { texts, ids } = shared;
  const n = texts.length;
  const scores = entries.numbers("scores", n);
  if (!(scores instanceof Float32Array))
    fail("format", `the metadata has no ${prefix}scores, which a SentencePiece tokenizer needs`);
  const mergeable = new Uint8Array(n);
  const byteFallback = new Int32Array(256).fill(-1);
  for (let id = 0; id < n; id++) {
    const type = types ? types[id] : tokenType.normal;
    mergeable[id] = type === tokenType.normal || type === tokenType.userDefined ? 1 : 0;
    if (type === tokenType.byte && byteOfToken(texts[id]) >= 0) byteFallback[byteOfToken(texts[id])] = id;
  }
  const specials = specialsOf(entries, ids, n, true, false);
  const addSpace = entries.flag("add_space_prefix") ?? true;
  return pipelineTokenizer({
    ...shared,
    normalize: (text) => (addSpace ? `▁${text.replaceAll(" ", "▁")}` : text.replaceAll(" ", "▁")),
    model: mergeModel(ids, scoredMerges(texts, ids, scores, mergeable), {
      byteLevel: false,
      byteFallback,
      unknownId: specials.unknownId,
    }),
    spelling: { kind: "sentence-piece", space: "▁", stripLeading: addSpace },
    specials,
    ...ends(specials),
  });
}

function wordPiece(entries: Entries, shared: Shared): Tokenizer {
  // GGUF marks the first piece of a word with ▁, where the vocabulary had ## on all others
  const texts = shared.texts.map((text) =>
    /^\[.*\]$/.test(text) ? text : text.startsWith("▁") ? text.slice(1) : `##${text}`,
  );
  const ids = idsOf(texts);
  const n = texts.length;
  const base = specialsOf(entries, ids, n, true, true);
  const unknownId = base.unknownId ?? ids.get("[UNK]") ?? fail("format", "the WordPiece vocabulary has no [UNK]");
  const first = base.bosId ?? ids.get("[CLS]");
  const last = entries.id("seperator_token_id", n) ?? entries.id("separator_token_id", n) ?? ids.get("[SEP]");
  return pipelineTokenizer({
    texts,
    ids,
    added: shared.added,
    normalize: bertNormalizer({ clean_text: true, handle_chinese_chars: true, lowercase: true, strip_accents: null }),
    split: bertSplit,
    model: wordPieceModel(ids, "##", unknownId, 100),
    spelling: { kind: "word-piece", prefix: "##", decode: wordPieceDecode("##", true) },
    specials: { ...base, bosId: first, unknownId, addBos: first !== undefined, addEos: last !== undefined },
    prefix: first === undefined ? [] : [first],
    suffix: last === undefined ? [] : [last],
  });
}

function idsOf(texts: readonly string[]): Map<string, number> {
  const ids = new Map<string, number>();
  for (let id = 0; id < texts.length; id++) ids.set(texts[id], id);
  return ids;
}

/**
 * The tokenizer that a GGUF file describes.
 * @throws `format` when its metadata contradict each other; `unsupported` for kinds of tokenizer other than `gpt2`,
 * `llama` and `bert`, or an unknown pre-tokenizer.
 */
export function tokenizerFromGguf(metadata: GgufMetadata): Tokenizer {
  const entries = new Entries(metadata);
  const kind =
    entries.text("model") ?? fail("format", `the metadata has no ${prefix}model; the file holds no tokenizer`);
  const texts = entries.texts("tokens");
  if (texts.length === 0 || texts.length > maxVocabulary)
    fail("format", `the vocabulary has ${texts.length} tokens, 1 to ${maxVocabulary} are allowed`);
  const types = entries.numbers("token_type", texts.length);
  const shared: Shared = { texts, ids: idsOf(texts), added: addedTokens(texts, types) };
  switch (kind) {
    case "gpt2":
      return byteLevelBpe(entries, shared);
    case "llama":
      return sentencePiece(entries, shared, types);
    case "bert":
      return wordPiece(entries, shared);
    default:
      return fail(
        "unsupported",
        `tokenizers of kind ${kind} (${prefix}model) are not supported; gpt2, llama and bert are`,
      );
  }
}
