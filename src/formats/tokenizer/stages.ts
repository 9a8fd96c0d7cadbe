/**
 * Normalisers, splitters and decoders by the names that `tokenizer.json` gives them. Most come from
 * `@huggingface/tokenizers`; written here are those it gets wrong: Split (it knows two of five behaviours and runs any
 * pattern), Metaspace (it never splits), and BertNormalizer (it misses ideographs beyond the basic plane).
 */
import * as library from "@huggingface/tokenizers";
import { fail } from "../../util/index.ts";
import { type Matcher, matcherOf, type StepBudget } from "./bounded-regexp.ts";
import { byteLevelPattern } from "./patterns.ts";

/** A part of a `tokenizer.json`. */
export type Config = Readonly<Record<string, unknown>>;

/** Splits each piece further; `section` counts from 0 in each text. */
export type Split = (pieces: string[], section: number) => string[];

/** Those parts of the library that are used; its own type declarations do not resolve under Node's module rules. */
const hf = library as unknown as {
  readonly StripNormalizer: new (config: Config) => { normalize(text: string): string };
  readonly PrecompiledNormalizer: new (config: Config) => { normalize(text: string): string };
  readonly BertPreTokenizer: new () => { pre_tokenize_text(text: string): string[] };
  readonly WhitespacePreTokenizer: new () => { pre_tokenize_text(text: string): string[] };
  readonly WhitespaceSplitPreTokenizer: new () => { pre_tokenize_text(text: string): string[] };
  readonly WordPieceDecoder: new (config: Config) => { decode(texts: string[]): string };
};

const maxNesting = 8;
const maxStages = 64;

/** `value` as a JSON object. @throws `format`, naming `what`. */
export function objectOf(value: unknown, what: string): Config {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) return value as Config;
  return fail("format", `tokenizer.json: ${what} is ${Array.isArray(value) ? "a list" : typeof value}, not an object`);
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) return fail("format", `tokenizer.json: ${what} is not a list`);
  if (value.length > maxStages)
    return fail("format", `tokenizer.json: ${what} has ${value.length} entries, at most ${maxStages}`);
  return value;
}

function textOf(value: unknown, what: string, ifAbsent: string): string {
  if (value === undefined || value === null) return ifAbsent;
  return typeof value === "string" && value.length <= 1024
    ? value
    : fail("format", `tokenizer.json: ${what} is not a short string`);
}

function literalMatcher(literal: string): Matcher {
  return (text) => {
    const found: [number, number][] = [];
    if (literal)
      for (let at = text.indexOf(literal); at >= 0; at = text.indexOf(literal, at + literal.length))
        found.push([at, at + literal.length]);
    return found;
  };
}

function patternOf(value: unknown, what: string, budget: StepBudget): Matcher {
  const { String: literal, Regex: regex } = objectOf(value, what);
  if (typeof regex === "string") return matcherOf(regex, budget);
  if (typeof literal === "string") return literalMatcher(literal);
  return fail("format", `tokenizer.json: ${what} has neither a String nor a Regex`);
}

/** Longest that a text may become by normalising; Unicode's own normal forms stay below 18 times. */
function longestNormal(length: number): number {
  return Math.min(32 * length + 4096, 1 << 28);
}

function replacer(pattern: Matcher, content: string): (text: string) => string {
  return (text) => {
    let out = "";
    let from = 0;
    for (const [start, end] of pattern(text)) {
      out += text.slice(from, start) + content;
      from = end;
      if (out.length > longestNormal(text.length))
        fail("format", `tokenizer.json: a Replace makes ${text.length} characters into more than ${out.length}`);
    }
    return from ? out + text.slice(from) : text;
  };
}

/** White space and ideographs as BERT cleans them. */
export function bertNormalizer(config: Config): (text: string) => string {
  const ideographs =
    /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B81F}\u{2B820}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu;
  return (text) => {
    let out = text;
    if (config.clean_text)
      out = out.replace(/(?![\t\n\r])[\uFFFD\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, "").replace(/\p{White_Space}/gu, " ");
    if (config.handle_chinese_chars) out = out.replace(ideographs, " $& ");
    if (config.lowercase) out = out.toLowerCase();
    if (config.strip_accents ?? config.lowercase) out = out.normalize("NFD").replace(/\p{Mn}/gu, "");
    return out;
  };
}

