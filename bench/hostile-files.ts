/**
 * Bar: hostile files. Thousands of mutations of GGUF, safetensors, tokenizer.json and chat templates are read in child
 * processes: each is read or refused with a typed error; none crashes, takes longer than 2 s or more than 1 GiB.
 *
 * Own options: `--seed N` for other mutations (default 1), `--only FORMAT`, `--case I` for a single case of a format.
 * Input files are mutated as well: `.gguf`, `.safetensors`, `.json` (a tokenizer.json), others as chat templates.
 */
import { type BarContext, runBar } from "./harness.ts";
import { expectedFaults } from "./hostile/faulty-subject.ts";
import { type CaseReport, type Fault, runCases } from "./hostile/run-cases.ts";
import { formatNames, subjects } from "./hostile/subjects.ts";

const mutations = 2500;
const quickMutations = 200;
const faults: readonly Fault[] = ["crash", "hang", "memory", "untyped error"];

/** Takes an option and its value out of the arguments, so that the harness sees only its own. */
function takeOption(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv.splice(at, 2)[1];
}

const seed = Number(takeOption("--seed") ?? 1);
const only = takeOption("--only");
const single = takeOption("--case");

function inputsFor(format: string, inputs: readonly string[]): string[] {
  const formatOf = (path: string) =>
    path.endsWith(".gguf")
      ? "gguf"
      : path.endsWith(".safetensors")
        ? "safetensors"
        : path.endsWith(".json")
          ? "tokenizer.json"
          : "chat template";
  return inputs.filter((path) => formatOf(path) === format);
}

/** The watch must find what goes wrong on purpose, or finding nothing would mean nothing. */
async function checkWatch({ measure }: BarContext): Promise<void> {
  const { findings } = await runCases({
    subject: "faulty",
    seed,
    first: 0,
    last: subjects.faulty!().handmade.length - 1,
  });
  const found = findings.filter(({ index, fault }) => expectedFaults.get(index) === fault).length;
  measure({
    name: "faults made on purpose that were found",
    value: found,
    unit: `of ${expectedFaults.size}`,
    bar: "all, and no others",
    pass: found === expectedFaults.size && findings.length === found,
  });
}

function report(format: string, run: CaseReport, { log, measure }: BarContext): void {
  for (const { index, fault, what, detail } of run.findings)
    log(
      `${format} case ${index}: ${fault}: ${what}\n    ${detail}\n    again: --seed ${seed} --only "${format}" --case ${index}`,
    );
  const codes = [...run.refused].map(([code, count]) => `${code} ${count}`).join(", ");
  log(
    `${format}: ${run.accepted} of ${run.cases} read, refused for ${codes || "nothing"}; slowest case ${run.slowest.index} with ${Math.round(run.slowest.ms)} ms`,
  );
  for (const fault of faults) {
    const unmeasured = fault === "memory" && !run.memoryMeasured;
    const count = run.findings.filter((finding) => finding.fault === fault).length;
    measure({
      name: `${format}, ${run.cases} cases, seed ${seed}: ${fault}`,
      value: unmeasured ? null : count,
      unit: "cases",
      bar: { crash: "none", hang: "none beyond 2 s", memory: "none beyond 1 GiB", "untyped error": "none" }[fault],
      pass: unmeasured ? null : count === 0,
    });
  }
  measure({
    name: `${format}: largest process`,
    value: run.memoryMeasured ? run.largestMiB : null,
    unit: "MiB",
    pass: null,
  });
}

/** Mutants that are all refused at the door, or all let through, would test little. */
function checkReach(format: string, run: CaseReport, { measure }: BarContext): void {
  const share = run.accepted / run.cases;
  measure({
    name: `${format}: share of cases that were read`,
    value: share,
    unit: "",
    bar: "between 0.02 and 0.9",
    pass: share > 0.02 && share < 0.9,
  });
}

await runBar("hostile-files", async (context) => {
  await checkWatch(context);
  for (const format of only ? [only] : formatNames) {
    const subject = subjects[format]?.();
    if (!subject) throw new Error(`unknown format ${format}: known are ${formatNames.join(", ")}`);
    subject.close?.();
    const count = subject.handmade.length + (context.quick ? quickMutations : mutations);
    const [first, last] = single === undefined ? [0, count - 1] : [Number(single), Number(single)];
    let lastSaid = performance.now();
    const run = await runCases({
      subject: format,
      seed,
      first,
      last,
      inputs: inputsFor(format, context.inputs),
      onCase(index) {
        if (performance.now() - lastSaid < 10_000) return;
        lastSaid = performance.now();
        context.log(`${format}: case ${index} of ${last}`);
      },
    });
    report(format, run, context);
    if (single === undefined) checkReach(format, run, context);
  }
});
