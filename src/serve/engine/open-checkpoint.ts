/**
 * Opens the files of a model that was found, whichever format they have.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readSafetensors, readShardedSafetensors } from "../../formats/index.ts";
import { type Checkpoint, openGguf, type PoolingMode, poolingFromHf, SafetensorsCheckpoint } from "../../lm/index.ts";
import { openFile } from "../../runtime/node/file-source.ts";
import type { ByteSource } from "../../util/bytes.ts";
import { fail } from "../../util/errors.ts";
import type { CheckpointFiles } from "./protocol.ts";

/** A checkpoint and the files behind it, which can be closed as soon as it has been loaded. */
export interface OpenedCheckpoint<T extends Checkpoint = Checkpoint> extends AsyncDisposable {
  readonly checkpoint: T;
}

/** Opens files, hands them to `use`, and sees to it that they are closed: later, or at once if `use` fails. */
async function opening<T extends Checkpoint>(
  use: (open: (path: string) => Promise<ByteSource>) => Promise<T>,
): Promise<OpenedCheckpoint<T>> {
  const opened: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const one of opened.splice(0)) await one();
  };
  try {
    const checkpoint = await use(async (path) => {
      const file = await openFile(path);
      opened.push(file.close);
      return file;
    });
    return { checkpoint, [Symbol.asyncDispose]: close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function openSafetensors({ weights, files }: CheckpointFiles): Promise<OpenedCheckpoint<SafetensorsCheckpoint>> {
  return opening(async (open) => {
    const first = weights[0] ?? fail("internal", "a model without weights was to be opened");
    const config = files.config ?? fail("not-found", `there is no config.json beside ${first}, which is needed`);
    const tensors =
      files.index && weights.length > 1
        ? await readShardedSafetensors(await readFile(files.index, "utf8"), (name) => open(join(dirname(first), name)))
        : await readSafetensors(await open(first));
    return new SafetensorsCheckpoint(tensors, await readFile(config, "utf8"), config);
  });
}

/** Opens a checkpoint and reads its headers. @throws `format`, `unsupported`, `not-found`. */
export function openCheckpoint(checkpoint: CheckpointFiles): Promise<OpenedCheckpoint> {
  if (checkpoint.kind === "safetensors") return openSafetensors(checkpoint);
  return opening(async (open) => {
    const path = checkpoint.weights[0] ?? fail("internal", "a model without weights was to be opened");
    return openGguf(await open(path), path);
  });
}

/** The same for encoders, which come as safetensors only. @throws also `unsupported` for other files. */
export async function openEncoderCheckpoint(
  checkpoint: CheckpointFiles,
): Promise<OpenedCheckpoint<SafetensorsCheckpoint>> {
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
