/**
 * Channels for a given number of parameters: how wide each stage is, and which first width hits a budget by counting real parameters, not by
 * the closed form, which overshoots where stages have the least width. Knows no tensors.
 */
import { fail } from "../util/errors.ts";
import {
  type CodeInput,
  checkVideoConfig,
  type IndexInput,
  type VideoNetworkConfig,
  videoLimits,
  videoSize,
} from "./config.ts";

/** How channels fall and kernels grow from stage to stage. */
export interface StageRule {
  /** Channels of a stage over those of the next. */
  readonly reduction: number;
  /** Kernel of the first stage and largest kernel; each stage's is larger by 2 than the one before. */
  readonly kernels: readonly [first: number, most: number];
  /** Least channels of a stage. */
  readonly leastChannels: number;
}

/** Balanced stages (HNeRV): small kernels first, and a gentle reduction. */
export const balancedStages: StageRule = { reduction: 1.2, kernels: [1, 5], leastChannels: 12 };

/** Stages of NeRV: channels halve, and so nearly all parameters lie in the early layers. */
export const halvingStages: StageRule = { reduction: 2, kernels: [3, 3], leastChannels: 12 };

/** Frames, stages' strides and input of a network whose channels are to be found. */
export interface VideoPlan {
  readonly height: number;
  readonly width: number;
  readonly frames: number;
  readonly strides: readonly number[];
  readonly input: CodeInput | IndexInput;
  readonly stages: StageRule;
}

/** Rounds as Python does, halves to even, so that channels are those of the published code. */
function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** The network of a plan that begins with so many channels. */
export function planNetwork(plan: VideoPlan, firstChannels: number): VideoNetworkConfig {
  const { height, width, frames, strides, input, stages } = plan;
  const channels = [firstChannels];
  for (const _ of strides)
    channels.push(Math.max(roundHalfEven(channels[channels.length - 1]! / stages.reduction), stages.leastChannels));
  const [first, most] = stages.kernels;
  const kernels = strides.map((_, i) => Math.min(first + 2 * i, most));
  return { height, width, frames, input, strides, kernels, channels };
}

/**
 * The network of a plan whose size (decoder and codes) is nearest to a budget.
 * @throws `argument` when even one channel is more than 1.2 times the budget, or when nothing reaches 0.8 times of it.
 */
export function networkOfSize(plan: VideoPlan, budget: number): VideoNetworkConfig {
  // size grows with the first width, so the nearest lies on either side of where it passes the budget
  let low = 1;
  let high: number = videoLimits.channels;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (videoSize(planNetwork(plan, middle)) < budget) low = middle + 1;
    else high = middle;
  }
  const found = [low - 1, low]
    .filter((n) => n >= 1)
    .map((n) => planNetwork(plan, n))
    .reduce((a, b) => (Math.abs(videoSize(a) - budget) < Math.abs(videoSize(b) - budget) ? a : b));
  const size = videoSize(found);
  if (size > 1.2 * budget || size < 0.8 * budget)
    return fail(
      "argument",
      `no network has about ${budget} numbers: the nearest has ${size}; change the budget, the strides or the code's channels`,
    );
  checkVideoConfig(found);
  return found;
}

/** The plan with a little more or less of what its own size hardly depends on, nearest first. */
function* nearbyPlans(plan: VideoPlan): Generator<VideoPlan> {
  yield plan;
  const { input, stages } = plan;
  // the layer that reads frames' numbers is where such networks have most of their parameters
  if (input.kind === "index")
    for (let more = 1; more < input.levels; more++)
      for (const levels of [input.levels + more, input.levels - more]) yield { ...plan, input: { ...input, levels } };
  for (let more = 1; more < stages.leastChannels + 8; more++)
    for (const leastChannels of [stages.leastChannels + more, stages.leastChannels - more])
      if (leastChannels >= 1) yield { ...plan, stages: { ...stages, leastChannels } };
}

/**
 * A network of a plan that is not smaller than `least` and at most `margin` larger, for comparisons in which it must not be at a
 * disadvantage. Where no first width does, the number of frequencies of an index input is changed a little, or else the least channels of
 * a stage.
 * @param margin share, 0.03 by default. @throws `argument` when there is none.
 */
export function networkNotSmaller(plan: VideoPlan, least: number, margin = 0.03): VideoNetworkConfig {
  for (const nearby of nearbyPlans(plan)) {
    let first = 1;
    while (first < videoLimits.channels && videoSize(planNetwork(nearby, first)) < least) first++;
    const config = planNetwork(nearby, first);
    if (videoSize(config) >= least && videoSize(config) <= (1 + margin) * least) {
      checkVideoConfig(config);
      return config;
    }
  }
  return fail(
    "argument",
    `no network of this plan has ${least} to ${Math.floor((1 + margin) * least)} numbers; allow a larger margin`,
  );
}
