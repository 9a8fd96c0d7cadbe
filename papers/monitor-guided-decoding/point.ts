/**
 * A dereference point: a project, a file of it that is cut behind a dot, and how it really goes on.
 */

/** A file that is cut behind a dot inside of a function. */
export interface Point {
  readonly id: string;
  /** The file that is cut. */
  readonly path: string;
  /** The project's files in memory by path, the cut one left out; none for a project on disk. */
  readonly files: Readonly<Record<string, string>>;
  /** The file up to the dot. */
  readonly before: string;
  /** How the function really goes on, up to its closing brace. */
  readonly truth: string;
  /** The file behind that brace. */
  readonly after: string;
  /** The declaration of what stands before the dot. */
  readonly declaration: string;
  /** Brackets that are open outside of the function: once no more are, the function is complete. */
  readonly depth: number;
}
