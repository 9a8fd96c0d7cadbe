/**
 * What a user of the package may write. `bar:package` copies it into a project that has installed the package, and checks it
 * there with strict types: it takes something of every subpath, and values that pass through several of them.
 */
import {
  BletchleyError,
  type GenerateOptions,
  type GenerationChunk,
  loadEmbedder,
  loadModel,
  startServer,
} from "bletchley";
import { argmax, type GenerationInput, generate } from "bletchley/decode";
import { type ChatMessage, readGguf, StreamDecoder } from "bletchley/formats";
import { forms, KvCache, loadDecoder, type SequenceModel } from "bletchley/lm";
import { Linear, Module } from "bletchley/nn";
import { adamW } from "bletchley/optim";
import { compile, type Engine } from "bletchley/runtime";
import { createApp, type Model } from "bletchley/serve";
import { cacheRoot, resolveModel } from "bletchley/sources";
import { grad, input, type Tensor, valueAndGrad } from "bletchley/tensor";
import { TrainStep, type TrainStepOptions } from "bletchley/train";
import { NDArray, Random } from "bletchley/util";

/** Talks, serves, and minds an abort. */
export async function talk(signal: AbortSignal): Promise<string> {
  const model: Model = await loadModel("smollm2", { form: "int8", signal });
  const messages: ChatMessage[] = [{ role: "user", content: "Hello" }];
  const options: GenerateOptions = { temperature: 0, maxTokens: 10, stop: ["\n"] };
  const chunks: GenerationChunk[] = [];
  try {
    for await (const chunk of model.chat(messages, options)) chunks.push(chunk);
    const server = await startServer({ models: { smollm2: model }, port: 0 });
    await server.close();
  } catch (thrown) {
    if (thrown instanceof BletchleyError && thrown.code === "aborted") return "";
    throw thrown;
  }
  return chunks.map(({ text }) => text).join("");
}

/** A module of one's own, with the methods of tensors. */
export class Block extends Module {
  readonly up = new Linear(4, 8);
  /** `[n, 4]` to `[n, 8]`. */
  forward(x: Tensor): Tensor {
    return this.up.forward(x).gelu().add(1).mul(2);
  }
}

/** Compiles a function and its gradient, and runs both. */
export async function differentiate(engine?: Engine): Promise<number> {
  const square = (t: Tensor) => t.square().sum();
  const f = await compile(({ x }) => ({ y: square(x), g: grad(square)(x)[0]! }), {
    inputs: { x: { dtype: "f32", shape: ["n"] } },
    engine,
  });
  const { y, g } = await f.run({ x: NDArray.from([1, 2, 3]) });
  await f.dispose();
  return Number(y.data[0]) + Number(g.data[0]);
}

/** Whatever else there is. */
export const others = [
  adamW,
  argmax,
  cacheRoot,
  createApp,
  forms,
  generate,
  input,
  KvCache,
  loadDecoder,
  loadEmbedder,
  Random,
  readGguf,
  resolveModel,
  StreamDecoder,
  TrainStep,
  valueAndGrad,
] as const;

/** Types that are used nowhere else here. */
export type Others = readonly [GenerationInput, SequenceModel, TrainStepOptions<Record<string, never>>];
