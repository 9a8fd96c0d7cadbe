/**
 * An LSTM that reads symbols and says them again: exact, or it has not learnt it.
 */
import { copyTask } from "../../src/data/index.ts";
import { Embedding, initialize, Linear, Lstm, Module } from "../../src/nn/index.ts";
import { adam, schedule } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { argmax, crossEntropy, type Tensor } from "../../src/tensor/index.ts";
import { numberedBatches, Trainer, TrainStep } from "../../src/train/index.ts";
import { countParameters, type LearningRun, stepLog } from "./run.ts";

const size = { batch: 64, length: 6, symbols: 8 } as const;
const steps = 3000;

class Copyist extends Module {
  readonly tokens = new Embedding(size.symbols + 2, 32);
  readonly lstm = new Lstm(32, 128);
  readonly head = new Linear(128, size.symbols, { bias: true });

  /** `[batch, n] → [batch · length, symbols]`: what it says after the sign. */
  forward(tokens: Tensor): Tensor {
    const { y } = this.lstm.forward(this.tokens.forward(tokens).transpose([1, 0, 2]));
    const said = y.slice({ axis: 0, start: size.length + 1 }).transpose([1, 0, 2]);
    return this.head.forward(said.reshape([-1, 128]));
  }
}

const inputs = {
  tokens: { dtype: "i64", shape: [size.batch, 2 * size.length + 1] },
  targets: { dtype: "i64", shape: [size.batch, size.length] },
} as const;

/** Symbols that are said right in 100 batches that were not learnt from. */
export const copying: LearningRun = {
  name: "LSTM: symbols of unseen sequences copied",
  unit: "%",
  bar: "= 100",
  curves: ["loss", "wrong"],
  passes: (value) => value === 100,
  async run({ files, signal, threads, log }) {
    const model = new Copyist();
    initialize(model, 1);
    await using step = await TrainStep.compile({
      module: model,
      inputs,
      loss: ({ tokens, targets }) => crossEntropy(model.forward(tokens), targets.reshape([-1])),
      optimizer: adam(),
      clipNorm: 1,
      threads,
    });
    await using say = await compile(({ tokens }) => ({ said: argmax(model.forward(tokens), 1) }), {
      inputs: { tokens: inputs.tokens },
      parameters: "inputs",
      threads,
    });
    const unseen = copyTask({ ...size, seed: 2 });
    const wrongShare = async (batches: number) => {
      let wrong = 0;
      for (let i = 0; i < batches; i++) {
        const { tokens, targets } = unseen(i);
        const { said } = await say.run({ tokens });
        wrong += said.toNumbers().filter((symbol, at) => symbol !== targets.at(at)).length;
      }
      return wrong / (batches * size.batch * size.length);
    };
    const { records } = await new Trainer({
      step,
      batches: numberedBatches(copyTask({ ...size, seed: 1 })),
      steps,
      learningRate: schedule({ base: 1e-2, warmupSteps: 50, totalSteps: steps, decay: "cosine" }),
      evaluate: { every: 250, run: async () => ({ wrong: await wrongShare(10) }) },
      files,
      onStep: stepLog(250, log),
      signal,
    }).run();
    return {
      value: 100 * (1 - (await wrongShare(100))),
      steps: step.steps,
      parameters: countParameters(model),
      records,
    };
  },
};
