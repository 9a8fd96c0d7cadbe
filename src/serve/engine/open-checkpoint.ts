/**
 * Opens the files of a model that was found, whichever format they have.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readSafetensors, readShardedSafetensors } from "../../formats/index.ts";
import { type Checkpoint, openGguf, type PoolingMode, poolingFromHf, SafetensorsCheckpoint } from "../../lm/index.ts";
import { openFile } from "../../runtime/node/file-source.ts";
import { fail } from "../../util/errors.ts";
import type { CheckpointFiles } from "./protocol.ts";

async function openSafetensors({ weights, files }: CheckpointFiles): Promise<SafetensorsCheckpoint> {
  const first = weights[0] ?? fail("internal", "a model without weights was to be opened");
  const config = files.config ?? fail("not-found", `there is no config.json beside ${first}, which is needed`);
  const tensors =
    files.index && weights.length > 1
      ? await readShardedSafetensors(await readFile(files.index, "utf8"), (name) =>
          openFile(join(dirname(first), name)),
        )
      : await readSafetensors(await openFile(first));
  return new SafetensorsCheckpoint(tensors, await readFile(config, "utf8"), config);
}

/** Opens a checkpoint's headers. @throws `format`, `unsupported`, `not-found`. */
export async function openCheckpoint(checkpoint: CheckpointFiles): Promise<Checkpoint> {
  if (checkpoint.kind === "safetensors") return openSafetensors(checkpoint);
  const path = checkpoint.weights[0] ?? fail("internal", "a model without weights was to be opened");
  return openGguf(await openFile(path), path);
}

/** The same for encoders, which come as safetensors only. @throws also `unsupported` for other files. */
export async function openEncoderCheckpoint(checkpoint: CheckpointFiles): Promise<SafetensorsCheckpoint> {
  if (checkpoint.kind !== "safetensors")
    return fail(
      "unsupported",
      `${checkpoint.weights[0]} is a ${checkpoint.kind} file; embeddings need a BERT model in safetensors files, such as minilm`,
    );
  return openSafetensors(checkpoint);
}

/** How the model pools its tokens, if its files say so. */
export async function readPooling({ files }: CheckpointFiles): Promise<readonly PoolingMode[] | undefined> {
  return files.pooling ? poolingFromHf(await readFile(files.pooling, "utf8"), files.pooling) : undefined;
}
