/** File formats: GGUF and safetensors weights, tokenizers and chat templates. */
export * from "./gguf/index.ts";
export * from "./tokenizer/index.ts";
