/**
 * Wrong calls of optimisers, training steps and runs.
 */
import { initialize, Linear, Module } from "../../src/nn/index.ts";
import { adam, adamW, clipGlobalNorm, globalNorm, lion, schedule, sgd } from "../../src/optim/index.ts";
import { memoryFiles } from "../../src/runtime/index.ts";
import { cast, type Parameter, type Tensor } from "../../src/tensor/index.ts";
import {
  loadCheckpoint,
  numberedBatches,
  shuffledBatches,
  Trainer,
  TrainStep,
  type TrainStepOptions,
} from "../../src/train/index.ts";
import type { ErrorCode } from "../../src/util/errors.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { f, type MisuseCase } from "./case.ts";

class Net extends Module {
  readonly inner = new Linear(3, 2, { bias: true });

  constructor(seed?: number) {
    super();
    if (seed !== undefined) initialize(this, seed);
  }

  forward(x: Tensor): Tensor {
    return this.inner.forward(x);
  }
}

const inputs = { x: { dtype: "f32", shape: [4, 3] } } as const;
type Inputs = typeof inputs;
const x = () => NDArray.from(new Array(12).fill(0.5), [4, 3]);

function compile(options: Partial<TrainStepOptions<Inputs>> = {}, net = new Net(1)) {
  const loss = ({ x }: { readonly x: Tensor }) => net.forward(x).pow(2).mean();
  return TrainStep.compile<Inputs>({ module: net, inputs, loss, optimizer: sgd(), ...options });
}

/** Compiles a step, uses it, and frees it. */
function using(
  use: (step: TrainStep<Inputs>, net: Net) => unknown,
  options: Partial<TrainStepOptions<Inputs>> = {},
): () => Promise<unknown> {
  return async () => {
    const net = new Net(1);
    await using step = await compile(options, net);
    return await use(step, net);
  };
}

const frozen = (net: Net, change: (parameter: Parameter) => void) => {
  change(net.inner.weight);
  return net;
};

const trainer = (step: TrainStep<Inputs>, options: object = {}) =>
  new Trainer<Inputs>({
    step,
    batches: numberedBatches(() => ({ x: x() }), 3),
    steps: 2,
    learningRate: 0.1,
    ...options,
  });

type Row = readonly [name: string, code: ErrorCode, says: readonly string[], call: () => unknown];

