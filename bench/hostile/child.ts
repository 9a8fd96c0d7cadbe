/**
 * The process that reads hostile files, one after the other, and says before each one which it is: if this process dies,
 * the last line names the culprit. Arguments: subject, seed, first and last case, input files.
 */
import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { Random } from "../../src/util/random.ts";
import type { ChildLine } from "./run-cases.ts";
import type { HostileCase, Subject } from "./subject.ts";
import { subjects } from "./subjects.ts";

const [name, seed, first, last, ...inputs] = process.argv.slice(2) as [string, string, string, string, ...string[]];

function say(line: ChildLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

/** Peak memory since the last call, in MiB; `undefined` where the system does not tell. */
function peakMiB(): number | undefined {
  try {
    const status = readFileSync("/proc/self/status", "utf8");
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) / 1024;
  } catch {
    return undefined;
  }
}

function resetPeak(): void {
  // what earlier cases left to the garbage collector is not this one's
  if (process.memoryUsage().rss > 400 << 20) (globalThis as { gc?: () => void }).gc?.();
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // the peak then includes earlier cases
  }
}

function caseOf(subject: Subject, index: number): HostileCase {
  return subject.handmade[index] ?? subject.mutate(new Random(Number(seed), index));
}

const subject = subjects[name]!();
await subject.prepare?.(inputs);
for (let index = Number(first); index <= Number(last); index++) {
  const hostile = caseOf(subject, index);
  await subject.between?.();
  resetPeak();
  say({ kind: "start", index, what: hostile.what.slice(0, 500) });
  const cpu = process.cpuUsage();
  const started = performance.now();
  let codes: readonly string[] = [];
  let untyped: string | undefined;
  try {
    codes = (await hostile.run()).codes;
  } catch (thrown) {
    untyped = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  }
  const ms = performance.now() - started;
  const used = process.cpuUsage(cpu);
  say({
    kind: "end",
    index,
    ms,
    cpuMs: (used.user + used.system) / 1000,
    peakMiB: peakMiB(),
    codes: [...new Set(codes)],
    untyped,
  });
}
subject.close?.();
say({ kind: "done" });
process.exit(0);
