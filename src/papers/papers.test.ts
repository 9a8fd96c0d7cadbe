import { describe, expect, it } from "vitest";
import { definePaper, type PaperCard, type PaperContext, type PaperRun } from "./card.ts";
import { drawPlot, Plot } from "./figure.ts";
import { htmlReport, markdownReport, statusOf } from "./report.ts";
import { judge, type PaperHost, type RunOutcome, runPaper } from "./run.ts";
import { verifyRun } from "./verify.ts";

const card = (run: (context: PaperContext) => Promise<void>, more: Partial<PaperCard> = {}): PaperCard =>
  definePaper({
    slug: "some-paper",
    title: "Some <paper>",
    authors: "A. Author",
    year: 2024,
    kind: "strategy",
    summary: "does | something",
    claim: "twice as fast",
    scale: "small",
    code: ["src/some.ts"],
    run,
    ...more,
  });

function host(kept = new Map<string, unknown>()): PaperHost & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    machine: { cpu: "c", features: [], cores: 2, memoryGiB: 4, node: "20", onnxRuntime: "1" },
    commit: "abc",
    data: async ({ path }) => (path === "there.txt" ? new TextEncoder().encode("grüße") : undefined),
    recall: async (key) => kept.get(key),
    keep: async (key, value) => {
      kept.set(key, JSON.parse(JSON.stringify(value)));
    },
    log: (line) => lines.push(line),
  };
}

const done = (outcome: RunOutcome) => {
  if ("skipped" in outcome) throw new Error(outcome.skipped);
  return outcome;
};

const sha256 = "0".repeat(64);

describe("a card", () => {
  it("is refused when something is missing", () => {
    expect(() => card(async () => {}, { slug: "Some Paper" })).toThrow(/slug/);
    expect(() => card(async () => {}, { claim: " " })).toThrow(/claim is empty/);
    expect(() => card(async () => {}, { code: [] })).toThrow(/code is empty/);
    expect(() => card(async () => {}, { data: [{ path: "x", sha256: "12" }] })).toThrow(/SHA-256 of x/);
  });

  it("measures, judges and draws", async () => {
    const { run, figures } = done(
      await runPaper(
        card(
          async (context) => {
            expect(context.pick({ smoke: 1, quick: 2, full: 3 })).toBe(1);
            expect(await context.text("there.txt")).toBe("grüße");
            await expect(context.text("other.txt")).rejects.toThrow(/does not name/);
            context.measure({
              name: "speed",
              value: 30,
              baseline: 20,
              unit: "tokens/s",
              bar: "≥ 1.2×",
              expect: (v, b) => v >= 1.2 * b,
            });
            context.measure({ name: "size", value: 9, unit: "MB", bar: "≤ 8", expect: (v) => v <= 8 });
            context.measure({ name: "shown only", value: 1, unit: "" });
            context.figure({
              name: "f",
              caption: "c",
              svg: drawPlot({ marks: [Plot.dot([{ x: 1, y: 2 }], { x: "x", y: "y" })] }),
            });
          },
          { data: [{ path: "there.txt", sha256 }] },
        ),
        host(),
        { profile: "smoke" },
      ),
    );
    expect(run.measurements.map(({ pass }) => pass)).toEqual([true, false, null]);
    expect(run.measurements[0]!.ratio).toBe(1.5);
    expect(figures[0]!.svg).toMatch(/^<svg[^>]+xmlns="http:\/\/www.w3.org\/2000\/svg"[\s\S]+<circle/);
    expect(statusOf({ quick: run })).toBe("falls short");
  });

  it("is skipped where its data is absent", async () => {
    const outcome = await runPaper(
      card(async () => {}, { data: [{ path: "gone.txt", sha256, url: "https://example.org/g" }] }),
      host(),
      { profile: "quick" },
    );
    expect(outcome).toEqual({ skipped: expect.stringMatching(/gone.txt is absent.*BLETCHLEY_DATA.*example.org/) });
    const archive = await runPaper(
      card(async () => {}, { data: [{ path: "packages/a-1.0.0.tgz", sha256, npm: "a@1.0.0" }] }),
      host(),
      { profile: "quick" },
    );
    expect(archive).toEqual({ skipped: expect.stringMatching(/a-1.0.0.tgz is absent.*npm fetches a@1.0.0/) });
  });

  it("goes on from the stages of an interrupted run", async () => {
    const kept = new Map<string, unknown>();
    let worked = 0;
    const stop = new AbortController();
    const experiment = card(async (context) => {
      const value = await context.stage("first", async () => ++worked);
      context.progress("second", 0, 1);
      context.measure({ name: "worked", value, unit: "times" });
    });
    const first = runPaper(
      card(async (context) => {
        await context.stage("first", async () => ++worked);
        stop.abort();
        context.progress("second", 0, 1);
      }),
      host(kept),
      { profile: "quick", signal: stop.signal },
    );
    await expect(first).rejects.toMatchObject({ code: "aborted" });
    const { run } = done(await runPaper(experiment, host(kept), { profile: "quick" }));
    expect(worked).toBe(1);
    expect(run.measurements[0]!.value).toBe(1);
    // another seed is another run
    await runPaper(experiment, host(kept), { profile: "quick", seed: 1 });
    expect(worked).toBe(2);
  });

  it("may not measure nothing, NaN, or a bar that cannot fail", async () => {
    await expect(
      runPaper(
        card(async () => {}),
        host(),
        { profile: "smoke" },
      ),
    ).rejects.toThrow(/measured nothing/);
    expect(() => judge("p", { name: "x", value: Number.NaN, unit: "" })).toThrow(/NaN/);
    expect(() => judge("p", { name: "x", value: 1, unit: "", bar: "≥ 2" })).toThrow(/both a bar/);
  });
});

