/**
 * A test's own cache folder and test server, with the environment pointing at them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { forgetUnreachableHosts } from "../http.ts";
import { startServer, type TestServer } from "./hub-server.ts";

const variables = [
  "BLETCHLEY_CACHE",
  "HF_ENDPOINT",
  "HF_TOKEN",
  "PIP_INDEX_URL",
  "UV_DEFAULT_INDEX",
  "UV_INDEX_URL",
  "PIP_CONFIG_FILE",
  "PIP_NO_INDEX",
  "PATH",
];

/** What {@link useFixture} provides anew for each test. */
export interface Fixture {
  folder: string;
  server: TestServer;
}

/** Gives each test of a file an empty cache and a server that is the Hub; no package index and no pip. */
export function useFixture(): Fixture {
  const fixture = {} as Fixture;
  let saved: Record<string, string | undefined> = {};
  beforeEach(async () => {
    saved = Object.fromEntries(variables.map((name) => [name, process.env[name]]));
    fixture.folder = await mkdtemp(join(tmpdir(), "bletchley-test-"));
    fixture.server = await startServer();
    for (const name of variables) delete process.env[name];
    process.env.BLETCHLEY_CACHE = join(fixture.folder, "cache");
    process.env.HF_ENDPOINT = fixture.server.url;
    process.env.PIP_CONFIG_FILE = join(fixture.folder, "no-pip.conf");
    process.env.PATH = fixture.folder;
    forgetUnreachableHosts();
  });
  afterEach(async () => {
    for (const [name, value] of Object.entries(saved))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    await fixture.server.close();
    await rm(fixture.folder, { recursive: true, force: true });
  });
  return fixture;
}
