/**
 * `bletchley papers`: list, run, report and verify the papers.
 */
import { type Command, Option } from "commander";
import type { Profile } from "../papers/index.ts";
import { fail } from "../util/errors.ts";
import { interruptible } from "./exit.ts";
import { wholeFrom } from "./options.ts";
import { ProgressDrawing } from "./progress.ts";

interface RunFlags {
  readonly profile: Profile;
  readonly seed: number;
  readonly save?: boolean;
  readonly json?: string;
  readonly offline?: boolean;
}

interface VerifyFlags {
  readonly profile: Profile;
  readonly offline?: boolean;
}

/** The option that chooses how much of an experiment is run. */
export const profileOption = () =>
  new Option("-p, --profile <name>", "smoke (seconds), quick (minutes) or full (up to half an hour)")
    .choices(["smoke", "quick", "full"])
    .default("quick");

async function list(): Promise<void> {
  const { statusOf } = await import("../papers/index.ts");
  const { loadPaper, paperSlugs } = await import("./papers/folders.ts");
  const slugs = paperSlugs();
  const width = Math.max(0, ...slugs.map((slug) => slug.length));
  for (const slug of slugs) {
    const { card, result } = await loadPaper(slug);
    process.stdout.write(`${slug.padEnd(width)}  ${statusOf(result).padEnd(11)}  ${card.summary}\n`);
  }
}

/** A host that draws progress and prints lines above it. @param name of the folder that stages are kept in. */
export async function terminalHost(name: string, offline: boolean | undefined) {
  const { createHost } = await import("./papers/host.ts");
  const drawing = new ProgressDrawing();
  const log = (line: string) => {
    drawing.clear();
    process.stderr.write(`${line}\n`);
  };
  return { host: await createHost(name, { offline, onProgress: drawing.listener, log }), drawing };
}

/** Runs one paper. @returns `undefined` when it was skipped. */
async function runOne(slug: string, flags: Pick<RunFlags, "profile" | "seed" | "offline">, signal: AbortSignal) {
  const { runPaper } = await import("../papers/index.ts");
  const { loadCard } = await import("./papers/folders.ts");
  const card = await loadCard(slug);
  const { host, drawing } = await terminalHost(slug, flags.offline);
  try {
    const outcome = await runPaper(card, host, { profile: flags.profile, seed: flags.seed, signal });
    drawing.clear();
    if ("skipped" in outcome) {
      process.stdout.write(`${slug}: skipped, ${outcome.skipped}\n`);
      return undefined;
    }
    await host.forget();
    return outcome;
  } finally {
    drawing.clear();
  }
}

async function run(slugs: readonly string[], flags: RunFlags, signal: AbortSignal): Promise<void> {
  const { measurementLine } = await import("../util/measurement.ts");
  const { paperSlugs, saveRun } = await import("./papers/folders.ts");
  const { writeAtomically } = await import("../sources/index.ts");
  const chosen = slugs.length ? slugs : paperSlugs();
  if (flags.json && chosen.length > 1) fail("argument", "--json takes one run; name one paper");
  let short = 0;
  for (const slug of chosen) {
    const outcome = await runOne(slug, flags, signal);
    if (!outcome) continue;
    const { run, figures } = outcome;
    process.stdout.write(`${slug}, ${run.profile}, ${run.durationSeconds} s\n`);
    for (const m of run.measurements) process.stdout.write(`  ${measurementLine(m)}\n`);
    short += run.measurements.filter(({ pass }) => pass === false).length;
    if (flags.save) await saveRun(slug, run, figures);
    if (flags.json) await writeAtomically(flags.json, `${JSON.stringify(run, null, 2)}\n`);
  }
  if (short) process.exitCode = 1;
}

async function verify(slugs: readonly string[], flags: VerifyFlags, signal: AbortSignal): Promise<void> {
  const { verifyRun } = await import("../papers/index.ts");
  const { loadResult, paperSlugs } = await import("./papers/folders.ts");
  let wrong = 0;
  for (const slug of slugs.length ? slugs : paperSlugs()) {
    const committed = (await loadResult(slug))[flags.profile];
    if (!committed) {
      process.stdout.write(`${slug}: no ${flags.profile} result is committed; run it with --save\n`);
      wrong++;
      continue;
    }
    const outcome = await runOne(slug, { ...flags, seed: committed.seed }, signal);
    if (!outcome) continue;
    const verifications = verifyRun(committed, outcome.run);
    for (const { name, ok, reason, committed: old, repeated } of verifications)
      process.stdout.write(
        `${ok ? "✓" : "✗"} ${slug}: ${name}: ${repeated} (committed ${old})${reason ? ` ${reason}` : ""}\n`,
      );
    wrong += verifications.filter(({ ok }) => !ok).length;
  }
  if (wrong) process.exitCode = 1;
}

async function report(file: string | undefined): Promise<void> {
  const { htmlReport, markdownReport } = await import("../papers/index.ts");
  const { loadPaper, paperSlugs } = await import("./papers/folders.ts");
  const { writeAtomically } = await import("../sources/index.ts");
  const papers = [];
  for (const slug of paperSlugs()) papers.push(await loadPaper(slug));
  if (!file) process.stdout.write(markdownReport(papers));
  else if (/\.html?$/i.test(file)) await writeAtomically(file, htmlReport(papers));
  else await writeAtomically(file, markdownReport(papers));
}

/** Adds the command to the program. */
export function addPapers(program: Command): void {
  const papers = program.command("papers").description("papers that run: what they claim, and what is measured here");
  papers.command("list", { isDefault: true }).description("all papers and how they stand").action(list);
  papers
    .command("run")
    .description("run experiments; an interrupted one goes on where it was")
    .argument("[slug...]", "papers to run; all when none is named")
    .addOption(profileOption())
    .option("--seed <n>", "seed of everything random", wholeFrom(0), 0)
    .option("--save", "save result and figures beside the card, in a clone of the repository")
    .option("--json <file>", "write the run to a file")
    .option("--offline", "use only what is on this machine")
    .action((slugs: string[], flags: RunFlags) => interruptible((signal) => run(slugs, flags, signal)));
  papers
    .command("verify")
    .description("run again and compare with what was saved")
    .argument("[slug...]", "papers to verify; all when none is named")
    .addOption(profileOption())
    .option("--offline", "use only what is on this machine")
    .action((slugs: string[], flags: VerifyFlags) => interruptible((signal) => verify(slugs, flags, signal)));
  papers
    .command("report")
    .description("all results as Markdown, or as one page of HTML")
    .argument("[file]", "where to write it (.md or .html); Markdown on the screen when absent")
    .action((file?: string) => interruptible(() => report(file)));
}
