/**
 * Spec-Bench beside node-llama-cpp on the same file and prompts: our tuned decoding against its plain greedy decoding, and against its own
 * drafting by prompt lookup. Each engine in its own process; they take turns prompt by prompt.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSpecBench, spread } from "../src/papers/index.ts";
import { loadModel } from "../src/serve/index.ts";
import { resolveModel } from "../src/sources/index.ts";
import { type BarContext, dataRoot, runBar } from "./harness.ts";
import { SpeedEngine } from "./speed/engine.ts";

/** What the tuned way must reach over the peer's ways. */
const least = { plain: 1.9, lookup: 1.2 } as const;

await runBar("spec-bench-peer", async ({ options, quick, measure, log }: BarContext) => {
  const file = options.get("questions") ?? join(dataRoot, "spec-bench/questions.jsonl");
  const absent = (reason: string) => {
    log(reason);
    for (const [name, ratio] of Object.entries(least))
      measure({
        name: `tuned against node-llama-cpp, ${name}`,
        value: null,
        unit: "tokens/s",
        bar: `≥ ${ratio}×`,
        pass: null,
      });
  };
  if (!existsSync(file)) return absent(`${file} is absent; set BLETCHLEY_DATA`);
  const questions = spread(
    parseSpecBench(readFileSync(file, "utf8")),
    Number(options.get("limit") ?? (quick ? 12 : 60)),
  );
  const count = Number(options.get("tokens") ?? (quick ? 64 : 128));
  const source = await resolveModel("smollm2");
  // prompts as tokens, so that both engines read the same
  const prompts: (readonly number[])[] = [];
  {
    await using model = await loadModel("smollm2", { draft: false });
    for (const { prompt } of questions)
      prompts.push(
        (await model.chatPrompt([{ role: "user", content: prompt }], { contextOverflow: "drop-oldest" })).tokens,
      );
  }
  const longest = Math.max(...prompts.map((tokens) => tokens.length)) + count;
  const contextSize = 256 * Math.ceil((longest + 1) / 256);
  const names = ["ours", "peer", "peer-lookup"] as const;
  const engines = names.map(() => new SpeedEngine());
  try {
    for (const [i, engine] of engines.entries()) {
      const { reason } = await engine.ask({
        kind: "open",
        engine: names[i]!,
        ref: source.path,
        path: source.path,
        contextSize,
      });
      if (reason) return absent(reason);
    }
    log("tuning");
    const { reason: chosen } = await engines[0]!.ask({ kind: "tune", maxTokens: quick ? 32 : 64 });
    log(`chosen: ${chosen}`);
    const milliseconds = names.map(() => 0);
    let tokens = 0;
    for (const [p, prompt] of prompts.entries()) {
      for (let k = 0; k < engines.length; k++) {
        const i = (p + k) % engines.length;
        const { ms } = await engines[i]!.ask({ kind: "decode", prompt, count });
        milliseconds[i]! += ms.reduce((sum, x) => sum + x, 0);
      }
      tokens += count - 1;
      if (p % 10 === 9) log(`${p + 1} of ${prompts.length} questions`);
    }
    const rates = milliseconds.map((ms) => (tokens / ms) * 1000);
    for (const [name, i] of [
      ["plain", 1],
      ["lookup", 2],
    ] as const) {
      const ratio = rates[0]! / rates[i]!;
      measure({
        name: `tuned (${chosen}) against node-llama-cpp, ${name}`,
        value: rates[0]!,
        unit: "tokens/s",
        baseline: rates[i]!,
        ratio,
        bar: `≥ ${least[name]}×`,
        pass: ratio >= least[name],
      });
    }
  } finally {
    for (const engine of engines) engine.close();
  }
});