const rows: readonly Row[] = [
  ["adam with betas of 1", "argument", ["adam", "1"], () => adam({ betas: [1, 0.9] })],
  ["adamW with negative betas", "argument", ["adamW", "-0.1"], () => adamW({ betas: [0.9, -0.1] })],
  ["adam with a negative epsilon", "argument", ["adam", "-1"], () => adam({ epsilon: -1 })],
  ["adamW with a NaN decay", "argument", ["adamW", "NaN"], () => adamW({ weightDecay: Number.NaN })],
  ["lion with betas of 2", "argument", ["lion", "2"], () => lion({ betas: [2, 0.9] })],
  ["sgd with a negative momentum", "argument", ["sgd", "-1"], () => sgd({ momentum: -1 })],
  ["sgd with Nesterov and no momentum", "argument", ["sgd", "nesterov"], () => sgd({ nesterov: true })],
  ["clip to 0", "argument", ["clipGlobalNorm", "0"], () => clipGlobalNorm([f(2)], 0)],
  ["norm of nothing", "argument", ["globalNorm"], () => globalNorm([])],
  ["cosine without an end", "argument", ["schedule", "totalSteps"], () => schedule({ base: 1, decay: "cosine" })],
  [
    "a warm-up beyond the end",
    "argument",
    ["schedule", "20", "10"],
    () => schedule({ base: 1, decay: "linear", warmupSteps: 20, totalSteps: 10 }),
  ],
  ["a schedule from NaN", "argument", ["schedule", "NaN"], () => schedule({ base: Number.NaN })],
  [
    "a loss that is no scalar",
    "shape",
    ["grad", "[4, 2]"],
    () => {
      const net = new Net(1);
      return compile({ loss: ({ x }) => net.forward(x) }, net);
    },
  ],
  [
    "a named loss that is no scalar",
    "shape",
    ["fit", "[4, 2]"],
    () => {
      const net = new Net(1);
      return compile({ loss: ({ x }) => ({ fit: net.forward(x) }) }, net);
    },
  ],
  ["no losses", "argument", ["no losses"], () => compile({ loss: () => ({}) })],
  [
    "a loss without the module",
    "argument",
    ["depends on no trained parameter", "Net"],
    () => compile({ loss: ({ x }) => x.mean() }),
  ],
  [
    "a loss of whole numbers",
    "dtype",
    ["i64"],
    () => {
      const net = new Net(1);
      return compile({ loss: ({ x }) => cast(net.forward(x), "i64").sum() }, net);
    },
  ],
  ["parameters without values", "name", ["inner.weight", "has no value"], () => compile({}, new Net())],
  [
    "parameters in a file",
    "name",
    ["inner.weight"],
    () =>
      compile(
        {},
        frozen(new Net(1), (p) => {
          p.value = { path: "a", offset: 0, length: 24 };
        }),
      ),
  ],
  ["nothing to train", "argument", ["no parameter to train"], () => compile({ trains: () => false })],
  ["a weight without a loss", "name", ["size", "unnamed"], () => compile({ weights: { size: 1 } })],
  ["a group of nothing", "argument", ["head.*"], () => compile({ groups: [{ paths: "head.*" }] })],
  ["a group with a negative rate", "argument", ["-1"], () => compile({ groups: [{ paths: "**", rate: -1 }] })],
  ["accumulation of 0", "argument", ["accumulate", "0"], () => compile({ accumulate: 0 })],
  ["accumulation of 1.5", "argument", ["accumulate", "1.5"], () => compile({ accumulate: 1.5 })],
  ["clipping at −1", "argument", ["-1"], () => compile({ clipNorm: -1 })],
  [
    "a module given wrong shapes",
    "shape",
    ["matmul", "[4, 5]", "(in inner)"],
    () => {
      const net = new Net(1);
      return TrainStep.compile({
        module: net,
        inputs: { x: { dtype: "f32", shape: [4, 5] } },
        loss: ({ x }) => net.forward(x).mean(),
        optimizer: sgd(),
      });
    },
  ],
  [
    "an input with the step's own name",
    "name",
    ["loss"],
    () => {
      const net = new Net(1);
      return TrainStep.compile({
        module: net,
        inputs: { loss: inputs.x },
        loss: ({ loss }) => net.forward(loss).mean(),
        optimizer: sgd(),
      });
    },
  ],
  [
    "an input with a parameter's name",
    "name",
    ["inner.bias"],
    () => {
      const net = new Net(1);
      return TrainStep.compile({
        module: net,
        inputs: { "inner.bias": inputs.x },
        loss: (t) => net.forward(t["inner.bias"]).mean(),
        optimizer: sgd(),
      });
    },
  ],
  [
    "a NaN loss",
    "nan",
    ["step 1", "NaN", "learning rate"],
    using((step) => step.run({ x: NDArray.from(new Array(12).fill(Number.NaN), [4, 3]) }, 0.1)),
  ],
  [
    "an infinite loss",
    "nan",
    ["step 1"],
    using((step) => step.run({ x: NDArray.from(new Array(12).fill(1e30), [4, 3]) }, 0.1)),
  ],
  [
    "a batch of another shape",
    "shape",
    ["x", "[4, 2]", "[4, 3]"],
    using((step) => step.run({ x: NDArray.zeros([4, 2]) }, 0.1)),
  ],
  [
    "a batch of another dtype",
    "dtype",
    ["x", "i64", "f32"],
    using((step) => step.run({ x: NDArray.zeros([4, 3], "i64") }, 0.1)),
  ],
  ["a batch without x", "name", ["x", "missing"], using((step) => step.run({} as never, 0.1))],
  ["a batch with more than x", "name", ["y"], using((step) => step.run({ x: x(), y: x() } as never, 0.1))],
  ["a learning rate of NaN", "argument", ["learning rate", "NaN"], using((step) => step.run({ x: x() }, Number.NaN))],
  [
    "two batches without accumulation",
    "argument",
    ["1", "2"],
    using((step) => step.run([{ x: x() }, { x: x() }], 0.1)),
  ],
  [
    "two steps at once",
    "argument",
    ["while another runs"],
    using(async (step) => {
      const first = step.run({ x: x() }, 0.1);
      try {
        await step.run({ x: x() }, 0.1);
      } finally {
        await first;
      }
    }),
  ],
  [
    "a step after disposal",
    "disposed",
    ["training step"],
    async () => {
      const step = await compile();
      await step.dispose();
      await step.run({ x: x() }, 0.1);
    },
  ],
  ["averages that are not kept", "argument", ["averageDecay"], using((step) => step.averagedState())],
  ["restoring at step −1", "argument", ["-1"], using((step) => step.restore(-1, {}))],
  [
    "restoring without state",
    "name",
    ["inner.weight:velocity"],
    using((step) => step.restore(1, {}), { optimizer: sgd({ momentum: 0.9 }) }),
  ],
  [
    "restoring state of another shape",
    "shape",
    ["inner.weight:velocity", "[1]", "[2, 3]"],
    using(
      (step) =>
        step.restore(1, { "inner.weight:velocity": NDArray.zeros([1]), "inner.bias:velocity": NDArray.zeros([2]) }),
      { optimizer: sgd({ momentum: 0.9 }) },
    ),
  ],
  [
    "restoring another's state",
    "name",
    ["stranger"],
    using((step) => step.restore(1, { stranger: NDArray.zeros([1]) })),
  ],
  ["a run of 0 steps", "argument", ["Trainer", "steps", "0"], using((step) => trainer(step, { steps: 0 }))],
  [
    "checkpoints every 0 steps",
    "argument",
    ["checkpointEvery", "0"],
    using((step) => trainer(step, { checkpointEvery: 0 })),
  ],
  [
    "early stopping without evaluation",
    "argument",
    ["earlyStopping", "evaluate"],
    using((step) => trainer(step, { earlyStopping: { metric: "m", patience: 1 } })),
  ],
  [
    "an evaluation without the metric",
    "argument",
    ["accuracy", "other"],
    using((step) =>
      trainer(step, {
        evaluate: { every: 1, run: async () => ({ other: 1 }) },
        earlyStopping: { metric: "accuracy", patience: 1 },
      }).run(),
    ),
  ],
  ["batches that end too soon", "argument", ["3", "step 4 of 9"], using((step) => trainer(step, { steps: 9 }).run())],
  [
    "batches larger than the data",
    "argument",
    ["5", "3"],
    () => shuffledBatches({ count: 3, batchSize: 5, seed: 1, make: () => 0 }),
  ],
  ["a position of −1", "argument", ["-1"], () => numberedBatches(() => 0).seek(-1)],
  [
    "a checkpoint that is not there",
    "not-found",
    ["checkpoint-00000007"],
    using((step) => loadCheckpoint(memoryFiles(), step, 7)),
  ],
  [
    "a checkpoint that is none",
    "format",
    ["checkpoint-00000007"],
    using(async (step) => {
      const files = memoryFiles();
      await files.write("checkpoint-00000007.safetensors", [new Uint8Array(30)]);
      return loadCheckpoint(files, step, 7);
    }),
  ],
];

/** Wrong calls of optimisers, steps and runs. */
export const trainCases: readonly MisuseCase[] = rows.map(([name, code, says, call]) => ({ name, code, says, call }));
