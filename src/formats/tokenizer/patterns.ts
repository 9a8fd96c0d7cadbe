/**
 * The patterns that byte-level tokenizers split text with before they merge. Those of well-known models are listed here
 * and run natively, since each is known to take linear time; any other pattern from a file goes through `bounded-regexp.ts`.
 */

const contractions = "'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])";
const upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const spaces = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const llama3 = `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`;
const qwen2 = `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`;
const tekken = `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`;
const gpt4o = `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+(?:${contractions})?|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*(?:${contractions})?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`;
const deepseek3 = `[!"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_\`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${spaces}`;

const families: readonly (readonly [patterns: readonly string[], names: string])[] = [
  [["\\p{N}", gpt2], "smollm starcoder refact command-r codeshell exaone minerva-7b"],
  [
    [gpt2],
    "gpt-2 gpt2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de roberta-bpe mpt olmo jais a.x-4.0 mellum modern-bert trillion granite-docling",
  ],
  [[llama3], "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 dbrx smaug-bpe glm4 chatglm-bpe"],
  [[qwen2], "qwen2 deepseek-r1-qwen stablelm2 hunyuan megrez solar-open-100b"],
  [[tekken], "tekken"],
  [[gpt4o], "gpt-4o llama4 kanana2"],
  [["\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", deepseek3], "deepseek-v3"],
  [["[\\p{P}\\$\\+<=>\\^~\\|`]+", gpt2, "[0-9][0-9][0-9]"], "falcon"],
  [[" ?[^(\\s|.,!?…。，、।۔،)]+"], "bloom poro-chat gpt3-finnish"],
  [["[\\p{P}\\$\\+<=>\\^~\\|]+", gpt2, "\\p{N}+", "[0-9][0-9][0-9]"], "default"],
];

const byName = new Map(families.flatMap(([patterns, names]) => names.split(" ").map((name) => [name, patterns])));
const wholeWordFirst = new Set([
  "llama3",
  "llama-v3",
  "llama-bpe",
  "falcon3",
  "falcon-h1",
  "pixtral",
  "lfm2",
  "llama4",
  "tekken",
]);

/** `\s` as Unicode means it, where JavaScript's own adds U+FEFF and misses U+0085. */
function compile(source: string): RegExp {
  return new RegExp(source.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}"), "gu");
}

/** Split patterns of a `tokenizer.ggml.pre` name, to be applied one after another; `undefined` for unknown names. */
export function patternsOfPre(pre: string): readonly RegExp[] | undefined {
  return byName.get(pre)?.map(compile);
}

/** Whether tokenizers of this name take a piece that is a token as it is, whatever the merges say. */
export function ignoresMerges(pre: string): boolean {
  return wholeWordFirst.has(pre);
}

/** The pattern inside Hugging Face's `ByteLevel` with `use_regex`. */
export const byteLevelPattern: RegExp = compile(gpt2);

const i = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const asFilesSpellThem: Readonly<Record<string, string>> = {
  [gpt2]: gpt2,
  [`${i}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`]: llama3,
  [`${i}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`]: qwen2,
  [tekken]: tekken,
  [gpt4o.replaceAll(`(?:${contractions})`, i)]: gpt4o,
  "\\p{N}{1,3}": "\\p{N}{1,3}",
  "\\p{N}": "\\p{N}",
  "\\d": "\\p{Nd}",
  "\\s+": "\\s+",
  " {2,}": " {2,}",
  "[0-9][0-9][0-9]": "[0-9][0-9][0-9]",
};

/** A pattern of a `tokenizer.json` that is known to be safe, compiled; `undefined` for any other. */
export function knownPattern(source: string): RegExp | undefined {
  return Object.hasOwn(asFilesSpellThem, source) ? compile(asFilesSpellThem[source]) : undefined;
}
