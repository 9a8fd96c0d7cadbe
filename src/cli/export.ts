/**
 * `bletchley export`: the models that a paper's experiment trains, as ONNX files.
 */
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import type { PaperModel, Profile } from "../papers/index.ts";
import { fail } from "../util/errors.ts";
import { interruptible } from "./exit.ts";
import { wholeFrom } from "./options.ts";
import { profileOption, terminalHost } from "./papers.ts";

interface ExportFlags {
  readonly profile: Profile;
  readonly seed: number;
  readonly offline?: boolean;
}

/** Results of a file may differ by rounding only. */
const mostDifference = 1e-4;

/** Largest difference of a file's results, read back, from those of the model in memory. */
async function readBack(path: string, { executable, example }: PaperModel): Promise<number> {
  const { getDefaultEngine } = await import("../runtime/index.ts");
  const wanted = await executable.run({ ...example });
  const names = Object.keys(wanted);
  const engine = await getDefaultEngine();
  const session = await engine.load({ bytes: await readFile(path), weightFolder: dirname(path), name: path });
  try {
    const got = await session.run(example, names);
    let largest = 0;
    for (const name of names)
      wanted[name]!.toNumbers().forEach((value, i) => {
        largest = Math.max(largest, Math.abs(got[name]!.at(i) - value));
      });
    return largest;
  } finally {
    await session.dispose();
  }
}

async function exportPaper(slug: string, folder: string | undefined, flags: ExportFlags, signal: AbortSignal) {
  const { visitModels } = await import("../papers/index.ts");
  const { writeOnnx } = await import("../runtime/index.ts");
  const { loadCard } = await import("./papers/folders.ts");
  const card = await loadCard(slug);
  const target = folder ?? slug;
  const { host, drawing } = await terminalHost(`${slug}.export`, flags.offline);
  try {
    const outcome = await visitModels(card, host, { ...flags, signal }, async (model) => {
      await mkdir(target, { recursive: true });
      const { path, byteLength } = await writeOnnx(model.executable, join(target, `${model.name}.onnx`));
      const difference = await readBack(path, model);
      if (!(difference <= mostDifference))
        fail(
          "internal",
          `${path} gives other results than the model: they differ by ${difference}; please report this`,
        );
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
