/**
 * One step of training as one graph: loss, gradients, clipping and the optimiser's rule together. Parameters and optimiser state
 * live in two sets of arrays that take turns as inputs and outputs, so that a step allocates nothing. Knows nothing of
 * data, epochs or files.
 */
import { type Module, nameParameters } from "../nn/index.ts";
import { clipGlobalNorm, globalNorm, type Optimizer } from "../optim/index.ts";
import { type Engine, type Executable, loadGraph, lowerGraph } from "../runtime/index.ts";
import { gradients, input, type Parameter, shapeText, type Tensor, type TensorType } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";

/** What a training step is made of. */
export interface TrainStepOptions<Inputs extends Readonly<Record<string, TensorType>>> {
  /** Whose parameters are trained; all of them have values. */
  readonly module: Module;
  /** Types of a batch. */
  readonly inputs: Inputs;
  /** The scalar that is made small. */
  readonly loss: (batch: { readonly [K in keyof Inputs]: Tensor }) => Tensor;
  readonly optimizer: Optimizer;
  /** Gradients are scaled down together to at most this norm. */
  readonly clipNorm?: number;
  /** Whether a parameter is trained; all are by default. Others stay as they are. */
  readonly trains?: (path: string, parameter: Parameter) => boolean;
  readonly engine?: Engine;
  readonly threads?: number;
}

/** What a step reports; both numbers are those before the parameters changed. */
export interface TrainStepResult {
  readonly loss: number;
  /** Euclidean norm over the gradients of all trained parameters, before clipping. */
  readonly gradientNorm: number;
}

const learningRateName = "learningRate";
const scalarName = (name: string) => `optimizer:${name}`;
const slotName = (path: string, slot: string) => `${path}:${slot}`;
const nextName = (name: string) => `next:${name}`;

/** A compiled step and the state that it carries forward. */
export class TrainStep<Inputs extends Readonly<Record<string, TensorType>>> {
  readonly #executable: Executable;
  readonly #optimizer: Optimizer;
  readonly #parameters: ReadonlyMap<string, Parameter>;
  /** Optimiser state by name, now and where the next one is written to. */
  #slots: Record<string, NDArray> = {};
  #spare: Record<string, NDArray> = {};
  /** Values that steps made: only those may be written over. */
  readonly #made = new Map<string, NDArray>();
  #steps = 0;
  #running = false;

  private constructor(executable: Executable, optimizer: Optimizer, parameters: ReadonlyMap<string, Parameter>) {
    this.#executable = executable;
    this.#optimizer = optimizer;
    this.#parameters = parameters;
    for (const [path, { shape }] of parameters) {
      this.#spare[path] = NDArray.zeros(shape);
      for (const slot of optimizer.slots) {
        this.#slots[slotName(path, slot)] = NDArray.zeros(shape);
        this.#spare[slotName(path, slot)] = NDArray.zeros(shape);
      }
    }
  }

  /**
   * Traces and compiles a step.
   * @throws `shape` for a loss that is no scalar, `unsupported` for an op without a gradient, `argument` when there is nothing
   * to train, `name` for a parameter without a value.
   */
  static async compile<Inputs extends Readonly<Record<string, TensorType>>>(
    options: TrainStepOptions<Inputs>,
  ): Promise<TrainStep<Inputs>> {
    const { module, optimizer, clipNorm, trains = () => true } = options;
    nameParameters(module);
    const trained = new Map<string, Parameter>();
    // a parameter that several modules share is trained once, under its first path
    const seen = new Set<Parameter>();
    for (const [path, parameter] of module.parameters()) {
      if (!seen.has(parameter) && trains(path, parameter)) trained.set(path, parameter);
      seen.add(parameter);
    }
    if (!trained.size) fail("argument", "there is no parameter to train; the module has none, or all are left out");
    for (const [path, { value, dtype }] of module.parameters()) {
      if (!(value instanceof NDArray))
        fail("name", `parameter "${path}" has no value; initialise it or load a checkpoint first`);
      if (dtype !== "f32") fail("dtype", `parameter "${path}" is ${dtype}; training needs f32`);
    }
    const inputs: Tensor[] = [];
    const declare = (name: string, { dtype, shape }: TensorType): Tensor => {
      const tensor = input(name, dtype, shape);
      inputs.push(tensor);
      return tensor;
    };
    const scalar = (name: string) => declare(name, { dtype: "f32", shape: [] });
    const batch = Object.fromEntries(Object.entries(options.inputs).map(([name, type]) => [name, declare(name, type)]));
    const loss = options.loss(batch as { readonly [K in keyof Inputs]: Tensor });
    const list = [...trained.values()];
    const raw = gradients(
      loss,
      list.map(({ tensor }) => tensor),
    );
    const { gradients: clipped, norm } =
      clipNorm === undefined ? { gradients: raw, norm: globalNorm(raw) } : clipGlobalNorm(raw, clipNorm);
    const learningRate = scalar(learningRateName);
    const scalars = Object.fromEntries(
      Object.keys(optimizer.scalars(1)).map((name) => [name, scalar(scalarName(name))] as const),
    );
    const outputs: Record<string, Tensor> = { loss, gradientNorm: norm };
    [...trained].forEach(([path, parameter], i) => {
      const state = Object.fromEntries(
        optimizer.slots.map((slot) => [slot, declare(slotName(path, slot), parameter)] as const),
      );
      const next = optimizer.update({ value: parameter.tensor, gradient: clipped[i]!, state, learningRate, scalars });
      if (String(next.value.shape) !== String(parameter.shape))
        fail("internal", `${optimizer.name} made ${shapeText(next.value.shape)} of parameter "${path}"`);
      outputs[nextName(path)] = next.value;
      for (const slot of optimizer.slots) outputs[nextName(slotName(path, slot))] = next.state[slot]!;
    });
    const lowered = lowerGraph(inputs, outputs, { name: "training step", parameters: "inputs" });
    return new TrainStep(await loadGraph(lowered, options), optimizer, trained);
  }

