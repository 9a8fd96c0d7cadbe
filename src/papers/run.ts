/**
 * Runs a card: gives it its data, keeps its stages, collects what it measures. Where things are kept is the caller's matter.
 */
import { fail, throwIfAborted } from "../util/errors.ts";
import type { Measurement } from "../util/measurement.ts";
import type { ProgressListener } from "../util/progress.ts";
import type {
  DataNeed,
  Figure,
  Machine,
  PaperCard,
  PaperContext,
  PaperMeasurement,
  PaperRun,
  Profile,
  WorkContext,
} from "./card.ts";

/** What surrounds a run: files, machine, terminal. */
export interface PaperHost {
  readonly machine: Machine;
  /** Commit that is checked out, with `-dirty` where files differ from it. */
  readonly commit: string;
  /** Bytes of a data file, checked; `undefined` when it is nowhere to be had. */
  data(need: DataNeed): Promise<Uint8Array | undefined>;
  /** What an earlier, interrupted run kept under a key. */
  recall(key: string): Promise<unknown>;
  /** Keeps the result of a stage. */
  keep(key: string, value: unknown): Promise<void>;
  log(line: string): void;
  readonly onProgress?: ProgressListener;
}

/** How a card is run. */
export interface RunPaperOptions {
  readonly profile: Profile;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** A finished run and its pictures, or why there is none. */
export type RunOutcome =
  | { readonly run: PaperRun; readonly figures: readonly Figure[] }
  /** The data that is absent, and how to get it. */
  | { readonly skipped: string };

/** Turns what a card reports into a measurement. @throws `argument` for one that could not fail. */
export function judge(card: string, m: PaperMeasurement): Measurement {
  const { name, value, unit, baseline, paper, bar, expect, tolerance } = m;
  if ((bar === undefined) !== (expect === undefined))
    fail("argument", `paper "${card}": "${name}" needs both a bar in words and an expectation, or none of them`);
  if (value !== null && Number.isNaN(value)) fail("nan", `paper "${card}": "${name}" is NaN`);
  return {
    name,
    value,
    unit,
    ...(baseline !== undefined && {
      baseline,
      ratio: value !== null && baseline ? value / baseline : null,
    }),
    ...(paper !== undefined && { paper }),
    ...(bar !== undefined && { bar }),
    ...(tolerance !== undefined && { tolerance }),
    pass: expect && value !== null ? expect(value, baseline ?? Number.NaN) : null,
  };
}

/** What work with a card needs, or why it cannot be had. @throws what the host throws. */
export async function workContext(
  card: PaperCard,
  host: PaperHost,
  { profile, seed = 0, signal = new AbortController().signal }: RunPaperOptions,
): Promise<{ readonly context: WorkContext } | { readonly skipped: string }> {
  const needed = (card.data ?? []).filter(({ profiles }) => !profiles || profiles.includes(profile));
  const bytes = new Map<string, Uint8Array>();
  for (const need of needed) {
    const found = await host.data(need);
    if (!found)
      return {
        skipped: `${need.path} is absent: set BLETCHLEY_DATA to a folder that holds it${need.npm ? `, or go online, so that npm fetches ${need.npm}` : need.url ? `, or go online, so that it comes from ${need.url}` : ""}`,
      };
    bytes.set(need.path, found);
  }
  const context: WorkContext = {
    profile,
    seed,
    signal,
    pick: (variants) => variants[profile],
    data: async (path) =>
      bytes.get(path) ??
      fail("argument", `paper "${card.slug}" reads ${path}, which its card does not name under data`),
    text: async (path) => new TextDecoder("utf-8", { fatal: true }).decode(await context.data(path)),
    stage: async (name, work) => {
      throwIfAborted(signal);
      const key = JSON.stringify([card.slug, profile, seed, host.commit, name]);
      const kept = await host.recall(key);
      if (kept !== undefined) {
        host.log(`${name}: taken from the interrupted run`);
        return kept as Awaited<ReturnType<typeof work>>;
      }
      const value = await work();
      await host.keep(key, value);
      return value;
    },
    progress: (task, done, total) => {
      throwIfAborted(signal);
      host.onProgress?.({ task, done, total, unit: "steps" });
    },
    log: (line) => host.log(line),
  };
  return { context };
}

/**
 * Runs a card under a profile; one whose data is absent is skipped.
 * @throws `aborted`, `argument` for a card that measures nothing, and what the experiment throws.
 */
export async function runPaper(card: PaperCard, host: PaperHost, options: RunPaperOptions): Promise<RunOutcome> {
  const started = performance.now();
  const measurements: Measurement[] = [];
  const figures: Figure[] = [];
  const made = await workContext(card, host, options);
  if ("skipped" in made) return made;
  const context: PaperContext = {
    ...made.context,
    measure: (m) => {
      measurements.push(judge(card.slug, m));
    },
    figure: (figure) => {
      if (figures.some(({ name }) => name === figure.name))
        fail("argument", `paper "${card.slug}" drew "${figure.name}" twice`);
      figures.push(figure);
    },
  };
  await card.run(context);
  const { profile, seed } = context;
  if (!measurements.length) fail("argument", `paper "${card.slug}" measured nothing in its ${profile} profile`);
  return {
    figures,
    run: {
      profile,
      seed,
      measurements,
      figures: figures.map(({ name, caption }) => ({ name, caption })),
      machine: host.machine,
      commit: host.commit,
      date: new Date().toISOString(),
      durationSeconds: Math.round((performance.now() - started) / 100) / 10,
    },
  };
}
