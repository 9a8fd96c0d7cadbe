/**
 * `bar:train-speed`: steps of training beside PyTorch's on the same models, first values and batches, alternating in one run.
 * Losses are compared first: what is timed is the same computation. `--only NAME,…` chooses; `--quick` times fewer steps.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { writeSafetensors } from "../src/formats/index.ts";
import { stateDict } from "../src/nn/index.ts";
import type { NDArray } from "../src/util/ndarray.ts";
import { dataRoot, median, root, runBar } from "./harness.ts";
import { type SpeedModel, speedModels } from "./train/models.ts";

/** What a process says of some steps. */
interface Answer {
  readonly ms: number;
  readonly losses: readonly number[];
  /** Memory that it had after its imports. */
  readonly idleMiB: number;
  /** Most memory that it has had so far. */
  readonly peakMiB: number;
}

/** A process that trains when it is told to. */
class Runner {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { cwd: root, stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async run(steps: number): Promise<Answer> {
    this.#child.stdin!.write(`${steps}\n`);
    const { done, value } = await this.#lines.next();
    if (done) throw new Error(`${this.#child.spawnargs.join(" ")} ended before it answered`);
    return JSON.parse(value) as Answer;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return resolve();
      this.#child.on("close", () => resolve());
      this.#child.stdin!.end();
    });
  }
}

/** Writes a model's first values and its batches where both sides read them. */
function writeArrays(path: string, { build, batches }: SpeedModel): void {
  const arrays = new Map<string, NDArray>();
  for (const [name, array] of stateDict(build())) arrays.set(`model/${name}`, array);
  const text = readFileSync(join(dataRoot, "text/tinyshakespeare.txt"), "utf8");
  batches(text).forEach((batch, i) => {
    for (const [name, array] of Object.entries(batch)) arrays.set(`batch${i}/${name}`, array);
  });
  writeFileSync(path, Buffer.concat([...writeSafetensors(arrays)]));
}

const python = join(root, "bench/.venv/bin/python");

await runBar("train-speed", async ({ quick, options, log, measure }) => {
  const chosen = options.get("only")?.split(",") ?? Object.keys(speedModels);
  const folder = mkdtempSync(join(tmpdir(), "bletchley-train-speed-"));
  try {
    for (const key of chosen) {
      const model = speedModels[key];
      if (!model) throw new Error(`there is no model "${key}"; there are ${Object.keys(speedModels).join(", ")}`);
      const [count, unit] = model.perStep;
      const arrays = join(folder, `${key}.safetensors`);
      writeArrays(arrays, model);
      const own = new Runner(process.execPath, ["--import", "tsx", "bench/train/child.ts", key, arrays]);
      const peer = existsSync(python) ? new Runner(python, ["bench/train/peer.py", key, arrays]) : undefined;
      if (!peer) log("PyTorch is not here; bench/setup python installs it");
      try {
        // the first steps warm both up, and show that they do the same
        const first = await own.run(5);
        const theirs = await peer?.run(5);
        const apart = theirs && Math.max(...first.losses.map((x, i) => Math.abs(x / theirs.losses[i]! - 1)));
        measure({
          name: `${model.title}: losses of the first steps, largest relative difference`,
          value: apart ?? null,
          unit: "of 1",
          bar: "≤ 0.001",
          pass: apart === undefined ? null : apart <= 1e-3,
        });
        // of memory, 20 steps in all
        const twenty = await own.run(15);
        const theirTwenty = await peer?.run(15);
        const stepMemory = ({ peakMiB, idleMiB }: Answer) => peakMiB - idleMiB;
        const more = theirTwenty ? stepMemory(twenty) / stepMemory(theirTwenty) : null;
        measure({
          name: `${model.title}: memory of 20 steps, beyond that after the imports`,
          value: stepMemory(twenty),
          unit: "MiB",
          baseline: theirTwenty ? stepMemory(theirTwenty) : null,
          ratio: more,
          bar: "≤ 1.3×",
          pass: more === null ? null : more <= 1.3,
        });
        // about two seconds a turn, so that whatever else the machine does hits both
        const steps = Math.max(1, Math.round((quick ? 500 : 2000) / (twenty.ms / twenty.losses.length)));
        const [ownMs, peerMs]: [number[], number[]] = [[], []];
        let [memory, peerMemory] = [twenty.peakMiB, theirTwenty?.peakMiB];
        for (let round = 0; round < (quick ? 3 : 9); round++) {
          const mine = await own.run(steps);
          ownMs.push(mine.ms / steps);
          memory = mine.peakMiB;
          const other = await peer?.run(steps);
          if (!other) continue;
          peerMs.push(other.ms / steps);
          peerMemory = other.peakMiB;
        }
        log(`${key}: ${median(ownMs).toFixed(2)} ms a step${peer ? `, PyTorch ${median(peerMs).toFixed(2)} ms` : ""}`);
        const speed = (ms: readonly number[]) => (1000 * count) / median(ms);
        // turns are compared with their neighbours
        const ratio = peer ? median(ownMs.map((ms, i) => peerMs[i]! / ms)) : null;
        measure({
          name: `${model.title}: speed against PyTorch`,
          value: speed(ownMs),
          unit,
          baseline: peer ? speed(peerMs) : null,
          ratio,
          bar: `≥ ${model.bar}×`,
          pass: ratio === null ? null : ratio >= model.bar,
        });
        const share = peerMemory === undefined ? null : memory / peerMemory;
        measure({
          name: `${model.title}: most memory of the process`,
          value: memory,
          unit: "MiB",
          baseline: peerMemory ?? null,
          ratio: share,
          bar: "≤ 1.5×",
          pass: share === null ? null : share <= 1.5,
        });
      } finally {
        await own.stop();
        await peer?.stop();
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
