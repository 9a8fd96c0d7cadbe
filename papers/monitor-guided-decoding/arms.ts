/**
 * The ways of completing a point, and what came of them. Samples and arms with the same prompt follow each other, so that the model finds
 * the prompt in its cache.
 */

import {
  ArgumentMonitor,
  type Constraint,
  MemberMonitor,
  MonitorConstraint,
  type MonitorStatistics,
  type MonitorTrigger,
  scanCode,
  type TypeScriptProject,
  type Vocabulary,
} from "bletchley/decode";
import type { Model } from "bletchley/serve";
import type ts from "typescript";
import { type Agreement, agreement, errorsIn, isFinished } from "./metrics.ts";
import type { Point } from "./point.ts";

/** A way of completing points. */
export interface Arm {
  readonly name: string;
  /** Whether the declaration of what stands before the dot is in the prompt. */
  readonly types: boolean;
  readonly monitors: "none" | "members" | "members and arguments";
}

/** All arms. */
export const allArms: readonly Arm[] = [
  { name: "plain", types: false, monitors: "none" },
  { name: "MGD", types: false, monitors: "members" },
  { name: "MGD + argument counts", types: false, monitors: "members and arguments" },
  { name: "types", types: true, monitors: "none" },
  { name: "types + MGD", types: true, monitors: "members" },
];

/** One completion. */
export interface Trial extends Agreement {
  readonly point: number;
  readonly arm: string;
  readonly sample: number;
  readonly text: string;
  /** Tokens of the model. */
  readonly generated: readonly number[];
  /** Whether the function was closed. */
  readonly finished: boolean;
  /** Whether the compiler has no objection to it. */
  readonly compiles: number;
  readonly milliseconds: number;
  /** What the monitors did, absent without them. */
  readonly monitored?: MonitorStatistics;
  /** Milliseconds of analyses that were not known. */
  readonly analyses: readonly number[];
  /** Identifiers that were written under a limit. */
  readonly limited: readonly LimitedName[];
}

/** An identifier that was written while a monitor limited it. */
export interface LimitedName {
  /** Characters of the completion before it; negative where it begins in the prompt. */
  readonly at: number;
  readonly name: string;
  /** Whether the completion ends before the identifier does. */
  readonly cut: boolean;
}

/** What points are completed with. */
export interface Completing {
  readonly compiler: typeof ts;
  readonly model: Model;
  readonly vocabulary: Vocabulary;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly signal: AbortSignal;
}

/** The prompt of a point: the last tokens before the dot, behind the declaration if it is given. */
export function promptOf({ model, promptTokens }: Completing, point: Point, types: boolean): readonly number[] {
  const tokens = model.tokenizer.encode(point.before).slice(-promptTokens);
  if (!types || !point.declaration) return tokens;
  const comment = point.declaration.replaceAll(/^/gm, "// ");
  return [...model.tokenizer.encode(`${comment}\n`), ...tokens];
}

/** How one completion is made. */
export interface Sampling {
  readonly temperature: number;
  readonly seed: number;
}

/** Generates until the function is closed, or as many tokens as there may be. */
export async function complete(
  { model, maxTokens, signal }: Completing,
  point: Point,
  prompt: readonly number[],
  { temperature, seed }: Sampling,
  constraint?: Constraint,
): Promise<{ text: string; tokens: number[]; finished: boolean; milliseconds: number }> {
  let text = "";
  const tokens: number[] = [];
  let place = scanCode(point.before);
  const started = performance.now();
  const options = { temperature, seed, topP: temperature ? 0.95 : 1, maxTokens, signal, constraint };
  for await (const chunk of model.generate(prompt, options)) {
    tokens.push(...chunk.tokens);
    for (const c of chunk.text) {
      text += c;
      place = scanCode(c, place);
      if (isFinished(point, place)) return { text, tokens, finished: true, milliseconds: performance.now() - started };
    }
  }
  return { text, tokens, finished: false, milliseconds: performance.now() - started };
}

/** Monitors of an arm for one point; what they find out is kept for its samples only. */
export class ArmMonitors {
  readonly #members: MemberMonitor;
  readonly #arguments: ArgumentMonitor | undefined;
  readonly #vocabulary: Vocabulary;
  #triggers: MonitorTrigger[] = [];

