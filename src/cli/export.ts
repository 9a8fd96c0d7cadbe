/**
 * `bletchley export`: the models that a paper's experiment trains, as ONNX files.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { PaperModel, Profile } from "../papers/index.ts";
import { interruptible } from "./exit.ts";
import { wholeFrom } from "./options.ts";
import { profileOption } from "./papers.ts";
import { ProgressDrawing } from "./progress.ts";

interface ExportFlags {
  readonly profile: Profile;
  readonly seed: number;
  readonly offline?: boolean;
}

/** Largest difference of a file's results, read back by ONNX Runtime alone, from those of the model in memory. */
async function readBack(path: string, { executable, example }: PaperModel): Promise<number> {
  const { InferenceSession, Tensor } = await import("onnxruntime-node");
  const wanted = await executable.run({ ...example });
  const session = await InferenceSession.create(path);
  try {
    const got = await session.run(
      Object.fromEntries(
        Object.entries(example).map(([name, { dtype, data, shape }]) => [
          name,
          dtype === "i64"
            ? new Tensor("int64", data as BigInt64Array, shape)
            : dtype === "bool"
              ? new Tensor("bool", data as Uint8Array, shape)
              : new Tensor("float32", data as Float32Array, shape),
        ]),
      ),
    );
    let largest = 0;
    for (const [name, array] of Object.entries(wanted))
      array.toNumbers().forEach((value, i) => {
        largest = Math.max(largest, Math.abs(Number(got[name]!.data[i]) - value));
      });
    return largest;
  } finally {
    await session.release();
  }
}

async function exportPaper(slug: string, folder: string | undefined, flags: ExportFlags, signal: AbortSignal) {
  const { visitModels } = await import("../papers/index.ts");
  const { writeOnnx } = await import("../runtime/index.ts");
  const { loadCard } = await import("./papers/folders.ts");
  const { createHost } = await import("./papers/host.ts");
  const card = await loadCard(slug);
  const drawing = new ProgressDrawing();
  const log = (line: string) => {
    drawing.clear();
    process.stderr.write(`${line}\n`);
  };
  const target = folder ?? slug;
  const host = await createHost(`${slug}.export`, { offline: flags.offline, onProgress: drawing.listener, log });
  try {
    const outcome = await visitModels(card, host, { ...flags, signal }, async (model) => {
      await mkdir(target, { recursive: true });
      const { path, byteLength } = await writeOnnx(model.executable, join(target, `${model.name}.onnx`));
      const difference = await readBack(path, model);
      drawing.clear();
      process.stdout.write(
        `${path}  ${(byteLength / 1e6).toFixed(1)} MB  ${model.about}; read back, results differ by ${difference.toExponential(1)}\n`,
      );
    });
    if ("skipped" in outcome) {
      process.stdout.write(`${slug}: skipped, ${outcome.skipped}\n`);
      process.exitCode = 1;
    } else await host.forget();
  } finally {
    drawing.clear();
  }
}

/** Adds the command to the program. */
export function addExport(program: Command): void {
  program
    .command("export")
    .description(
      "write the models that a paper's experiment trains as ONNX files; they are trained where none are kept",
    )
    .argument("<paper>", "name of a paper, as `bletchley papers` lists them")
    .argument("[folder]", "where the files go; a folder of the paper's name when absent")
    .addOption(profileOption())
    .option("--seed <n>", "seed of everything random", wholeFrom(0), 0)
    .option("--offline", "use only what is on this machine")
    .action((slug: string, folder: string | undefined, flags: ExportFlags) =>
      interruptible((signal) => exportPaper(slug, folder, flags, signal)),
    );
}
