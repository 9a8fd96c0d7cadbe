/**
 * Runs hostile cases in child processes and judges them: a child that dies, takes too long or takes too much memory is
 * ended, the case it was at is to blame, and the next child goes on behind it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** What a child writes, one JSON object a line. */
export type ChildLine =
  | { readonly kind: "start"; readonly index: number; readonly what: string }
  | {
      readonly kind: "end";
      readonly index: number;
      readonly ms: number;
      readonly cpuMs: number;
      readonly peakMiB?: number;
      readonly codes: readonly string[];
      readonly untyped?: string;
    }
  | { readonly kind: "done" };

/** How a case can go wrong. */
export type Fault = "crash" | "hang" | "memory" | "untyped error";

/** A case that went wrong. */
export interface Finding {
  readonly index: number;
  readonly fault: Fault;
  readonly what: string;
  readonly detail: string;
}

/** What came of all cases of a subject. */
export interface CaseReport {
  readonly cases: number;
  /** Cases that were read without complaint. */
  readonly accepted: number;
  /** Cases that were refused, by error code; a case may count under several. */
  readonly refused: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
  /** The case that took longest of those that ended. */
  readonly slowest: { readonly index: number; readonly ms: number };
  /** Most memory that a case took of those that ended. */
  readonly largestMiB: number;
  /** Whether the system tells how much memory a process took. */
  readonly memoryMeasured: boolean;
}

/** Which cases to run, and within what. */
export interface CaseRun {
  readonly subject: string;
  readonly seed: number;
  readonly first: number;
  readonly last: number;
  readonly inputs?: readonly string[];
  /** Longest that a case may take; default 2,000 ms. */
  readonly limitMs?: number;
  /** Most memory that its process may take, everything included; default 1,024 MiB. */
  readonly limitMiB?: number;
  /** Called after each case. */
  readonly onCase?: (index: number) => void;
}

const clockTicks = 100;
/** What the watch itself, the start of a timer and the end of a process may add to a case's time. */
const slackMs = 300;

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Milliseconds of processor time that a process and its living descendants have used. */
function cpuMsOf(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    const own = ((Number(fields[11]) + Number(fields[12])) * 1000) / clockTicks;
    return childrenOf(pid).reduce((sum, child) => sum + (cpuMsOf(child) ?? 0), own);
  } catch {
    return undefined;
  }
}

/** Memory of a process and its descendants, in MiB. */
function memoryOf(pid: number): number {
  let sum = 0;
  try {
    sum = Number(/^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
  return childrenOf(pid).reduce((total, child) => total + memoryOf(child), sum);
}

interface Tally {
  accepted: number;
  refused: Map<string, number>;
  findings: Finding[];
  slowest: { index: number; ms: number };
  largestMiB: number;
  memoryMeasured: boolean;
}

/** Runs one child from `first` on; resolves to the case behind the last one that was settled. */
function runChild(run: CaseRun, first: number, tally: Tally): Promise<number> {
  const { subject, seed, last, inputs = [], limitMs = 2000, limitMiB = 1024 } = run;
  const command = ["--expose-gc", "--import", "tsx", fileURLToPath(new URL("./child.ts", import.meta.url))];
  const child: ChildProcess = spawn(
    process.execPath,
    [...command, subject, String(seed), String(first), String(last), ...inputs],
    { stdio: ["ignore", "pipe", "pipe"], detached: true },
  );
  const pid = child.pid!;
  let errors = "";
  child.stderr!.on("data", (piece: Buffer) => {
    errors = (errors + piece.toString("utf8")).slice(-4000);
  });
  let current:
    | { index: number; what: string; startedAt: number; cpuAtStart: number; cpuMs: number; peakMiB: number }
    | undefined;
  let next = first;
  let blamed: Finding | undefined;
  let finished = false;
  // the group, so that a template's process goes with it
  const end = () => {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // it is gone
    }
  };
  const blame = (fault: Fault, detail: string) => {
    if (!current || blamed) return;
    blamed = { index: current.index, fault, what: current.what, detail };
    end();
  };
  // on a machine with other work a case may wait for its turn, which is not its fault
  const isHang = (wallMs: number, cpuMs: number) =>
    wallMs > limitMs + slackMs && (cpuMs > limitMs || wallMs > 5 * limitMs);
  const watch = setInterval(() => {
    if (!current) return;
    current.peakMiB = Math.max(current.peakMiB, memoryOf(pid));
    if (current.peakMiB > limitMiB) blame("memory", `${Math.round(current.peakMiB)} MiB`);
    const wall = performance.now() - current.startedAt;
    current.cpuMs = Math.max(current.cpuMs, (cpuMsOf(pid) ?? current.cpuAtStart + wall) - current.cpuAtStart);
    if (isHang(wall, current.cpuMs)) blame("hang", `no end after ${Math.round(wall)} ms`);
  }, 20);
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).on("line", (text) => {
      const line = JSON.parse(text) as ChildLine;
      if (line.kind === "done") finished = true;
      else if (line.kind === "start")
        current = { ...line, startedAt: performance.now(), cpuAtStart: cpuMsOf(pid) ?? 0, cpuMs: 0, peakMiB: 0 };
      else if (current && !blamed) {
        const peak = Math.max(line.peakMiB ?? 0, current.peakMiB);
        const { index, what, cpuMs } = current;
        if (line.peakMiB !== undefined) tally.memoryMeasured = true;
        const fault = (kind: Fault, detail: string) => tally.findings.push({ index, fault: kind, what, detail });
        if (line.untyped !== undefined) fault("untyped error", line.untyped);
        if (isHang(line.ms, Math.max(cpuMs, line.cpuMs))) fault("hang", `${Math.round(line.ms)} ms`);
        if (peak > limitMiB) fault("memory", `${Math.round(peak)} MiB`);
        if (!line.codes.length && line.untyped === undefined) tally.accepted++;
        for (const code of line.codes) tally.refused.set(code, (tally.refused.get(code) ?? 0) + 1);
        if (line.ms > tally.slowest.ms) tally.slowest = { index, ms: line.ms };
        tally.largestMiB = Math.max(tally.largestMiB, peak);
        next = index + 1;
        current = undefined;
        run.onCase?.(index);
      }
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearInterval(watch);
      end();
      if (finished) return resolve(last + 1);
      if (!current) return reject(new Error(`the child failed outside of any case (${code ?? signal}): ${errors}`));
      tally.findings.push(
        blamed ?? {
          index: current.index,
          fault: "crash",
          what: current.what,
          detail: `${code ?? signal}: ${errors.slice(-600)}`,
        },
      );
      next = current.index + 1;
      run.onCase?.(current.index);
      resolve(next);
    });
  });
}

/** Runs cases `first` to `last` of a subject. */
export async function runCases(run: CaseRun): Promise<CaseReport> {
  const tally: Tally = {
    accepted: 0,
    refused: new Map(),
    findings: [],
    slowest: { index: -1, ms: 0 },
    largestMiB: 0,
    memoryMeasured: false,
  };
  for (let next = run.first; next <= run.last; ) next = await runChild(run, next, tally);
  return { cases: run.last - run.first + 1, ...tally };
}
