/**
 * The engine's worker: owns a decoder and its caches, or an encoder, and answers requests one after the other. ONNX Runtime blocks the
 * thread it runs in, and this is the thread that may be blocked.
 */
import { parentPort } from "node:worker_threads";
import { type EncoderModel, LocalSequenceModel, loadDecoder, loadEncoder, type Sequence } from "../../lm/index.ts";
import { BletchleyError, fail, messageOf } from "../../util/errors.ts";
import type { NDArray } from "../../util/ndarray.ts";
import { openCheckpoint, openEncoderCheckpoint, readPooling } from "./open-checkpoint.ts";
import type { EngineAnswer, EngineRequest, EngineValue, WireArray } from "./protocol.ts";

const port = parentPort ?? fail("internal", "the engine's worker was started as a program");
const sequences = new Map<number, Sequence>();
let model: LocalSequenceModel | undefined;
let encoder: EncoderModel | undefined;
let nextSequence = 0;
/** Set when the thread is about to be stopped: what waits is refused, and loading ends where it next reports progress. */
let ending = false;

function refuseIfEnding(): void {
  if (ending) fail("disposed", "the model is being disposed");
}

const sequenceOf = (id: number): Sequence =>
  sequences.get(id) ?? fail("disposed", "the sequence has been closed; open another one");

function keep(sequence: Sequence): EngineValue {
  const id = nextSequence++;
  sequences.set(id, sequence);
  return { kind: "sequence", sequence: id };
}

const wire = ({ data, shape, dtype }: NDArray): WireArray => ({ data, shape, dtype });

async function answer(request: EngineRequest): Promise<EngineValue> {
  if (request.kind === "end") return { kind: "done" };
  refuseIfEnding();
  switch (request.kind) {
    case "load": {
      const { checkpoint, ...options } = request.load;
      await using opened = await openCheckpoint(checkpoint);
      const loaded = await loadDecoder(opened.checkpoint, {
        ...options,
        onProgress: (progress) => {
          refuseIfEnding();
          port.postMessage({ id: request.id, progress } satisfies EngineAnswer);
        },
      });
      model = new LocalSequenceModel(loaded.model);
      return { kind: "loaded", config: loaded.model.config, form: loaded.form };
    }
    case "open":
      return keep(await (model ?? fail("internal", "no model has been loaded")).open());
    case "step": {
      const { logits, extra } = await sequenceOf(request.sequence).step(request.request);
      return {
        kind: "step",
        logits: wire(logits),
        extra: Object.fromEntries(Object.entries(extra).map(([name, array]) => [name, wire(array)])),
      };
    }
    case "commit":
      await sequenceOf(request.sequence).commit(request.rows);
      return { kind: "done" };
    case "truncate":
      return { kind: "truncated", done: await sequenceOf(request.sequence).truncate(request.length) };
    case "fork":
      return keep(await sequenceOf(request.sequence).fork());
    case "close":
      await sequences.get(request.sequence)?.close();
      sequences.delete(request.sequence);
      return { kind: "done" };
    case "load-encoder": {
      const { checkpoint, threads } = request.load;
      const pooling = await readPooling(checkpoint);
      await using opened = await openEncoderCheckpoint(checkpoint);
      encoder = await loadEncoder(opened.checkpoint, { pooling, threads });
      return { kind: "encoder-loaded", config: encoder.config, dimensions: encoder.dimensions };
    }
    case "embed":
      return {
        kind: "embedded",
        vectors: wire(await (encoder ?? fail("internal", "no encoder has been loaded")).embed(request.batch)),
      };
  }
}

/** Requests wait here: a step must end before the next request is looked at. */
let queue: Promise<void> = Promise.resolve();

port.on("message", (request: EngineRequest) => {
  if (request.kind === "end") ending = true;
  queue = queue.then(async () => {
    try {
      const value = await answer(request);
      const arrays =
        value.kind === "step"
          ? [value.logits, ...Object.values(value.extra)]
          : value.kind === "embedded"
            ? [value.vectors]
            : [];
      port.postMessage(
        { id: request.id, value } satisfies EngineAnswer,
        arrays.map((array) => array.data.buffer as ArrayBuffer),
      );
    } catch (thrown) {
      const code = thrown instanceof BletchleyError ? thrown.code : "internal";
      port.postMessage({ id: request.id, error: { code, message: messageOf(thrown) } } satisfies EngineAnswer);
    }
  });
});
