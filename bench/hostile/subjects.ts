/** Everything that can be run by name: the fuzzed formats, and the subject that is wrong on purpose. */
import { faultySubject } from "./faulty-subject.ts";
import { ggufSubject } from "./gguf-subject.ts";
import { safetensorsSubject } from "./safetensors-subject.ts";
import type { Subject } from "./subject.ts";
import { templateSubject } from "./template-subject.ts";
import { tokenizerSubject } from "./tokenizer-subject.ts";

/** Names of the fuzzed formats. */
export const formatNames: readonly string[] = ["gguf", "safetensors", "tokenizer.json", "chat template"];

/** Makes the subject of a name. */
export const subjects: Readonly<Record<string, () => Subject>> = {
  gguf: ggufSubject,
  safetensors: safetensorsSubject,
  "tokenizer.json": tokenizerSubject,
  "chat template": templateSubject,
  faulty: faultySubject,
};
