/**
 * A process that pulls one model and prints what it got as JSON: for tests with several processes.
 */
import { messageOf } from "../../util/errors.ts";
import { resolveModel } from "../index.ts";

const events: string[] = [];
try {
  const model = await resolveModel(process.argv[2]!, {
    onProgress({ task, done }) {
      if (task !== events.at(-1)) events.push(task);
      if (done > 0) process.stderr.write(`${task}\t${done}\n`);
    },
  });
  process.stdout.write(JSON.stringify({ ...model, events }));
} catch (thrown) {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  process.stdout.write(JSON.stringify({ code, error: messageOf(thrown), events }));
  process.exitCode = 1;
}
