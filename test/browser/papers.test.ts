/**
 * The models that papers train, exported as ONNX, give in a real browser what they give here.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import chromium from "@sparticuz/chromium";
import { type Browser, chromium as driver, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { servePage } from "../../examples/browser/serve.ts";
import { loadCard, loadPaper, paperSlugs } from "../../src/cli/papers/folders.ts";
import { createHost } from "../../src/cli/papers/host.ts";
import { htmlReport, visitModels } from "../../src/papers/index.ts";
import { exportOnnx, getDefaultEngine } from "../../src/runtime/index.ts";

/** The browser, or why this machine cannot start it. */
const started: Browser | string = await (async () => {
  try {
    const executablePath = await chromium.executablePath();
    return await driver.launch({ executablePath, args: chromium.args, headless: true });
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message.split("\n")[0]! : String(thrown);
  }
})();

const cards = await Promise.all(paperSlugs().map(loadCard));
const exporting = cards.filter(({ models }) => models);
const webTypes = { i64: "int64", f32: "float32", bool: "bool" } as const;

interface Result {
  readonly type: string;
  readonly data: readonly number[];
  readonly dims: readonly number[];
}

describe.skipIf(typeof started === "string")(
  `papers in Chromium${typeof started === "string" ? `, which does not start here: ${started}` : ""}`,
  () => {
    const models: Record<string, () => Promise<Uint8Array>> = {};
    let server: Awaited<ReturnType<typeof servePage>>;
    let page: Page;

    beforeAll(async () => {
      server = await servePage(models);
      page = await (started as Browser).newPage();
      await page.goto(server.url);
    });
    afterAll(async () => {
      await server.close();
      await (started as Browser).close();
      await (await getDefaultEngine()).dispose();
    });

    it("the report opens from disk with its pictures, and finds what is searched for", async () => {
      const papers = await Promise.all(paperSlugs().map(loadPaper));
      const folder = await mkdtemp(join(tmpdir(), "bletchley-report-"));
      const problems: string[] = [];
      const asked: string[] = [];
      page.on("pageerror", ({ message }) => problems.push(message));
      page.on("request", (request) => asked.push(request.url()));
      try {
        const file = join(folder, "report.html");
        await writeFile(file, htmlReport(papers));
        const address = pathToFileURL(file).href;
        await page.goto(address);
        expect(await page.locator("article").count()).toBe(papers.length);
        const drawn = papers.reduce((sum, { result }) => sum + ((result.full ?? result.quick)?.figures.length ?? 0), 0);
        expect(await page.locator("figure > svg").count()).toBe(drawn);
        const sizes = await page
          .locator("figure > svg")
          .evaluateAll((pictures) => pictures.map((picture) => picture.getBoundingClientRect().height));
        expect(Math.min(...sizes)).toBeGreaterThan(50);
        await page.getByRole("searchbox").fill("gates segmentation");
        await expect.poll(() => page.locator("article:visible").count()).toBe(1);
        expect(await page.locator("article:visible").getAttribute("id")).toBe("spatial-channel-se");
        await page.getByRole("searchbox").fill("");
        await expect.poll(() => page.locator("article:visible").count()).toBe(papers.length);
        expect(problems).toEqual([]);
        // everything is inline
        expect(asked.filter((url) => url !== address && !url.startsWith("data:"))).toEqual([]);
      } finally {
        page.removeAllListeners();
        await page.goto(server.url);
        await rm(folder, { recursive: true, force: true });
      }
    });

    it("exports something", () => expect(exporting.length).toBeGreaterThan(3));

    it.each(exporting)("$slug", { timeout: 180_000 }, async (card) => {
      const host = await createHost(`${card.slug}.browser-${process.pid}`, { log: () => {} });
      const outcome = await visitModels(card, host, { profile: "smoke" }, async ({ name, executable, example }) => {
        const file = `${card.slug}-${name}.onnx`;
        models[file] = async () => exportOnnx(executable);
        const wanted = await executable.run({ ...example });
        const feeds = Object.fromEntries(
          Object.entries(example).map(([input, array]) => [
            input,
            { type: webTypes[array.dtype as keyof typeof webTypes], data: array.toNumbers(), dims: array.shape },
          ]),
        );
        const got = await page.evaluate(
          ([url, inputs]) =>
            (
              globalThis as unknown as { runModel(url: string, feeds: unknown): Promise<Record<string, Result>> }
            ).runModel(url, inputs),
          [file, feeds] as const,
        );
        delete models[file];
        expect(Object.keys(got).sort()).toEqual(Object.keys(wanted).sort());
        for (const [output, array] of Object.entries(wanted)) {
          const numbers = array.toNumbers();
          expect(got[output]!.dims, output).toEqual([...array.shape]);
          expect(Math.max(...numbers) - Math.min(...numbers), "results that differ among themselves").toBeGreaterThan(
            0,
          );
          let largest = 0;
          numbers.forEach((value, i) => {
            largest = Math.max(largest, Math.abs(got[output]!.data[i]! - value));
          });
          expect(largest, `${file}, ${output}`).toBeLessThan(1e-4);
        }
      });
      await host.forget();
      // data that are absent: the card's own test says so
      if (!("skipped" in outcome)) expect(outcome.models).toBeGreaterThan(0);
    });
  },
);
