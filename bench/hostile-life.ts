/**
 * Bar: hostile life. The command line on the real default model while downloads are cut, files are wrong, the disk is full,
 * two processes want the same, users ask for what cannot be, and Ctrl-C comes at any moment: a clear error or a clean stop,
 * and nothing lost.
 *
 * Own option: `--seed N` for other moments of Ctrl-C (default 1).
 */
import { join } from "node:path";
import { Random } from "../src/util/random.ts";
import { type BarContext, median, runBar } from "./harness.ts";
import { diskChecks, mountSmallDisk } from "./hostile/life-disk.ts";
import { downloadChecks } from "./hostile/life-downloads.ts";
import {
  type Interruption,
  interruptConversions,
  interruptGenerations,
  interruptPulls,
} from "./hostile/life-interrupts.ts";
import { requestChecks } from "./hostile/life-requests.ts";
import { type Check, generation, startLife, tokensOf } from "./hostile/life-setup.ts";

const seedAt = process.argv.indexOf("--seed");
const seed = Number(seedAt < 0 ? 1 : process.argv.splice(seedAt, 2)[1]);

async function runChecks(checks: readonly Check[], { log, measure }: BarContext): Promise<void> {
  for (const { name, bar, run } of checks) {
    let fault: string | undefined;
    try {
      log(`${name}: ${await run()}`);
    } catch (thrown) {
      fault = (thrown as Error).message;
      log(`${name}: ${fault}`);
    }
    measure({ name, value: fault === undefined ? 1 : 0, unit: "held", bar, pass: fault === undefined });
  }
}

function reportInterruptions(
  what: string,
  count: number,
  done: readonly Interruption[],
  { log, measure }: BarContext,
): void {
  for (const { signal, atMs, fault } of done)
    if (fault) log(`${signal} during ${what}, after ${Math.round(atMs)} ms: ${fault}`);
  const hits = done.filter(({ hit }) => hit);
  const kills = hits.filter(({ signal }) => signal === "SIGKILL").length;
  const faults = done.filter(({ fault }) => fault !== undefined).length;
  measure({
    name: `${what}, Ctrl-C at ${hits.length - kills} moments, killed at ${kills}, seed ${seed}: not clean, or something lost`,
    value: faults,
    unit: "times",
    bar: "never",
    pass: faults === 0,
  });
  measure({
    name: `${what}: interruptions that came while it ran`,
    value: hits.length,
    unit: `of ${count}`,
    bar: "all that were wanted",
    pass: hits.length === count,
  });
  measure({
    name: `${what}: median time from Ctrl-C to the end`,
    value: hits.length ? median(hits.map(({ msToStop }) => msToStop)) : null,
    unit: "ms",
    pass: null,
  });
}

await runBar("hostile-life", async (context) => {
  const { log, measure, quick } = context;
  await using life = await startLife();
  await runChecks(downloadChecks(life), context);
  // the first start converts the weights, the second does not
  const first = await life.run(generation(8));
  const reference = tokensOf(first);
  const second = await life.run(generation(8));
  log(`reference: tokens ${reference}; first start ${Math.round(first.ms)} ms, second ${Math.round(second.ms)} ms`);
  measure({
    name: "tokens of two starts",
    value: String(tokensOf(second)) === String(reference) ? 1 : 0,
    unit: "equal",
    bar: "equal",
    pass: String(tokensOf(second)) === String(reference),
  });
  await runChecks(requestChecks(life), context);
  const disk = await mountSmallDisk(join(life.folder, "disk"), 64);
  if (disk) {
    await using mounted = disk;
    await runChecks(diskChecks(life, mounted, reference), context);
  } else
    measure({
      name: "a full disk (needs root to make one)",
      value: null,
      unit: "held",
      bar: "nothing lost",
      pass: null,
    });
  const count = quick ? 3 : 10;
  const random = new Random(seed);
  reportInterruptions("pull", count, await interruptPulls(life, count, random.split(1)), context);
  // the pulls began with an empty cache, so this start converts
  const converting = await life.run(generation(8, "--offline"));
  const conversions = await interruptConversions(life, count, random.split(2), converting.ms, reference);
  reportInterruptions("conversion", count, conversions, context);
  const long = await life.run(generation(200, "--offline"));
  const answers = await interruptGenerations(life, count, random.split(3), long.ms, reference);
  reportInterruptions("answer", count, answers, context);
});
