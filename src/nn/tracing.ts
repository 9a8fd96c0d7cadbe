/**
 * What surrounds a forward pass: which module is being traced, whether it is training, what reads or rewrites its named
 * sites, which buffers it renews and which random masks it asks for. Knows no particular layer.
 */
import { currentScope, type Dim, input, Tensor, withScope } from "../tensor/index.ts";
import { BletchleyError, fail } from "../util/errors.ts";
import type { Buffer } from "./buffer.ts";
import type { Module } from "./module.ts";
import { type PathPattern, pathMatcher } from "./path-pattern.ts";

/** Rewrites a site's tensor while a graph is traced; `path` says which site it is. */
export type SiteEdit = (x: Tensor, path: string) => Tensor;

/** A mask of zeros and `1 / (1 − rate)` that a trace needs as an input. */
export interface DropoutRequest {
  /** Name of the graph's input. */
  readonly name: string;
  readonly shape: readonly Dim[];
  /** Share of zeros. */
  readonly rate: number;
}

/** How a forward pass is traced. */
export interface TraceOptions {
  /** Whether modules behave as in training; false by default. */
  readonly training?: boolean;
  /** Sites whose values are kept. */
  readonly taps?: PathPattern;
  /** Edits by site. */
  readonly edits?: Readonly<Record<string, SiteEdit>>;
}

/** What a trace left beside its result. */
export interface Trace<T> {
  readonly result: T;
  /** Tapped sites by path. */
  readonly taps: Readonly<Record<string, Tensor>>;
  /** New values of buffers. */
  readonly updates: ReadonlyMap<Buffer, Tensor>;
  /** Random masks to feed, in the order in which they are applied. */
  readonly dropouts: readonly DropoutRequest[];
}

interface TraceState {
  readonly training: boolean;
  readonly tapped: (path: string) => boolean;
  readonly edits: readonly PersistentEdit[];
  readonly taps: Record<string, Tensor>;
  readonly updates: Map<Buffer, Tensor>;
  readonly dropouts: DropoutRequest[];
}

interface PersistentEdit {
  readonly matches: (path: string) => boolean;
  readonly edit: SiteEdit;
}

/** A module whose forward pass is running. */
interface Frame {
  readonly module: Module;
  /** Its full path. */
  readonly path: string;
}

let state: TraceState | undefined;
const frames: Frame[] = [];
const modelEdits = new WeakMap<Module, PersistentEdit[]>();
const knownPaths = new WeakMap<Module, Map<Module, string>>();

/**
 * Runs a forward pass and collects what it does beside computing: taps, new buffers, masks that must be fed. Without a trace
 * modules behave as in evaluation.
 */
export function trace<T>(options: TraceOptions, body: () => T): Trace<T> {
  const before = state;
  const own: TraceState = {
    training: options.training ?? false,
    tapped: options.taps === undefined ? () => false : pathMatcher(options.taps),
    edits: Object.entries(options.edits ?? {}).map(([path, edit]) => ({ matches: pathMatcher(path), edit })),
    taps: {},
    updates: new Map(),
    dropouts: [],
  };
  state = own;
  try {
    return { result: body(), taps: own.taps, updates: own.updates, dropouts: own.dropouts };
  } finally {
    state = before;
  }
}

/** Whether a module that is being traced behaves as in training. */
export function isTraining(module: Module): boolean {
  return (state?.training ?? false) && !module._alwaysEvaluates && frames.every((f) => !f.module._alwaysEvaluates);
}

/** Newest value of a buffer within the trace. */
export function bufferValue(buffer: Buffer): Tensor {
  return state?.updates.get(buffer) ?? buffer.tensor;
}

/** Sets the value that a buffer has after the step; outside of a trace nothing keeps it. */
export function updateBuffer(buffer: Buffer, value: Tensor): void {
  state?.updates.set(buffer, value);
}

/**
 * A random mask for a tensor of this shape; it is an input of the graph, which whoever runs it feeds.
 * @throws `argument` outside of a trace: then nobody would.
 */
