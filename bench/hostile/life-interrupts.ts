/**
 * Ctrl-C, and now and then a plain kill, at random moments of pulling, converting and generating: the command stops
 * cleanly, and the next start works and has lost nothing.
 */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../src/util/random.ts";
import { expectWhole, folderIn } from "./life-downloads.ts";
import { type Ended, expectThat, generation, type Life, modelRef, tokensOf } from "./life-setup.ts";

/** Longest time from Ctrl-C to the end: three seconds of grace, and what a busy machine adds. */
const stopMs = 5000;

/** What came of one interruption. */
export interface Interruption {
  readonly signal: "SIGINT" | "SIGKILL";
  readonly atMs: number;
  /** Whether the command was still running then. */
  readonly hit: boolean;
  readonly msToStop: number;
  /** What was wrong, if anything. */
  readonly fault?: string;
}

async function interrupt(life: Life, args: readonly string[], atMs: number, signal: NodeJS.Signals): Promise<Ended> {
  const running = life.start(args);
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  await Promise.race([sleep(atMs), running.ended]);
  if (!over) running.interrupt(signal);
  return running.ended;
}

/** That a command stopped, or had ended before, without complaint. */
function expectCleanStop({ code, signal, stderr, msAfterSignal }: Ended): void {
  const stopped = code === 130 || signal === "SIGINT" || signal === "SIGKILL";
  expectThat(stopped || code === 0, `exit ${code ?? signal}: ${stderr.slice(-600)}`);
  expectThat(!/bletchley: |Error|\n {4}at /.test(stderr), `it complained: ${stderr.slice(-600)}`);
  expectThat((msAfterSignal ?? 0) < stopMs, `it took ${Math.round(msAfterSignal!)} ms to stop`);
}

/** Temporary files below a folder. */
async function temporaries(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => /\.tmp/.test(name));
}

/**
 * Interrupts `args` at `count` moments spread over `spanMs`, and checks what each one left. A command that ended before its
 * moment came shows that the span is shorter now; its moment is drawn again.
 */
async function series(
  life: Life,
  args: readonly string[],
  spanMs: number,
  count: number,
  random: Random,
  check: (ended: Ended) => Promise<void>,
): Promise<Interruption[]> {
  const done: Interruption[] = [];
  let span = spanMs;
  let hits = 0;
  for (let tries = 0; hits < count && tries < 3 * count; tries++) {
    const atMs = ((hits + random.next()) / count) * span;
    const signal = hits % 5 === 4 ? "SIGKILL" : "SIGINT";
    const ended = await interrupt(life, args, atMs, signal);
    const hit = ended.msAfterSignal !== undefined && ended.code !== 0;
    if (hit) hits++;
    else span = Math.min(span, 0.9 * ended.ms);
    let fault: string | undefined;
    try {
      expectCleanStop(ended);
      await check(ended);
    } catch (thrown) {
      fault = (thrown as Error).message;
    }
    done.push({ signal, atMs, hit, msToStop: ended.msAfterSignal ?? 0, fault });
  }
  return done;
}

/** Interrupts pulls; what has arrived stays, and after the last one the model is whole. */
export async function interruptPulls(life: Life, count: number, random: Random): Promise<Interruption[]> {
  const partial = join(folderIn(life.cache), "model.gguf.partial");
  const sizeOf = async (path: string) => (await stat(path).catch(() => undefined))?.size ?? 0;
  await rm(life.cache, { recursive: true, force: true });
  life.serve({ pauseMs: 150 });
  const spanMs = 7000;
  let arrived = 0;
  const done = await series(life, ["pull", modelRef], spanMs, count, random, async ({ code }) => {
    if (code === 0) {
      await expectWhole(life, life.cache);
      // the next one starts from nothing
      await rm(life.cache, { recursive: true, force: true });
      arrived = 0;
      return;
    }
    const size = await sizeOf(partial);
    expectThat(size >= arrived, `${arrived} bytes had arrived before, now there are ${size}`);
    arrived = size;
  });
  life.serve();
  const last = await life.run(["pull", modelRef]);
  expectThat(last.code === 0, `the next start: exit ${last.code}: ${last.stderr.slice(-600)}`);
  await expectWhole(life, life.cache);
  const [range] = life.asked();
  expectThat(!arrived || range === `bytes=${arrived}-`, `the next start asked for ${range}, not from ${arrived} on`);
  return done;
}

/** Interrupts starts that convert the weights; the next start converts them whole and answers as ever. */
export async function interruptConversions(
  life: Life,
  count: number,
  random: Random,
  spanMs: number,
  reference: readonly number[],
): Promise<Interruption[]> {
  const converted = join(life.cache, "converted");
  await rm(converted, { recursive: true, force: true });
  return series(life, generation(8, "--offline"), spanMs, count, random, async () => {
    const tokens = tokensOf(await life.run(generation(8, "--offline")));
    expectThat(String(tokens) === String(reference), `the next start gave ${tokens} instead of ${reference}`);
    const left = await temporaries(converted);
    expectThat(!left.length, `left behind after the next start: ${left}`);
    await rm(converted, { recursive: true, force: true });
  });
}

/** Interrupts answers; the next start answers as ever. */
export async function interruptGenerations(
  life: Life,
  count: number,
  random: Random,
  spanMs: number,
  reference: readonly number[],
): Promise<Interruption[]> {
  return series(life, generation(200, "--offline"), spanMs, count, random, async () => {
    const tokens = tokensOf(await life.run(generation(8, "--offline")));
    expectThat(String(tokens) === String(reference), `the next start gave ${tokens} instead of ${reference}`);
  });
}
