/**
 * What was measured, for readers: Markdown, and one page of HTML that opens from disk.
 */
import type { Measurement } from "../util/measurement.ts";
import { type PaperCard, type PaperResult, type PaperRun, profiles } from "./card.ts";

/** A card, what was committed for it, and its pictures by name. */
export interface Catalogued {
  readonly card: PaperCard;
  readonly result: PaperResult;
  /** Texts of the SVG files. */
  readonly figures: ReadonlyMap<string, string>;
}

/** How a paper stands, by its longest saved run but smoke. */
export function statusOf(result: PaperResult): "shown" | "falls short" | "not run" {
  const run = result.full ?? result.quick;
  if (!run) return "not run";
  return run.measurements.some(({ pass }) => pass === false) ? "falls short" : "shown";
}

/** The longest saved run. */
function bestRun(result: PaperResult): PaperRun | undefined {
  return profiles.toReversed().flatMap((profile) => result[profile] ?? [])[0];
}

/** A number for people. */
function numberText(value: number | null | undefined): string {
  if (value === undefined) return "";
  if (value === null) return "not measured";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7)) return value.toExponential(2);
  return Number.isInteger(value) ? String(value) : Number(value.toPrecision(4)).toString();
}

const markOf = ({ pass, value }: Measurement) => (pass === null ? (value === null ? "?" : "·") : pass ? "✓" : "✗");

function machineLine({ machine, commit, date, durationSeconds, profile, seed }: PaperRun): string {
  return `${profile}, seed ${seed}: ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ONNX Runtime ${machine.onnxRuntime}, commit ${commit}, ${date.slice(0, 10)}, ${durationSeconds} s`;
}

function markdownTable(measurements: readonly Measurement[]): string {
  const rows = measurements.map((m) => [
    markOf(m),
    m.name,
    `${numberText(m.value)} ${m.unit}`.trim(),
    numberText(m.baseline),
    m.ratio == null ? "" : `${m.ratio.toFixed(2)}×`,
    String(m.paper ?? ""),
    m.bar ?? "",
  ]);
  const cell = (text: string) => text.replaceAll("|", "\\|");
  return [
    "| | measured | value | baseline | ratio | paper | bar |",
    "|---|---|---|---|---|---|---|",
    ...rows.map((row) => `| ${row.map(cell).join(" | ")} |`),
  ].join("\n");
}

/** A report in Markdown. @param figurePath where a picture lies, seen from the report. */
export function markdownReport(
  papers: readonly Catalogued[],
  figurePath: (slug: string, name: string) => string = (slug, name) => `${slug}/figures/${name}.svg`,
): string {
  const parts = papers.map(({ card, result }) => {
    const run = bestRun(result);
    const head = [
      `## ${card.title}`,
      `${card.authors} · ${card.year}${card.arxiv ? ` · arXiv ${card.arxiv}` : ""} · ${card.kind} · \`bletchley papers run ${card.slug}\``,
      `**Claim.** ${card.claim}`,
      `**Here.** ${card.scale}`,
      `**Code.** ${card.code.map((path) => `\`${path}\``).join(", ")}`,
    ];
    const body = run
      ? [
          markdownTable(run.measurements),
          ...run.figures.map(({ name, caption }) => `![${caption}](${figurePath(card.slug, name)})`),
          `*${machineLine(run)}*`,
        ]
      : ["Not run yet."];
    return [...head, ...body, ...(card.notes ? [`**Findings.** ${card.notes}`] : [])].join("\n\n");
  });
  return `${["# Papers", ...parts].join("\n\n")}\n`;
}

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (character) => escapes[character]!);

function htmlPaper({ card, result, figures }: Catalogued): string {
  const run = bestRun(result);
  const rows = run?.measurements.map(
    (m) =>
      `<tr class="${m.pass === false ? "short" : ""}"><td>${markOf(m)}</td><td>${escapeHtml(m.name)}</td><td>${escapeHtml(`${numberText(m.value)} ${m.unit}`)}</td><td>${numberText(m.baseline)}</td><td>${m.ratio == null ? "" : `${m.ratio.toFixed(2)}×`}</td><td>${escapeHtml(String(m.paper ?? ""))}</td><td>${escapeHtml(m.bar ?? "")}</td></tr>`,
  );
  const pictures = run?.figures.map(
    ({ name, caption }) => `<figure>${figures.get(name) ?? ""}<figcaption>${escapeHtml(caption)}</figcaption></figure>`,
  );
  return `<article id="${card.slug}" data-text="${escapeHtml(`${card.title} ${card.authors} ${card.summary} ${card.kind}`.toLowerCase())}">
<h2>${escapeHtml(card.title)} <small class="${statusOf(result).replace(" ", "-")}">${statusOf(result)}</small></h2>
<p class="by">${escapeHtml(card.authors)} · ${card.year}${card.arxiv ? ` · arXiv ${escapeHtml(card.arxiv)}` : ""} · ${card.kind}</p>
<p>${escapeHtml(card.summary)}</p>
<dl><dt>Claim</dt><dd>${escapeHtml(card.claim)}</dd><dt>Here</dt><dd>${escapeHtml(card.scale)}</dd>${card.notes ? `<dt>Findings</dt><dd>${escapeHtml(card.notes)}</dd>` : ""}<dt>Run it</dt><dd><code>bletchley papers run ${card.slug}</code></dd></dl>
${rows ? `<table><thead><tr><th></th><th>measured</th><th>value</th><th>baseline</th><th>ratio</th><th>paper</th><th>bar</th></tr></thead><tbody>${rows.join("")}</tbody></table>` : "<p>Not run yet.</p>"}
${pictures?.join("\n") ?? ""}
${run ? `<p class="machine">${escapeHtml(machineLine(run))}</p>` : ""}
</article>`;
}

const pageStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1{margin-bottom:0}input{font:inherit;width:100%;padding:.5rem;margin:1rem 0;box-sizing:border-box}article{border-top:1px solid #ccc;padding:1rem 0}
small{font-size:.7em;font-weight:normal;padding:.1em .5em;border-radius:1em;background:#eee}small.shown{background:#d8f0d8}small.falls-short{background:#f6dcd4}
.by,.machine,figcaption{color:#666;font-size:.9em}dt{font-weight:600}dd{margin:0 0 .5rem 0}table{border-collapse:collapse;font-size:.9em;display:block;overflow-x:auto}td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #eee;vertical-align:top}tr.short{background:#f6dcd4}
figure{margin:1rem 0;overflow-x:auto}svg{max-width:100%;height:auto}`;

const pageScript = `const box=document.querySelector("input"),all=[...document.querySelectorAll("article")];
box.addEventListener("input",()=>{const words=box.value.toLowerCase().split(/\\s+/).filter(Boolean);for(const a of all)a.hidden=!words.every(w=>a.dataset.text.includes(w))});`;

/** One page with everything inline: claims beside measurements, figures, and a search over titles and summaries. */
export function htmlReport(papers: readonly Catalogued[]): string {
  const count = papers.filter(({ result }) => statusOf(result) === "shown").length;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Bletchley: papers that run</title><style>${pageStyle}</style></head>
<body><h1>Papers that run</h1><p>${papers.length} papers, ${count} shown at this scale.</p>
<input type="search" placeholder="Search titles, authors, summaries" aria-label="Search">
${papers.map(htmlPaper).join("\n")}
<script>${pageScript}</script></body></html>
`;
}
