/**
 * What a fuzzed file format is to the runner: numbered cases that can be made again from a seed, and one way to read
 * them. Knows nothing of processes or limits.
 */
import type { Random } from "../../src/util/random.ts";

/** A file to be read, and in words what was done to it. */
export interface HostileCase {
  readonly what: string;
  /** Reads the file as the product does, to its last byte; resolves to what came of it. */
  run(): Promise<Outcome>;
}

/** What reading a hostile file came to: it was read, or refused with errors of these codes. */
export interface Outcome {
  readonly codes: readonly string[];
}

/** A format under test. */
export interface Subject {
  readonly name: string;
  /** Files made by hand, each against one weakness. */
  readonly handmade: readonly HostileCase[];
  /** Called once before the first case. */
  prepare?(inputs: readonly string[]): Promise<void>;
  /** A mutation of one of the subject's files. */
  mutate(random: Random): HostileCase;
  /** Called between cases, outside of their time. */
  between?(): Promise<void>;
  /** Frees what was started. */
  close?(): void;
}

/**
 * Reads a file in parts, each of which may be refused: every part is tried, and what is not a typed error is thrown.
 */
export async function readParts(...parts: readonly (() => unknown)[]): Promise<Outcome> {
  const codes: string[] = [];
  for (const part of parts) {
    try {
      await part();
    } catch (thrown) {
      const code = (thrown as { code?: unknown } | null)?.code;
      const typed = thrown instanceof Error && thrown.name === "BletchleyError" && typeof code === "string";
      if (!typed || code === "internal") throw thrown;
      codes.push(code);
    }
  }
  return { codes };
}
