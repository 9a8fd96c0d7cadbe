/**
 * The Hugging Face Hub, through its `resolve` URLs only, so that mirrors and plain file servers work as well. Files of one
 * model are taken from one commit.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BletchleyError, fail } from "../util/errors.ts";
import { onDisk } from "./disk.ts";
import { type Downloaded, type DownloadJob, download, headerOf, setAside } from "./download.ts";
import { readBody, request } from "./http.ts";
import { licenceOfGguf, licenceOfModelCard } from "./licence.ts";
import { fileNames, type ModelEntry, type ModelFileRole, type ModelSource, type SourceContext } from "./model.ts";
import { shardsOf } from "./shards.ts";
import { makeFolder, type PlacedFile, resolvedFrom, writeStored } from "./stored.ts";

/** The Hub's address: `HF_ENDPOINT`, else the public one. @throws `argument` when it is no address. */
export function hubEndpoint(env: NodeJS.ProcessEnv = process.env): string {
  const endpoint = env.HF_ENDPOINT || "https://huggingface.co";
  if (!/^https?:\/\//i.test(endpoint) || !URL.canParse(endpoint))
    fail("argument", `HF_ENDPOINT is ${endpoint}, which is not an address such as https://huggingface.co`);
  return endpoint.replace(/\/+$/, "");
}

type HubOrigin = Extract<ModelEntry["origins"][number], { type: "hub" }>;

/** Downloads from one repository, pinned to the commit of the first answer. */
class Repository {
  readonly #endpoint = hubEndpoint();
  readonly #requested: string;
  #commit: string | undefined;

  constructor(
    readonly origin: HubOrigin,
    readonly entry: ModelEntry,
    readonly context: SourceContext,
  ) {
    this.#requested = origin.revision ?? "main";
  }

  get revision(): string {
    return this.#commit ?? this.#requested;
  }

  #request(file: string) {
    const { repo } = this.origin;
    const token = process.env.HF_TOKEN;
    const path = file.split("/").map(encodeURIComponent).join("/");
    return {
      url: `${this.#endpoint}/${repo}/resolve/${encodeURIComponent(this.revision)}/${path}`,
      authorization: token ? `Bearer ${token}` : undefined,
      credentialsRemedy: token
        ? `the token in HF_TOKEN may not read it; accept the model's terms at ${this.#endpoint}/${repo}, or check that ${repo} exists`
        : `${repo} is private, gated or does not exist; accept its terms at ${this.#endpoint}/${repo} and set HF_TOKEN to an access token`,
      what: `${repo}/${file}`,
      signal: this.context.signal,
    };
  }

  #pin(hops: readonly Headers[]): void {
    const commit = headerOf(hops, "x-repo-commit");
    if (commit && /^[0-9a-f]{40}$/.test(commit)) this.#commit ??= commit;
  }

  async #checkTag(file: string, hops: readonly Headers[]): Promise<void> {
    const tag = headerOf(hops, "etag")?.replace(/^W\//, "").replaceAll('"', "");
    if (!headerOf(hops, "x-repo-commit") || !tag || !/^[0-9a-f]{40}$/.test(tag)) return;
    const path = join(this.context.folder, file);
    const actual = gitBlobSha1(await readFile(path));
    if (actual !== tag) {
      const aside = await onDisk(path, () => setAside(path, path));
      fail(
        "checksum",
        `${file}: the content's git hash is ${actual}, the Hub says ${tag}; the file was refused and kept as ${aside}`,
      );
    }
  }

  /** A file, or `undefined` when the repository has none of that name. */
  async fetch(
    file: string,
    more: Partial<Pick<DownloadJob, "sha256" | "bytes">> = {},
  ): Promise<Downloaded | undefined> {
    try {
      const result = await download({
        ...this.#request(file),
        ...more,
        target: join(this.context.folder, file),
        task: `download ${this.entry.name}`,
        onProgress: this.context.onProgress,
      });
      await this.#checkTag(file, result.hops);
      this.#pin(result.hops);
      return result;
    } catch (thrown) {
      if (thrown instanceof BletchleyError && thrown.code === "not-found") return undefined;
      throw thrown;
    }
  }

  /** A small text file, or `undefined`. Its absence must not fail a download, so nothing but `aborted` is thrown. */
  async text(file: string): Promise<string | undefined> {
    try {
      const { url, ...options } = this.#request(file);
      const reply = await request(url, options);
      return new TextDecoder().decode(await readBody(reply, 4 << 20, options.what));
    } catch (thrown) {
      if (thrown instanceof BletchleyError && thrown.code !== "aborted") return undefined;
      throw thrown;
    }
  }
}

