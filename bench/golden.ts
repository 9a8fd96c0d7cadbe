/**
 * Truth in f32: prompts, greedy paths, perplexity, embeddings and tokenizers against values that other implementations
 * computed. Arguments: other golden files.
 */
import { loadEmbedder } from "../src/serve/index.ts";
import { type BarContext, runBar } from "./harness.ts";
import {
  catalogueName,
  type GoldenDecoder,
  type GoldenEncoder,
  newCache,
  openDecoder,
  readGolden,
  runChunks,
  shakespeareWindows,
  summarize,
} from "./models.ts";

const near = 2e-3;
const excusableMargin = 1e-3;

/** The ids of the golden top 20 that are neither among ours nor within rounding of the last place; and ours likewise. */
function misplaced(logits: Float32Array, top: { ids: readonly number[]; logits: readonly number[] }): number {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
  const ours = new Set(order.slice(0, top.ids.length));
  const theirs = new Set(top.ids);
  const last = top.logits.at(-1)!;
  let wrong = 0;
  top.ids.forEach((id, i) => {
    if (!ours.has(id) && top.logits[i]! > last + near) wrong++;
  });
  for (const id of ours) if (!theirs.has(id) && Math.abs(logits[id]! - last) > near) wrong++;
  // order counts where logits are farther apart than rounding
  for (let i = 0; i + 1 < top.ids.length; i++)
    for (let j = i + 1; j < top.ids.length; j++)
      if (top.logits[i]! - top.logits[j]! > 2 * near && logits[top.ids[i]!]! < logits[top.ids[j]!]!) wrong++;
  return wrong;
}

async function decoder(golden: GoldenDecoder, { measure, log, quick }: BarContext): Promise<void> {
  const name = catalogueName(golden.source.sha256);
  const { model, tokenizer, dispose } = await openDecoder(name, "f32");
  const width = model.config.vocabSize;
  const bar = (value: number, text: string, pass: boolean, title: string, unit = "", baseline?: number) =>
    measure({
      name: `${name}: ${title}`,
      value,
      unit,
      bar: text,
      pass,
      ...(baseline === undefined ? {} : { baseline }),
    });

  let wrongTokens = 0;
  for (const { text, ids, idsPlain } of golden.tokenizer) {
    if (String(tokenizer.encode(text, { parseSpecial: true })) !== String(ids)) wrongTokens++;
    if (idsPlain && String(tokenizer.encode(text)) !== String(idsPlain)) wrongTokens++;
  }
  bar(wrongTokens, "0", wrongTokens === 0, `tokenizer goldens that differ, of ${golden.tokenizer.length}`);

  const prompts = quick ? golden.prompts.slice(0, 4) : golden.prompts;
  let outOfPlace = 0;
  let worst = 0;
  let leftEarly = 0;
  let excused = 0;
  let steps = 0;
  for (const [i, prompt] of prompts.entries()) {
    const cache = newCache(model);
    let logits = await runChunks(model, cache, prompt.ids);
    outOfPlace += misplaced(logits, prompt.top20);
    prompt.top20.ids.forEach((id, k) => {
      worst = Math.max(worst, Math.abs(logits[id]! - prompt.top20.logits[k]!));
    });
    for (const [at, wanted] of prompt.greedy.entries()) {
      const { best } = summarize(logits, 0, width);
      if (best !== wanted) {
        if (prompt.margin[at]! < excusableMargin) excused++;
        else leftEarly++;
        break;
      }
      steps++;
      if (at + 1 < prompt.greedy.length) logits = await runChunks(model, cache, [wanted]);
    }
    log(`${name}: prompt ${i + 1} of ${prompts.length} (${prompt.kind}, ${prompt.ids.length} tokens)`);
  }
  bar(outOfPlace, "0", outOfPlace === 0, `top-20 ids out of place, ${prompts.length} prompts`);
  bar(worst, `≤ ${near}`, worst <= near, "largest difference of top-20 logits");
  bar(leftEarly, "0", leftEarly === 0, `greedy paths left early (${steps} tokens equal, ${excused} excused)`);

  const { windows, windowTokens, perplexity } = golden.perplexity;
  let loss = 0;
  let count = 0;
  const texts = shakespeareWindows(tokenizer, quick ? 1 : windows, windowTokens);
  for (const ids of texts)
    await runChunks(model, newCache(model), ids, (first, logits) => {
      for (let r = 0; first + r + 1 < ids.length && r < logits.length / width; r++) {
        const { logSum } = summarize(logits, r * width, width);
        loss += logSum - logits[r * width + ids[first + r + 1]!]!;
        count++;
      }
    });
  const ours = Math.exp(loss / count);
  if (!quick)
    bar(ours, "within 0.1 %", Math.abs(ours / perplexity - 1) <= 1e-3, "perplexity of tinyshakespeare", "", perplexity);
  await dispose();
}

async function encoder(golden: GoldenEncoder, { measure }: BarContext): Promise<void> {
  await using embedder = await loadEmbedder("minilm", { threads: 2 });
  const { tokenizer } = embedder;
  // the reference cuts long texts and keeps the last special token
  const wrong = golden.sentences.filter(({ text, ids }) => {
    const all = tokenizer.encode(text, { addSpecial: true, parseSpecial: true });
    return String([...all.slice(0, ids.length - 1), all.at(-1)]) !== String(ids);
  });
  const vectors = await embedder.embed(golden.sentences.map(({ text }) => text));
  let worst = 0;
  golden.sentences.forEach(({ embedding }, i) => {
    let [dot, a, b] = [0, 0, 0];
    embedding.forEach((x, j) => {
      const y = vectors[i]![j]!;
      dot += x * y;
      a += x * x;
      b += y * y;
    });
    worst = Math.max(worst, 1 - dot / Math.sqrt(a * b));
  });
  const title = `minilm: tokenizer goldens that differ, of ${golden.sentences.length}`;
  measure({ name: title, value: wrong.length, unit: "", bar: "0", pass: wrong.length === 0 });
  const name = "minilm: largest 1 − cosine to the reference's embeddings";
  measure({ name, value: worst, unit: "", bar: "≤ 1e-5", pass: worst <= 1e-5 });
}

await runBar("golden", async (context) => {
  const files = context.inputs.length
    ? context.inputs
    : ["smollm2-135m-instruct-q4_1.json", "gemma3-270m-q4_k_m.json", "all-minilm-l6-v2.json"];
  for (const file of files) {
    const golden = readGolden(file);
    if ("sentences" in golden) await encoder(golden, context);
    else await decoder(golden, context);
  }
});
