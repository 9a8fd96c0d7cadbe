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
    const steps = quick ? 300 : 1200;
    const folder = mkdtempSync(join(tmpdir(), `bletchley-resume-${name}-`));
    try {
      const whole = join(folder, "whole");
      const calm = await train(name, whole, steps);
      if (calm.code !== 0) throw new Error(`${name}: the undisturbed run ended with ${calm.code}`);
      let killed = 0;
      let [equal, sameRecord] = [true, true];
      for (let attempt = 0; killed < kills; attempt++) {
        const torn = join(folder, `torn${attempt}`);
        let ended: Ended;
        do {
          // about the share of the run that leaves room for all kills; moments that come too late begin another run
          const after = killed < kills ? random.next() * 1.4 * (calm.trainedMs / kills) : undefined;
          ended = await train(name, torn, steps, after);
          if (ended.signal === "SIGKILL") log(`${name}: killed after step ${ended.lastStep} of ${steps} (${++killed})`);
        } while (ended.signal === "SIGKILL");
        if (ended.code !== 0) throw new Error(`${name}: the resumed run ended with ${ended.code}`);
        equal &&= lastCheckpoint(whole).equals(lastCheckpoint(torn));
        sameRecord &&= recorded(whole) === recorded(torn);
      }
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