/** Git's name of a file's content, with which the Hub tags files outside of its large-file storage. */
function gitBlobSha1(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

async function fetchSafetensors(repository: Repository, entry: ModelEntry): Promise<PlacedFile[]> {
  const { repo } = repository.origin;
  const placed: PlacedFile[] = [];
  const take = async (role: ModelFileRole, name: string, expected = {}) => {
    const result = await repository.fetch(name, expected);
    if (result) placed.push({ role, name, sha256: result.sha256 });
    return result;
  };
  if (!(await take("config", fileNames.config!)))
    fail(
      "not-found",
      `${repo} at ${repository.revision} has no config.json: if it holds GGUF files, name one as hf:${repo}/FILE.gguf; otherwise check name and revision`,
    );
  for (const role of ["tokenizer", "tokenizerConfig", "generationConfig", "chatTemplate"] as const)
    await take(role, fileNames[role]!);
  if (!(await take("weights", fileNames.weights!, { sha256: entry.sha256, bytes: entry.bytes }))) {
    if (!(await take("index", fileNames.index!)))
      fail("not-found", `${repo} at ${repository.revision} has no safetensors weights, which are needed`);
    for (const shard of await shardsOf(join(repository.context.folder, fileNames.index!)))
      if (!(await take("weights", shard))) fail("not-found", `${repo} lists the weights file ${shard} but has none`);
  }
  // what sentence embedders say about pooling
  if (await repository.text("modules.json"))
    for (const role of ["pooling", "sentenceConfig"] as const) await take(role, fileNames[role]!);
  return placed;
}

/** Models of the Hugging Face Hub. */
export const hubSource: ModelSource = {
  name: "hub",
  remote: true,
  async find(entry, context) {
    const origin = entry.origins.find((candidate) => candidate.type === "hub");
    if (!origin) return undefined;
    await makeFolder(context.folder);
    const repository = new Repository(origin, entry, context);
    const { file } = origin;
    let placed: PlacedFile[];
    if (file?.endsWith(".gguf")) {
      const result = await repository.fetch(file, { sha256: entry.sha256, bytes: entry.bytes });
      if (!result)
        fail(
          "not-found",
          `${origin.repo} at ${repository.revision} has no file ${file}: check the name and the revision`,
        );
      placed = [{ role: "weights", name: file, sha256: result.sha256 }];
    } else if (file) {
      fail(
        "unsupported",
        `hf:${origin.repo}/${file}: only GGUF files are named one by one; for safetensors write hf:${origin.repo}`,
      );
    } else placed = await fetchSafetensors(repository, entry);
    const weights = placed.find(({ role }) => role === "weights")!;
    const licence =
      entry.licence ??
      (file ? await licenceOfGguf(join(context.folder, weights.name)) : undefined) ??
      licenceOfModelCard((await repository.text("README.md")) ?? "");
    const { name, title } = entry;
    const kind = file ? "gguf" : "safetensors";
    const from = `hub ${origin.repo} ${repository.revision}`;
    const stored = await writeStored(
      context.folder,
      { ref: context.ref, name, title, kind, licence, origin: from },
      placed,
    );
    return resolvedFrom(context.folder, stored, context.ref, "hub");
  },
};
