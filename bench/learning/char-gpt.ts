/**
 * The character GPT on Shakespeare's plays: nine tenths to learn from, the last tenth held out.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { characterVocabulary, consecutiveWindows, holdOut, randomWindows } from "../../src/data/index.ts";
import { schedule } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { numberedBatches, Trainer, TrainStep } from "../../src/train/index.ts";
import { dataRoot } from "../harness.ts";
import { charGptInputs, charGptSize, charGptStep, newCharGpt } from "../train/char-gpt.ts";
import { countParameters, type LearningRun, stepLog } from "./run.ts";

const steps = 2500;

/** Validation loss after 2,500 steps of 32 × 128 characters. */
export const charGpt: LearningRun = {
  name: "character GPT: loss on held-out text",
  unit: "nats",
  bar: "≤ 1.60 in ≤ 2,500 steps",
  curves: ["loss", "heldOut"],
  passes: (value) => value <= 1.6,
  async run({ files, signal, threads, log }) {
    const text = readFileSync(join(dataRoot, "text/tinyshakespeare.txt"), "utf8");
    const vocabulary = characterVocabulary(text);
    const [training, heldOut] = holdOut(vocabulary.encode(text), 0.1);
    const model = newCharGpt(vocabulary.characters.length, 1);
    await using step = await TrainStep.compile({ ...charGptStep(model), threads });
    await using measured = await compile((batch) => ({ loss: model.loss(batch) }), {
      inputs: charGptInputs,
      parameters: "inputs",
      threads,
    });
    const windows = consecutiveWindows(heldOut, charGptSize);
    const evaluate = async () => {
      let sum = 0;
      for (const batch of windows) sum += (await measured.run({ ...batch })).loss.at(0);
      return { heldOut: sum / windows.length };
    };
    const { records } = await new Trainer({
      step,
      batches: numberedBatches(randomWindows(training, { ...charGptSize, seed: 1 })),
      steps,
      learningRate: schedule({ base: 2e-3, minimum: 1e-4, warmupSteps: 100, totalSteps: steps, decay: "cosine" }),
      evaluate: {
        every: 250,
        async run() {
          const result = await evaluate();
          log(`held out: ${result.heldOut.toFixed(4)} nats`);
          return result;
        },
      },
      files,
      checkpointEvery: 50,
      onStep: stepLog(50, log),
      signal,
    }).run();
    const { heldOut: value } = await evaluate();
    return { value, steps: step.steps, parameters: countParameters(model), records };
  },
};
