/**
 * Compares a repetition with a committed result.
 */
import type { Measurement } from "../util/measurement.ts";
import type { PaperRun } from "./card.ts";

/** What became of one measurement. */
export interface Verification {
  readonly name: string;
  readonly committed: number | null | undefined;
  readonly repeated: number | null | undefined;
  readonly ok: boolean;
  /** Why not, in words. */
  readonly reason?: string;
}

const usualTolerance = 0.1;

function compare(name: string, old: Measurement | undefined, now: Measurement | undefined): Verification {
  const base = { name, committed: old?.value, repeated: now?.value };
  if (!old) return { ...base, ok: false, reason: "is not in the committed result" };
  if (!now) return { ...base, ok: false, reason: "was not measured again" };
  if (now.pass === false && old.pass !== false)
    return { ...base, ok: false, reason: `falls short of its bar ${now.bar}` };
  if (old.value === null || now.value === null)
    return old.value === now.value ? { ...base, ok: true } : { ...base, ok: false, reason: "was measured only once" };
  const tolerance = now.tolerance ?? usualTolerance;
  if (Math.abs(now.value - old.value) <= tolerance * Math.max(Math.abs(old.value), 1e-12) || old.value === now.value)
    return { ...base, ok: true };
  return { ...base, ok: false, reason: `differs by more than ${tolerance} of the committed value` };
}

/** Compares every measurement of two runs of the same profile. */
export function verifyRun(committed: PaperRun, repeated: PaperRun): Verification[] {
  const find = (run: PaperRun, name: string) => run.measurements.find((m) => m.name === name);
  const names = new Set([...committed.measurements, ...repeated.measurements].map(({ name }) => name));
  return [...names].map((name) => compare(name, find(committed, name), find(repeated, name)));
}
