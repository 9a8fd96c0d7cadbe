/**
 * Measures what PEARL's two models take on this machine, alone and both at once, which share caches and memory bandwidth.
 */
import type { Sequence } from "../../lm/index.ts";
import { fail, throwIfAborted } from "../../util/errors.ts";
import { Random } from "../../util/random.ts";
import { DraftLane, feed } from "./draft-lane.ts";
import type { PearlModel } from "./pearl.ts";

/** Step times in milliseconds. */
export interface PearlTimes {
  /** Of the draft model, a written token. */
  readonly draftMs: number;
  /** Of the target model, by number of rows from 1 on. */
  readonly targetMs: readonly number[];
}

/** Times with the other model idle, and with both at work. */
export interface MeasuredPearl {
  readonly alone: PearlTimes;
  readonly together: PearlTimes;
}

/** How it is measured. */
export interface PearlMeasureOptions {
  /** Text that the steps come after, in tokens; 64 are enough. */
  readonly text: readonly number[];
  /** Most rows of a target's step; 9 by default. */
  readonly rows?: number;
  /** Steps of each size; the median counts. 5 by default. */
  readonly repeats?: number;
  readonly signal?: AbortSignal;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** @throws `argument` for a text that leaves no room for the steps, `aborted`. */
export async function measurePearl(
  { target, draft }: { readonly target: PearlModel; readonly draft: PearlModel },
  options: PearlMeasureOptions,
): Promise<MeasuredPearl> {
  const { text, rows = 9, repeats = 5, signal } = options;
  if (64 - (text.length % 64) < rows + 1)
    fail(
      "argument",
      `${rows} rows do not fit behind a text of ${text.length} tokens; make it end ${rows + 1} tokens before a multiple of 64`,
    );
  const sequence = await target.open();
  const lane = new DraftLane({
    open: () => draft.open(),
    sampling: {},
    random: new Random(0),
    ends: new Set(),
    signal,
  });
  try {
    await feed(sequence, text, undefined, signal);
    await lane.read(text.slice(0, -1));
    const write = async () => {
      const start = performance.now();
      await lane.write(text, 4);
      const ms = (performance.now() - start) / 4;
      await lane.rollback(text.length - 1);
      return ms;
    };
    const draftAlone: number[] = [];
    for (let i = -1; i < repeats; i++) {
      const ms = await write();
      if (i >= 0) draftAlone.push(ms);
    }
    const targetAlone = await stepTimes(sequence, text, rows, repeats, signal);
    const draftTogether: number[] = [];
    let busy = true;
    const writing = (async () => {
      while (busy) draftTogether.push(await write());
    })();
    try {
      const targetTogether = await stepTimes(sequence, text, rows, repeats, signal);
      return {
        alone: { draftMs: median(draftAlone), targetMs: targetAlone },
        together: { draftMs: median(draftTogether), targetMs: targetTogether },
      };
    } finally {
      busy = false;
      await writing;
    }
  } finally {
    await Promise.allSettled([sequence.close(), lane.close()]);
  }
}

async function stepTimes(
  sequence: Sequence,
  text: readonly number[],
  most: number,
  repeats: number,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const times: number[][] = Array.from({ length: most }, () => []);
  for (let round = -1; round < repeats; round++)
    for (let rows = 1; rows <= most; rows++) {
      throwIfAborted(signal);
      const start = performance.now();
      await sequence.step({ tokens: text.slice(0, rows) });
      if (round >= 0) times[rows - 1]!.push(performance.now() - start);
    }
  // a step of more rows never costs less: what looks like it is noise
  let highest = 0;
  return times.map((values) => (highest = Math.max(highest, median(values))));
}
