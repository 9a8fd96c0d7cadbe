/** File formats: GGUF and safetensors weights, PNG pictures, tar archives, tokenizers and chat templates. */
export * from "./gguf/index.ts";
export { type JsonLimits, parseJson } from "./json.ts";
export * from "./png.ts";
export * from "./safetensors.ts";
export { readTarGz } from "./tar.ts";
export * from "./tokenizer/index.ts";
