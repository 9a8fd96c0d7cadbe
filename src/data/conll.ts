/**
 * Texts in CoNLL columns: one word a line with its tag at the end, an empty line after each text. Knows no tag scheme.
 */
import { fail } from "../util/errors.ts";

/** Words with a tag each. */
export interface TaggedWords {
  readonly words: readonly string[];
  readonly tags: readonly string[];
}

/**
 * Reads columns separated by tabs: the first is the word, the last its tag. Lines of white space end a text.
 * @throws `format` for a line without a tag, with its number.
 */
export function parseConll(text: string): readonly TaggedWords[] {
  const out: TaggedWords[] = [];
  let words: string[] = [];
  let tags: string[] = [];
  const close = () => {
    if (words.length) out.push({ words, tags });
    [words, tags] = [[], []];
  };
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (!line.trim()) {
      close();
      continue;
    }
    const columns = line.split("\t");
    const [word, tag] = [columns[0]!.trim(), columns.at(-1)!.trim()];
    if (columns.length < 2 || !word || !tag)
      fail("format", `CoNLL: line ${i + 1} is "${line}"; it needs a word, a tab and a tag`);
    words.push(word);
    tags.push(tag);
  }
  close();
  return out;
}
