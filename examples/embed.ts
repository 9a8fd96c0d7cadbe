/**
 * Finds the sentence that is nearest in meaning to a question.
 *
 *     npx tsx examples/embed.ts
 */
import { loadEmbedder } from "bletchley";

const question = "How do I get my money back?";
const sentences = ["Refunds are paid within 14 days.", "The shop opens at nine.", "The cat sat on the mat."];

await using embedder = await loadEmbedder("minilm");
const [asked, ...known] = await embedder.embed([question, ...sentences]);
// vectors have length 1, so a dot product is the cosine of their angle
const likeness = known.map((vector) => vector.reduce((sum, value, i) => sum + value * asked![i]!, 0));
sentences.forEach((sentence, i) => {
  console.log(`${likeness[i]!.toFixed(3)}  ${sentence}`);
});
