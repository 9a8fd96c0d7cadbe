/**
 * ONNX Runtime in a worker thread, for programs that have something else to do while it computes. One thread holds any number
 * of sessions and runs them one after the other, each with all its cores.
 *
 * Memory: an input is copied once, or not at all when the caller gives it away (`transfer`) or when it lies in a
 * `SharedArrayBuffer`, which ONNX Runtime then wants copied in the thread. Results are transferred, and copied once more only
 * into arrays given as `into`.
 */
import { fail } from "../../util/errors.ts";
import type { NDArray } from "../../util/ndarray.ts";
import type { Engine, EngineModel, EngineSession, NodeTiming, RunMemory, SessionOptions } from "../engine.ts";
import { checkPresent, copyOf, fromWire, givenAway, toWire, type WireArray } from "./wire-array.ts";
import type { SessionRequest, SessionValue } from "./worker-engine-protocol.ts";
import { WorkerLink } from "./worker-link.ts";

type Link = WorkerLink<SessionRequest, SessionValue>;

/** Sends a request whose answer has a known kind. */
async function ask<K extends SessionValue["kind"]>(
  link: Link,
  request: SessionRequest,
  kind: K,
  transfer?: readonly ArrayBuffer[],
): Promise<Extract<SessionValue, { kind: K }>> {
  const value = await link.ask(request, { transfer });
  if (value.kind !== kind) return fail("internal", `the engine's thread answered ${request.kind} with ${value.kind}`);
  return value as Extract<SessionValue, { kind: K }>;
}

/** Inputs as messages carry them, and the memory that changes hands with them. */
function wireFeeds(feeds: Readonly<Record<string, NDArray>>, given: readonly string[]) {
  const wired: Record<string, WireArray> = {};
  const transfer = new Set<ArrayBuffer>();
  for (const name in feeds) {
    const array = feeds[name]!;
    checkPresent(name, array);
    const { buffer } = array.data;
    const sent = given.includes(name)
      ? givenAway(name, array)
      : buffer instanceof SharedArrayBuffer
        ? array
        : copyOf(array);
    wired[name] = toWire(sent);
    if (sent.data.buffer instanceof ArrayBuffer) transfer.add(sent.data.buffer);
  }
  return { wired, transfer: [...transfer] };
}

class WorkerSession implements EngineSession {
  readonly #link: Link;
  readonly #id: number;
  readonly #name: string;
  #disposed: Promise<void> | undefined;

  constructor(link: Link, id: number, name: string) {
    this.#link = link;
    this.#id = id;
    this.#name = name;
  }

  #open(): number {
    if (this.#disposed || this.#link.closed)
      fail("disposed", `executable "${this.#name}" has been disposed; compile it again to use it`);
    return this.#id;
  }

  async run(
    feeds: Readonly<Record<string, NDArray>>,
    outputs: readonly string[],
    { into = {}, transfer: given = [] }: RunMemory = {},
  ): Promise<Record<string, NDArray>> {
    const session = this.#open();
    const { wired, transfer } = wireFeeds(feeds, given);
    const { results } = await ask(this.#link, { kind: "run", session, feeds: wired, outputs }, "results", transfer);
    const out: Record<string, NDArray> = {};
    for (const name of outputs) {
      const result = fromWire(results[name]!);
      const target = into[name];
      if (target) copyInto(name, target, result);
      out[name] = target ?? result;
    }
    return out;
  }

  async profile(): Promise<NodeTiming[]> {
    return [...(await ask(this.#link, { kind: "profile", session: this.#open() }, "profile")).timings];
  }

  dispose(): Promise<void> {
    // an engine that has ended has freed its sessions
    this.#disposed ??= this.#link.closed
      ? Promise.resolve()
      : ask(this.#link, { kind: "dispose", session: this.#id }, "done").then(() => undefined);
    return this.#disposed;
  }
}

function copyInto(name: string, target: NDArray, { data, shape, dtype }: NDArray): void {
  if (target.dtype !== dtype || String(target.shape) !== String(shape))
    fail("shape", `output "${name}" is ${dtype}[${shape}], the array given for it is ${target.dtype}[${target.shape}]`);
  (target.data as Float32Array).set(data as Float32Array);
}

/** An engine in a worker thread. The thread starts with the first model and does not keep the process alive when idle. */
export class WorkerEngine implements Engine {
  #link: Link | undefined;
  #disposed = false;

  /** @throws `engine` when ONNX Runtime refuses the model, `disposed` when this engine has been. */
  async load(model: EngineModel, options?: SessionOptions): Promise<EngineSession> {
    if (this.#disposed) fail("disposed", `the engine has been disposed; make a new one to load "${model.name}"`);
    this.#link ??= new WorkerLink({
      module: "./worker-engine-thread",
      base: import.meta.url,
      disposed: "the engine has been disposed; make a new one and compile again",
    });
    const { threads, profile, planMemory } = options ?? {};
    // a copy: the caller may want to load the model once more
    const bytes = new Uint8Array(model.bytes);
    const { session } = await ask(
      this.#link,
      { kind: "load", model: { ...model, bytes }, options: { threads, profile, planMemory } },
      "session",
      [bytes.buffer],
    );
    return new WorkerSession(this.#link, session, model.name);
  }

  /** Ends the thread after what it is doing, and frees all sessions. Runs that wait fail with `disposed`. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#link?.dispose();
  }

  /** Same as {@link dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