export function dropoutMask(shape: readonly Dim[], rate: number): Tensor {
  if (!state) return fail("argument", "dropout: a mask is needed, but nothing traces this pass; use `trace`");
  const name = `dropout:${state.dropouts.length}`;
  state.dropouts.push({ name, shape, rate });
  return input(name, "f32", shape);
}

/** Paths of the modules below one, as their parameters spell them. */
function pathsBelow(root: Module): Map<Module, string> {
  const paths = new Map<Module, string>();
  const walk = (module: Module, path: string) => {
    if (paths.has(module)) return;
    paths.set(module, path);
    for (const [name, child] of module.children()) walk(child, child._inline ? path : path ? `${path}.${name}` : name);
  };
  walk(root, "");
  return paths;
}

function pathFrom(caller: Module, module: Module): string {
  let known = knownPaths.get(caller);
  if (!known?.has(module)) {
    // trees may grow after their first pass
    known = pathsBelow(caller);
    knownPaths.set(caller, known);
  }
  return known.get(module) ?? "";
}

const join = (path: string, name: string) => (path && name ? `${path}.${name}` : path || name);

/**
 * Runs a module's forward pass under its path, so that errors and sites name it; its result is a site itself, under the
 * module's path. Every `forward` of a {@link Module} does this by itself.
 */
export function enter<T>(module: Module, body: () => T): T {
  const caller = frames[frames.length - 1];
  const scope = currentScope();
  const wanted = caller ? join(caller.path, pathFrom(caller.module, module)) : scope;
  // the caller may have named the scope already
  const below = scope ? `${scope}.` : "";
  const added = wanted.startsWith(below) ? wanted.slice(below.length) : "";
  const path = join(scope, added);
  frames.push({ module, path });
  try {
    return withScope(added, () => {
      const result = body();
      // an inline module is no place of its own
      const isPlace = path !== (caller?.path ?? "");
      return isPlace && result instanceof Tensor ? (visit(path, result) as T) : result;
    });
  } catch (thrown) {
    // ops name the module by themselves; this is for what modules and composed functions refuse
    if (!(thrown instanceof BletchleyError) || !path || / \(in [^()]+\)$/.test(thrown.message)) throw thrown;
    throw new BletchleyError(thrown.code, `${thrown.message} (in ${path})`, { cause: thrown });
  } finally {
    frames.pop();
  }
}

/** Applies edits and taps of a full path. */
function visit(path: string, x: Tensor): Tensor {
  let y = x;
  for (const frame of frames) {
    const edits = modelEdits.get(frame.module);
    if (!edits) continue;
    const below = frame.path ? `${frame.path}.` : "";
    if (!path.startsWith(below)) continue;
    const own = path.slice(below.length);
    for (const { matches, edit } of edits) if (matches(own)) y = edit(y, own);
  }
  if (!state) return y;
  for (const { matches, edit } of state.edits) if (matches(path)) y = edit(y, path);
  if (state.tapped(path)) state.taps[path] = y;
  return y;
}

/**
 * A named site inside of a module: returns the tensor, or what an edit puts in its place. Sites are what taps and edits see;
 * the result of every module is one already.
 * @param from whether `name` is counted from the module that is being traced or from the model.
 */
export function site(name: string, x: Tensor, from: "module" | "model" = "module"): Tensor {
  const frame = from === "module" ? frames[frames.length - 1] : frames[0];
  return visit(join(frame?.path ?? "", name), x);
}

/**
 * Rewrites sites of a model in every graph that is traced from now on: masks, skipped or replaced blocks, adapters,
 * bottlenecks.
 * @param sites paths as seen from `model`: of modules (their results) or of named sites. @param f gets the tensor and the path.
 * @returns a function that takes the edit back.
 */
export function edit(model: Module, sites: PathPattern, f: SiteEdit): () => void {
  const added: PersistentEdit = { matches: pathMatcher(sites), edit: f };
  const edits = modelEdits.get(model) ?? [];
  modelEdits.set(model, [...edits, added]);
  return () => {
    modelEdits.set(
      model,
      (modelEdits.get(model) ?? []).filter((other) => other !== added),
    );
  };
}
