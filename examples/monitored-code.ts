/**
 * Continues a file of a TypeScript project so that every member behind a dot exists: the compiler tells which ones there are. Needs the
 * package `typescript`.
 *
 *     npx tsx examples/monitored-code.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel } from "bletchley";
import { CodeMonitor } from "bletchley/serve";

// a project whose names no model has seen
const directory = mkdtempSync(join(tmpdir(), "monitored-"));
writeFileSync(join(directory, "tsconfig.json"), '{ "compilerOptions": { "strict": true, "types": [] } }');
writeFileSync(
  join(directory, "ledger.ts"),
  `export interface Ledger {
  readonly tidyQuota: number;
  brewEntries(): readonly string[];
}
`,
);
const before = `import type { Ledger } from "./ledger";

/** Prints the quota of a ledger, and its entries. */
export function report(ledger: Ledger): void {
  const quota = ledger.`;

await using model = await loadModel("smollm2");
const monitor = await CodeMonitor.open(model, {
  directory,
  countArguments: true,
  onTrigger: ({ text, legal }) =>
    console.log(`${text.slice(text.lastIndexOf("\n") + 1)} → ${legal?.join(", ") ?? "anything"}`),
});

for (const constraint of [undefined, monitor.start({ file: "report.ts", before })]) {
  const { text } = await model.collect(model.generate(before, { constraint, temperature: 0, maxTokens: 40 }));
  console.log(`\n${constraint ? "with the monitor" : "plain"}:\n${before}${text}`);
}
rmSync(directory, { recursive: true });
