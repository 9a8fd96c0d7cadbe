/**
 * Asks a language model and prints the answer as it comes; Ctrl-C stops the answer.
 *
 *     npx tsx examples/chat.ts "What is a tensor?"
 */
import { loadModel } from "bletchley";

const question = process.argv[2] ?? "What is a tensor?";
const controller = new AbortController();
process.once("SIGINT", () => controller.abort());

await using model = await loadModel("smollm2", { signal: controller.signal });
const messages = [
  { role: "system", content: "You answer in two sentences." },
  { role: "user", content: question },
];
const options = { temperature: 0, maxTokens: 120, signal: controller.signal };
for await (const { text, stats } of model.chat(messages, options)) {
  process.stdout.write(text);
  if (stats) process.stdout.write(`\n(${stats.decodeTokensPerSecond.toFixed(0)} tokens/s)\n`);
}
