/**
 * The thread of a `WorkerEngine`: holds the sessions, and may be blocked while one of them runs.
 */
import { fail } from "../../util/errors.ts";
import type { EngineSession } from "../engine.ts";
import { OrtEngine } from "./ort-engine.ts";
import { asOwned, copyOf, fromWire, toWire, type WireArray } from "./wire-array.ts";
import { type Answered, answerRequests } from "./worker-answers.ts";
import type { SessionRequest, SessionValue } from "./worker-engine-protocol.ts";

const engine = new OrtEngine();
const sessions = new Map<number, EngineSession>();
let nextSession = 0;

const sessionOf = (id: number): EngineSession =>
  sessions.get(id) ?? fail("internal", `the engine's thread has no session ${id}`);

/** ONNX Runtime refuses shared memory as a tensor. */
function received(wired: WireArray) {
  const array = fromWire(wired);
  return array.data.buffer instanceof SharedArrayBuffer ? copyOf(array) : array;
}

async function run({
  session,
  feeds,
  outputs,
}: Extract<SessionRequest, { kind: "run" }>): Promise<Answered<SessionValue>> {
  const arrays = Object.fromEntries(Object.entries(feeds).map(([name, wired]) => [name, received(wired)]));
  const results: Record<string, WireArray> = {};
  const transfer = new Set<ArrayBuffer>();
  for (const [name, array] of Object.entries(await sessionOf(session).run(arrays, outputs))) {
    const owned = asOwned(array);
    results[name] = toWire(owned);
    transfer.add(owned.data.buffer as ArrayBuffer);
  }
  return { value: { kind: "results", results }, transfer: [...transfer] };
}

answerRequests<SessionRequest, SessionValue>(async (request) => {
  switch (request.kind) {
    case "load": {
      const id = nextSession++;
      sessions.set(id, await engine.load(request.model, request.options));
      return { value: { kind: "session", session: id } };
    }
    case "run":
      return run(request);
    case "profile":
      return { value: { kind: "profile", timings: await sessionOf(request.session).profile() } };
    case "dispose":
      await sessionOf(request.session).dispose();
      sessions.delete(request.session);
      return { value: { kind: "done" } };
  }
});
