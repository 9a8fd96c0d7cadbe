/**
 * Asks for an object instead of a text: the schema's type is the answer's type, and the model cannot write anything else.
 *
 *     npx tsx examples/schema.ts "Ada Lovelace, born 1815 in London, wrote the first program."
 */
import { generateObject, loadModel } from "bletchley";
import { z } from "zod";

const text = process.argv[2] ?? "Ada Lovelace, born 1815 in London, wrote the first program.";
const person = z.object({
  name: z.string().max(40),
  born: z.int().min(1).max(2100),
  field: z.enum(["art", "science", "politics", "sport"]),
  places: z.array(z.string().max(30)).max(3),
});

await using model = await loadModel("smollm2");
const { object, stats } = await generateObject(model, person, `Describe the person as JSON. ${text}`, {
  temperature: 0,
  maxTokens: 200,
});
console.log(object);
console.log(`${object.name} was born in ${object.born}; the answer took ${stats.steps} steps of the model`);
