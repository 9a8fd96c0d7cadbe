/** Tokenizers and chat templates. */
export { tokenizerFromGguf } from "./from-gguf.ts";
export { parseTokenizerJson, tokenizerFromJson } from "./from-json.ts";
export { StreamDecoder } from "./stream.ts";
export type { DecodeOptions, EncodeOptions, Tokenizer, TokenizerSpecials } from "./tokenizer.ts";
