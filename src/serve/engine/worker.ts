/**
 * The engine's worker: owns a decoder and its caches, or an encoder, and answers requests one after the other. ONNX Runtime blocks the
 * thread it runs in, and this is the thread that may be blocked.
 */
import { type EncoderModel, LocalSequenceModel, loadDecoder, loadEncoder, type Sequence } from "../../lm/index.ts";
import { toWire } from "../../runtime/node/wire-array.ts";
import { type Answering, answerRequests } from "../../runtime/node/worker-answers.ts";
import { fail } from "../../util/errors.ts";
import type { Progress } from "../../util/progress.ts";
import { openCheckpoint, openEncoderCheckpoint, readPooling } from "./open-checkpoint.ts";
import type { EngineRequest, EngineValue } from "./protocol.ts";

const sequences = new Map<number, Sequence>();
let model: LocalSequenceModel | undefined;
let encoder: EncoderModel | undefined;
let nextSequence = 0;

const sequenceOf = (id: number): Sequence =>
  sequences.get(id) ?? fail("disposed", "the sequence has been closed; open another one");

function keep(sequence: Sequence): EngineValue {
  const id = nextSequence++;
  sequences.set(id, sequence);
  return { kind: "sequence", sequence: id };
}

async function answer(request: EngineRequest, { update, refuseIfEnding }: Answering<Progress>): Promise<EngineValue> {
  switch (request.kind) {
    case "load": {
      const { checkpoint, ...options } = request.load;
      await using opened = await openCheckpoint(checkpoint);
      const loaded = await loadDecoder(opened.checkpoint, {
        ...options,
        onProgress: (progress) => {
          refuseIfEnding();
          update(progress);
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
        logits: toWire(logits),
        extra: Object.fromEntries(Object.entries(extra).map(([name, array]) => [name, toWire(array)])),
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
        vectors: toWire(await (encoder ?? fail("internal", "no encoder has been loaded")).embed(request.batch)),
      };
  }
}

answerRequests<EngineRequest, EngineValue, Progress>(async (request, answering) => {
  const value = await answer(request, answering);
  const arrays =
    value.kind === "step"
      ? [value.logits, ...Object.values(value.extra)]
      : value.kind === "embedded"
        ? [value.vectors]
        : [];
  return { value, transfer: arrays.map((array) => array.data.buffer as ArrayBuffer) };
});
