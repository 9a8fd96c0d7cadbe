/**
 * Python package indexes: which one the user has configured, and which wheel of a package it offers (the "simple" API of
 * PEP 503 and PEP 691).
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fail } from "../util/errors.ts";
import { readBody, request } from "./http.ts";
import { compareVersions, isPreRelease } from "./python-version.ts";

/** An index and the credentials that its address carried. */
export interface PackageIndex {
  /** Without credentials, without a slash at the end. */
  readonly url: string;
  readonly authorization?: string;
  /** Which setting named it. */
  readonly configuredBy: string;
}

/** A wheel that an index offers. */
export interface WheelFile {
  readonly filename: string;
  readonly version: string;
  readonly url: string;
  readonly sha256?: string;
  readonly bytes?: number;
}

/** A package's name as indexes compare it. */
export function normalisePackage(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}

function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a percent sign that stands for itself
  }
}

function indexFrom(text: string, configuredBy: string): PackageIndex | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return undefined;
  const [user, password] = [url.username, url.password].map(decodePart);
  url.username = "";
  url.password = "";
  return {
    url: url.href.replace(/\/+$/, ""),
    ...(user && { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` }),
    configuredBy,
  };
}

/** `index-url` of a pip configuration file's text. */
export function indexUrlOfPipConfig(text: string): string | undefined {
  let section = "";
  let found: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const header = /^\s*\[([^\]]+)\]/.exec(line);
    if (header) section = header[1]!.trim();
    const value = /^\s*index[-_]url\s*[=:]\s*(\S+)\s*$/.exec(line)?.[1];
    // what is said for `pip download` beats what is said for all commands
    if (value && (section === "download" || (section === "global" && !found))) found = value;
  }
  return found;
}

function pipConfigFiles(env: NodeJS.ProcessEnv): string[] {
  if (env.PIP_CONFIG_FILE) return [env.PIP_CONFIG_FILE];
  const home = homedir();
  const files = [
    env.VIRTUAL_ENV && join(env.VIRTUAL_ENV, process.platform === "win32" ? "pip.ini" : "pip.conf"),
    env.APPDATA && join(env.APPDATA, "pip", "pip.ini"),
    process.platform === "darwin" && join(home, "Library/Application Support/pip/pip.conf"),
    join(env.XDG_CONFIG_HOME || join(home, ".config"), "pip/pip.conf"),
    join(home, ".pip/pip.conf"),
    "/etc/xdg/pip/pip.conf",
    "/etc/pip.conf",
  ];
  return files.filter((file) => typeof file === "string" && file !== "") as string[];
}

/** The index that the user has configured for pip or uv, if any. */
export async function configuredIndex(env: NodeJS.ProcessEnv = process.env): Promise<PackageIndex | undefined> {
  for (const name of ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"]) {
    const value = env[name];
    const index = value ? indexFrom(value, name) : undefined;
    if (index) return index;
  }
  for (const file of pipConfigFiles(env)) {
    const url = indexUrlOfPipConfig(await readFile(file, "utf8").catch(() => ""));
    const index = url ? indexFrom(url, file) : undefined;
    if (index) return index;
  }
  return undefined;
}

/** Version and platform tag of a wheel's file name, if it is a wheel of `name`. */
export function parseWheelName(filename: string, name: string): { version: string; platform: string } | undefined {
  const parts = /^([^-]+)-([^-]+)(?:-\d[^-]*)?-[^-]+-[^-]+-([^-]+)\.whl$/.exec(filename);
  if (!parts || normalisePackage(parts[1]!) !== normalisePackage(name)) return undefined;
  return { version: parts[2]!, platform: parts[3]! };
}

interface Listed {
  readonly filename: string;
  readonly url: string;
  readonly sha256?: string;
  readonly bytes?: number;
}

function parseJsonListing(text: string, base: string): Listed[] {
  const { files } = JSON.parse(text) as {
    files: { filename: string; url: string; hashes?: { sha256?: string }; size?: number; yanked?: unknown }[];
  };
  return files
    .filter(({ yanked }) => !yanked)
    .map(({ filename, url, hashes, size }) => ({
      filename,
      url: new URL(url, base).href,
      sha256: hashes?.sha256,
      bytes: size,
    }));
}

function parseHtmlListing(text: string, base: string): Listed[] {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  const decode = (value: string) => value.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name]!);
  const listed: Listed[] = [];
  for (const [, attributes] of text.matchAll(/<a\s([^>]*)>/gi)) {
    const href = /\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(attributes!);
    if (!href || /\bdata-yanked\b/i.test(attributes!)) continue;
    const url = new URL(decode(href[1] ?? href[2]!), base);
    const sha256 = /sha256=([0-9a-f]{64})/i.exec(url.hash)?.[1]?.toLowerCase();
    url.hash = "";
    listed.push({ filename: decodeURIComponent(url.pathname.split("/").at(-1)!), url: url.href, sha256 });
  }
  return listed;
}

/** The newest wheel of a package for any platform, or the one of a version. */
export async function findWheel(
  index: PackageIndex,
  name: string,
  version: string | undefined,
  signal: AbortSignal | undefined,
): Promise<WheelFile> {
  const what = `package ${name}`;
  const reply = await request(`${index.url}/${normalisePackage(name)}/`, {
    headers: {
      accept: "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1",
    },
    authorization: index.authorization,
    credentialsRemedy: `put user and password for the index into ${index.configuredBy}`,
    patienceMs: 10_000,
    signal,
    what,
  });
  const text = new TextDecoder().decode(await readBody(reply, 32 << 20, what));
  let listed: Listed[];
  try {
    const json = reply.headers.get("content-type")?.includes("json");
    listed = json ? parseJsonListing(text, reply.url) : parseHtmlListing(text, reply.url);
  } catch (thrown) {
    return fail("network", `the package index gave an unreadable list of files for ${name}`, thrown);
  }
  const wheels: WheelFile[] = [];
  for (const file of listed) {
    const parsed = parseWheelName(file.filename, name);
    if (parsed?.platform === "any" && (!version || compareVersions(parsed.version, version) === 0))
      wheels.push({ ...file, version: parsed.version });
  }
  wheels.sort((a, b) => compareVersions(b.version, a.version));
  const chosen = wheels.find((wheel) => !isPreRelease(wheel.version)) ?? wheels[0];
  return (
    chosen ??
    fail("not-found", `the package index has no wheel of ${name}${version ? ` ${version}` : ""} for all platforms`)
  );
}
