/**
 * The tokenizer of a vocabulary that was learned here. Knows nothing of files: a GGUF file with the same vocabulary gives the same one.
 */
import { tokenizerFromGguf } from "./from-gguf.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { BpeVocabulary } from "./train-bpe.ts";

/** Token types of GGUF: an ordinary token, and one that only controls. */
const ordinary = 1;
const control = 3;

/**
 * Makes the tokenizer of a learned vocabulary.
 * @param endOfText a control token which ends texts; none when absent. @throws `format` for a vocabulary that contradicts itself.
 */
export function tokenizerFromVocabulary(
  { pre, tokens, merges, controlCount }: BpeVocabulary,
  endOfText?: string,
): Tokenizer {
  return tokenizerFromGguf(
    new Map<string, string | number | string[] | Int32Array>([
      ["tokenizer.ggml.model", "gpt2"],
      ["tokenizer.ggml.pre", pre],
      ["tokenizer.ggml.tokens", [...tokens]],
      ["tokenizer.ggml.merges", [...merges]],
      ["tokenizer.ggml.token_type", Int32Array.from(tokens, (_, id) => (id < controlCount ? control : ordinary))],
      ...(endOfText === undefined ? [] : [["tokenizer.ggml.eos_token_id", tokens.indexOf(endOfText)] as const]),
    ]),
  );
}
