/**
 * Speed of the default form beside node-llama-cpp on the same file: greedy decoding at three contexts, prefill, and what a
 * step of several tokens costs. The engines take turns, each in its own process; medians. `--form NAME` measures
 * another form.
 */

import { readGguf, tokenizerFromGguf } from "../src/formats/index.ts";
import { forms } from "../src/lm/index.ts";
import { openFile } from "../src/runtime/node/file-source.ts";
import { resolveModel } from "../src/sources/index.ts";
import { type BarContext, median, runBar } from "./harness.ts";
import { shakespeareWindows } from "./models.ts";
import { SpeedEngine } from "./speed/engine.ts";

const contexts = [128, 512, 2048];

interface Plan {
  readonly ref: string;
  /** Least speed of decoding relative to the peer, by context. */
  readonly decode: readonly number[];
  readonly prefill?: number;
  readonly rows?: readonly { readonly rows: number; readonly most: number }[];
}

const plans: readonly Plan[] = [
  {
    ref: "smollm2",
    decode: [1.4, 1.3, 1.1],
    prefill: 0.9,
    rows: [
      { rows: 8, most: 1.6 },
      { rows: 16, most: 2.1 },
    ],
  },
  { ref: "gemma3", decode: [1.2, 1.2, 1.2] },
];

async function measurePlan(plan: Plan, form: string, { quick, measure, log }: BarContext): Promise<void> {
  const source = await resolveModel(plan.ref);
  const file = await openFile(source.path);
  const tokenizer = tokenizerFromGguf((await readGguf(file)).metadata);
  await file.close();
  const [text] = shakespeareWindows(tokenizer, 1, 2400) as [number[]];
  const open = { kind: "open", ref: source.path, path: source.path, form, contextSize: 2560 } as const;
  const [ours, peer] = [new SpeedEngine(), new SpeedEngine()];
  try {
    await ours.ask({ ...open, engine: "ours" });
    const { reason } = await peer.ask({ ...open, engine: "peer" });
    if (reason) log(reason);
    const engines = reason ? [ours] : [ours, peer];
    const speed = (name: string, unit: string, amount: number, times: readonly number[][], least: number) => {
      const [own, other] = times.map((ms) => amount / (median(ms) / 1000));
      const ratio = other === undefined ? null : own! / other;
      measure({
        name: `${plan.ref}: ${name}`,
        value: reason ? null : own!,
        unit,
        baseline: other ?? null,
        ratio,
        bar: `≥ ${least}× node-llama-cpp`,
        pass: ratio === null ? null : ratio >= least,
      });
    };
    const [rounds, count] = quick ? [2, 17] : [5, 33];
    for (const [i, context] of contexts.entries()) {
      const times: number[][] = engines.map(() => []);
      for (let round = 0; round < rounds; round++)
        for (const [e, engine] of engines.entries()) {
          // another beginning each time, so that no cache of prompts helps
          const prompt = text.slice(round, round + context);
          times[e]!.push(...(await engine.ask({ kind: "decode", prompt, count })).ms);
        }
      speed(`greedy decoding, context ${context}`, "tokens/s", 1, times, plan.decode[i]!);
    }
    if (plan.prefill !== undefined) {
      const times: number[][] = engines.map(() => []);
      for (let round = 0; round < (quick ? 2 : 7); round++)
        for (const [e, engine] of engines.entries())
          times[e]!.push(
            ...(await engine.ask({ kind: "prefill", prompt: text.slice(20 * round + 5, 20 * round + 517) })).ms,
          );
      speed("prefill of 512 tokens", "tokens/s", 512, times, plan.prefill);
    }
  } finally {
    ours.close();
    peer.close();
  }
  if (!plan.rows) return;
  const steps = new SpeedEngine();
  try {
    await steps.ask({ ...open, engine: "steps" });
    const rows = [1, ...plan.rows.map((r) => r.rows)];
    const { ms } = await steps.ask({ kind: "rows", prompt: text.slice(0, 512), rows, repeats: quick ? 15 : 60 });
    const medians = rows.map((_, i) => median(ms.map((times) => times[i]!)));
    plan.rows.forEach(({ rows: n, most }, i) => {
      const ratio = medians[i + 1]! / medians[0]!;
      measure({
        name: `${plan.ref}: a step of ${n} tokens beside a step of one, context 512`,
        value: medians[i + 1]!,
        unit: "ms",
        baseline: medians[0]!,
        ratio,
        bar: `≤ ${most}× a step of one`,
        pass: ratio <= most,
      });
    });
  } finally {
    steps.close();
  }
}

await runBar("generate-speed", async (context) => {
  const form = context.options.get("form") ?? forms[0]!.name;
  context.log(`form ${form}`);
  for (const plan of plans) await measurePlan(plan, form, context);
});