  /** Number of steps made so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Optimiser state by `parameter path:slot`, for checkpoints. The arrays change with the next step. */
  get state(): Readonly<Record<string, NDArray>> {
    return this.#slots;
  }

  /**
   * Goes on from a checkpoint's state. @throws `name` or `shape` when it belongs to other parameters or another optimiser,
   * `argument` for an impossible number of steps.
   */
  restore(steps: number, state: Readonly<Record<string, NDArray>>): void {
    if (!Number.isSafeInteger(steps) || steps < 0)
      fail("argument", `a training step cannot go on from step ${steps}; it must be a whole number of at least 0`);
    for (const [name, { shape }] of Object.entries(this.#slots)) {
      const array = state[name] ?? fail("name", `the optimiser state lacks "${name}"`);
      if (String(array.shape) !== String(shape))
        fail("shape", `the optimiser state "${name}" is ${shapeText(array.shape)}, it should be ${shapeText(shape)}`);
    }
    for (const name of Object.keys(state))
      if (!(name in this.#slots)) fail("name", `the optimiser state "${name}" belongs to no trained parameter`);
    for (const [name, array] of Object.entries(state)) this.#slots[name] = array.copy();
    this.#steps = steps;
  }

  /**
   * Makes one step; parameters' values are other arrays afterwards. Of what steps made, the values before the last step are written over.
   * @throws `argument` while another step runs, `nan` when loss or gradients are not finite: parameters and state are then as before.
   */
  async run(batch: { readonly [K in keyof Inputs]: NDArray }, learningRate: number): Promise<TrainStepResult> {
    // two steps at once would write into the same arrays
    if (this.#running) fail("argument", "a training step was asked for while another runs; await the first one");
    this.#running = true;
    try {
      return await this.#run(batch as Readonly<Record<string, NDArray>>, learningRate);
    } finally {
      this.#running = false;
    }
  }

  async #run(batch: Readonly<Record<string, NDArray>>, learningRate: number): Promise<TrainStepResult> {
    const feeds: Record<string, NDArray> = { ...batch, ...this.#slots };
    feeds[learningRateName] = NDArray.scalar(learningRate);
    for (const [name, value] of Object.entries(this.#optimizer.scalars(this.#steps + 1)))
      feeds[scalarName(name)] = NDArray.scalar(value);
    const into = Object.fromEntries(Object.entries(this.#spare).map(([name, array]) => [nextName(name), array]));
    const results = await this.#executable.run(feeds, { into });
    const [loss, gradientNorm] = [results.loss!.at(0), results.gradientNorm!.at(0)];
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
      fail(
        "nan",
        `step ${this.#steps + 1}: the loss is ${loss}, the gradient norm ${gradientNorm}; lower the learning rate (${learningRate}), clip gradients, or look for bad data`,
      );
    for (const [path, parameter] of this.#parameters) {
      const before = parameter.value as NDArray;
      this.#spare[path] = before === this.#made.get(path) ? before : NDArray.zeros(parameter.shape);
      parameter.value = results[nextName(path)]!;
      this.#made.set(path, parameter.value);
    }
    for (const name of Object.keys(this.#slots)) {
      this.#spare[name] = this.#slots[name]!;
      this.#slots[name] = results[nextName(name)]!;
    }
    this.#steps++;
    return { loss, gradientNorm };
  }

  /** Frees the executable; parameters keep their values. */
  dispose(): Promise<void> {
    return this.#executable.dispose();
  }

  /** Same as {@link dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
