/**
 * One engine in a process of its own, so that no engine's threads disturb another's: ours or the peer's, told over IPC what
 * to measure next.
 */
import { readFileSync } from "node:fs";
import { loadModel, type Model, tuneModel } from "../../src/serve/index.ts";
import { newCache, type OpenDecoder, openDecoder, runChunks } from "../models.ts";
import { type LlamaCpp, openLlamaCpp } from "../peers/llama-cpp.ts";

/** What a child measures. */
export type SpeedRequest =
  | {
      readonly kind: "open";
      readonly engine: "ours" | "steps" | "peer" | "peer-lookup";
      readonly ref: string;
      readonly path: string;
      readonly form?: string;
      readonly contextSize: number;
    }
  /** Milliseconds of each token after the first, greedy, after a prompt. */
  | { readonly kind: "decode"; readonly prompt: readonly number[]; readonly count: number }
  /** Milliseconds from the call to the first token. */
  | { readonly kind: "prefill"; readonly prompt: readonly number[] }
  /** Milliseconds of steps of some numbers of rows in turn, after a prompt: `[repeats][rows]`. */
  | {
      readonly kind: "rows";
      readonly prompt: readonly number[];
      readonly rows: readonly number[];
      readonly repeats: number;
    }
  /** Tunes our engine on built-in prompts; it decodes that way from then on. */
  | { readonly kind: "tune"; readonly maxTokens: number }
  /** Peak memory so far, in MiB. */
  | { readonly kind: "memory" };

/** What it answers. */
export type SpeedAnswer =
  | { readonly kind: "opened"; readonly reason?: string }
  | { readonly kind: "times"; readonly ms: readonly number[] }
  | { readonly kind: "rows"; readonly ms: readonly (readonly number[])[] }
  | { readonly kind: "memory"; readonly mib: number };

let model: Model | undefined;
let steps: OpenDecoder | undefined;
let peer: LlamaCpp | undefined;

async function decodeTimes(prompt: readonly number[], count: number): Promise<number[]> {
  if (peer) {
    const { promptMs, ms } = await peer.decode(prompt, count);
    return [promptMs, ...ms];
  }
  const times: number[] = [];
  let before = performance.now();
  // nothing may be left from the last prompt
  for await (const _ of model!.generate(prompt, { temperature: 0, maxTokens: count, ignoreEos: true })) {
    const now = performance.now();
    times.push(now - before);
    before = now;
  }
  return times;
}

async function answer(request: SpeedRequest): Promise<SpeedAnswer> {
  switch (request.kind) {
    case "open": {
      const { engine, ref, path, form, contextSize } = request;
      if (engine === "peer" || engine === "peer-lookup") {
        const opened = await openLlamaCpp(path, { threads: 2, contextSize, lookup: engine === "peer-lookup" });
        peer = opened.peer;
        return { kind: "opened", reason: opened.reason };
      }
      if (engine === "ours") model = await loadModel(ref, { form, threads: 2, draft: false });
      else steps = await openDecoder(ref, form);
      return { kind: "opened" };
    }
    case "decode":
      return { kind: "times", ms: (await decodeTimes(request.prompt, request.count)).slice(1) };
    case "prefill":
      return { kind: "times", ms: await decodeTimes(request.prompt, 1) };
    case "rows": {
      const { model: decoder } = steps!;
      const cache = newCache(decoder);
      await runChunks(decoder, cache, request.prompt);
      const ms: number[][] = [];
      for (let repeat = 0; repeat < request.repeats; repeat++)
        ms.push(
          await request.rows.reduce<Promise<number[]>>(async (before, rows) => {
            const times = await before;
            const started = performance.now();
            await decoder.step(cache, { tokens: request.prompt.slice(0, rows) });
            return [...times, performance.now() - started];
          }, Promise.resolve([])),
        );
      return { kind: "rows", ms };
    }
    case "tune": {
      const { chosen } = await tuneModel(model!, { maxTokens: request.maxTokens, threads: 2 });
      return { kind: "opened", reason: chosen.join(" + ") || "plain" };
    }
    case "memory":
      return {
        kind: "memory",
        mib: Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? Number.NaN) / 1024,
      };
  }
}

process.on("message", (request: SpeedRequest) => {
  answer(request).then(
    (value) => process.send!(value),
    (thrown: unknown) => process.send!({ kind: "opened", reason: String(thrown) } satisfies SpeedAnswer),
  );
});
