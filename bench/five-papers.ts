/**
 * The five papers that stretch the trunk: bars of their saved runs, their quick profiles repeated and compared, their smokes timed.
 * `--only a,b` chooses papers; `--quick` leaves the repetitions out.
 */
import { loadPaper } from "../src/cli/papers/folders.ts";
import { createHost } from "../src/cli/papers/host.ts";
import { type PaperCard, type Profile, runPaper, verifyRun } from "../src/papers/index.ts";
import { type BarContext, runBar } from "./harness.ts";

const five = ["spatial-channel-se", "skip-tuning", "hnerv", "hydra", "layerwise-unmasking"] as const;

/** Longest that a smoke may take, in seconds. */
const smokeSeconds = 8;

async function repeat({ log }: BarContext, card: PaperCard, profile: Profile, seed: number) {
  const host = await createHost(`${card.slug}.bar-${process.pid}`, { log });
  try {
    const outcome = await runPaper(card, host, { profile, seed });
    if ("skipped" in outcome) log(`${card.slug}: ${outcome.skipped}`);
    else return outcome.run;
  } finally {
    await host.forget();
  }
  return undefined;
}

async function judge(context: BarContext, slug: string): Promise<void> {
  const { card, result } = await loadPaper(slug);
  for (const profile of ["quick", "full"] as const) {
    const judged = result[profile]?.measurements.filter(({ pass }) => pass !== null);
    const short = judged?.filter(({ pass }) => pass === false) ?? [];
    for (const { name, value, bar } of short) context.log(`${slug}, ${profile}: ${name} is ${value}, the bar ${bar}`);
    context.measure({
      name: `${slug}: bars of the saved ${profile} run that fall short${judged ? `, of ${judged.length}` : ""}`,
      value: judged ? short.length : null,
      unit: "bars",
      bar: "0",
      pass: judged ? short.length === 0 : null,
    });
  }
  // the first run pays for what Node and the engine load once
  const smokes = [await repeat(context, card, "smoke", 0), await repeat(context, card, "smoke", 0)];
  const seconds = smokes[1]?.durationSeconds ?? null;
  context.measure({
    name: `${slug}: smoke, with what an earlier run trained`,
    value: seconds,
    unit: "s",
    bar: `≤ ${smokeSeconds} s`,
    pass: seconds === null ? null : seconds <= smokeSeconds,
  });
  if (context.quick) return;
  const saved = result.quick;
  const again = saved && (await repeat(context, card, "quick", saved.seed));
  const differing = saved && again ? verifyRun(saved, again).filter(({ ok }) => !ok) : undefined;
  for (const { name, committed, repeated, reason } of differing ?? [])
    context.log(`${slug}: ${name}: ${repeated}, saved ${committed}: ${reason}`);
  context.measure({
    name: `${slug}: measurements of the quick run that a repetition (${again?.durationSeconds ?? 0} s, with what an earlier run trained where that is kept) contradicts`,
    value: differing ? differing.length : null,
    unit: "measurements",
    bar: "0",
    pass: differing ? differing.length === 0 : null,
  });
}

await runBar("five-papers", async (context) => {
  const only = context.options.get("only")?.split(",");
  for (const slug of five.filter((name) => only?.includes(name) ?? true)) await judge(context, slug);
});
