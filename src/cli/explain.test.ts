import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { run } from "./program.ts";

const tiny = fileURLToPath(new URL("../../test/fixtures/lm/llama", import.meta.url));
let folder = "";
let out = "";
let err = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bletchley-explain-"));
  vi.stubEnv("BLETCHLEY_CACHE", folder);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});
beforeEach(() => {
  [out, err] = ["", ""];
});
afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

describe("bletchley explain", () => {
  it("shows where a step's time goes, by op kind and by module kind", async () => {
    expect(await run(["explain", tiny, "--form", "f32", "--context", "70", "--repeat", "3"])).toBe(0);
    expect(out).toContain("f32 · 1 row · context 70");
    expect(out).toMatch(/llama step: \d+ nodes, of which \d+ ran in \d+\.\d\d ms/);
    expect(out).toMatch(/\nFusedMatMul +\d+ +\d+ +\d+\.\d{3} +\d+\.\d %/);
    expect(out).toMatch(/\nmodel\.layers\.\*\.mlp\.down_proj +\d+ +\d+ +\d+\.\d{3}/);
  });

  it("prints an object with every node", async () => {
    const args = ["explain", tiny, "--form", "int8", "--rows", "4", "--context", "3", "--repeat", "2", "--json"];
    expect(await run(args)).toBe(0);
    const report = JSON.parse(out);
    expect(report).toMatchObject({ form: "int8", rows: 4, context: 3, repeat: 2, stepMs: expect.any(Number) });
    expect(report.nodes.find((node: { opType: string }) => node.opType === "MatMulIntegerToFloat")).toMatchObject({
      outputs: [{ dtype: "f32" }],
      milliseconds: expect.any(Number),
    });
  });

  it("refuses rows that reach past a block, and a context past the model's, before loading", async () => {
    expect(await run(["explain", tiny, "--rows", "10", "--context", "60"])).toBe(2);
    expect(err).toContain("so 4 do");
    err = "";
    expect(await run(["explain", tiny, "--context", "1000000"])).toBe(2);
    expect(err).toContain("pass the model's limit of");
  });
});
