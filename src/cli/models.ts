/**
 * `bletchley models`: what there is to use, what is on this machine, and how to get rid of it.
 */
import { basename, join } from "node:path";
import type { Command } from "commander";
import type { CachedModel, ModelEntry } from "../sources/index.ts";
import { fail } from "../util/errors.ts";
import { formatBytes, table } from "./terminal.ts";

/** One line of the list. */
export interface ListedModel {
  readonly name: string;
  readonly title: string;
  /** Size of what is here, or of what would be fetched. */
  readonly bytes?: number;
  readonly state: "here" | "unfinished" | "not pulled";
  /** Where it came from, when it is here. */
  readonly origin?: string;
  readonly licence?: string;
  readonly folder?: string;
}

/** Joins what has a name and what is in the cache. */
export function listModels(catalogue: Iterable<ModelEntry>, cached: readonly CachedModel[]): ListedModel[] {
  const rest = new Map(cached.map((model) => [basename(model.folder), model]));
  const listed: ListedModel[] = [];
  const stateOf = ({ stored }: CachedModel) => (stored ? "here" : "unfinished");
  for (const { name, title, bytes, licence, origins } of catalogue) {
    const model = rest.get(name);
    rest.delete(name);
    // an empty folder is what an unsuccessful search leaves
    const here = model && (model.stored || model.bytes) ? model : undefined;
    const ships = origins.some(({ type }) => type === "shipped");
    listed.push({
      name,
      title,
      bytes: here ? here.bytes : bytes,
      state: ships ? "here" : here ? stateOf(here) : "not pulled",
      origin: ships ? "the package" : here?.stored?.origin,
      licence: licence?.id,
      folder: here?.folder,
    });
  }
  for (const [folderName, model] of rest) {
    const { stored, bytes, folder } = model;
    if (!stored && !bytes) continue;
    listed.push({
      name: stored?.ref ?? folderName,
      title: stored?.title ?? folderName,
      bytes,
      state: stateOf(model),
      origin: stored?.origin,
      licence: stored?.licence?.id,
      folder,
    });
  }
  return listed;
}

/** An origin in few words: a model may have been put together from many packages. */
function shortOrigin(origin: string): string {
  const [first, ...more] = origin.split(", ");
  return more.length ? `${first} and ${more.length} more` : origin;
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  const { cachedModels, cacheRoot, catalogue } = await import("../sources/index.ts");
  const models = listModels(catalogue.values(), await cachedModels());
  if (json) {
    process.stdout.write(`${JSON.stringify(models)}\n`);
    return;
  }
  const rows = models.map(({ name, title, bytes, state, origin = "", licence = "" }) => [
    name,
    title,
    bytes === undefined ? "" : formatBytes(bytes),
    state,
    shortOrigin(origin),
    licence,
  ]);
  process.stdout.write(`${table(["NAME", "MODEL", " SIZE", "STATE", "FROM", "LICENCE"], rows)}\n`);
  process.stderr.write(`kept in ${cacheRoot()}\n`);
}

async function remove(names: readonly string[]): Promise<void> {
  const { readdir, rm } = await import("node:fs/promises");
  const { cacheFolder, cachedModels, catalogue } = await import("../sources/index.ts");
  const { folderBytes } = await import("../sources/stored.ts");
  const cached = await cachedModels();
  const models = listModels(catalogue.values(), cached);
  const chosen = names.map((name) => {
    const found = models.find((model) => model.folder && (model.name === name || basename(model.folder) === name));
    const here = models.filter(({ folder }) => folder).map((model) => model.name);
    return found?.folder
      ? { name, folder: found.folder }
      : fail("not-found", `${name} is not on this machine; here ${here.length ? `are ${here.join(", ")}` : "is none"}`);
  });
  for (const { name, folder } of chosen) {
    const hashes = cached
      .find((model) => model.folder === folder)
      ?.stored?.files.map(({ sha256 }) => sha256.slice(0, 16));
    let bytes = await folderBytes(folder);
    // the manifest goes first: what is half removed does not count as here
    await rm(join(folder, "model.json"), { force: true });
    await rm(folder, { recursive: true, force: true });
    // what was made of its weights is of no use without it
    const converted = cacheFolder("converted");
    for (const entry of await readdir(converted).catch(() => []))
      if (hashes?.some((hash) => entry.startsWith(hash))) {
        bytes += await folderBytes(join(converted, entry));
        await rm(join(converted, entry), { recursive: true, force: true });
      }
    process.stdout.write(`${name} removed, ${formatBytes(bytes)} are free again\n`);
  }
}

/** Adds the command to the program. */
export function addModels(program: Command): void {
  const models = program.command("models").description("list models, or remove them from this machine");
  models
    .command("list", { isDefault: true })
    .description("list models that have a name and models on this machine")
    .option("--json", "print a JSON list")
    .action(list);
  models
    .command("rm")
    .description("remove models from this machine")
    .argument("<name...>", "names as in the list")
    .action(remove);
}
