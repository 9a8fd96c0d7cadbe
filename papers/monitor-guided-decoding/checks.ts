/**
 * What must hold exactly: masks against brute force, identifiers against a fresh analyser, prose and drafters without any difference.
 */
import {
  isIdentifierPart,
  MemberMonitor,
  MonitorConstraint,
  promptLookup,
  type TypeScriptModule,
  TypeScriptProject,
  type Vocabulary,
} from "bletchley/decode";
import type { Tokenizer } from "bletchley/formats";
import { Random } from "bletchley/util";
import { ArmMonitors, type Completing, complete, promptOf, type Trial } from "./arms.ts";
import type { Point } from "./point.ts";
import { prosePrompts } from "./prose.ts";
import { syntheticOptions } from "./synthetic.ts";
import { firstWords, secondWords } from "./words.ts";

/** Whether bytes are a token that a list allows, told from the definition alone. */
function allowedByDefinition(token: Uint8Array, words: readonly Uint8Array[]): boolean {
  return words.some((word) => {
    const common = Math.min(word.length, token.length);
    for (let i = 0; i < common; i++) if (word[i] !== token[i]) return false;
    if (token.length <= word.length) return token.length > 0;
    const rest = token.subarray(word.length);
    for (let length = 1; length <= Math.min(4, rest.length); length++)
      try {
        const character = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(rest.subarray(0, length));
        return !isIdentifierPart(character);
      } catch {
        // the character has more bytes
      }
    return false;
  });
}

/** Random lists of names whose mask differs from the definition at any token of the vocabulary, also in the middle of a name. */
export function wrongMasks(vocabulary: Vocabulary, tokenizer: Tokenizer, lists: number, seed: number): number {
  const random = new Random(seed, 3);
  const pick = <T>(of: readonly T[]) => of[random.integer(of.length)]!;
  const capitalized = (word: string) => word[0]!.toUpperCase() + word.slice(1);
  const name = () => {
    const word = pick(firstWords) + (random.next() < 0.7 ? capitalized(pick(secondWords)) : "");
    return random.next() < 0.1 ? `${word}${pick(["é", "ß", "_1", "$", "名"])}` : word;
  };
  const tokens = Array.from({ length: vocabulary.size }, (_, id) =>
    tokenizer.isSpecial(id) || vocabulary.endTokens.includes(id) ? new Uint8Array() : tokenizer.tokenBytes(id),
  );
  const mask = new Uint32Array(vocabulary.words);
  let wrong = 0;
  for (let list = 0; list < lists; list++) {
    const names = Array.from({ length: 1 + random.integer(12) }, name);
    const monitor = new MemberMonitor({ vocabulary, analyse: () => names });
    // up to all of a name is written already
    const typed = pick(names).slice(0, random.integer(8));
    const text = MonitorConstraint.start(vocabulary, [monitor], { before: `it.${typed}` });
    text.mask(mask);
    const words = names
      .filter((word) => word.startsWith(typed))
      .map((word) => new TextEncoder().encode(word.slice(typed.length)));
    const differs = tokens.some(
      (token, id) => ((mask[id >>> 5]! >>> (id & 31)) & 1) !== (allowedByDefinition(token, words) ? 1 : 0),
    );
    if (differs) wrong++;
  }
  return wrong;
}

/** Identifiers that were written under a limit, and those of them that a fresh project does not list. */
export function unsoundNames(
  point: Point,
  trials: readonly Trial[],
  fresh: TypeScriptProject,
): { readonly checked: number; readonly unsound: readonly string[] } {
  const analyse = fresh.members(point.path);
  const verdicts = new Map<string, boolean>();
  const unsound: string[] = [];
  let checked = 0;
  for (const { limited, text } of trials)
    for (const { at, name, cut } of limited) {
      const before = (point.before + text).slice(0, point.before.length + at);
      const key = `${cut} ${name} ${before}`;
      if (!verdicts.has(key)) {
        const legal = analyse(before + point.after, before.length) ?? [];
        verdicts.set(key, cut ? legal.some((word) => word.startsWith(name)) : legal.includes(name));
      }
      checked++;
      if (!verdicts.get(key)) unsound.push(name);
    }
  return { checked, unsound };
}

/** Prose that a monitor changes, or limits: how many of the prompts. */
export async function disturbedProse(
  completing: Completing,
  typescript: TypeScriptModule,
  count: number,
): Promise<number> {
  const { model, vocabulary, maxTokens, signal } = completing;
  const files = { "/notes.ts": "export {};\n" };
  const project = TypeScriptProject.create({ typescript, files, compilerOptions: syntheticOptions });
  const mask = new Uint32Array(vocabulary.words);
  let disturbed = 0;
  for (const prompt of prosePrompts.slice(0, count)) {
    const monitor = new MemberMonitor({ vocabulary, analyse: project.members("/notes.ts") });
    const start = () => MonitorConstraint.start(vocabulary, [monitor], { before: prompt });
    const options = { temperature: 0, maxTokens, signal, draft: false };
    const plain = await model.collect(model.generate(prompt, options));
    const monitored = await model.collect(model.generate(prompt, { ...options, constraint: start() }));
    // with every token allowed everywhere, the logits stay what they are
    const replay = start();
    const everywhere = monitored.tokens.every((token) => {
      replay.mask(mask);
      return mask.every((word, i) => word === allOnes(vocabulary.size, i)) && replay.advance(token);
    });
    if (!everywhere || String(plain.tokens) !== String(monitored.tokens)) disturbed++;
  }
  project.dispose();
  return disturbed;
}

const allOnes = (size: number, word: number) => (size - 32 * word >= 32 ? 0xffffffff : 2 ** (size - 32 * word) - 1);

/** Whether a drafter changes what is generated under monitors, greedily. */
export async function draftingDiffers(
  completing: Completing,
  point: Point,
  project: TypeScriptProject,
): Promise<{ readonly differs: boolean; readonly drafted: number }> {
  const { model, vocabulary } = completing;
  const prompt = promptOf(completing, point, false);
  const start = () => new ArmMonitors(vocabulary, project, point.path, false).start(point);
  const greedy = { temperature: 0, seed: 0 };
  const before = model.speculation;
  try {
    model.speculation = undefined;
    const plain = await complete(completing, point, prompt, greedy, start());
    // everything that is proposed is checked, so that limits meet drafts often
    model.speculation = { drafters: [promptLookup({ tokens: 6 })], size: "all" };
    const drafted = await complete(completing, point, prompt, greedy, start());
    return { differs: String(plain.tokens) !== String(drafted.tokens), drafted: drafted.tokens.length };
  } finally {
    model.speculation = before;
  }
}
