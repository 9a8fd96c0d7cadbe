/** Tokenizers and chat templates. */

export { type BuiltInTemplate, builtInTemplateFor, builtInTemplates } from "./built-in-templates.ts";
export {
  type ChatMessage,
  type ChatTemplateInput,
  type ChatTemplateLimits,
  renderChatTemplate,
} from "./chat-template.ts";
export { tokenizerFromGguf } from "./from-gguf.ts";
export { parseTokenizerJson, tokenizerFromJson } from "./from-json.ts";
export { tokenizerFromVocabulary } from "./from-vocabulary.ts";
export { StreamDecoder } from "./stream.ts";
export type { DecodeOptions, EncodeOptions, Tokenizer, TokenizerSpecials } from "./tokenizer.ts";
export { type BpeVocabulary, type TrainBpeOptions, trainBpe } from "./train-bpe.ts";
