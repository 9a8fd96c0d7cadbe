/**
 * Joined abort signals. `AbortSignal.any` of Node 20 holds its sources weakly: after a garbage collection the joined
 * signal may never fire, so listeners are used here.
 */

/** A signal that fires with the first of its sources. */
export interface JoinedSignal {
  readonly signal: AbortSignal;
  /** Fires it. */
  abort(reason?: unknown): void;
  /** Lets go of the sources; the signal then fires only by `abort`. */
  release(): void;
}

/** Joins signals, those that are given. */
export function joinSignals(...sources: readonly (AbortSignal | undefined)[]): JoinedSignal {
  const controller = new AbortController();
  const abort = (reason?: unknown) => controller.abort(reason);
  const letGo: (() => void)[] = [];
  const release = () => {
    for (const drop of letGo.splice(0)) drop();
  };
  for (const source of sources) {
    if (!source) continue;
    if (source.aborted) {
      abort(source.reason);
      break;
    }
    const listener = () => {
      release();
      abort(source.reason);
    };
    source.addEventListener("abort", listener, { once: true });
    letGo.push(() => source.removeEventListener("abort", listener));
  }
  return { signal: controller.signal, abort, release };
}
