/**
 * What a completion is worth: whether the compiler takes it, and how far it agrees with how the code really goes on.
 */
import {
  type CodeDiagnostic,
  type CodePlace,
  missingClosers,
  openFrames,
  scanCode,
  type TypeScriptProject,
} from "bletchley/decode";
import type ts from "typescript";
import type { Point } from "./point.ts";

/** A token of the language. */
interface LanguageToken {
  readonly text: string;
  readonly identifier: boolean;
}

/** Tokens of a piece of code, without white space and comments. */
export function languageTokens(compiler: typeof ts, text: string): readonly LanguageToken[] {
  const scanner = compiler.createScanner(compiler.ScriptTarget.Latest, true, compiler.LanguageVariant.Standard, text);
  const tokens: LanguageToken[] = [];
  const { SyntaxKind } = compiler;
  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFileToken; kind = scanner.scan())
    tokens.push({
      text: scanner.getTokenText(),
      identifier: kind === SyntaxKind.Identifier || kind === SyntaxKind.PrivateIdentifier,
    });
  return tokens;
}

function matchedShare(found: readonly LanguageToken[], truth: readonly LanguageToken[]): number {
  let same = 0;
  while (same < truth.length && found[same]?.text === truth[same]!.text) same++;
  return truth.length ? same / truth.length : 1;
}

/** How far a completion agrees with the truth, each from 0 to 1. */
export interface Agreement {
  /** Whether the first token of the language is the true identifier. */
  readonly nextIdentifier: number;
  /** The share of the true sequence of identifiers that a common beginning makes up. */
  readonly identifiers: number;
  /** The same of all tokens of the language. */
  readonly tokens: number;
}

/** Compares a completion with the truth. */
export function agreement(compiler: typeof ts, text: string, truth: string): Agreement {
  const found = languageTokens(compiler, text);
  const real = languageTokens(compiler, truth);
  const named = (tokens: readonly LanguageToken[]) => tokens.filter(({ identifier }) => identifier);
  return {
    nextIdentifier: found[0]?.text === real[0]?.text ? 1 : 0,
    identifiers: matchedShare(named(found), named(real)),
    tokens: matchedShare(found, real),
  };
}

/** Whether all brackets of a function are closed at a place. */
export const isFinished = (point: Point, place: CodePlace): boolean => openFrames(place).length <= point.depth;

/** Errors that lie in a completion, put back into its file; one that was cut off loses its last line and is closed. */
export function errorsIn(
  project: TypeScriptProject,
  point: Point,
  text: string,
  finished: boolean,
): readonly CodeDiagnostic[] {
  const lines = text.lastIndexOf("\n");
  const kept = finished || lines < 0 ? text : text.slice(0, lines);
  const place = scanCode(point.before + kept);
  // what is open outside of the function is closed by the file behind it
  const closers = missingClosers(place, ")".repeat(point.depth));
  const generated = kept + (finished ? "" : `\n${closers}`);
  const start = point.before.length;
  project.setText(point.path, point.before + generated + point.after);
  return project
    .diagnostics(point.path)
    .filter(({ offset, length }) => offset + length > start && offset < start + generated.length);
}

/** Expected best value of `k` of the values, drawn without replacement. */
export function scoreAt(k: number, values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => b - a);
  const n = sorted.length;
  let score = 0;
  for (let i = 1; i <= n - k + 1; i++) score += (sorted[i - 1]! * choose(n - i, k - 1)) / choose(n, k);
  return score;
}

function choose(n: number, k: number): number {
  let value = 1;
  for (let i = 0; i < k; i++) value = (value * (n - i)) / (i + 1);
  return value;
}
