/**
 * `bar:resume`: training that is killed with SIGKILL at random moments and gone on with each time ends with the bits of a run
 * that was never disturbed: parameters, running statistics, optimiser state, averages, and the recorded losses.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "../src/util/random.ts";
import { root, runBar } from "./harness.ts";

/** How a process ended, and the last step that it made. */
interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly lastStep: number;
  /** Milliseconds between the first step and the last. */
  readonly trainedMs: number;
}

/** Trains until the end, or until so many milliseconds after the first step. */
function train(name: string, folder: string, steps: number, killAfterMs?: number): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ["--import", "tsx", join(root, "bench/resume/child.ts"), name, folder, String(steps)],
      { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
    );
    let [lastStep, firstAt, lastAt] = [0, 0, 0];
    let timer: NodeJS.Timeout | undefined;
    child.stdout.on("data", (data: Buffer) => {
      lastAt = performance.now();
      if (!lastStep) {
        firstAt = lastAt;
        if (killAfterMs !== undefined) timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
      }
      lastStep = Number(data.toString().trim().split("\n").at(-1));
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ signal, code, lastStep, trainedMs: lastAt - firstAt });
    });
  });
}

function lastCheckpoint(folder: string): Buffer {
  const name = readdirSync(folder)
    .filter((file) => file.endsWith(".safetensors"))
    .sort()
    .at(-1);
  if (!name) throw new Error(`no checkpoint in ${folder}`);
  return readFileSync(join(folder, name));
}

/** The recorded steps and numbers of a run. */
const recorded = (folder: string) => readFileSync(join(folder, "metrics.jsonl"), "utf8");

await runBar("resume", async ({ quick, log, measure }) => {
  const kills = quick ? 3 : 10;
  const seed = Date.now() % 1_000_000;
  log(`seed of the moments: ${seed}`);
  const random = new Random(seed);
  for (const name of ["transformer", "convNet"]) {
    const steps = quick ? 300 : 2000;
    const folder = mkdtempSync(join(tmpdir(), `bletchley-resume-${name}-`));
    try {
      const [whole, torn] = [join(folder, "whole"), join(folder, "torn")];
      const calm = await train(name, whole, steps);
      if (calm.code !== 0) throw new Error(`${name}: the undisturbed run ended with ${calm.code}`);
      let killed = 0;
      while (killed < kills) {
        // the mean share of the run between two kills leaves room for all of them
        const after = random.next() * 1.4 * (calm.trainedMs / kills);
        const { signal, code, lastStep } = await train(name, torn, steps, after);
        if (signal !== "SIGKILL") {
          if (code !== 0) throw new Error(`${name}: ended with ${code}`);
          break;
        }
        killed++;
        log(`${name}: killed after step ${lastStep} of ${steps}`);
      }
      const last = await train(name, torn, steps);
      if (last.code !== 0) throw new Error(`${name}: the resumed run ended with ${last.code}`);
      const equal = lastCheckpoint(whole).equals(lastCheckpoint(torn));
      measure({
        name: `${name}: kills survived`,
        value: killed,
        unit: "kills",
        bar: `= ${kills}`,
        pass: killed >= kills,
      });
      measure({
        name: `${name}: bytes of the final checkpoint equal`,
        value: equal ? 1 : 0,
        unit: "of 1",
        bar: "= 1",
        pass: equal,
      });
      const sameRecord = recorded(whole) === recorded(torn);
      measure({
        name: `${name}: recorded losses equal`,
        value: sameRecord ? 1 : 0,
        unit: "of 1",
        bar: "= 1",
        pass: sameRecord,
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
});
