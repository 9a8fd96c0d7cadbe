/**
 * Where texts are cut: prefixes that begin with a sentence, and what really followed them.
 */
import { Random } from "bletchley/util";

/** The beginning of a sentence, and the tokens that follow it in the text. */
export interface Prefix {
  readonly tokens: readonly number[];
  readonly truth: readonly number[];
}

interface Problem {
  readonly question: string;
  readonly answer: string;
}

/** Problems with their solutions as plain text: the calculator's notes (`<<48/2=24>>`) are no language. */
export function problemTexts(jsonLines: string): string[] {
  return jsonLines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Problem)
    .map(({ question, answer }) => `${question}\n${answer.replace(/<<[^>]*>>/g, "").replace(/\n####.*$/, "")}`);
}

/** Scenes of a play: parts of about 200 words between empty lines. */
export function sceneTexts(play: string): string[] {
  const scenes: string[] = [""];
  for (const speech of play.trim().split("\n\n")) {
    const last = scenes.length - 1;
    if (scenes[last]!.length > 1000) scenes.push(speech);
    else scenes[last] = scenes[last] ? `${scenes[last]}\n\n${speech}` : speech;
  }
  return scenes;
}

/**
 * One prefix from each document that is long enough, at a random sentence.
 * @param startsSentence whether a sentence begins between a token and the next one.
 */
export function cutPrefixes(
  documents: readonly (readonly number[])[],
  length: number,
  following: number,
  startsSentence: (before: number, after: number) => boolean,
  seed: number,
): Prefix[] {
  const random = new Random(seed, 17);
  return documents.flatMap((tokens) => {
    const starts = [0];
    for (let i = 1; i < tokens.length; i++) if (startsSentence(tokens[i - 1]!, tokens[i]!)) starts.push(i);
    const fitting = starts.filter((at) => at + length + following <= tokens.length);
    if (!fitting.length) return [];
    const at = fitting[random.integer(fitting.length)]!;
    return [{ tokens: tokens.slice(at, at + length), truth: tokens.slice(at + length, at + length + following) }];
  });
}
