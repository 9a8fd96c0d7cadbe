/**
 * Serves a model behind the OpenAI API and asks it there, as any client would.
 *
 *     npx tsx examples/serve.ts
 */
import { loadModel, startServer } from "bletchley";

await using model = await loadModel("smollm2");
await using server = await startServer({ models: { smollm2: model }, port: 0 });

const answer = await fetch(`${server.url}/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    model: "smollm2",
    messages: [{ role: "user", content: "Name a colour." }],
    temperature: 0,
    max_tokens: 20,
  }),
});
const { choices } = (await answer.json()) as { choices: { message: { content: string } }[] };
console.log(choices[0]!.message.content);
