/**
 * Monitors over a project on disk.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { noisyLogits } from "../decode/testing/scripted.ts";
import { CodeMonitor, loadTypeScript } from "./code-monitor.ts";
import { scriptedModel } from "./testing/scripted-model.ts";

let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "bletchley-monitor-"));
  mkdirSync(join(directory, "src"));
  const options = { target: "es2022", lib: ["es2022"], types: [], strict: true };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["src"] }));
  writeFileSync(
    join(directory, "src/globals.d.ts"),
    "declare const known: { tidyQuota: number; brew(a: number): void };\n",
  );
  writeFileSync(join(directory, "src/ledger.ts"), "export class Ledger { brewEntries(): void {} }\n");
});

afterAll(() => rmSync(directory, { recursive: true }));

/** Names behind the last dot of a noisy model's texts. */
async function namesAfter(before: string, file: string): Promise<Set<string>> {
  const { model } = scriptedModel({ next: noisyLogits });
  const monitor = await CodeMonitor.open(model, { directory });
  const names = new Set<string>();
  for (let seed = 0; seed < 8; seed++) {
    const constraint = monitor.start({ file, before });
    const { text } = await model.collect(model.generate("x", { constraint, temperature: 50, seed, maxTokens: 24 }));
    names.add(/^[\w$]*/.exec(text)![0]);
  }
  return names;
}

describe("a monitor of a project", () => {
  it("lets a model write only members that there are, of imports and of global declarations", async () => {
    const text = 'import { Ledger } from "./ledger";\nnew Ledger().';
    expect([...(await namesAfter(text, "src/main.ts"))]).toEqual(["brewEntries"]);
    expect([...(await namesAfter("known.", "src/main.ts"))].sort()).toEqual(["brew", "tidyQuota"]);
  });

  it("tells what it asked", async () => {
    const { model } = scriptedModel({ next: noisyLogits });
    const onTrigger = vi.fn();
    const monitor = await CodeMonitor.open(model, { directory, onTrigger, countArguments: true });
    const text = monitor.start({ file: "src/main.ts", before: "known." });
    expect(text.isComplete()).toBe(false);
    expect(onTrigger.mock.calls[0]![0].legal.toSorted()).toEqual(["brew", "tidyQuota"]);
  });

  it("refuses a folder that is not there", async () => {
    const { model } = scriptedModel({ next: noisyLogits });
    const open = CodeMonitor.open(model, { directory: join(directory, "absent") });
    await expect(open).rejects.toMatchObject({ code: "not-found", message: expect.stringContaining("absent") });
  });

  it("refuses a file that is no code", async () => {
    const { model } = scriptedModel({ next: noisyLogits });
    const monitor = await CodeMonitor.open(model, { directory });
    for (const file of ["notes.txt", "src/main", "main.py"])
      expect(() => monitor.start({ file, before: "known." })).toThrow(`${file} is no file of code`);
    for (const file of ["a.tsx", "a.mts"]) expect(monitor.start({ file, before: "known." }).isComplete()).toBe(false);
  });

  it("refuses JavaScript where the project does not let it in", async () => {
    const { model } = scriptedModel({ next: noisyLogits });
    const closed = await CodeMonitor.open(model, { directory });
    expect(() => closed.start({ file: "src/main.js", before: "known." })).toThrow(/main\.js is JavaScript.*allowJs/);
    const other = join(directory, "open");
    mkdirSync(other);
    writeFileSync(join(other, "tsconfig.json"), JSON.stringify({ compilerOptions: { allowJs: true, types: [] } }));
    const open = await CodeMonitor.open(model, { directory: other });
    const text = open.start({ file: "main.js", before: "/** @type {{ tidyQuota: number }} */ let a;\na." });
    expect(text.isComplete()).toBe(false);
  });

  it("says what to install where TypeScript is not", async () => {
    vi.doMock("typescript", () => {
      throw new Error("Cannot find package 'typescript'");
    });
    try {
      await expect(loadTypeScript()).rejects.toMatchObject({
        code: "not-found",
        message: expect.stringContaining("npm install typescript@6.0.3"),
      });
    } finally {
      vi.doUnmock("typescript");
    }
  });
});
