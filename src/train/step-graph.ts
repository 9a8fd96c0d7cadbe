/**
 * Builds the graphs of a training step: one that ends in new parameters, and with accumulation another that only adds up
 * gradients. Knows nothing of arrays and of how often anything runs.
 */
import { type Buffer, type DropoutRequest, isFrozen, type Module, pathMatcher, trace } from "../nn/index.ts";
import { clipGlobalNorm, globalNorm, type Optimizer } from "../optim/index.ts";
import { type LoweredGraph, lowerGraph } from "../runtime/index.ts";
import { gradients, input, type Parameter, shapeText, Tensor, type TensorType } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { BatchTypes, TrainStepOptions } from "./step-options.ts";

/** Name of the learning rate among a graph's inputs. */
export const learningRateName = "step:learningRate";
/** Name of the averaging decay among a graph's inputs. */
export const averageDecayName = "step:averageDecay";
/** Slot of the moving average. */
export const averageSlot = "average";
/** Input of a number that an optimiser needs. */
export const scalarName = (optimizer: number, name: string): string => `step:optimizer:${optimizer}:${name}`;
/** Input of a loss's weight. */
export const weightName = (term: string): string => `step:weight:${term}`;
/** Input of a parameter's state. */
export const slotName = (path: string, slot: string): string => `${path}:${slot}`;
/** Input of a parameter's gradient so far. */
export const gradientName = (path: string): string => `step:gradient:${path}`;
/** Output of the next value of something. */
export const nextName = (name: string): string => `next:${name}`;
/** Output of a loss by name. */
export const termName = (term: string): string => `term:${term}`;

/** A parameter, the rule it learns by, and the factor on its rate. */
export interface Trained {
  readonly parameter: Parameter;
  readonly optimizer: Optimizer;
  readonly rate: number;
}

/** What is trained, and how. */
export interface TrainPlan {
  readonly trained: ReadonlyMap<string, Trained>;
  /** All rules in use. */
  readonly optimizers: readonly Optimizer[];
}

/** A graph and what must be fed to it beside batch and state. */
export interface StepGraph {
  readonly lowered: LoweredGraph;
  readonly dropouts: readonly DropoutRequest[];
  readonly updates: readonly Buffer[];
  readonly terms: readonly string[];
}

/** Options that are checked before anything is traced. @throws `argument`, `name` or `dtype`. */
export function planTraining<Inputs extends BatchTypes>(options: TrainStepOptions<Inputs>): TrainPlan {
  const { module, optimizer, groups = [], trains = () => true, accumulate = 1 } = options;
  if (!Number.isSafeInteger(accumulate) || accumulate < 1)
    fail("argument", `training step: accumulate is ${accumulate}; it must be a whole number of at least 1`);
  for (const { rate = 1 } of groups)
    if (!(rate >= 0))
      fail("argument", `training step: the rate of a parameter group is ${rate}; it must be at least 0`);
  for (const name of Object.keys(options.inputs))
    if (/^(step|next|term|dropout):/.test(name) || name === "loss" || name === "gradientNorm")
      fail("name", `training step: a batch input cannot be called "${name}"; the step uses that name itself`);
  const rules = groups.map((group) => ({ ...group, matches: pathMatcher(group.paths), used: false }));
  const trained = new Map<string, Trained>();
  // a parameter that several modules share is trained once, under its first path
  const seen = new Set<Parameter>();
  for (const [path, parameter] of module.parameters()) {
    const group = rules.find(({ matches }) => matches(path));
    if (group) group.used = true;
    if (!seen.has(parameter) && !isFrozen(parameter) && trains(path, parameter))
      trained.set(path, { parameter, optimizer: group?.optimizer ?? optimizer, rate: group?.rate ?? 1 });
    seen.add(parameter);
  }
  const idle = rules.find(({ used }) => !used);
  if (idle)
    fail("argument", `training step: no parameter belongs to the group "${String(idle.paths)}"; look at its paths`);
  if (!trained.size) fail("argument", "there is no parameter to train; the module has none, or all are left out");
  for (const [path, { value, dtype }] of [...module.parameters(), ...module.buffers()])
    if (!(value instanceof NDArray))
      fail("name", `parameter "${path}" has no value; initialise it or load a checkpoint first`);
    else if (dtype !== "f32") fail("dtype", `parameter "${path}" is ${dtype}; training needs f32`);
  return { trained, optimizers: [...new Set([...trained.values()].map((t) => t.optimizer))] };
}

function refuseUnread(module: Module, loss: Tensor, plan: TrainPlan): void {
  const behind = new Set<unknown>();
  const stack = [loss.node];
  while (stack.length) {
    const node = stack.pop()!;
    if (behind.has(node)) continue;
    behind.add(node);
    for (const x of node.inputs) stack.push(x.node);
  }
  if (![...plan.trained.values()].some(({ parameter }) => behind.has(parameter.tensor.node)))
    fail(
      "argument",
      `training step: the loss depends on no trained parameter of ${module.constructor.name}; compute it with the module`,
    );
}

