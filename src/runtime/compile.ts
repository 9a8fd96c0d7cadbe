/**
 * From a function of tensors to something that runs: trace, lower, encode, load.
 */
// by the folder's index, which gives tensors their methods: whoever compiles a function wants to write x.mul(y)
import { input, type Parameter, shapeText, type Tensor, type TensorType } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { FeedChecker } from "./check-feeds.ts";
import type { Engine, EngineSession, NodeTiming, RunMemory, SessionOptions } from "./engine.ts";
import { type LoweredGraph, type LowerOptions, lowerGraph } from "./lower.ts";
import { encodeOnnxModel, type OnnxGraph } from "./onnx/model.ts";

/** Types of a function's inputs by name. */
export type InputTypes = Readonly<Record<string, TensorType>>;

/** A function of named tensors. */
export type TensorFunction<Inputs extends InputTypes, Outputs extends Readonly<Record<string, Tensor>>> = (
  inputs: { readonly [K in keyof Inputs]: Tensor },
) => Outputs;

/** Options of {@link compile}. */
export interface CompileOptions<Inputs extends InputTypes> extends LowerOptions, SessionOptions {
  /** Types of the inputs; sizes may be names. */
  readonly inputs: Inputs;
  /** What runs the graph; ONNX Runtime in this process by default. */
  readonly engine?: Engine;
  /** Refuse NaN in inputs and outputs, at the price of looking at every element. */
  readonly checkNaN?: boolean;
}

/** Traces a function and lowers what it did. */
export function traceFunction<Inputs extends InputTypes, Outputs extends Readonly<Record<string, Tensor>>>(
  f: TensorFunction<Inputs, Outputs>,
  options: LowerOptions & { readonly inputs: Inputs },
): LoweredGraph {
  const tensors = Object.fromEntries(
    Object.entries(options.inputs).map(([name, type]) => [name, input(name, type.dtype, type.shape)]),
  ) as { [K in keyof Inputs]: Tensor };
  return lowerGraph(Object.values<Tensor>(tensors), f(tensors), options);
}

/** A compiled function. */
export class Executable<OutputName extends string = string> {
  readonly #session: EngineSession;
  readonly #lowered: LoweredGraph;
  readonly #checkNaN: boolean;
  readonly #feedChecker: FeedChecker;
  readonly #outputs: readonly string[];
  #disposed = false;

  /** @internal Use {@link compile}. */
  constructor(session: EngineSession, lowered: LoweredGraph, checkNaN: boolean) {
    this.#session = session;
    this.#lowered = lowered;
    this.#checkNaN = checkNaN;
    this.#feedChecker = new FeedChecker(lowered.graph);
    this.#outputs = lowered.graph.outputs.map((y) => y.name);
  }

  /** The graph as ONNX Runtime got it. */
  get graph(): OnnxGraph {
    return this.#lowered.graph;
  }

  /** The graph with what is known beside it, for inspection and export. */
  get lowered(): LoweredGraph {
    return this.#lowered;
  }

  /** Parameters that are fed at every run, by input name. */
  get parameterInputs(): ReadonlyMap<string, Parameter> {
    return this.#lowered.parameterInputs;
  }

  /**
   * Runs the function.
   * @param feeds one array per input; parameters that are inputs are taken from their own values when not fed.
   * @param options `outputs` limits what is returned; `into` gives arrays to write results to; `transfer` names inputs whose
   * memory an engine in another thread may keep.
   * @throws `name`, `dtype`, `shape`, `nan` or `disposed`, naming the input and both shapes.
   */
  async run(
    feeds: Readonly<Record<string, NDArray>>,
    options: RunMemory & { readonly outputs?: readonly OutputName[] } = {},
  ): Promise<Record<OutputName, NDArray>> {
    const { graph, parameterInputs } = this.#lowered;
    if (this.#disposed) fail("disposed", `executable "${graph.name}" has been disposed; compile it again to use it`);
    const all = parameterInputs.size ? this.#withParameters(feeds) : feeds;
    this.#feedChecker.check(all);
    if (this.#checkNaN) for (const name in all) checkNaN(`input "${name}" of "${graph.name}"`, all[name]!);
    const outputs = options.outputs ?? (this.#outputs as readonly OutputName[]);
    for (const name of outputs)
      if (!this.#outputs.includes(name))
        fail("name", `"${graph.name}" has no output "${name}"; it has ${this.#outputs.join(", ")}`);
    const results = await this.#session.run(all, outputs, options);
    if (this.#checkNaN) for (const name of outputs) checkNaN(`output "${name}" of "${graph.name}"`, results[name]!);
    return results as Record<OutputName, NDArray>;
  }

  #withParameters(feeds: Readonly<Record<string, NDArray>>): Record<string, NDArray> {
    const all: Record<string, NDArray> = { ...feeds };
    for (const [name, parameter] of this.parameterInputs)
      if (!all[name]) {
        if (!(parameter.value instanceof NDArray))
          fail("name", `parameter "${name}" has no value; load a checkpoint or initialise it first`);
        all[name] = parameter.value;
      }
    return all;
  }

  /** Time of every node since loading; the executable must have been compiled with `profile: true` and is used up. */
  profile(): Promise<NodeTiming[]> {
    return this.#session.profile();
  }

  /** Frees the executable's memory. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#session.dispose();
  }

  /** Same as {@link dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

function checkNaN(what: string, array: NDArray): void {
  if (!(array.data instanceof Float32Array)) return;
  const at = array.data.findIndex(Number.isNaN);
  if (at >= 0) fail("nan", `${what} has a NaN at flat index ${at} of ${shapeText(array.shape)}`);
}

let defaultEngine: Promise<Engine> | undefined;

/** The engine that {@link compile} uses when none is given: ONNX Runtime in this thread. */
export function getDefaultEngine(): Promise<Engine> {
  defaultEngine ??= import("./node/ort-engine.ts").then(({ OrtEngine }) => new OrtEngine());
  return defaultEngine;
}

/** Loads a lowered graph into an engine. */
export async function loadGraph(
  lowered: LoweredGraph,
  options: SessionOptions & { readonly engine?: Engine; readonly checkNaN?: boolean } = {},
): Promise<Executable> {
  const engine = options.engine ?? (await getDefaultEngine());
  const session = await engine.load(
    { bytes: encodeOnnxModel(lowered.graph), weightFolder: lowered.weightFolder, name: lowered.graph.name },
    options,
  );
  return new Executable(session, lowered, options.checkNaN ?? false);
}

/**
 * Traces `f` once and returns an executable of it.
 * @example
 * const f = await compile(({ x }) => ({ y: x.mul(x).sum() }), { inputs: { x: { dtype: "f32", shape: ["n"] } } });
 * const { y } = await f.run({ x: NDArray.from([1, 2, 3]) });
 */
export async function compile<Inputs extends InputTypes, Outputs extends Readonly<Record<string, Tensor>>>(
  f: TensorFunction<Inputs, Outputs>,
  options: CompileOptions<Inputs>,
): Promise<Executable<Extract<keyof Outputs, string>>> {
  return (await loadGraph(traceFunction(f, options), options)) as Executable<Extract<keyof Outputs, string>>;
}
