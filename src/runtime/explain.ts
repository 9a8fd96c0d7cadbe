/**
 * What a lowered graph consists of, and where its time goes: nodes with types and shapes, and sums over op kinds and modules.
 * Times come from profiled runs; nothing here runs anything.
 */
import type { DType } from "../util/dtype.ts";
import { NDArray } from "../util/ndarray.ts";
import type { NodeTiming } from "./engine.ts";
import type { LoweredGraph } from "./lower.ts";
import type { OnnxInitializer, OnnxNode } from "./onnx/model.ts";

/** A value that a node yields. */
export interface ValueExplanation {
  readonly name: string;
  /** Absent for values inside of one op's lowering. */
  readonly dtype?: DType;
  /** Absent likewise. */
  readonly shape?: readonly (number | string)[];
}

/** One node of the graph. */
export interface NodeExplanation {
  readonly name: string;
  readonly opType: string;
  /** Path of the module that it belongs to; empty at the top. */
  readonly module: string;
  readonly outputs: readonly ValueExplanation[];
  /** Bytes of the constants that this node reads and none before it. */
  readonly parameterBytes: number;
  /** Milliseconds of a run; absent without timings, or if ONNX Runtime replaced the node by another one. */
  readonly milliseconds?: number;
}

/** Sums over nodes that have something in common. */
export interface GroupExplanation {
  /** The op type, or the module's path. */
  readonly name: string;
  /** Nodes of the graph. */
  readonly nodes: number;
  /** Nodes that ran: ONNX Runtime folds, fuses and inserts some when it loads a graph. Absent without timings. */
  readonly executed?: number;
  readonly parameterBytes: number;
  /** Milliseconds of a run. */
  readonly milliseconds?: number;
}

/** A graph explained. */
export interface Explanation {
  /** Name of the graph. */
  readonly name: string;
  readonly nodes: readonly NodeExplanation[];
  /** By op type, the costliest first. */
  readonly kinds: readonly GroupExplanation[];
  /** By module path, in the order of the graph. */
  readonly modules: readonly GroupExplanation[];
  /** By module path with `*` for numbers, so that layers of one kind are one, in the order of the graph. */
  readonly moduleKinds: readonly GroupExplanation[];
  /** Bytes of all constants. */
  readonly parameterBytes: number;
  /** Nodes that ran; absent without timings. */
  readonly executed?: number;
  /** Milliseconds of a run in nodes, without what lies between them. */
  readonly milliseconds?: number;
}

/** A node, or one that ONNX Runtime made, with what is known of it. */
interface Part {
  readonly opType: string;
  readonly module: string;
  readonly nodes: number;
  readonly executed: number;
  readonly parameterBytes: number;
  readonly milliseconds: number;
}

function byteLength({ data }: OnnxInitializer): number {
  return data instanceof NDArray ? data.data.byteLength : data.length;
}

const pathOf = (nodeName: string) => nodeName.slice(0, Math.max(0, nodeName.lastIndexOf("/"))).replaceAll("/", ".");

/**
 * The module of a node: where it was traced, or deeper, if it reads a parameter from there. Layers that are computed as one
 * have a parameter of their own and no trace.
 */
function moduleOf(node: OnnxNode, parameters: ReadonlyMap<string, unknown>): string {
  let path = node.name.startsWith("output/") ? "" : pathOf(node.name);
  for (const x of node.inputs) {
    if (!parameters.has(x) || /^constant_\d+$/.test(x)) continue;
    const owner = x.replace(/[.:][^.:]*$/, "");
    if (owner !== x && owner.startsWith(path) && owner.length > path.length) path = owner;
  }
  return path;
}

/** The module of a node that ONNX Runtime made: it keeps the names of what it replaces, as beginnings of its own. */
function moduleOfNew(name: string, modules: ReadonlySet<string>): string {
  let path = pathOf(name);
  while (path && !modules.has(path)) path = path.slice(0, Math.max(0, path.lastIndexOf(".")));
  return path;
}

function sum(name: string, parts: readonly Part[], timed: boolean): GroupExplanation {
  const total = (key: "nodes" | "executed" | "parameterBytes" | "milliseconds") =>
    parts.reduce((all, part) => all + part[key], 0);
  return {
    name,
    nodes: total("nodes"),
    ...(timed ? { executed: total("executed"), milliseconds: total("milliseconds") } : {}),
    parameterBytes: total("parameterBytes"),
  };
}

function groups(parts: readonly Part[], key: (part: Part) => string, timed: boolean): GroupExplanation[] {
  const sorted = new Map<string, Part[]>();
  for (const part of parts) {
    const name = key(part);
    const group = sorted.get(name);
    if (group) group.push(part);
    else sorted.set(name, [part]);
  }
  return [...sorted].map(([name, group]) => sum(name, group, timed));
}

/**
 * Explains a graph.
 * @param timings what `profile()` returned for runs of this graph; times are averages over the runs.
 */
export function explainGraph(lowered: LoweredGraph, timings?: readonly NodeTiming[]): Explanation {
  const { graph, types, parameterInputs } = lowered;
  const unread = new Map(graph.initializers.map((initializer) => [initializer.name, byteLength(initializer)]));
  const parameters = new Map<string, unknown>([...unread, ...parameterInputs]);
  const times = new Map(timings?.map((timing) => [timing.name, timing]));
  const outputTypes = new Map(graph.outputs.map(({ name, dtype, shape }) => [name, { dtype, shape }]));
  const parts: Part[] = [];
  const nodes = graph.nodes.map((node): NodeExplanation => {
    const { name, opType } = node;
    const module = moduleOf(node, parameters);
    let parameterBytes = 0;
    for (const x of node.inputs) {
      parameterBytes += unread.get(x) ?? 0;
      unread.delete(x);
    }
    const timing = times.get(name);
    times.delete(name);
    const milliseconds = timing && timing.milliseconds / timing.calls;
    const ran = timing ? { opType: timing.opType, executed: 1, milliseconds: milliseconds! } : undefined;
    const own = { opType, module, nodes: 1, executed: 0, parameterBytes, milliseconds: 0 };
    // a fused node may keep the name of one that it replaces
    if (ran && ran.opType !== opType) parts.push(own, { ...own, ...ran, nodes: 0, parameterBytes: 0 });
    else parts.push({ ...own, ...ran });
    const outputs = node.outputs.map((y) => ({ name: y, ...(types.get(y) ?? outputTypes.get(y)) }));
    return { name, opType, module, outputs, parameterBytes, ...(timing ? { milliseconds } : {}) };
  });
  const modulePaths = new Set(parts.map(({ module }) => module));
  for (const { name, opType, milliseconds, calls } of times.values())
    parts.push({
      opType,
      module: moduleOfNew(name, modulePaths),
      nodes: 0,
      executed: 1,
      parameterBytes: 0,
      milliseconds: milliseconds / calls,
    });
  const timed = timings !== undefined;
  const { executed, parameterBytes, milliseconds } = sum("", parts, timed);
  const cost = ({ milliseconds: ms, nodes: count }: GroupExplanation) => (timed ? ms! : count);
  return {
    name: graph.name,
    nodes,
    kinds: groups(parts, (part) => part.opType, timed).sort((a, b) => cost(b) - cost(a)),
    modules: groups(parts, (part) => part.module, timed),
    moduleKinds: groups(parts, (part) => part.module.replace(/(^|\.)\d+(?=\.|$)/g, "$1*"), timed),
    parameterBytes,
    ...(timed ? { executed, milliseconds } : {}),
  };
}
