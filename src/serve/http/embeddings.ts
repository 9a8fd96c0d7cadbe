/**
 * `POST /v1/embeddings`: texts or token ids to vectors, as numbers or as base64 of 32-bit floats.
 */
import { endianness } from "node:os";
import type { Embedder } from "../embedder.ts";
import type { Answer } from "./answer.ts";
import { refuse } from "./api-error.ts";
import { textsOrTokens } from "./choices.ts";
import { Fields } from "./fields.ts";
import type { ServerState, Visit } from "./state.ts";

/** Most inputs of one request, as the API has it. */
const maxInputs = 2048;

/** Little-endian bytes of a vector in base64. */
function base64Of(vector: Float32Array): string {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
  return (endianness() === "LE" ? bytes : Buffer.from(bytes).swap32()).toString("base64");
}

function textOf(embedder: Embedder, input: string | readonly number[], param: string): string {
  if (typeof input === "string") return input;
  const { vocabSize } = embedder.tokenizer;
  const wrong = input.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabSize);
  if (wrong !== undefined)
    refuse(param, `${param} has token ${wrong}; ids are whole numbers from 0 to ${vocabSize - 1}`);
  return embedder.tokenizer.decode(input, { skipSpecial: true });
}

/**
 * Prepares the answer to an embedding request. A text that is longer than the model reads is refused, unless the request
 * says `truncate: true` (which goes beyond the OpenAI API).
 */
export async function embeddings(body: unknown, state: ServerState, visit: Visit): Promise<Answer> {
  const fields = new Fields(body);
  const name = fields.requiredText("model");
  const embedder = state.embedder(name);
  const inputs = textsOrTokens(fields.value("input") ?? fields.missing("input"), "input", maxInputs);
  const format = fields.oneOf("encoding_format", ["float", "base64"]) ?? "float";
  const { dimensions, maxTokens } = embedder;
  fields.notSupported("dimensions", (value) => value === dimensions);
  const truncate = fields.boolean("truncate") ?? false;
  fields.accept("user");
  fields.done();
  const paramOf = (i: number) => (inputs.length > 1 ? `input[${i}]` : "input");
  const texts = inputs.map((input, i) => textOf(embedder, input, paramOf(i)));
  let tokens = 0;
  texts.forEach((text, i) => {
    const count = embedder.countTokens(text);
    if (count > maxTokens && !truncate)
      refuse(
        paramOf(i),
        `${paramOf(i)} has ${count} tokens and ${name} reads ${maxTokens}; shorten it, or send "truncate": true`,
        "context_length_exceeded",
      );
    tokens += Math.min(count, maxTokens);
  });
  return {
    whole: async () => {
      const vectors = await embedder.embed(texts, { signal: visit.signal });
      return {
        object: "list",
        model: name,
        data: vectors.map((vector, index) => ({
          object: "embedding",
          index,
          embedding: format === "base64" ? base64Of(vector) : [...vector],
        })),
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      };
    },
  };
}
