/**
 * Models at paths of the user's own: a GGUF file, or a folder in the layout of Hugging Face checkpoints. Nothing is
 * written beside them; hashes are remembered in the cache.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail } from "../util/errors.ts";
import { cacheFolder } from "./cache.ts";
import { writeAtomically } from "./disk.ts";
import { hashFile } from "./hash.ts";
import { licenceOfGguf, licenceOfModelCard } from "./licence.ts";
import { fileNames, type ModelFileRole, type ModelSource, type ResolvedModel, type SourceContext } from "./model.ts";
import { shardsOf } from "./shards.ts";

interface KnownHash {
  readonly size: number;
  readonly mtimeMs: number;
  readonly sha256: string;
}

/** SHA-256 of a file, computed again only when its size or time has changed. */
async function knownHash(path: string, context: SourceContext): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  const key = createHash("sha256")
    .update(await realpath(path))
    .digest("hex");
  const record = cacheFolder("hashes", `${key.slice(0, 32)}.json`);
  if (!context.verify) {
    try {
      const known = JSON.parse(await readFile(record, "utf8")) as KnownHash;
      if (known.size === size && known.mtimeMs === mtimeMs) return known.sha256;
    } catch {
      // not hashed before
    }
  }
  const sha256 = await hashFile(path, { ...context, task: `hash ${basename(path)}` });
  // without a writable cache the next start hashes again, which costs time but nothing else
  await writeAtomically(record, JSON.stringify({ size, mtimeMs, sha256 } satisfies KnownHash)).catch(() => {});
  return sha256;
}

async function resolved(
  context: SourceContext,
  folder: string,
  kind: ResolvedModel["kind"],
  weights: readonly string[],
  files: ResolvedModel["files"],
): Promise<ResolvedModel> {
  const path = weights[0]!;
  const sizes = await Promise.all(weights.map(async (file) => (await stat(file)).size));
  const name = kind === "gguf" ? basename(path).replace(/\.gguf$/i, "") : basename(folder);
  const card = await readFile(join(folder, "README.md"), "utf8").catch(() => "");
  return {
    ref: context.ref,
    name,
    title: name,
    kind,
    folder,
    path,
    weights,
    files: { ...files, weights: path },
    sha256: await knownHash(path, context),
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    licence: (kind === "gguf" ? await licenceOfGguf(path) : undefined) ?? licenceOfModelCard(card),
    source: "local",
    origin: path,
  };
}

async function resolveFolder(folder: string, context: SourceContext): Promise<ResolvedModel> {
  const names = await readdir(folder);
  const safetensors = names.filter((name) => name.endsWith(".safetensors")).sort();
  const ggufs = names.filter((name) => /\.gguf$/i.test(name)).sort();
  if (safetensors.length) {
    const files: Partial<Record<ModelFileRole, string>> = {};
    for (const [role, name] of Object.entries(fileNames)) {
      const path = join(folder, name);
      if (role !== "weights" && (await stat(path).catch(() => undefined))) files[role as ModelFileRole] = path;
    }
    if (!files.config) fail("not-found", `${folder} has safetensors weights but no config.json, which is needed`);
    const main = fileNames.weights!;
    const weights = files.index && !safetensors.includes(main) ? await shardsOf(files.index) : [main];
    const missing = weights.find((name) => !safetensors.includes(name));
    if (missing === main)
      fail("not-found", `${folder} has neither ${main} nor ${fileNames.index}, but ${safetensors.join(", ")}`);
    if (missing) fail("not-found", `${files.index} lists ${missing}, which is not in its folder`);
    const paths = weights.map((name) => join(folder, name));
    return resolved(context, folder, "safetensors", paths, files);
  }
  if (ggufs.length > 1) fail("argument", `${folder} has several GGUF files, name one of them: ${ggufs.join(", ")}`);
  if (!ggufs.length) fail("not-found", `${folder} holds no model: neither a .gguf file nor safetensors weights`);
  return resolved(context, folder, "gguf", [join(folder, ggufs[0]!)], {});
}

/** Models at local paths. */
export const localSource: ModelSource = {
  name: "local",
  remote: false,
  async find(entry, context) {
    const origin = entry.origins.find(({ type }) => type === "path");
    if (origin?.type !== "path") return undefined;
    const { path } = origin;
    const info = await stat(path).catch(() => undefined);
    if (!info)
      return fail(
        "not-found",
        `no such file or folder: ${path} (for a model of the Hugging Face Hub write hf:org/repo)`,
      );
    if (info.isDirectory()) return resolveFolder(path, context);
    if (/\.gguf$/i.test(path)) return resolved(context, dirname(path), "gguf", [path], {});
    if (/\.safetensors$/i.test(path)) return resolveFolder(dirname(path), context);
    return fail("unsupported", `${path} is neither a .gguf file nor a folder with safetensors weights`);
  },
};
