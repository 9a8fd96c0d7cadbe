/**
 * Rows of the op table by golden family.
 */
import { conv } from "./convolution.ts";
import { elementwise } from "./elementwise.ts";
import { attention, losses, normalize, quantize } from "./networks.ts";
import { optimizers } from "./optimizers.ts";
import type { Family } from "./row.ts";
import { recurrent, signal } from "./sequences.ts";
import { poolResize } from "./space.ts";
import { gatherScatter, matmul, movement, reduce } from "./structure.ts";

export type { Family, GoldenRow, OpExample, PlainRow } from "./row.ts";

/** All families, named like their files of goldens; bit patterns first (see `inReplayOrder`). */
export const families: Readonly<Record<string, Family>> = {
  quantize,
  elementwise,
  reduce,
  matmul,
  movement,
  "gather-scatter": gatherScatter,
  normalize,
  attention,
  conv,
  recurrent,
  signal,
  "pool-resize": poolResize,
  losses,
  optimizers,
};
