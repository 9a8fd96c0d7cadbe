/** File formats: GGUF and safetensors weights, PNG pictures, tokenizers and chat templates. */
export * from "./gguf/index.ts";
export { type JsonLimits, parseJson } from "./json.ts";
export * from "./png.ts";
export * from "./safetensors.ts";
export * from "./tokenizer/index.ts";
