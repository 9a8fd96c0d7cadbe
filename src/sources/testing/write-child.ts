/**
 * A process that replaces a file by 16 MB and prints how that went: for tests with limits on the process.
 */
import { messageOf } from "../../util/errors.ts";
import { writeAtomically } from "../disk.ts";

try {
  await writeAtomically(process.argv[2]!, new Uint8Array(16 << 20));
  process.stdout.write(JSON.stringify({}));
} catch (thrown) {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  process.stdout.write(JSON.stringify({ code, message: messageOf(thrown) }));
}
