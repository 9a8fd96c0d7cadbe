/**
 * The two models that heads are trained for: a small one that is trained here first, and SmolLM2. Each brings its prompts, its form, and
 * what the profile asks of its traces and heads.
 */
import { loadModel, type Model } from "bletchley";
import { parseSpecBench, specBenchData, spread, type WorkContext } from "bletchley/papers";
import { cacheFolder } from "bletchley/sources";
import { type LanguageModelRecipe, type Problem, problemsOf, trainLanguageModel } from "./language-model.ts";
import type { TrainingRecipe } from "./variants.ts";

/** Problems to train on. */
export const trainData = {
  path: "reasoning/gsm8k-train-3000.jsonl",
  sha256: "3a9ec12b5270734ae6ec65995b0c27b651517d71e78c1e895d6b5bc28f8eae66",
} as const;
/** Problems to measure by. */
export const testData = {
  path: "reasoning/gsm8k-test.jsonl",
  sha256: "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
} as const;

/** A model, what it is asked, and how its heads are trained. */
export interface Target extends AsyncDisposable {
  readonly model: Model;
  /** Prompts of the trace, of the trace that is held out, and of decoding. */
  readonly prompts: Readonly<Record<"training" | "heldOut" | "decoding", readonly (readonly number[])[]>>;
  /** Tokens of the answers in both traces. */
  readonly answerTokens: { readonly training: number; readonly heldOut: number };
  /** Most tokens of an answer in a trace. */
  readonly maxTokens: number;
  /** Tokens that can be drafted; all when absent. */
  readonly draftVocabulary?: number;
  readonly recipe: TrainingRecipe;
  /** Form of the heads' weights while they draft. */
  readonly headForm: string;
}

const languageModels: Readonly<Record<"smoke" | "quick", LanguageModelRecipe & { readonly problems: number }>> = {
  smoke: { problems: 300, vocabSize: 384, layers: 1, width: 64, batch: 4, length: 64, steps: 40, learningRate: 1e-2 },
  quick: {
    problems: 3000,
    vocabSize: 1024,
    layers: 4,
    width: 192,
    batch: 8,
    length: 128,
    steps: 600,
    learningRate: 3e-3,
  },
};

/** The small model of a profile: trained, or taken from where it is kept. @returns the path of its file. */
async function smallModelPath(context: WorkContext, profile: "smoke" | "quick"): Promise<string> {
  const { problems, ...recipe } = languageModels[profile];
  return trainLanguageModel({
    problems: problemsOf(await context.text(trainData.path)).slice(0, problems),
    recipe,
    folder: cacheFolder("papers/language-models"),
    signal: context.signal,
    onProgress: (done, total) => context.progress("train the language model", done, total),
  });
}

async function smallTarget(context: WorkContext, profile: "smoke" | "quick"): Promise<Target> {
  const path = await smallModelPath(context, profile);
  // its steps take a millisecond: a second thread is no help
  const model = await loadModel(path, { form: "f32", draft: false, threads: 1, signal: context.signal });
  const end = model.tokenizer.specials.eosIds[0]!;
  const tokens = ({ question }: Problem) => [end, ...model.tokenizer.encode(`${question}\n`)];
  const test = problemsOf(await context.text(testData.path)).map(tokens);
  const training = problemsOf(await context.text(trainData.path)).map(tokens);
  const smoke = profile === "smoke";
  const decoded = smoke ? 3 : 80;
  return {
    model,
    prompts: { training, decoding: test.slice(0, decoded), heldOut: test.slice(decoded) },
    answerTokens: smoke ? { training: 600, heldOut: 150 } : { training: 40_000, heldOut: 5000 },
    maxTokens: smoke ? 24 : 96,
    recipe: {
      heads: 3,
      lmHead: "own",
      epochs: smoke ? 1 : 2,
      batch: 4,
      length: 224,
      learningRate: 2e-3,
    },
    headForm: "f32",
    [Symbol.asyncDispose]: () => model.dispose(),
  };
}

async function smolLm2(context: WorkContext): Promise<Target> {
  const model = await loadModel("smollm2", { draft: false, signal: context.signal });
  const tokens = async (content: string) => (await model.chatPrompt([{ role: "user", content }])).tokens;
  const asked = async (questions: readonly string[]) => {
    const prompts: (readonly number[])[] = [];
    for (const question of questions) prompts.push(await tokens(question));
    return prompts;
  };
  const questions = async (path: string) => problemsOf(await context.text(path)).map(({ question }) => question);
  const test = await questions(testData.path);
  const questionsOf = parseSpecBench(await context.text(specBenchData.path));
  const turns = spread(questionsOf, 40).map(({ prompt }) => prompt);
  // what is held out is the mix that is decoded, so that it foretells it
  const others = questionsOf.map(({ prompt }) => prompt).filter((prompt) => !turns.includes(prompt));
  return {
    model,
    prompts: {
      training: await asked(await questions(trainData.path)),
      heldOut: await asked(others.flatMap((turn, i) => [test[40 + i]!, turn])),
      decoding: await asked([...test.slice(0, 40), ...turns]),
    },
    answerTokens: { training: 40_000, heldOut: 6000 },
    maxTokens: 128,
    draftVocabulary: 8192,
    recipe: { heads: 3, lmHead: "shared", epochs: 3, batch: 4, length: 256, learningRate: 2e-3 },
    headForm: "int8-fast",
    [Symbol.asyncDispose]: () => model.dispose(),
  };
}

/** The model of a profile. */
export function targetFor(context: WorkContext): Promise<Target> {
  return context.profile === "full" ? smolLm2(context) : smallTarget(context, context.profile);
}
