/** File formats: GGUF and safetensors weights, PNG and JPEG pictures, Y4M video, entropy coders, tokenizers and chat templates. */
export * from "./entropy/index.ts";
export * from "./frames.ts";
export * from "./gguf/index.ts";
export * from "./jpeg.ts";
export { type JsonLimits, parseJson } from "./json.ts";
export * from "./png.ts";
export * from "./png-read.ts";
export * from "./safetensors.ts";
export { readTarGz } from "./tar.ts";
export * from "./tokenizer/index.ts";
export * from "./y4m.ts";
