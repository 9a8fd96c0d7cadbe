/**
 * Every paper's smoke profile, and what its folder must hold.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadPaper, paperSlugs, repositoryRoot } from "../src/cli/papers/folders.ts";
import { createHost } from "../src/cli/papers/host.ts";
import { runPaper } from "../src/papers/index.ts";

describe.each(paperSlugs())("paper %s", (slug) => {
  it("names code that exists, and has its committed figures", async () => {
    const { card, result, figures } = await loadPaper(slug);
    for (const path of card.code) expect(existsSync(join(repositoryRoot, path)), path).toBe(true);
    const run = result.full ?? result.quick;
    for (const { name } of run?.figures ?? []) expect(figures.has(name), name).toBe(true);
  });

  it("passes its smoke profile", { timeout: 180_000 }, async ({ skip }) => {
    const { card } = await loadPaper(slug);
    const host = await createHost(`${slug}.test-${process.pid}`, { log: () => {} });
    try {
      const outcome = await runPaper(card, host, { profile: "smoke" });
      if ("skipped" in outcome) skip(outcome.skipped);
      else expect(outcome.run.measurements.filter(({ pass }) => pass === false)).toEqual([]);
    } finally {
      await host.forget();
    }
  });
});
