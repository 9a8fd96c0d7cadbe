// The peer's shortest way from a cold process to the first token: its file, a prompt, one token.
import { getLlama } from "node-llama-cpp";

const [path, prompt] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "error" });
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 2048, threads: 2 });
for await (const token of context.getSequence().evaluate(model.tokenize(prompt), { temperature: 0 })) {
  process.stdout.write(model.detokenize([token]));
  break;
}
process.exit(0);