const runOf = (...measurements: PaperRun["measurements"]): PaperRun => ({
  profile: "quick",
  seed: 0,
  measurements,
  figures: [],
  machine: host().machine,
  commit: "abc",
  date: "2026-01-01T00:00:00.000Z",
  durationSeconds: 1,
});

describe("verification", () => {
  const m = (name: string, value: number, more = {}) => ({ name, value, unit: "", pass: null, ...more });
  it("accepts what lies within the tolerance and names what does not", () => {
    const committed = runOf(
      m("near", 100),
      m("exact", 5, { tolerance: 0 }),
      m("timing", 3),
      m("gone", 1),
      m("bar", 2, { pass: true }),
    );
    const repeated = runOf(
      m("near", 109),
      m("exact", 6, { tolerance: 0 }),
      m("timing", 9, { tolerance: Number.POSITIVE_INFINITY }),
      m("bar", 2, { pass: false, bar: "≥ 3" }),
      m("new", 1),
    );
    const failed = verifyRun(committed, repeated).filter(({ ok }) => !ok);
    expect(failed.map(({ name }) => name)).toEqual(["exact", "gone", "bar", "new"]);
    expect(verifyRun(committed, committed).every(({ ok }) => ok)).toBe(true);
  });
});

describe("reports", () => {
  const paper = {
    card: card(async () => {}),
    result: {
      quick: {
        ...runOf({ name: "a|b", value: 1.23456, unit: "x", pass: true, bar: "≥ 1" }),
        figures: [{ name: "f", caption: "see" }],
      },
    },
    figures: new Map([["f", "<svg></svg>"]]),
  };
  it("are tables in Markdown", () => {
    const text = markdownReport([paper]);
    expect(text).toContain("| ✓ | a\\|b | 1.235 x |");
    expect(text).toContain("![see](some-paper/figures/f.svg)");
  });
  it("and one page of HTML that carries everything", () => {
    const page = htmlReport([paper]);
    expect(page).toContain("Some &lt;paper&gt;");
    expect(page).toContain("<figure><svg></svg>");
    expect(page).not.toMatch(/(?:src|href)=/);
  });
});
