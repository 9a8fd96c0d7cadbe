/**
 * Tokenizers from Hugging Face's `tokenizer.json`, and what `tokenizer_config.json` adds to it. The file is hostile until
 * proven otherwise: sizes, ids and nesting are checked, and its patterns run with a bound on their steps.
 */
import { fail, messageOf } from "../../util/index.ts";
import { type JsonLimits, parseJson } from "../json.ts";
import type { AddedToken } from "./added.ts";
import { StepBudget } from "./bounded-regexp.ts";
import { turnEnds } from "./from-gguf.ts";
import { mergeModel, rankedMerges, type TokenModel, unigramModel, wordPieceModel } from "./models.ts";
import { pipelineTokenizer, type Spelling } from "./pipeline.ts";
import { type Config, normalizerOf, objectOf, splitterOf, wordPieceDecode } from "./stages.ts";
import { maxVocabulary, type Tokenizer, type TokenizerSpecials } from "./tokenizer.ts";

/** The largest in use, of some 35 MB, have two million values. */
const limits: JsonLimits = { maxBytes: 1 << 27, maxDepth: 32, maxValues: 4_000_000 };

/** Parses the text of a `tokenizer.json`. @throws `format` when it is no JSON, too large or too deeply nested. */
export function parseTokenizerJson(text: string): unknown {
  return parseJson(text, "tokenizer.json", limits);
}

/** The vocabulary while it is read. */
interface Vocabulary {
  readonly texts: string[];
  readonly ids: Map<string, number>;
}

function addEntry(vocabulary: Vocabulary, text: string, id: unknown): void {
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= maxVocabulary)
    fail(
      "format",
      `tokenizer.json: the token ${JSON.stringify(text.slice(0, 80))} has the id ${String(id).slice(0, 40)}`,
    );
  vocabulary.ids.set(text, id);
  while (vocabulary.texts.length <= id) vocabulary.texts.push("");
  vocabulary.texts[id] = text;
}

function vocabularyOf(model: Config): Vocabulary & { scores?: Float64Array } {
  const vocabulary: Vocabulary = { texts: [], ids: new Map() };
  if (!Array.isArray(model.vocab)) {
    for (const [text, id] of Object.entries(objectOf(model.vocab, "model.vocab"))) addEntry(vocabulary, text, id);
    return vocabulary;
  }
  const entries = model.vocab as unknown[];
  const scores = new Float64Array(Math.min(entries.length, maxVocabulary));
  entries.forEach((entry, id) => {
    const [text, score] = Array.isArray(entry) ? entry : [];
    if (typeof text !== "string" || typeof score !== "number")
      fail("format", `tokenizer.json: entry ${id} of model.vocab is not a token and its score`);
    addEntry(vocabulary, text, id);
    scores[id] = score;
  });
  return { ...vocabulary, scores };
}

function addedTokensOf(value: unknown, vocabulary: Vocabulary): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return fail("format", "tokenizer.json: added_tokens is not a list");
  return value.map((entry: unknown) => {
    const { id, content, special, lstrip, rstrip, single_word, normalized } = objectOf(entry, "an added token");
    if (typeof content !== "string" || content.length > 4096)
      return fail("format", "tokenizer.json: an added token has no content of up to 4096 characters");
    addEntry(vocabulary, content, id);
    return {
      id: id as number,
      content,
      special: special === true,
      stripLeft: lstrip === true,
      stripRight: rstrip === true,
      singleWord: single_word === true,
      normalized: normalized === true,
    };
  });
}

function* mergesOf(model: Config, ids: ReadonlyMap<string, number>) {
  for (const merge of model.merges as unknown[]) {
    let pair: unknown[] = [];
    if (Array.isArray(merge)) pair = merge;
    else if (typeof merge === "string")
      pair = [merge.slice(0, merge.indexOf(" ", 1)), merge.slice(merge.indexOf(" ", 1) + 1)];
    const [left, right] = pair;
    if (typeof left !== "string" || typeof right !== "string")
      fail("format", `tokenizer.json: a merge is not a pair of tokens: ${JSON.stringify(merge)?.slice(0, 80)}`);
    const [l, r, merged] = [ids.get(left), ids.get(right), ids.get(left + right)];
    if (l !== undefined && r !== undefined && merged !== undefined) yield [l, r, merged] as const;
  }
}

