/**
 * Trains a small decoder on tokens, as any decoder with tied embeddings would be: its family's own file gives the logits.
 */
import { consecutiveWindows, randomWindows } from "../../src/data/index.ts";
import { type Decoder, sequenceLogits } from "../../src/lm/index.ts";
import { adamW, schedule } from "../../src/optim/index.ts";
import { compile, type FileStore } from "../../src/runtime/index.ts";
import { crossEntropy, type Tensor } from "../../src/tensor/index.ts";
import { numberedBatches, Trainer, TrainStep } from "../../src/train/index.ts";

/** Options of {@link trainTiny}. */
export interface TrainTinyOptions {
  /** Where checkpoints go. */
  readonly files: FileStore;
  readonly threads?: number;
  log(line: string): void;
}

const steps = 700;
const windows = { batch: 8, length: 512 };
const ids = { dtype: "i64", shape: [windows.batch, windows.length] } as const;

/** Trains to the end; returns the mean loss on held-out tokens in nats. */
export async function trainTiny(
  decoder: Decoder,
  training: Int32Array,
  heldOut: Int32Array,
  { files, threads, log }: TrainTinyOptions,
): Promise<number> {
  const loss = ({ tokens, targets }: { readonly tokens: Tensor; readonly targets: Tensor }) => {
    const logits = sequenceLogits(decoder, tokens);
    return crossEntropy(logits.reshape([-1, logits.shape[2]!]), targets.reshape([-1]));
  };
  const inputs = { tokens: ids, targets: ids } as const;
  const betas = [0.9, 0.99] as const;
  await using step = await TrainStep.compile({
    module: decoder,
    inputs,
    loss,
    optimizer: adamW({ betas, weightDecay: 0.1 }),
    groups: [{ paths: /norm/, optimizer: adamW({ betas, weightDecay: 0 }) }],
    clipNorm: 1,
    threads,
  });
  await using measured = await compile((batch) => ({ loss: loss(batch) }), { inputs, parameters: "inputs", threads });
  const parts = consecutiveWindows(heldOut, windows);
  const evaluate = async () => {
    let sum = 0;
    for (const part of parts) sum += (await measured.run({ ...part })).loss.at(0);
    return { heldOut: sum / parts.length };
  };
  let since = performance.now();
  await new Trainer({
    step,
    batches: numberedBatches(randomWindows(training, { ...windows, seed: 1 })),
    steps,
    learningRate: schedule({ base: 3e-3, minimum: 1e-4, warmupSteps: 50, totalSteps: steps, decay: "cosine" }),
    evaluate: {
      every: 100,
      async run() {
        const result = await evaluate();
        log(`held out: ${result.heldOut.toFixed(4)} nats a token`);
        return result;
      },
    },
    files,
    checkpointEvery: 25,
    onStep(at, { loss: now }) {
      if (at % 20) return;
      log(`step ${at} of ${steps}: loss ${now.toFixed(3)}, ${((performance.now() - since) / 20).toFixed(0)} ms a step`);
      since = performance.now();
    },
  }).run();
  return (await evaluate()).heldOut;
}
