/**
 * The shortest rest of a word that was begun, as bytes. Knows states of the automata, and JSON's closing quote.
 */
import type { Lexer, LexState } from "./lexer.ts";

/** Bytes that end a word with at least `low` and at most `high` further characters; in JSON with its closing quote. */
export function finishWord(lexer: Lexer, state: LexState, low = 0, high = Infinity): Uint8Array {
  const { regexes } = lexer;
  const begun: number[] = [];
  let at = state;
  while (!at.whole) {
    let best: LexState | undefined;
    let chosen = 0;
    for (let byte = 0; byte < 256; byte++) {
      const next = lexer.step(at, byte);
      if (next && (!best || next.least < best.least)) {
        best = next;
        chosen = byte;
      }
    }
    begun.push(chosen);
    at = best!;
  }
  const used = begun.length ? 1 : 0;
  const least = Math.max(0, low - used);
  let rest: string;
  if (at.regex === regexes.all) rest = "a".repeat(least);
  else {
    const regex =
      regexes.shortest(at.regex) >= least
        ? at.regex
        : regexes.and([at.regex, regexes.loop(regexes.any, least, high - used)]);
    rest = regexes.example(regex) ?? "";
  }
  const tail = new TextEncoder().encode(lexer.json ? JSON.stringify(rest).slice(1) : rest);
  return Uint8Array.from([...begun, ...tail]);
}