function bpeModel(model: Config, { ids }: Vocabulary, byteLevel: boolean): TokenModel {
  for (const key of ["continuing_subword_prefix", "end_of_word_suffix"])
    if (model[key]) fail("unsupported", `tokenizer.json: BPE with ${key} is not supported`);
  if (!Array.isArray(model.merges) || model.merges.length > maxVocabulary)
    fail("format", `tokenizer.json: model.merges is not a list of at most ${maxVocabulary} merges`);
  let byteFallback: Int32Array | undefined;
  if (model.byte_fallback === true) {
    byteFallback = new Int32Array(256).fill(-1);
    for (let byte = 0; byte < 256; byte++)
      byteFallback[byte] = ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`) ?? -1;
  }
  return mergeModel(ids, rankedMerges(mergesOf(model, ids), model.merges.length), {
    byteLevel,
    byteFallback,
    unknownId: typeof model.unk_token === "string" ? ids.get(model.unk_token) : undefined,
    fuseUnknown: model.fuse_unk === true,
    ignoreMerges: model.ignore_merges === true,
  });
}

function unknownOf(model: Config, { ids }: Vocabulary): number {
  const text = typeof model.unk_token === "string" ? model.unk_token : "[UNK]";
  return (
    ids.get(text) ?? fail("format", `tokenizer.json: the vocabulary lacks its own unknown token ${text.slice(0, 80)}`)
  );
}

function modelOf(model: Config, vocabulary: Vocabulary & { scores?: Float64Array }, byteLevel: boolean): TokenModel {
  const { ids } = vocabulary;
  const type = model.type ?? (Array.isArray(model.vocab) ? "Unigram" : model.merges ? "BPE" : "WordPiece");
  switch (type) {
    case "BPE":
      return bpeModel(model, vocabulary, byteLevel);
    case "WordPiece": {
      const most = typeof model.max_input_chars_per_word === "number" ? model.max_input_chars_per_word : 100;
      return wordPieceModel(ids, continuation(model), unknownOf(model, vocabulary), Math.min(most, 1000));
    }
    case "WordLevel": {
      const unknownId = unknownOf(model, vocabulary);
      return { encode: (piece, out) => out.push(ids.get(piece) ?? unknownId) };
    }
    case "Unigram": {
      const id = model.unk_id;
      const known =
        vocabulary.scores ?? fail("format", "tokenizer.json: a Unigram vocabulary must be a list with scores");
      if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= known.length)
        return fail("format", `tokenizer.json: model.unk_id is ${String(id).slice(0, 40)}, no id of the vocabulary`);
      return unigramModel(new Map([...ids].filter(([, i]) => i < known.length)), known, id);
    }
    default:
      return fail("unsupported", `tokenizer.json: models of type ${String(type).slice(0, 80)} are not supported`);
  }
}

function continuation(model: Config): string {
  return typeof model.continuing_subword_prefix === "string" ? model.continuing_subword_prefix : "##";
}

/** The stages of a decoder, sequences flattened. */
function decoderStages(value: unknown, nesting = 0): Config[] {
  if (value === undefined || value === null) return [];
  const config = objectOf(value, "decoder");
  if (config.type !== "Sequence") return [config];
  if (nesting > 8 || !Array.isArray(config.decoders) || config.decoders.length > 64)
    return fail("format", "tokenizer.json: the decoder nests too deeply or is no list");
  return config.decoders.flatMap((inner) => decoderStages(inner, nesting + 1));
}

function spellingOf(model: Config, decoder: unknown, byteLevel: boolean): Spelling {
  const stages = decoderStages(decoder);
  const find = (type: string) => stages.find((stage) => stage.type === type);
  if (byteLevel || find("ByteLevel")) return { kind: "byte-level" };
  const wordPiece = find("WordPiece");
  if (wordPiece || model.type === "WordPiece") {
    const prefix = typeof wordPiece?.prefix === "string" ? wordPiece.prefix : continuation(model);
    return { kind: "word-piece", prefix, decode: wordPieceDecode(prefix, wordPiece?.cleanup !== false) };
  }
  const metaspace = find("Metaspace");
  const strip = find("Strip");
  if (metaspace || find("ByteFallback") || find("Replace")) {
    const space = typeof metaspace?.replacement === "string" && metaspace.replacement ? metaspace.replacement : "▁";
    const stripLeading = metaspace
      ? metaspace.prepend_scheme !== "never" && metaspace.add_prefix_space !== false
      : strip !== undefined && Number(strip.start) > 0;
    return { kind: "sentence-piece", space, stripLeading };
  }
  return { kind: "plain", decode: (texts) => texts.join(stages.length ? "" : " ") };
}

/** Ids that a post-processor puts before and behind a single text. */
function around(value: unknown, vocabulary: Vocabulary, nesting = 0): { prefix: number[]; suffix: number[] } {
  const none = { prefix: [], suffix: [] };
  if (value === undefined || value === null) return none;
  const config = objectOf(value, "post_processor");
  const idOf = (token: unknown): number => {
    const [text, id] = Array.isArray(token) ? token : [];
    if (typeof text === "string" && typeof id === "number" && vocabulary.texts[id] !== undefined) return id;
    return fail("format", "tokenizer.json: the post_processor names a token that is not in the vocabulary");
  };
  switch (config.type) {
    case "BertProcessing":
    case "RobertaProcessing":
      return { prefix: [idOf(config.cls)], suffix: [idOf(config.sep)] };
    case "TemplateProcessing":
      return templateAround(config, vocabulary);
    case "Sequence": {
      if (nesting > 8 || !Array.isArray(config.processors) || config.processors.length > 64)
        return fail("format", "tokenizer.json: the post_processor nests too deeply or is no list");
      const all = config.processors.map((inner) => around(inner, vocabulary, nesting + 1));
      return { prefix: all.flatMap((a) => a.prefix), suffix: all.flatMap((a) => a.suffix) };
    }
    case "ByteLevel":
      return none;
    default:
      return fail(
        "unsupported",
        `tokenizer.json: the post_processor ${String(config.type).slice(0, 80)} is not supported`,
      );
  }
}

function templateAround(config: Config, vocabulary: Vocabulary): { prefix: number[]; suffix: number[] } {
  const result = { prefix: [] as number[], suffix: [] as number[] };
  if (!Array.isArray(config.single) || config.single.length > 64)
    return fail("format", "tokenizer.json: the post_processor has no short list `single`");
  const tokens = objectOf(config.special_tokens ?? {}, "special_tokens of the post_processor");
  let target = result.prefix;
  for (const item of config.single) {
    const { Sequence: sequence, SpecialToken: special } = objectOf(item, "an entry of the post_processor");
    if (sequence) target = result.suffix;
    if (!special) continue;
    const name = String(objectOf(special, "SpecialToken").id);
    const ids = Object.hasOwn(tokens, name) ? objectOf(tokens[name], "a special token").ids : undefined;
    const known = (id: unknown) => typeof id === "number" && vocabulary.texts[id] !== undefined;
    if (!Array.isArray(ids) || ids.length > 16 || !ids.every(known))
      return fail("format", `tokenizer.json: the post_processor uses ${name.slice(0, 80)} but does not say its ids`);
    target.push(...(ids as number[]));
  }
  return result;
}

function specialsOf(
  config: Config,
  model: Config,
  vocabulary: Vocabulary,
  ends: { prefix: number[]; suffix: number[] },
) {
  const idOf = (key: string): number | undefined => {
    const value = config[key];
    const text = typeof value === "string" ? value : value ? (value as Config).content : undefined;
    return typeof text === "string" ? vocabulary.ids.get(text) : undefined;
  };
  const bosId = idOf("bos_token") ?? idOf("cls_token") ?? ends.prefix[0];
  const eosIds = [idOf("eos_token"), ...turnEnds.map((text) => vocabulary.ids.get(text))].filter(
    (id) => id !== undefined,
  );
  const unknown = typeof model.unk_token === "string" ? vocabulary.ids.get(model.unk_token) : undefined;
  const specials: TokenizerSpecials = {
    bosId,
    eosIds: [...new Set(eosIds)],
    unknownId: idOf("unk_token") ?? unknown ?? (typeof model.unk_id === "number" ? model.unk_id : undefined),
    padId: idOf("pad_token"),
    addBos: ends.prefix.length > 0,
    addEos: ends.suffix.length > 0,
  };
  return specials;
}

/**
 * The tokenizer of a parsed `tokenizer.json` (see {@link parseTokenizerJson}); `config` is the parsed
 * `tokenizer_config.json`, which names the special tokens.
 * @throws `format` when the file contradicts itself; `unsupported` for parts that are not known here.
 */
export function tokenizerFromJson(tokenizerJson: unknown, config?: unknown): Tokenizer {
  const json = objectOf(tokenizerJson, "the file");
  const model = objectOf(json.model, "model");
  const vocabulary = vocabularyOf(model);
  const added = addedTokensOf(json.added_tokens, vocabulary);
  if (vocabulary.texts.length === 0) fail("format", "tokenizer.json: the vocabulary is empty");
  const budget = new StepBudget();
  const { split, byteLevel } = splitterOf(json.pre_tokenizer, budget);
  const ends = around(json.post_processor, vocabulary);
  try {
    return pipelineTokenizer({
      texts: vocabulary.texts,
      ids: vocabulary.ids,
      added,
      normalize: normalizerOf(json.normalizer, budget),
      budget,
      split: (text, section) => split([text], section),
      model: modelOf(model, vocabulary, byteLevel),
      spelling: spellingOf(model, json.decoder, byteLevel),
      specials: specialsOf(
        config === undefined ? {} : objectOf(config, "tokenizer_config.json"),
        model,
        vocabulary,
        ends,
      ),
      ...ends,
    });
  } catch (error) {
    // a stack overflow or an invalid length inside a library is a broken file, too
    if (error instanceof RangeError) fail("format", `tokenizer.json: ${messageOf(error)}`, error);
    throw error;
  }
}