  constructor(vocabulary: Vocabulary, project: TypeScriptProject, path: string, countArguments: boolean) {
    const common = { vocabulary, onTrigger: (trigger: MonitorTrigger) => this.#triggers.push(trigger) };
    this.#vocabulary = vocabulary;
    this.#members = new MemberMonitor({ ...common, analyse: project.members(path) });
    this.#arguments = countArguments ? new ArgumentMonitor({ ...common, analyse: project.arities(path) }) : undefined;
  }

  /** What they did so far. */
  get statistics(): MonitorStatistics {
    const a = this.#members.statistics;
    const b = this.#arguments?.statistics;
    if (!b) return a;
    const sum = (key: keyof MonitorStatistics) => a[key] + b[key];
    return {
      triggers: sum("triggers"),
      limited: sum("limited"),
      analyses: sum("analyses"),
      analysisMs: sum("analysisMs"),
      masks: sum("masks"),
      maskMs: sum("maskMs"),
    };
  }

  /** What was asked since the last text began. */
  get triggers(): readonly MonitorTrigger[] {
    return this.#triggers;
  }

  /** Begins a text. */
  start({ before, after }: Point): MonitorConstraint {
    this.#triggers = [];
    const monitors = this.#arguments ? [this.#members, this.#arguments] : [this.#members];
    return MonitorConstraint.start(this.#vocabulary, monitors, { before, after });
  }
}

const difference = (a: MonitorStatistics, b: MonitorStatistics): MonitorStatistics => ({
  triggers: a.triggers - b.triggers,
  limited: a.limited - b.limited,
  analyses: a.analyses - b.analyses,
  analysisMs: a.analysisMs - b.analysisMs,
  masks: a.masks - b.masks,
  maskMs: a.maskMs - b.maskMs,
});

/** The identifiers that were written at the places where a monitor limited them. */
function limitedNames(triggers: readonly MonitorTrigger[], before: string, text: string): readonly LimitedName[] {
  const whole = before + text;
  const names: LimitedName[] = [];
  for (const { monitor, text: upTo, legal } of triggers) {
    // a completion that was cut at its function's end may have asked behind it
    if (monitor !== "members" || !legal || upTo.length > whole.length) continue;
    const name = /^#?[\p{ID_Continue}$\u200c\u200d]*/u.exec(whole.slice(upTo.length))![0];
    names.push({ at: upTo.length - before.length, name, cut: upTo.length + name.length === whole.length });
  }
  return names;
}

/** How often a point is completed. */
export interface Trying {
  readonly arms: readonly Arm[];
  readonly samples: readonly Sampling[];
}

/** Completes a point under all arms. @param project the point's own. */
export async function tryPoint(
  completing: Completing,
  { arms, samples }: Trying,
  number: number,
  point: Point,
  project: TypeScriptProject,
): Promise<readonly Trial[]> {
  const { compiler, vocabulary } = completing;
  const trials: Trial[] = [];
  for (const arm of arms) {
    const prompt = promptOf(completing, point, arm.types);
    const monitors =
      arm.monitors === "none"
        ? undefined
        : new ArmMonitors(vocabulary, project, point.path, arm.monitors === "members and arguments");
    for (const [sample, sampling] of samples.entries()) {
      const before = monitors?.statistics;
      const constraint = monitors?.start(point);
      const seed = sampling.seed + 1000 * number;
      const { text, tokens, finished, milliseconds } = await complete(
        completing,
        point,
        prompt,
        { ...sampling, seed },
        constraint,
      );
      const triggers = monitors?.triggers ?? [];
      trials.push({
        point: number,
        arm: arm.name,
        sample,
        text,
        generated: tokens,
        finished,
        milliseconds,
        compiles: errorsIn(project, point, text, finished).length ? 0 : 1,
        ...agreement(compiler, text, point.truth),
        ...(monitors && { monitored: difference(monitors.statistics, before!) }),
        analyses: triggers.filter(({ known }) => !known).map((trigger) => trigger.milliseconds),
        limited: limitedNames(triggers, point.before, text),
      });
    }
  }
  return trials;
}
