/**
 * The U-Net as a segmentation model that is described by plain data, with gates behind its blocks. Knows no data set and no loss.
 */
import {
  type BehindBlock,
  ChannelGate,
  ChannelSpatialGate,
  type GateMerge,
  initialize,
  loadStateDict,
  type Module,
  ProjectExciteGate,
  SpatialGate,
  stateDict,
  UNet,
} from "../nn/index.ts";
import { argmax, cast, type Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";

/**
 * Gates behind every block of a network: of channels (cSE), of places (sSE), of both (scSE), or project and excite. The merge is part of the
 * description, since weights fit only theirs.
 */
export type GateDescription = { readonly initialBias?: number } & (
  | { readonly kind: "cSE"; readonly r?: number }
  | { readonly kind: "sSE" }
  | { readonly kind: "scSE"; readonly merge: GateMerge; readonly r?: number }
  | { readonly kind: "projectExcite"; readonly r?: number }
);

/** What a {@link SegmentationUNet} is made from; it survives JSON. */
export interface SegmentationUNetConfig {
  readonly inChannels: number;
  /** Classes with the background, which is class 0. */
  readonly classes: number;
  /** Channels of each level, from full size down. */
  readonly channels: readonly number[];
  /** Number of spatial axes; 2 by default. */
  readonly dimensions?: 1 | 2 | 3;
  readonly gates?: GateDescription;
}

function newGate(channels: number, gates: GateDescription, dimensions: 1 | 2 | 3): BehindBlock {
  switch (gates.kind) {
    case "cSE":
      return new ChannelGate(channels, gates);
    case "sSE":
      return new SpatialGate(channels, { ...gates, dimensions });
    case "scSE":
      return new ChannelSpatialGate(channels, { ...gates, dimensions });
    case "projectExcite":
      return new ProjectExciteGate(channels, gates);
  }
}

/**
 * U-Net with batch norm and linear enlarging; gates stand behind every block (its last ReLU), the deepest one included, and not behind
 * the head.
 */
export class SegmentationUNet extends UNet {
  readonly _config: SegmentationUNetConfig;

  /** @throws `argument` without levels, and for project and excite outside of three dimensions. */
  constructor(config: SegmentationUNetConfig) {
    const { inChannels, classes, channels, gates, dimensions = 2 } = config;
    if (gates?.kind === "projectExcite" && dimensions !== 3)
      fail("argument", `SegmentationUNet: projectExcite is for volumes, dimensions is ${dimensions}; use scSE`);
    super({
      inChannels,
      outChannels: classes,
      channels,
      dimensions,
      enlarging: "linear",
      ...(gates && { behind: (n: number) => newGate(n, gates, dimensions) }),
    });
    this._config = config;
  }

  /** The most likely class of every place: `[n, inChannels, …space] → i32[n, …space]`. */
  labels(x: Tensor): Tensor {
    return cast(argmax(this.forward(x), 1), "i32");
  }
}

/** Whether an array of a model belongs to its gates. */
const isGate = (path: string) => /^behind(?:Down|Up)\./.test(path);

/**
 * Puts gates into a network that was trained without: a new network with the old one's values, and gates that begin by chance from `seed`.
 * With an `initialBias` of 3 it does nearly what the old one did; by default gates begin near 0.5, and each halves what passes.
 * @throws `argument` when it has gates already, or for gates that change the number of channels.
 */
export function insertGates(model: SegmentationUNet, gates: GateDescription, seed: number): SegmentationUNet {
  if (model._config.gates) fail("argument", `insertGates: the model has ${model._config.gates.kind} gates already`);
  if (gates.kind === "scSE" && gates.merge === "concat")
    fail("argument", "insertGates: concat doubles the channels, which trained layers do not take; use another merge");
  const gated = new SegmentationUNet({ ...model._config, gates });
  initialize(gated, seed);
  const values = new Map([...stateDict(model)].map(([path, array]) => [path, array.copy()]));
  for (const [path, array] of stateDict(gated)) if (isGate(path)) values.set(path, array);
  loadStateDict(gated, values);
  return gated;
}

/** Number of a model's trained numbers, in all and in its gates. */
export function countGateParameters(model: Module): { readonly all: number; readonly gates: number } {
  let [all, gates] = [0, 0];
  for (const [path, { shape }] of model.parameters()) {
    const size = shape.reduce((product, n) => product * n, 1);
    all += size;
    if (isGate(path)) gates += size;
  }
  return { all, gates };
}
