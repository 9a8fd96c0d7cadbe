/**
 * From a vector per token to one per text, as the `1_Pooling/config.json` of sentence-transformers models says.
 */
import { concat, type Tensor, where } from "../../tensor/index.ts";
import { fail } from "../../util/errors.ts";
import { HfFields } from "../checkpoint/hf-fields.ts";

/** Ways to pool; results of several are put side by side in this order. */
export const poolingModes = ["cls", "max", "mean", "mean-sqrt"] as const;

/** A way to pool: the first token, the largest value, the mean, or the sum divided by the root of the count. */
export type PoolingMode = (typeof poolingModes)[number];

const fieldOf: Readonly<Record<PoolingMode, string>> = {
  cls: "pooling_mode_cls_token",
  max: "pooling_mode_max_tokens",
  mean: "pooling_mode_mean_tokens",
  "mean-sqrt": "pooling_mode_mean_sqrt_len_tokens",
};

/**
 * The ways that a `1_Pooling/config.json` asks for; `path` is for messages.
 * @throws `unsupported` for ways that are not known here, or when none is on.
 */
export function poolingFromHf(text: string, path: string): readonly PoolingMode[] {
  const fields = HfFields.parse(text, path);
  for (const key of ["pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"]) fields.only(key, [false]);
  const modes = poolingModes.filter((mode) => fields.flag(fieldOf[mode], false));
  return modes.length ? modes : fail("unsupported", `${path} switches none of ${poolingModes.join(", ")} on`);
}

/**
 * Pools `[b, l, hidden]` to `[b, modes · hidden]`.
 * @param mask `f32[b, l]`, 1 for tokens and 0 for padding; padding contributes exact zeros.
 */
export function pool(hidden: Tensor, mask: Tensor, modes: readonly PoolingMode[]): Tensor {
  const column = mask.unsqueeze(-1);
  const sum = () => hidden.mul(column).sum(1);
  const count = () => column.sum(1).maximum(1);
  const ways: Readonly<Record<PoolingMode, () => Tensor>> = {
    cls: () => hidden.slice({ axis: 1, start: 0, end: 1 }).squeeze(1),
    max: () => where(column.greater(0), hidden, -1e30).max(1),
    mean: () => sum().div(count()),
    "mean-sqrt": () => sum().div(count().sqrt()),
  };
  const pooled = modes.map((mode) => ways[mode]());
  return pooled.length === 1 ? pooled[0]! : concat(pooled, -1);
}
