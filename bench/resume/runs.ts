/**
 * The two training runs that `bar:resume` kills: a transformer with dropout, AdamW, a schedule and averages, and a convolutional
 * net with batch norm. Everything is seeded.
 */
import {
  BatchNorm,
  Conv,
  Dropout,
  Embedding,
  initialize,
  Linear,
  MaxPool,
  Module,
  Transformer,
} from "../../src/nn/index.ts";
import { adamW, schedule, sgd } from "../../src/optim/index.ts";
import type { FileStore } from "../../src/runtime/index.ts";
import { crossEntropy, range, relu, type Tensor } from "../../src/tensor/index.ts";
import { numberedBatches, shuffledBatches, Trainer, TrainStep } from "../../src/train/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

class SmallTransformer extends Module {
  readonly tokens = new Embedding(32, 32);
  readonly positions = new Embedding(16, 32);
  readonly dropout = new Dropout(0.1);
  readonly body = new Transformer(32, 2, { heads: 4, causal: true, dropout: 0.1 });
  readonly head = new Linear(32, 32);

  forward(ids: Tensor): Tensor {
    const x = this.tokens.forward(ids).add(this.positions.forward(range(0, 16)));
    return this.head.forward(this.body.forward(this.dropout.forward(x)));
  }
}

class SmallConvNet extends Module {
  readonly conv1 = new Conv(1, 8, { kernel: 3, padding: 1, bias: false });
  readonly norm1 = new BatchNorm(8);
  readonly conv2 = new Conv(8, 16, { kernel: 3, padding: 1, bias: false });
  readonly norm2 = new BatchNorm(16);
  readonly pool = new MaxPool({ kernel: 2 });
  readonly head = new Linear(16 * 4 * 4, 4, { bias: true });

  forward(images: Tensor): Tensor {
    let x = this.pool.forward(relu(this.norm1.forward(this.conv1.forward(images))));
    x = this.pool.forward(relu(this.norm2.forward(this.conv2.forward(x))));
    return this.head.forward(x.reshape([x.shape[0]!, -1]));
  }
}

/** Options of a run. */
export interface RunOptions {
  readonly files: FileStore;
  readonly steps: number;
  readonly onStep: (step: number) => void;
}

async function transformer({ files, steps, onStep }: RunOptions): Promise<void> {
  const module = new SmallTransformer();
  initialize(module, 1);
  const ids = { dtype: "i64", shape: [8, 16] } as const;
  await using step = await TrainStep.compile({
    module,
    inputs: { tokens: ids, targets: ids },
    loss: ({ tokens, targets }) =>
      crossEntropy(module.forward(tokens).reshape([8 * 16, 32]), targets.reshape([8 * 16])),
    optimizer: adamW({ weightDecay: 0.1 }),
    groups: [{ paths: /norm|bias/, optimizer: adamW({ weightDecay: 0 }) }],
    clipNorm: 1,
    averageDecay: 0.99,
    seed: 5,
  });
  await new Trainer({
    step,
    batches: numberedBatches((position) => {
      const random = new Random(2).split(position);
      const rows = Array.from({ length: 8 }, () => {
        const [start, stride] = [random.integer(32), 1 + random.integer(3)];
        return Array.from({ length: 17 }, (_, i) => (start + i * stride) % 32);
      });
      const part = (from: number) =>
        NDArray.from(
          rows.flatMap((row) => row.slice(from, from + 16)),
          [8, 16],
          "i64",
        );
      return { tokens: part(0), targets: part(1) };
    }),
    steps,
    learningRate: schedule({ base: 3e-3, decay: "cosine", warmupSteps: 20, totalSteps: steps }),
    files,
    checkpointEvery: 7,
    onStep,
  }).run();
}

async function convNet({ files, steps, onStep }: RunOptions): Promise<void> {
  const module = new SmallConvNet();
  initialize(module, 1);
  const random = new Random(9);
  const images = Array.from({ length: 200 }, () => random.normals(16 * 16));
  const labels = images.map((image) => Math.min(3, Math.floor(2 + image[0]! + image[17]!) & 3));
  await using step = await TrainStep.compile({
    module,
    inputs: { images: { dtype: "f32", shape: [16, 1, 16, 16] }, labels: { dtype: "i64", shape: [16] } },
    loss: ({ images, labels }) => crossEntropy(module.forward(images), labels),
    optimizer: sgd({ momentum: 0.9 }),
  });
  await new Trainer({
    step,
    batches: shuffledBatches({
      count: images.length,
      batchSize: 16,
      seed: 4,
      make: (examples) => {
        const data = new Float32Array(16 * 256);
        examples.forEach((example, i) => {
          data.set(images[example]!, i * 256);
        });
        return {
          images: new NDArray(data, [16, 1, 16, 16], "f32"),
          labels: NDArray.from(
            [...examples].map((example) => labels[example]!),
            [16],
            "i64",
          ),
        };
      },
    }),
    steps,
    learningRate: 0.01,
    files,
    checkpointEvery: 7,
    onStep,
  }).run();
}

/** Runs by name. */
export const runs: Readonly<Record<string, (options: RunOptions) => Promise<void>>> = { transformer, convNet };
