/**
 * What README.md promises in a form that programs can hold it to: its two command lines, its table of weight forms, which is made of
 * a committed run of `bar:quantized`, its table of speeds, which is made of one of `bar:spec-bench`, and its catalogue of papers, which
 * is made of the cards and their saved results. `npx tsx scripts/readme.ts` writes them anew.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { loadPaper, paperSlugs } from "../src/cli/papers/folders.ts";
import { forms } from "../src/lm/index.ts";
import { type Catalogued, profiles } from "../src/papers/index.ts";
import type { BarReport } from "../src/util/measurement.ts";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const readmePath = join(root, "README.md");
const resultPath = "docs/bars/quantized.json";
const section = /(<!-- forms -->\n)[\s\S]*?(<!-- \/forms -->)/;

/** The two command lines for a fresh clone: the first block of shell commands each under "Run" and "Test". */
export function commandLines(readme: string): { readonly run: string; readonly test: string } {
  const [run, test] = [...readme.matchAll(/^```sh\n(.+)\n```$/gm)].map(([, line]) => line!);
  if (!run || !test) throw new Error("README.md does not open with two blocks of one shell command line each");
  return { run, test };
}

function cell(value: number | null | undefined, text: (value: number) => string): string {
  return value == null ? "" : text(value);
}

/** README.md with the table of weight forms as the committed results have it. */
export function withFormsTable(readme: string): string {
  if (!section.test(readme)) throw new Error("README.md has no <!-- forms --> section");
  const report = existsSync(join(root, resultPath))
    ? (JSON.parse(readFileSync(join(root, resultPath), "utf8")) as BarReport)
    : undefined;
  const measured = (form: string, what: string) =>
    report?.measurements.find(({ name }) => name === `${form}: ${what}`)?.value;
  const row = (form: string, description: string) => [
    form,
    description,
    cell(measured(form, "mean KL to f32"), (kl) => kl.toFixed(4)),
    cell(measured(form, "same first token"), (same) => `${same.toFixed(1)} %`),
    cell(
      measured(form, "change of perplexity"),
      (change) => `${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(2)} %`,
    ),
  ];
  const peer = "node-llama-cpp (first window)";
  const rows = [
    ["form", "what it is", "KL to f32, nats", "same likeliest token", "perplexity"],
    ["---", "---", "---:", "---:", "---:"],
    ...forms.map(({ name, description }) => {
      const [form, ...rest] = row(name, description);
      return [`\`${form}\``, ...rest];
    }),
    ...(measured(peer, "mean KL to f32") == null ? [] : [row(peer, "for comparison, on the same file")]),
  ];
  const source = report
    ? `SmolLM2 on 4 × 1,024 tokens of tinyshakespeare; written by \`npm run bar:quantized\` on ${report.machine.cpu}, commit ${report.commit}.`
    : "Not measured yet: `npm run bar:quantized` does it.";
  const text = `${rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n\n${source}\n`;
  return readme.replace(section, (_, open: string, close: string) => `${open}${text}${close}`);
}

const speedPath = "docs/bars/spec-bench.json";
const speeds = /(<!-- spec-bench -->\n)[\s\S]*?(<!-- \/spec-bench -->)/;

/** README.md with the table of Spec-Bench as the committed run has it: speed over plain decoding by group, in the leaderboard's form. */
export function withSpeedTable(readme: string): string {
  if (!speeds.test(readme)) throw new Error("README.md has no <!-- spec-bench --> section");
  if (!existsSync(join(root, speedPath)))
    return readme.replace(speeds, "$1Not measured yet: `npm run bar:spec-bench` does it.\n$2");
  const { measurements, machine, commit } = JSON.parse(readFileSync(join(root, speedPath), "utf8")) as BarReport;
  const found = new Map(measurements.map((measurement) => [measurement.name, measurement]));
  const parts = measurements.flatMap(({ name }) => /^(\S+): (.+), (\S+): speed$/.exec(name)?.slice(1) ?? []);
  const rows = Array.from(
    { length: parts.length / 3 },
    (_, i) => parts.slice(3 * i, 3 * i + 3) as [string, string, string],
  );
  const groups = [...new Set(rows.map(([, , group]) => group))];
  const lines = [...new Set(rows.map(([form, way]) => `${form}: ${way}`))].map((way) => {
    const ratios = groups.map((group) => found.get(`${way}, ${group}: speed`)?.ratio);
    const overall = found.get(`${way}, overall: speed`)!;
    return [
      way.replace(/^(\S+): /, "`$1` "),
      ...ratios.map((ratio) => cell(ratio, (value) => `${value.toFixed(2)}×`)),
      cell(found.get(`${way}, overall: tokens per step`)?.value, (value) => value.toFixed(2)),
      cell(overall.value, (value) => value.toFixed(1)),
    ];
  });
  const head = ["way", ...groups, "tokens a step", "tokens/s"];
  const table = [head, head.map((_, i) => (i ? "---:" : "---")), ...lines];
  const source = `SmolLM2 on questions of Spec-Bench, greedy, every answer the same as plain decoding's; speed over plain decoding in the same run. Written by \`npm run bar:spec-bench\` on ${machine.cpu}, commit ${commit}.`;
  return readme.replace(
    speeds,
    (_, open: string, close: string) =>
      `${open}${table.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n\n${source}\n${close}`,
  );
}

const catalogue = /(<!-- papers -->\n)[\s\S]*?(<!-- \/papers -->)/;

/** How many bars of a paper hold in its longest saved run. */
function standing({ result }: Catalogued): string {
  const run = profiles.toReversed().flatMap((profile) => result[profile] ?? [])[0];
  if (!run) return "not run yet";
  const judged = run.measurements.filter(({ pass }) => pass !== null);
  const held = judged.filter(({ pass }) => pass).length;
  return `${run.profile} run: ${held === judged.length ? `all ${held}` : `${held} of ${judged.length}`} bars hold`;
}

/** README.md with one row for each card: a picture, a line, and the command that repeats it. */
export async function withCatalogue(readme: string): Promise<string> {
  if (!catalogue.test(readme)) throw new Error("README.md has no <!-- papers --> section");
  const rows: string[] = [];
  for (const slug of paperSlugs()) {
    const paper = await loadPaper(slug);
    const { card, figures } = paper;
    const [figure] = figures.keys();
    const picture = figure ? `<img src="papers/${slug}/figures/${figure}.svg" width="220" alt="${figure}">` : "";
    const link = `[${card.title}](papers/${slug}) (${card.year})`;
    rows.push(`| ${picture} | ${link}<br>${card.summary}<br>\`bletchley papers run ${slug}\`: ${standing(paper)} |`);
  }
  return readme.replace(
    catalogue,
    (_, open: string, close: string) => `${open}| | |\n| --- | --- |\n${rows.join("\n")}\n${close}`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(readmePath, await withCatalogue(withSpeedTable(withFormsTable(readFileSync(readmePath, "utf8")))));
  console.log("wrote the tables of weight forms and speeds and the catalogue of papers into README.md");
}
