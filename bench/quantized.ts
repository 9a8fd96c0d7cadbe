/**
 * Truth of the compact weight forms against f32: mean Kullback–Leibler divergence of next-token distributions, how often
 * the likeliest token is the same, and perplexity, teacher-forced on tinyshakespeare; node-llama-cpp on the same file
 * beside them. Arguments: a name of the catalogue or a GGUF file.
 */
import { forms } from "../src/lm/index.ts";
import { resolveModel } from "../src/sources/index.ts";
import { runBar } from "./harness.ts";
import { newCache, openDecoder, runChunks, shakespeareWindows, summarize } from "./models.ts";
import { openLlamaCpp } from "./peers/llama-cpp.ts";

/** Sums over positions. */
class Comparison {
  #divergence = 0;
  #same = 0;
  #positions = 0;
  #loss = 0;
  #reference = 0;
  #scored = 0;

  /** Adds a position; both rows hold logits or log-probabilities. */
  add(p: Float32Array, pAt: number, q: Float32Array, qAt: number, width: number, next: number | undefined): void {
    const a = summarize(p, pAt, width);
    const b = summarize(q, qAt, width);
    let divergence = 0;
    for (let i = 0; i < width; i++) {
      const log = p[pAt + i]! - a.logSum;
      if (log > -40) divergence += Math.exp(log) * (log - (q[qAt + i]! - b.logSum));
    }
    this.#divergence += divergence;
    this.#positions++;
    if (a.best === b.best) this.#same++;
    if (next === undefined) return;
    this.#reference += a.logSum - p[pAt + next]!;
    this.#loss += b.logSum - q[qAt + next]!;
    this.#scored++;
  }

  get divergence(): number {
    return this.#divergence / this.#positions;
  }

  /** Fraction of positions with the same likeliest token. */
  get same(): number {
    return this.#same / this.#positions;
  }

  /** Relative change of perplexity. */
  get perplexity(): number {
    return Math.exp((this.#loss - this.#reference) / this.#scored) - 1;
  }
}

const limits: Readonly<Record<string, { divergence: number; same: number; perplexity?: number }>> = {
  [forms[0]!.name]: { divergence: 0.005, same: 0.95, perplexity: 0.006 },
  "int8-precise": { divergence: 0.003, same: 0.97 },
};

await runBar("quantized", async ({ inputs, quick, measure, log }) => {
  const ref = inputs[0] ?? "smollm2";
  const windows = quick ? 1 : 4;
  const length = 1024;
  const reference = await openDecoder(ref, "f32");
  const width = reference.model.config.vocabSize;
  const texts = shakespeareWindows(reference.tokenizer, windows, length);
  const results = new Map<string, Comparison>();
  const peer = await openLlamaCpp((await resolveModel(ref)).path, { threads: 2, contextSize: length });
  if (!peer.peer) log(peer.reason);
  const compact = await Promise.all(
    forms
      .filter(({ name }) => name !== "f32")
      .map(async ({ name }) => ({ name, opened: await openDecoder(ref, name) })),
  );
  for (const [w, ids] of texts.entries()) {
    const next = (at: number) => (at + 1 < ids.length ? ids[at + 1] : undefined);
    const wanted = new Float32Array(ids.length * width);
    await runChunks(reference.model, newCache(reference.model), ids, (first, logits) =>
      wanted.set(logits, first * width),
    );
    for (const { name, opened } of compact) {
      const comparison = results.get(name) ?? new Comparison();
      results.set(name, comparison);
      await runChunks(opened.model, newCache(opened.model), ids, (first, logits) => {
        for (let r = 0; r < logits.length / width; r++)
          comparison.add(wanted, (first + r) * width, logits, r * width, width, next(first + r));
      });
      log(`window ${w + 1} of ${texts.length}: ${name}`);
    }
    if (peer.peer && w === 0) {
      const comparison = new Comparison();
      await peer.peer.logProbabilities(ids, (at, row) => comparison.add(wanted, at * width, row, 0, width, next(at)));
      results.set("node-llama-cpp (first window)", comparison);
    }
  }
  for (const [name, { divergence, same, perplexity }] of results) {
    const limit = limits[name];
    const title = (what: string) => `${name}: ${what}`;
    measure({
      name: title("mean KL to f32"),
      value: divergence,
      unit: "nats",
      ...(limit ? { bar: `≤ ${limit.divergence}` } : {}),
      pass: limit ? divergence <= limit.divergence : null,
    });
    measure({
      name: title("same first token"),
      value: 100 * same,
      unit: "%",
      ...(limit ? { bar: `≥ ${100 * limit.same} %` } : {}),
      pass: limit ? same >= limit.same : null,
    });
    const bound = limit?.perplexity;
    measure({
      name: title("change of perplexity"),
      value: 100 * perplexity,
      unit: "%",
      ...(bound ? { bar: `within ${100 * bound} %` } : {}),
      pass: bound ? Math.abs(perplexity) <= bound : null,
    });
  }
  await peer.peer?.close();
  for (const { opened } of compact) await opened.dispose();
  await reference.dispose();
});