/**
 * The normaliser that a `normalizer` entry describes; its patterns take their steps from `budget`.
 * @throws `format` or `unsupported`, naming what is wrong; the normaliser throws `format` when it makes a text far longer.
 */
export function normalizerOf(value: unknown, budget: StepBudget, nesting = 0): ((text: string) => string) | undefined {
  if (value === undefined || value === null) return undefined;
  if (nesting > maxNesting) fail("format", `tokenizer.json: normalizers nest deeper than ${maxNesting}`);
  const config = objectOf(value, "normalizer");
  switch (config.type) {
    case "Sequence": {
      const all = listOf(config.normalizers, "normalizers")
        .map((c) => normalizerOf(c, budget, nesting + 1))
        .filter((f) => f !== undefined);
      return (text) => {
        let normal = text;
        for (const stage of all) {
          normal = stage(normal);
          if (normal.length > longestNormal(text.length))
            fail("format", `tokenizer.json: the normalizers make ${text.length} characters into ${normal.length}`);
        }
        return normal;
      };
    }
    case "Replace":
      return replacer(
        patternOf(config.pattern, "pattern of Replace", budget),
        textOf(config.content, "content of Replace", ""),
      );
    case "Prepend": {
      const prepend = textOf(config.prepend, "prepend", "");
      return (text) => (text ? prepend + text : text);
    }
    case "BertNormalizer":
      return bertNormalizer(config);
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = config.type;
      return (text) => text.normalize(form);
    }
    case "Lowercase":
      return (text) => text.toLowerCase();
    case "Strip": {
      const strip = new hf.StripNormalizer(config);
      return (text) => strip.normalize(text);
    }
    case "StripAccents":
      return (text) => text.replace(/\p{Mn}/gu, "");
    case "Precompiled": {
      const precompiled = new hf.PrecompiledNormalizer(config);
      return (text) => precompiled.normalize(text);
    }
    default:
      return fail("unsupported", `tokenizer.json: the normalizer ${String(config.type).slice(0, 80)} is not supported`);
  }
}

/** Cuts a text at matches: each match and each gap is a piece. */
function isolate(text: string, matches: readonly [number, number][]): { text: string; match: boolean }[] {
  const pieces: { text: string; match: boolean }[] = [];
  let from = 0;
  for (const [start, end] of matches) {
    if (start > from) pieces.push({ text: text.slice(from, start), match: false });
    pieces.push({ text: text.slice(start, end), match: true });
    from = end;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), match: false });
  return pieces;
}

function splitOf(config: Config, budget: StepBudget): Split {
  const pattern = patternOf(config.pattern, "pattern of Split", budget);
  const behavior = String(config.behavior ?? "Isolated").toLowerCase();
  const invert = config.invert === true;
  if (!["isolated", "removed", "mergedwithprevious", "mergedwithnext", "contiguous"].includes(behavior))
    fail("unsupported", `tokenizer.json: the Split behaviour ${behavior.slice(0, 80)} is not known`);
  function one(text: string): string[] {
    const pieces = isolate(text, pattern(text));
    if (invert) for (const piece of pieces) piece.match = !piece.match;
    if (behavior === "isolated") return pieces.map((p) => p.text);
    if (behavior === "removed") return pieces.filter((p) => !p.match).map((p) => p.text);
    const out: string[] = [];
    let joins = false;
    let wasMatch = false;
    for (const { text: piece, match } of pieces) {
      if (behavior === "contiguous") joins = out.length > 0 && match === wasMatch;
      else if (behavior === "mergedwithprevious") joins = out.length > 0 && match && !wasMatch;
      if (joins) out[out.length - 1] += piece;
      else out.push(piece);
      if (behavior === "mergedwithnext") joins = match;
      wasMatch = match;
    }
    return out;
  }
  return (pieces) => pieces.flatMap(one);
}

