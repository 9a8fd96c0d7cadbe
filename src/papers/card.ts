/**
 * What a paper's card is: the claim, how the experiment here differs, and the experiment. Knows nothing of files, of the command line,
 * or of any paper.
 */
import type { Executable } from "../runtime/index.ts";
import { fail } from "../util/errors.ts";
import type { Measurement } from "../util/measurement.ts";
import type { NDArray } from "../util/ndarray.ts";

/** How much of the experiment is run: in CI (≤ 8 s), on demand (≤ 5 min), or all that the claim needs (≤ 30 min). */
export type Profile = "smoke" | "quick" | "full";

/** All profiles, shortest first. */
export const profiles: readonly Profile[] = ["smoke", "quick", "full"];

/** Which of the five kinds of thing a paper is about. */
export type PaperKind = "architecture" | "edit" | "strategy" | "policy" | "recipe";

/** A file that an experiment reads. */
export interface DataNeed {
  /** Its place below the data folder, such as `spec-bench/questions.jsonl`. */
  readonly path: string;
  /** Hexadecimal SHA-256 of its bytes. */
  readonly sha256: string;
  /** Where it can be downloaded. */
  readonly url?: string;
  /** Name and version of the npm package whose archive it is, such as `rxjs@7.8.2`: the user's own npm can fetch it. */
  readonly npm?: string;
  /** Profiles that need it; all when absent. */
  readonly profiles?: readonly Profile[];
}

/** A measured number as a card reports it. */
export interface PaperMeasurement {
  readonly name: string;
  readonly value: number | null;
  readonly unit: string;
  /** What it is compared with, measured in the same run. */
  readonly baseline?: number | null;
  /** What the paper reports under its own conditions. */
  readonly paper?: string | number;
  /** The bar in words; needed with `expect`. */
  readonly bar?: string;
  /** Whether the value is good enough. */
  readonly expect?: (value: number, baseline: number) => boolean;
  /**
   * How far a repetition may differ when a committed result is verified: relative, 0 for exact, `Infinity` for numbers that depend on the
   * machine, whose bar is then all that must hold again. 0.1 by default.
   */
  readonly tolerance?: number;
}

/** A picture that belongs to a result. */
export interface Figure {
  /** Short name, the file's name without ending. */
  readonly name: string;
  /** What is to be seen, in a sentence. */
  readonly caption: string;
  readonly svg: string;
}

/** What work on a card's models needs: data, kept stages, a terminal. */
export interface WorkContext {
  readonly profile: Profile;
  /** Seed of everything random. */
  readonly seed: number;
  readonly signal: AbortSignal;
  /** The smoke, quick or full variant of a value. */
  pick<T>(variants: { readonly smoke: T; readonly quick: T; readonly full: T }): T;
  /** Bytes of a file that the card names under `data`. */
  data(path: string): Promise<Uint8Array>;
  /** The same as text. */
  text(path: string): Promise<string>;
  /**
   * A part of the work whose result is kept until the whole is done, so that an interrupted run goes on from there. The result must
   * survive JSON.
   */
  stage<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Reports progress of the current stage. */
  progress(task: string, done: number, total: number): void;
  /** Prints a line. */
  log(line: string): void;
}

/** What an experiment works with. */
export interface PaperContext extends WorkContext {
  /** Records a number. */
  measure(measurement: PaperMeasurement): void;
  /** Records a picture. */
  figure(figure: Figure): void;
}

/** A model that a card trains, as a function that can be exported. */
export interface PaperModel {
  /** Short name, the file's name without ending. */
  readonly name: string;
  /** What goes in and what comes out, in a sentence. */
  readonly about: string;
  /** The function; whoever asked for the model disposes of it. */
  readonly executable: Executable;
  /** Inputs to try it on. */
  readonly example: Readonly<Record<string, NDArray>>;
}

/** A paper and the experiment that shows its claim here. */
export interface PaperCard {
  /** Name of its folder. */
  readonly slug: string;
  readonly title: string;
  readonly authors: string;
  readonly year: number;
  /** Identifier such as `2408.08696`, where there is one. */
  readonly arxiv?: string;
  readonly kind: PaperKind;
  /** What it is about in one line, for catalogues. */
  readonly summary: string;
  /** The paper's own headline numbers with their conditions. */
  readonly claim: string;
  /** What differs here: model, data, hardware. */
  readonly scale: string;
  /** The home of its code. */
  readonly code: readonly string[];
  readonly data?: readonly DataNeed[];
  /** Findings that a reader should know of: what did not show, and what was tried. */
  readonly notes?: string;
  run(context: PaperContext): Promise<void>;
  /** The models that the experiment trains, trained now or taken from where they are kept; absent for cards without any. */
  models?(context: WorkContext): AsyncIterable<PaperModel>;
}

/** One recorded run. */
export interface PaperRun {
  readonly profile: Profile;
  readonly seed: number;
  readonly measurements: readonly Measurement[];
  readonly figures: readonly { readonly name: string; readonly caption: string }[];
  readonly machine: Machine;
  readonly commit: string;
  /** ISO 8601, in UTC. */
  readonly date: string;
  readonly durationSeconds: number;
}

/** What a run ran on. */
export interface Machine {
  readonly cpu: string;
  /** Instruction sets that decide how fast products are, such as `avx512_vnni`. */
  readonly features: readonly string[];
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly onnxRuntime: string;
}

/** What `result.json` holds: the last saved run of each profile. */
export type PaperResult = { readonly [P in Profile]?: PaperRun };

/**
 * Checks a card.
 * @throws `argument` naming the card and what is wrong with it.
 */
export function definePaper(card: PaperCard): PaperCard {
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(card.slug))
    fail("argument", `paper "${card.slug}": a slug has small letters, digits and single hyphens`);
  for (const field of ["title", "authors", "summary", "claim", "scale"] as const)
    if (!card[field]?.trim()) fail("argument", `paper "${card.slug}": ${field} is empty`);
  if (!card.code.length) fail("argument", `paper "${card.slug}": code is empty; name the files that implement it`);
  for (const { path, sha256 } of card.data ?? [])
    if (!/^[0-9a-f]{64}$/.test(sha256))
      fail("argument", `paper "${card.slug}": the SHA-256 of ${path} is "${sha256}"; it has 64 hexadecimal digits`);
  return card;
}
