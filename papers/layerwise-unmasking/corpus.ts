/**
 * Windows of tokens with roles, of files that came in archives of packages: split by window and by file, and as numbers of a vocabulary
 * that training alone has seen.
 */
import { readTarGz } from "bletchley/formats";
import type { PaperContext } from "bletchley/papers";
import { noLabel } from "bletchley/train";
import { fail, NDArray, Random } from "bletchley/util";
import { type CodeToken, type Compiler, roles, tokensOf } from "./roles.ts";

/** A file of source code. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Consecutive tokens of one file. */
export interface Window {
  readonly path: string;
  readonly tokens: readonly CodeToken[];
}

/** Windows by what they are for. Those of the last part are of files that no other part has anything of. */
export interface Parts {
  readonly training: readonly Window[];
  readonly validation: readonly Window[];
  readonly test: readonly Window[];
  readonly otherFiles: readonly Window[];
}

/** How many windows, of how many tokens. */
export interface Sizes {
  readonly length: number;
  readonly vocabulary: number;
  readonly training: number;
  readonly validation: number;
  readonly test: number;
  readonly otherFiles: number;
}

/** TypeScript files of packages' archives, without declaration files. */
export async function packageFiles(
  context: Pick<PaperContext, "data">,
  archives: readonly string[],
): Promise<SourceFile[]> {
  const out: SourceFile[] = [];
  for (const archive of archives)
    for (const [path, bytes] of readTarGz(await context.data(archive), archive))
      if (/[.]ts$/.test(path) && !/[.]d[.]ts$/.test(path))
        out.push({
          path: `${archive
            .split("/")
            .pop()!
            .replace(/[.]tgz$/, "")}${path.slice(path.indexOf("/"))}`,
          text: new TextDecoder().decode(bytes),
        });
  return out.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function shuffled<T>(of: readonly T[], seed: number): T[] {
  const random = new Random(seed);
  const out = [...of];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** Windows of a file; what is left at its end is shorter than one and not used. */
function windowsOf(compiler: Compiler, { path, text }: SourceFile, length: number): Window[] {
  const tokens = tokensOf(compiler, path, text);
  return Array.from({ length: Math.floor(tokens.length / length) }, (_, i) => ({
    path,
    tokens: tokens.slice(i * length, (i + 1) * length),
  }));
}

/**
 * Cuts files into windows and shares them out: some files as a whole, the windows of the others after one shuffle.
 * @throws `argument` when there are too few.
 */
export function splitFiles(
  compiler: Compiler,
  files: readonly SourceFile[],
  sizes: Sizes,
  seed: number,
  onFile: (done: number) => void = () => {},
): { readonly parts: Parts; readonly all: readonly Window[] } {
  const byFile = shuffled(files, seed).map((file, i) => {
    onFile(i + 1);
    return windowsOf(compiler, file, sizes.length);
  });
  const otherFiles: Window[] = [];
  let at = 0;
  for (; otherFiles.length < sizes.otherFiles && at < byFile.length - 1; at++) otherFiles.push(...byFile[at]!);
  const rest = shuffled(byFile.slice(at).flat(), seed + 1);
  const take = (n: number) => rest.splice(0, n);
  // the training part first, so that how much is measured by does not change what is learnt
  const training = take(sizes.training);
  const validation = take(sizes.validation);
  const test = take(sizes.test);
  if (test.length < sizes.test)
    fail(
      "argument",
      `splitFiles: ${files.length} files have too few windows: ${test.length} of ${sizes.test} are left to test by`,
    );
  const parts = { training, validation, test, otherFiles: shuffled(otherFiles, seed + 2).slice(0, sizes.otherFiles) };
  return { parts, all: byFile.flat() };
}

/** What stands before a token of a window: white space as it is in the file, one space in place of comments, nothing before the first. */
export function gapBefore(text: string, { tokens }: Window, index: number): string {
  if (!index) return "";
  const before = tokens[index - 1]!;
  const gap = text.slice(before.start + before.text.length, tokens[index]!.start);
  return gap.trim() ? " " : gap;
}

/** How often each role occurs. */
export function countRoles(windows: readonly Window[]): Readonly<Record<string, number>> {
  const counts = Object.fromEntries(roles.map((role) => [role, 0]));
  for (const { tokens } of windows) for (const { role } of tokens) if (role) counts[role]!++;
  return counts;
}

const rare = (kind: CodeToken["kind"]) => `<${kind}>`;

/** Numbers of token texts: the most frequent ones of some windows, and one for each kind of other. */
export class TokenTexts {
  readonly #ids = new Map<string, number>();

  constructor(windows: readonly Window[], size: number) {
    const counts = new Map<string, number>();
    for (const { tokens } of windows) for (const { text } of tokens) counts.set(text, (counts.get(text) ?? 0) + 1);
    for (const kind of ["name", "string", "number", "template", "other"] as const)
      this.#ids.set(rare(kind), this.#ids.size);
    const frequent = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    for (const [text] of frequent.slice(0, size - this.#ids.size)) this.#ids.set(text, this.#ids.size);
  }

  /** Number of texts, those for kinds included. */
  get size(): number {
    return this.#ids.size;
  }

  /** Whether a text has a number of its own. */
  knows(text: string): boolean {
    return this.#ids.has(text);
  }

  /** Number of a token. */
  idOf({ text, kind }: CodeToken): number {
    return this.#ids.get(text) ?? this.#ids.get(rare(kind))!;
  }

  /** `i64[windows, length]` of tokens and of labels. */
  arrays(windows: readonly Window[]): { readonly tokens: NDArray; readonly labels: NDArray } {
    const shape = [windows.length, windows[0]!.tokens.length];
    const all = windows.flatMap(({ tokens }) => tokens);
    return {
      tokens: NDArray.from(
        all.map((token) => this.idOf(token)),
        shape,
        "i64",
      ),
      labels: NDArray.from(
        all.map(({ role }) => (role ? roles.indexOf(role) : noLabel)),
        shape,
        "i64",
      ),
    };
  }
}
