/**
 * Spec-Bench: speed and tokens per step of every way of drafting that needs no training, by task group, in one run with plain decoding.
 * `--form NAME`, `--limit N`, `--tokens N`, `--questions FILE`. `npx tsx scripts/readme.ts` turns a committed result into the README's
 * table.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Calibration, CostCurve, makeDrafters, speculationOf, usualCandidates } from "../src/decode/index.ts";
import {
  compareDecoding,
  type DecodingArm,
  differingPrompts,
  parseSpecBench,
  specBenchGroups,
  spread,
  summarizeDecoding,
} from "../src/papers/index.ts";
import { loadModel, tuneModel } from "../src/serve/index.ts";
import { type BarContext, dataRoot, runBar } from "./harness.ts";

/** What the best way must reach over plain decoding, by weight form. */
const least: Readonly<Record<string, number>> = { int8: 1.3, f32: 1.5 };
/** What the tuned way must reach in every group. */
const leastInGroup = 0.98;

await runBar("spec-bench", async ({ options, quick, measure, log }: BarContext) => {
  const file = options.get("questions") ?? join(dataRoot, "spec-bench/questions.jsonl");
  const forms = options.get("form")?.split(",") ?? ["int8", "f32"];
  if (!existsSync(file)) {
    for (const form of forms)
      measure({ name: `${form}: best without training`, value: null, unit: "×", bar: `≥ ${least[form]}×`, pass: null });
    return;
  }
  const all = parseSpecBench(readFileSync(file, "utf8"));
  const tokens = Number(options.get("tokens") ?? (quick ? 64 : 128));
  for (const form of forms) {
    const limit = Number(options.get("limit") ?? (quick ? 24 : form === "int8" ? 240 : 60));
    const questions = spread(all, limit);
    await using model = await loadModel("smollm2", { form, draft: false });
    const { vocabSize } = model.config;
    log(`${form}: tuning on prompts of its own`);
    const profile = await tuneModel(model, { maxTokens: quick ? 32 : 64 });
    log(
      `${form}: chosen ${profile.chosen.join(" + ") || "plain"}, predicted ${profile.check.predictedSpeedup.toFixed(2)}×`,
    );
    const costs = new CostCurve(profile.costs);
    const ways = usualCandidates.filter((names) => names.length);
    const arms: DecodingArm[] = [
      { name: "plain" },
      ...ways.map((names) => ({
        name: names.join(" + "),
        speculation: { drafters: makeDrafters(names, vocabSize), costs, calibration: new Calibration() },
      })),
      { name: "tuned", speculation: speculationOf(profile, vocabSize) },
    ];
    const records = await compareDecoding({
      model,
      prompts: questions.map(({ prompt }) => prompt),
      arms,
      maxTokens: tokens,
      onPrompt: (done) => {
        if (done % 10 === 0) log(`${form}: ${done} of ${questions.length} questions`);
      },
    });
    const groups = [...specBenchGroups.filter((g) => questions.some(({ group }) => group === g)), "overall"];
    const summary = (arm: string, group: string) =>
      summarizeDecoding(records[arm]!.filter((_, i) => group === "overall" || questions[i]!.group === group));
    const lossy = arms
      .slice(1)
      .reduce((sum, { name }) => sum + differingPrompts(records.plain!, records[name]!).length, 0);
    measure({
      name: `${form}: answers that differ from plain decoding, all ways`,
      value: lossy,
      unit: "answers",
      bar: "0",
      pass: lossy === 0,
    });
    for (const { name } of arms)
      for (const group of groups) {
        const { tokensPerSecond, tokensPerStep } = summary(name, group);
        const plain = summary("plain", group).tokensPerSecond;
        const ratio = tokensPerSecond / plain;
        const bound = name === "tuned" && group !== "overall";
        measure({
          name: `${form}: ${name}, ${group}: speed`,
          value: tokensPerSecond,
          unit: "tokens/s",
          baseline: plain,
          ratio,
          ...(bound && { bar: `≥ ${leastInGroup}× plain` }),
          pass: bound ? ratio >= leastInGroup : null,
        });
        measure({ name: `${form}: ${name}, ${group}: tokens per step`, value: tokensPerStep, unit: "", pass: null });
      }
    const overall = (name: string) =>
      summary(name, "overall").tokensPerSecond / summary("plain", "overall").tokensPerSecond;
    const best = arms.slice(1).reduce((a, b) => (overall(b.name) > overall(a.name) ? b : a));
    measure({
      name: `${form}: best without training (${best.name}), overall`,
      value: overall(best.name),
      unit: "× plain",
      bar: `≥ ${least[form] ?? 1}×`,
      pass: overall(best.name) >= (least[form] ?? 1),
    });
    const measured = overall("tuned");
    const predicted = profile.check.predictedSpeedup;
    measure({
      name: `${form}: speed-up that the tuner predicted, over the measured one`,
      value: predicted / measured,
      unit: "",
      bar: "0.85 to 1.15",
      pass: Math.abs(predicted / measured - 1) <= 0.15,
    });
  }
});
