#!/usr/bin/env node
/**
 * Entry of the command line.
 */
import { endUnread } from "./exit.ts";
import { run } from "./program.ts";

let unread = false;
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== "EPIPE") throw thrown;
    if (!unread) endUnread();
    unread = true;
  });

const exitCode = await run(process.argv.slice(2));
// what was written must leave before the process does
await Promise.all(
  [process.stdout, process.stderr].map((stream) => new Promise<void>((done) => stream.write("", () => done()))),
);
process.exit(exitCode);
