/**
 * What the tuner found for a model on a machine: chosen drafters, cost of steps, how far the drafters can be trusted. Saved as JSON.
 */
import { fail } from "../../util/errors.ts";
import { Calibration, type CalibrationCounts } from "../speculate/calibration.ts";
import { CostCurve, type CostTable } from "../speculate/cost-curve.ts";
import type { Speculation } from "../speculate/speculation.ts";
import { type ModelDrafters, makeDrafters } from "./candidates.ts";

/** What was found of one candidate on the tuning prompts. */
export interface CandidateResult {
  /** Names of its drafters; none for plain decoding. */
  readonly drafters: readonly string[];
  readonly tokensPerStep: number;
  /** Rows checked per step, the root included. */
  readonly rowsPerStep: number;
  /** Speed that acceptance and the cost of steps predict, over plain decoding. */
  readonly predictedSpeedup: number;
  /** Share of steps that proposed at a depth and were accepted there, by depth from 1 on. */
  readonly acceptanceByDepth: readonly number[];
}

/** A saved result of tuning. */
export interface TuningProfile {
  readonly version: 1;
  readonly model: { readonly name: string; readonly sha256: string; readonly form: string };
  readonly machine: { readonly cpu: string; readonly cores: number; readonly threads: number };
  readonly costs: CostTable;
  readonly candidates: readonly CandidateResult[];
  /** Drafters of the chosen candidate. */
  readonly chosen: readonly string[];
  readonly calibration: CalibrationCounts;
  /** The most promising candidate against plain decoding, on prompts that took no part in finding it: below 1, plain was chosen. */
  readonly check: {
    readonly prompts: number;
    readonly predictedSpeedup: number;
    readonly measuredSpeedup: number;
    readonly plainTokensPerSecond: number;
    readonly tunedTokensPerSecond: number;
  };
}

/** Reads a saved profile. @throws `format` for what is none. */
export function parseProfile(text: string): TuningProfile {
  let value: Partial<TuningProfile>;
  try {
    value = JSON.parse(text) as Partial<TuningProfile>;
  } catch (thrown) {
    return fail("format", "the tuning profile is no JSON; run `bletchley tune` again", thrown);
  }
  if (value?.version !== 1 || !Array.isArray(value.chosen) || !value.costs || !value.calibration || !value.model)
    fail("format", "the tuning profile is of another version or incomplete; run `bletchley tune` again");
  new CostCurve(value.costs!);
  return value as TuningProfile;
}

/**
 * How to decode by a profile; `undefined` when plain decoding was best.
 * @param own drafters that the model has besides. @throws `name` when one of those that were chosen is gone.
 */
export function speculationOf(profile: TuningProfile, vocabSize: number, own?: ModelDrafters): Speculation | undefined {
  if (!profile.chosen.length) return undefined;
  return {
    drafters: makeDrafters(profile.chosen, vocabSize, own),
    costs: new CostCurve(profile.costs),
    calibration: new Calibration(profile.calibration),
  };
}
