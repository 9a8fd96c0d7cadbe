/**
 * Checks of downloads that are cut, wrong, or wanted twice at once.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { hashFile } from "../../src/sources/index.ts";
import { modelFolder } from "../../src/sources/stored.ts";
import { cutAfter } from "../../src/sources/testing/hub-server.ts";
import { type Check, expectClearError, expectThat, generation, type Life, modelRef, tokensOf } from "./life-setup.ts";

/** The model's folder in a cache. */
export function folderIn(cache: string): string {
  const before = process.env.BLETCHLEY_CACHE;
  process.env.BLETCHLEY_CACHE = cache;
  try {
    return modelFolder(modelRef);
  } finally {
    if (before === undefined) delete process.env.BLETCHLEY_CACHE;
    else process.env.BLETCHLEY_CACHE = before;
  }
}

/** That a cache holds the whole model and no leftovers beside it. */
export async function expectWhole(life: Life, cache: string): Promise<void> {
  const folder = folderIn(cache);
  const names = (await readdir(folder)).filter((name) => !name.includes(".bad-")).sort();
  expectThat(String(names) === "model.gguf,model.json", `the folder holds ${names}`);
  const sha256 = await hashFile(join(folder, "model.gguf"));
  expectThat(sha256 === life.sha256, `the file in the cache has SHA-256 ${sha256}`);
}

/** Checks of downloads. */
export function downloadChecks(life: Life): Check[] {
  const { model, server } = life;
  return [
    {
      name: "a download that is cut three times",
      bar: "goes on where it was cut, ends whole",
      async run() {
        const cache = join(life.folder, "cut");
        const part = Math.floor(model.length / 4);
        life.serve({ behave: cutAfter(model, part, 3) });
        const ended = await life.run(["pull", modelRef], life.environment(cache));
        expectThat(ended.code === 0, `exit ${ended.code}: ${ended.stderr.slice(-600)}`);
        await expectWhole(life, cache);
        const starts = life.asked().map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0));
        const resumed = starts.slice(1).every((start, i) => start > starts[i]!);
        expectThat(starts.length === 4 && starts[0] === 0 && resumed, `asked for bytes from ${starts} on`);
        return `asked for bytes from ${starts.join(", ")} on`;
      },
    },
    {
      name: "a file with the wrong checksum",
      bar: "is refused, kept aside, and replaced by the right one later",
      async run() {
        const cache = join(life.folder, "wrong");
        const wrong = model.slice();
        wrong[wrong.length >> 1]! ^= 1;
        const etag = `"${createHash("sha256").update(model).digest("hex")}"`;
        life.serve({
          bytes: wrong,
          behave(_request, response) {
            response.writeHead(200, { "x-linked-etag": etag, "content-length": wrong.length }).end(wrong);
            return true;
          },
        });
        const refused = await life.run(["pull", modelRef], life.environment(cache));
        expectClearError(refused, 3, /SHA-256 is \w+, expected is \w+; the file was refused and kept as/);
        const names = await readdir(folderIn(cache));
        const aside = names.filter((name) => name.includes(".bad-"));
        expectThat(names.length === 1 && aside.length === 1, `the folder holds ${names}`);
        const kept = await readFile(join(folderIn(cache), aside[0]!));
        expectThat(kept.equals(wrong), "what is kept aside is not what came");
        const offline = await life.run(["pull", "--offline", modelRef], life.environment(cache));
        expectClearError(offline, 3, /not in the cache/);
        life.serve();
        const right = await life.run(["pull", modelRef], life.environment(cache));
        expectThat(right.code === 0, `exit ${right.code}: ${right.stderr.slice(-600)}`);
        await expectWhole(life, cache);
        return "one flipped bit of 98 MB was found";
      },
    },
    {
      name: "two processes that want the same model at once",
      bar: "one download, one answer from both",
      async run() {
        const cache = join(life.folder, "twice");
        life.serve({ pauseMs: 30 });
        const env = life.environment(cache);
        const both = await Promise.all([life.run(generation(8), env), life.run(generation(8), env)]);
        const [one, two] = both.map(tokensOf);
        expectThat(life.asked().length === 1, `the model was asked for ${life.asked().length} times`);
        expectThat(String(one) === String(two), `the answers differ: ${one} and ${two}`);
        await expectWhole(life, cache);
        const locks = (await readdir(join(cache, "models"))).filter((name) => name.includes(".lock"));
        expectThat(!locks.length, `locks are left: ${locks}`);
        return `${server.seen.length} requests for two processes`;
      },
    },
  ];
}
