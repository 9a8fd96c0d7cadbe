/**
 * Losslessness, bit for bit: a row's logits do not depend on how its tokens arrived, and every drafter gives the tokens of plain greedy
 * decoding. `--questions FILE`, `--drafters a,b+c`, `--forms x,y`, `--limit N`, `--tokens N`; an interrupted run goes on where it was.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDrafters, usualCandidates } from "../src/decode/index.ts";
import { forms } from "../src/lm/index.ts";
import { parseSpecBench, spread } from "../src/papers/index.ts";
import { loadModel, type Model } from "../src/serve/index.ts";
import { Random } from "../src/util/random.ts";
import { type BarContext, dataRoot, root, runBar } from "./harness.ts";
import { newCache, openDecoder, shakespeareWindows } from "./models.ts";

/** Rows whose logits differ from those of a step of one token, over random chains and trees. */
async function differingRows(
  form: string,
  cases: number,
): Promise<{ readonly rows: number; readonly differing: number }> {
  const { model, tokenizer, dispose } = await openDecoder("smollm2", form);
  const random = new Random(11);
  const perText = 200;
  let rows = 0;
  let differing = 0;
  try {
    for (const [t, tokens] of shakespeareWindows(tokenizer, Math.ceil(cases / perText), perText + 70).entries()) {
      // what every position says when its token comes alone
      const reference: Float32Array[] = [];
      const alone = newCache(model);
      for (const token of tokens) {
        const step = await model.step(alone, { tokens: [token] });
        alone.commit(step.keys, step.values, [0]);
        reference.push(step.logits.data as Float32Array);
      }
      const cache = newCache(model);
      for (let at = 0; at < Math.min(perText, cases - t * perText); at++) {
        const length = 1 + random.integer(Math.min(12, cache.room));
        // the true continuation as a chain, with wrong siblings and their children in between
        const request = { tokens: [] as number[], parents: [] as number[] };
        const truth: number[] = [];
        for (let depth = 0; depth < length; depth++) {
          const parent = truth[depth - 1] ?? -1;
          const wrong = at % 2 ? random.integer(3) : 0;
          for (let k = 0; k < wrong && request.tokens.length < 50; k++) {
            request.tokens.push(random.integer(tokenizer.vocabSize));
            request.parents.push(k && depth + 1 < length ? request.tokens.length - 2 : parent);
          }
          truth.push(request.tokens.length);
          request.tokens.push(tokens[at + depth]!);
          request.parents.push(parent);
        }
        const { logits, keys, values } = await model.step(cache, request);
        const width = logits.shape[1]!;
        truth.forEach((row, depth) => {
          rows++;
          const found = (logits.data as Float32Array).subarray(row * width, (row + 1) * width);
          const expected = reference[at + depth]!;
          if (found.some((value, i) => !Object.is(value, expected[i]))) differing++;
        });
        cache.commit(keys, values, [truth[0]!]);
      }
    }
  } finally {
    await dispose();
  }
  return { rows, differing };
}

/** What the sources are at this moment: an interrupted run goes on only under the same code. */
function sourceState(): string {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8", maxBuffer: 2 ** 28 });
  return `${git("rev-parse", "HEAD:src").trim()} ${createHash("sha256")
    .update(git("diff", "HEAD", "--", "src"))
    .digest("hex")}`;
}

/** Tokens of every prompt under one way of decoding, kept on disk as they come. */
async function decodeAll(
  model: Model,
  prompts: readonly string[],
  drafters: readonly string[],
  tokens: number,
  file: string,
  log: (line: string) => void,
): Promise<number[][]> {
  const done: number[][] = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as number[][]) : [];
  model.speculation = drafters.length ? { drafters: makeDrafters(drafters, model.config.vocabSize) } : undefined;
  for (let i = done.length; i < prompts.length; i++) {
    const chunks = model.chat([{ role: "user", content: prompts[i]! }], {
      maxTokens: tokens,
      contextOverflow: "drop-oldest",
    });
    done.push([...(await model.collect(chunks)).tokens]);
    if (i % 10 === 9) {
      writeFileSync(file, JSON.stringify(done));
      log(`${model.form}, ${drafters.join("+") || "plain"}: ${i + 1} of ${prompts.length}`);
    }
  }
  writeFileSync(file, JSON.stringify(done));
  return done;
}

await runBar("lossless", async ({ options, quick, measure, log }: BarContext) => {
  const file = options.get("questions") ?? join(dataRoot, "spec-bench/questions.jsonl");
  const limit = Number(options.get("limit") ?? (quick ? 12 : 240));
  const tokens = Number(options.get("tokens") ?? (quick ? 48 : 128));
  const chosenForms = options.get("forms")?.split(",") ?? (quick ? ["int8"] : Object.keys(forms));
  const ways =
    options
      .get("drafters")
      ?.split(",")
      .map((way) => way.split("+")) ?? usualCandidates.filter((names) => names.length);
  const code = sourceState();
  const text = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  for (const form of chosenForms) {
    const isDefault = form === "int8";
    if (isDefault || !quick) {
      const { rows, differing } = await differingRows(form, quick ? 100 : isDefault ? 1000 : 200);
      measure({
        name: `${form}: rows of random chains and trees whose logits differ from those of single steps, of ${rows}`,
        value: differing,
        unit: "rows",
        bar: "0",
        pass: differing === 0,
      });
    }
    if (text === undefined) {
      measure({ name: `${form}: prompts that differ`, value: null, unit: "prompts", bar: "0", pass: null });
      continue;
    }
    const questions = parseSpecBench(text).map(({ prompt }) => prompt);
    const prompts = spread(questions, isDefault ? limit : Math.min(60, limit));
    const folder = join(root, "node_modules/.cache/bletchley/lossless");
    mkdirSync(folder, { recursive: true });
    await using model = await loadModel("smollm2", { form, draft: false });
    const stateOf = (drafters: readonly string[]) => {
      const key = JSON.stringify([drafters, form, tokens, prompts, model.source.sha256, code]);
      return join(folder, `${createHash("sha256").update(key).digest("hex").slice(0, 20)}.json`);
    };
    const plain = await decodeAll(model, prompts, [], tokens, stateOf([]), log);
    for (const way of ways) {
      const drafted = await decodeAll(model, prompts, way, tokens, stateOf(way), log);
      const differing = plain.flatMap((expected, i) => expected.filter((token, k) => drafted[i]![k] !== token)).length;
      const lengths = plain.filter((expected, i) => expected.length !== drafted[i]!.length).length;
      measure({
        name: `${form}: tokens of ${way.join(" + ")} that differ from plain greedy decoding, ${prompts.length} prompts, ${plain.flat().length} tokens`,
        value: differing + lengths,
        unit: "tokens",
        bar: "0",
        pass: differing + lengths === 0,
      });
    }
  }
});