function metaspaceOf(config: Config): Split {
  const replacement = textOf(config.replacement, "replacement of Metaspace", "▁") || "▁";
  const scheme = config.prepend_scheme ?? (config.add_prefix_space === false ? "never" : "always");
  return (pieces, section) =>
    pieces.flatMap((piece) => {
      let text = piece.replaceAll(" ", replacement);
      if ((scheme === "always" || (scheme === "first" && section === 0)) && !text.startsWith(replacement))
        text = replacement + text;
      if (config.split === false) return [text];
      const parts: string[] = [];
      let from = 0;
      for (let at = text.indexOf(replacement, 1); at > 0; at = text.indexOf(replacement, at + 1)) {
        parts.push(text.slice(from, at));
        from = at;
      }
      parts.push(text.slice(from));
      return parts;
    });
}

function native(pattern: RegExp, text: string): string[] {
  const matches = Array.from(text.matchAll(pattern), (m): [number, number] => [m.index, m.index + m[0].length]);
  return isolate(
    text,
    matches.filter(([a, b]) => b > a),
  ).map((p) => p.text);
}

/** Splits at one pattern after another, gaps kept; optionally puts a space before a text that does not begin with one. */
export function splitByPatterns(patterns: readonly RegExp[], addSpace: boolean): (text: string) => string[] {
  return (text) =>
    patterns.reduce(
      (pieces, pattern) => pieces.flatMap((piece) => native(pattern, piece)),
      [addSpace && !text.startsWith(" ") ? ` ${text}` : text],
    );
}

const bert = new hf.BertPreTokenizer();

/** Words and single punctuation characters. */
export function bertSplit(text: string): string[] {
  return bert.pre_tokenize_text(text);
}

/**
 * The splitter of a `pre_tokenizer` entry, and whether the pieces are to be spelt byte by byte; its patterns take their
 * steps from `budget`. @throws `format` or `unsupported`, naming what is wrong.
 */
export function splitterOf(value: unknown, budget: StepBudget, nesting = 0): { split: Split; byteLevel: boolean } {
  const plain = (split: Split) => ({ split, byteLevel: false });
  if (value === undefined || value === null) return plain((pieces) => pieces);
  if (nesting > maxNesting) fail("format", `tokenizer.json: pre_tokenizers nest deeper than ${maxNesting}`);
  const config = objectOf(value, "pre_tokenizer");
  const each =
    (stage: { pre_tokenize_text(text: string): string[] }): Split =>
    (pieces) =>
      pieces.flatMap((piece) => stage.pre_tokenize_text(piece));
  switch (config.type) {
    case "Sequence": {
      const all = listOf(config.pretokenizers, "pretokenizers").map((c) => splitterOf(c, budget, nesting + 1));
      if (all.slice(0, -1).some((stage) => stage.byteLevel))
        fail("unsupported", "tokenizer.json: ByteLevel is only supported as the last pre_tokenizer");
      return {
        split: (pieces, section) => all.reduce((current, stage) => stage.split(current, section), pieces),
        byteLevel: all.at(-1)?.byteLevel ?? false,
      };
    }
    case "ByteLevel": {
      const split = splitByPatterns(
        config.use_regex === false ? [] : [byteLevelPattern],
        config.add_prefix_space === true,
      );
      return { split: (pieces) => pieces.flatMap(split), byteLevel: true };
    }
    case "Split":
      return plain(splitOf(config, budget));
    case "Metaspace":
      return plain(metaspaceOf(config));
    case "BertPreTokenizer":
      return plain(each(bert));
    case "Digits":
      return plain((pieces) => pieces.flatMap((p) => native(config.individual_digits ? /\p{Nd}/gu : /\p{Nd}+/gu, p)));
    case "Punctuation":
      return plain((pieces) => pieces.flatMap((p) => native(/[\p{P}!-/:-@[-`{-~]/gu, p)));
    case "Whitespace":
      return plain(each(new hf.WhitespacePreTokenizer()));
    case "WhitespaceSplit":
      return plain(each(new hf.WhitespaceSplitPreTokenizer()));
    default:
      return fail(
        "unsupported",
        `tokenizer.json: the pre_tokenizer ${String(config.type).slice(0, 80)} is not supported`,
      );
  }
}

/** Joins WordPiece tokens to a text; `cleanUp` removes the spaces before punctuation. */
export function wordPieceDecode(prefix: string, cleanUp: boolean): (texts: string[]) => string {
  const decoder = new hf.WordPieceDecoder({ type: "WordPiece", prefix, cleanup: cleanUp });
  return (texts) => decoder.decode(texts);
}