/**
 * Traces a step.
 * @param kind `update` ends in new parameters, `gather` in sums of gradients.
 * @throws `shape` for a loss that is no scalar, `unsupported` for an op without a gradient.
 */
export function buildTrainGraph<Inputs extends BatchTypes>(
  options: TrainStepOptions<Inputs>,
  plan: TrainPlan,
  kind: "update" | "gather",
): StepGraph {
  const { clipNorm, accumulate = 1, averageDecay } = options;
  const inputs: Tensor[] = [];
  const declare = (name: string, { dtype, shape }: TensorType): Tensor => {
    const tensor = input(name, dtype, shape);
    inputs.push(tensor);
    return tensor;
  };
  const scalar = (name: string) => declare(name, { dtype: "f32", shape: [] });
  const batch = Object.fromEntries(Object.entries(options.inputs).map(([name, type]) => [name, declare(name, type)]));
  const { result, updates, dropouts } = trace({ training: true }, () =>
    options.loss(batch as { readonly [K in keyof Inputs]: Tensor }),
  );
  const terms = result instanceof Tensor ? {} : result;
  for (const [name, term] of Object.entries(terms))
    if (term.rank !== 0)
      fail("shape", `training step: loss "${name}" needs to be a scalar, got ${shapeText(term.shape)}`);
  for (const name of Object.keys(options.weights ?? {}))
    if (!(name in terms))
      fail(
        "name",
        `training step: there is a weight for "${name}", but the losses are ${Object.keys(terms).join(", ") || "unnamed"}`,
      );
  const weighted = Object.entries(terms).map(([name, term]) =>
    options.weights?.[name] === undefined ? term : term.mul(scalar(weightName(name))),
  );
  const loss =
    result instanceof Tensor
      ? result
      : weighted.length
        ? weighted.reduce((a, b) => a.add(b))
        : fail("argument", "training step: the loss function returned no losses");
  const outputs: Record<string, Tensor> = { loss };
  for (const [name, term] of Object.entries(terms)) outputs[termName(name)] = term;
  if (loss.dtype !== "f32") fail("dtype", `training step: the loss is ${loss.dtype}; it must be f32`);
  if (loss.rank === 0) refuseUnread(options.module, loss, plan);
  const list = [...plan.trained];
  const own = gradients(
    accumulate > 1 && loss.rank === 0 ? loss.mul(1 / accumulate) : loss,
    list.map(([, { parameter }]) => parameter.tensor),
  );
  const raw =
    accumulate > 1 ? own.map((g, i) => g.add(declare(gradientName(list[i]![0]), list[i]![1].parameter))) : own;
  for (const [buffer, value] of updates) outputs[nextName(buffer.name)] = value;
  if (kind === "gather")
    list.forEach(([path], i) => {
      outputs[nextName(gradientName(path))] = raw[i]!;
    });
  else {
    const { gradients: clipped, norm } =
      clipNorm === undefined ? { gradients: raw, norm: globalNorm(raw) } : clipGlobalNorm(raw, clipNorm);
    outputs.gradientNorm = norm;
    const learningRate = scalar(learningRateName);
    const decay = averageDecay === undefined ? undefined : scalar(averageDecayName);
    const scalars = plan.optimizers.map((rule, at) =>
      Object.fromEntries(Object.keys(rule.scalars(1)).map((name) => [name, scalar(scalarName(at, name))] as const)),
    );
    list.forEach(([path, { parameter, optimizer, rate }], i) => {
      const state = Object.fromEntries(
        optimizer.slots.map((slot) => [slot, declare(slotName(path, slot), parameter)] as const),
      );
      const next = optimizer.update({
        value: parameter.tensor,
        gradient: clipped[i]!,
        state,
        learningRate: rate === 1 ? learningRate : learningRate.mul(rate),
        scalars: scalars[plan.optimizers.indexOf(optimizer)]!,
      });
      if (String(next.value.shape) !== String(parameter.shape))
        fail("internal", `${optimizer.name} made ${shapeText(next.value.shape)} of parameter "${path}"`);
      outputs[nextName(path)] = next.value;
      for (const slot of optimizer.slots) outputs[nextName(slotName(path, slot))] = next.state[slot]!;
      if (!decay) return;
      const average = declare(slotName(path, averageSlot), parameter);
      outputs[nextName(slotName(path, averageSlot))] = next.value.add(average.sub(next.value).mul(decay));
    });
  }
  const lowered = lowerGraph(inputs, outputs, { name: "training step", parameters: "inputs" });
  return { lowered, dropouts, updates: [...updates.keys()], terms: Object.keys(terms) };
}
