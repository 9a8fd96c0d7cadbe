/**
 * Models that were trained here and exported run in a real browser, through ONNX Runtime as WebAssembly, with the same results;
 * and the page in examples/browser shows one.
 */
import chromium from "@sparticuz/chromium";
import { type Browser, chromium as driver, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { servePage } from "../../examples/browser/serve.ts";
import { BatchNorm, Conv, Embedding, initialize, Linear, Lstm, Module, Transformer } from "../../src/nn/index.ts";
import { adamW } from "../../src/optim/index.ts";
import { compile, exportOnnx, getDefaultEngine } from "../../src/runtime/index.ts";
import { argmax, concat, constant, crossEntropy, matmul, mean, relu, type Tensor } from "../../src/tensor/index.ts";
import { TrainStep } from "../../src/train/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

/** The browser, or why this machine cannot start it. */
const started: Browser | string = await (async () => {
  try {
    const executablePath = await chromium.executablePath();
    return await driver.launch({ executablePath, args: chromium.args, headless: true });
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message.split("\n")[0]! : String(thrown);
  }
})();

/** Reads tokens and a picture, so that many kinds of layers are on the way. */
class Everything extends Module {
  readonly tokens = new Embedding(20, 32);
  readonly body = new Transformer(32, 2, { heads: 4, causal: true, norm: "rms", gated: true, rope: {} });
  readonly lstm = new Lstm(32, 32, { batchFirst: true });
  readonly conv = new Conv(1, 8, { kernel: 3, padding: 1 });
  readonly norm = new BatchNorm(8);
  readonly head = new Linear(40, 5, { bias: true });

  forward(tokens: Tensor, images: Tensor): Tensor {
    const read = mean(this.lstm.forward(this.body.forward(this.tokens.forward(tokens))).y, 1);
    const seen = mean(relu(this.norm.forward(this.conv.forward(images))), [2, 3]);
    return this.head.forward(concat([read, seen], 1));
  }
}

const [batch, length, size] = [4, 12, 10];
const inputs = {
  tokens: { dtype: "i64", shape: [batch, length] },
  images: { dtype: "f32", shape: [batch, 1, size, size] },
} as const;

function newBatch(seed: number) {
  const random = new Random(seed);
  return {
    tokens: NDArray.from(
      Array.from({ length: batch * length }, () => random.integer(20)),
      [batch, length],
      "i64",
    ),
    images: NDArray.from(random.normals(batch * size * size), [batch, 1, size, size]),
  };
}

describe.skipIf(typeof started === "string")(
  `in Chromium${typeof started === "string" ? `, which does not start here: ${started}` : ""}`,
  () => {
    const models: Record<string, () => Promise<Uint8Array>> = {};
    let server: Awaited<ReturnType<typeof servePage>>;
    let page: Page;
    const problems: string[] = [];

    beforeAll(async () => {
      server = await servePage(models);
      page = await (started as Browser).newPage();
      page.on("pageerror", ({ message }) => problems.push(message));
    });
    afterAll(async () => {
      await server.close();
      await (started as Browser).close();
      await (await getDefaultEngine()).dispose();
    });

    it("a trained module gives what it gives here, within 1e-4", async () => {
      const model = new Everything();
      initialize(model, 1);
      await using step = await TrainStep.compile({
        module: model,
        inputs: { ...inputs, labels: { dtype: "i64", shape: [batch] } },
        loss: ({ tokens, images, labels }) => crossEntropy(model.forward(tokens, images), labels),
        optimizer: adamW(),
      });
      const labels = NDArray.from([0, 1, 2, 3], [batch], "i64");
      for (let i = 0; i < 10; i++) await step.run({ ...newBatch(i), labels }, 1e-2);

      await using trained = await compile(({ tokens, images }) => ({ scores: model.forward(tokens, images) }), {
        inputs,
      });
      models["everything.onnx"] = async () => exportOnnx(trained);
      const { tokens, images } = newBatch(99);
      const wanted = (await trained.run({ tokens, images })).scores.toNumbers();
      await page.goto(server.url);
      const got = await page.evaluate(
        ([url, feeds]) =>
          (
            globalThis as unknown as {
              runModel(url: string, feeds: unknown): Promise<{ scores: { data: number[]; dims: number[] } }>;
            }
          ).runModel(url, feeds),
        [
          "everything.onnx",
          {
            tokens: { type: "int64", data: tokens.toNumbers(), dims: tokens.shape },
            images: { type: "float32", data: images.toNumbers(), dims: images.shape },
          },
        ] as const,
      );
      expect(got.scores.dims).toEqual([batch, 5]);
      expect(Math.max(...wanted) - Math.min(...wanted)).toBeGreaterThan(0.5);
      wanted.forEach((score, i) => {
        expect(Math.abs(got.scores.data[i]! - score)).toBeLessThan(1e-4);
      });
    });

    it("the example's page draws what a model says, and answers the pointer", async () => {
      // which side of a line: what the picture must show is known
      await using sides = await compile(
        ({ points }) => ({ labels: argmax(matmul(points, constant(NDArray.from([-1, 1, 0, 0], [2, 2]))), 1) }),
        { inputs: { points: { dtype: "f32", shape: ["n", 2] } } },
      );
      models["model.onnx"] = async () => exportOnnx(sides);
      await page.goto(server.url);
      const status = page.getByRole("status");
      await expect.poll(() => status.textContent(), { timeout: 20_000 }).toMatch(/^Ready: .*40000 points/);
      const corners = await page.evaluate(() => {
        const map = document.getElementById("map") as HTMLCanvasElement;
        const at = (x: number, y: number) => [...map.getContext("2d")!.getImageData(x, y, 1, 1).data];
        return [at(5, 100), at(195, 100)];
      });
      expect(corners).toEqual([
        [78, 121, 167, 255],
        [242, 142, 44, 255],
      ]);
      await page.locator("#map").hover({ position: { x: 3, y: 50 } });
      await expect.poll(() => status.textContent()).toMatch(/belongs to spiral 0/);
      expect(problems).toEqual([]);
    });
  },
);
