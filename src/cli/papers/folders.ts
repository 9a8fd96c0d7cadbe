/**
 * Where cards and their results lie: `papers/` of a clone, or what the build made of it.
 */
import { existsSync, readdirSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Catalogued, Figure, PaperCard, PaperResult, PaperRun } from "../../papers/index.ts";
import { writeAtomically } from "../../sources/index.ts";
import { fail } from "../../util/errors.ts";

/** Root of the clone or of the installed package. */
export const repositoryRoot = resolve(fileURLToPath(import.meta.url), "../../../..");

/** TypeScript runs from a clone, JavaScript from what was built of it. */
const fromSource = import.meta.url.endsWith(".ts");
const clonedCards = join(repositoryRoot, "papers");
const cardFolder = fromSource ? clonedCards : join(repositoryRoot, "dist/cards");
const cardFile = fromSource ? "card.ts" : "card.js";

/** Names of all papers: a folder with a card is all that it takes. */
export function paperSlugs(): string[] {
  if (!existsSync(cardFolder)) return [];
  return readdirSync(cardFolder)
    .filter((slug) => existsSync(join(cardFolder, slug, cardFile)))
    .sort();
}

/** Loads a card. @throws `name` for an unknown one, naming those there are. */
export async function loadCard(slug: string): Promise<PaperCard> {
  if (!paperSlugs().includes(slug))
    fail("name", `there is no paper "${slug}"; there are: ${paperSlugs().join(", ") || "none"}`);
  const module = (await import(pathToFileURL(join(cardFolder, slug, cardFile)).href)) as { default?: PaperCard };
  const card = module.default ?? fail("internal", `papers/${slug}/${cardFile} has no default export`);
  if (card.slug !== slug) fail("internal", `the card in papers/${slug} calls itself "${card.slug}"`);
  return card;
}

/** Folder of what was saved for a paper; a clone's own before the built one. */
function resultFolder(slug: string): string {
  return existsSync(join(clonedCards, slug)) ? join(clonedCards, slug) : join(cardFolder, slug);
}

/** What was saved for a paper. */
export async function loadResult(slug: string): Promise<PaperResult> {
  const file = join(resultFolder(slug), "result.json");
  return existsSync(file) ? (JSON.parse(await readFile(file, "utf8")) as PaperResult) : {};
}

/** A card with its saved results and pictures. */
export async function loadPaper(slug: string): Promise<Catalogued> {
  const figures = new Map<string, string>();
  const folder = join(resultFolder(slug), "figures");
  if (existsSync(folder))
    for (const file of readdirSync(folder))
      if (file.endsWith(".svg")) figures.set(file.slice(0, -4), await readFile(join(folder, file), "utf8"));
  return { card: await loadCard(slug), result: await loadResult(slug), figures };
}

/** Saves a run beside its card. @throws `unsupported` outside of a clone. */
export async function saveRun(slug: string, run: PaperRun, figures: readonly Figure[]): Promise<void> {
  const folder = join(clonedCards, slug);
  if (!existsSync(folder))
    fail(
      "unsupported",
      "results are saved beside the cards of a clone of the repository, and this is none; use --json FILE",
    );
  const result = { ...(await loadResult(slug)), [run.profile]: run };
  if (figures.length) await mkdir(join(folder, "figures"), { recursive: true });
  for (const { name, svg } of figures) await writeAtomically(join(folder, "figures", `${name}.svg`), svg);
  const ordered = { smoke: result.smoke, quick: result.quick, full: result.full };
  // JSON has no infinity; a tolerance that is left out of a saved run is looked up in the repeated one
  const finite = (_: string, value: unknown) => (value === Number.POSITIVE_INFINITY ? undefined : value);
  await writeAtomically(join(folder, "result.json"), `${JSON.stringify(ordered, finite, 2)}\n`);
}
