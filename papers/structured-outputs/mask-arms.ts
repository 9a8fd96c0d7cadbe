/**
 * The engine's masks beside two naive ways of making the same ones: a walk over the whole token trie for every mask, and a look at every
 * token by itself. All three must agree to the last bit.
 */
import { ConstraintEngine } from "bletchley/decode";
import type { Tokenizer } from "bletchley/formats";
import { type MaskCase, spacedJson } from "./mask-cases.ts";

/** What came of a comparison; times in microseconds, one for each state. */
export interface MaskComparison {
  readonly own: number[];
  readonly walked: number[];
  /** Of the states where every token was looked at: the engine's own time, and the time of looking. */
  readonly ownBesideEach: number[];
  readonly each: number[];
  /** States where a mask differed from the engine's. */
  readonly differing: string[];
}

/** What is compared. */
export interface MaskComparisonOptions {
  readonly tokenizer: Tokenizer;
  readonly cases: readonly MaskCase[];
  /** States of each schema, spread over its instances. */
  readonly statesPerSchema: number;
  /** Every how many schemas all tokens are looked at one by one. */
  readonly eachToken: number;
  onCase?(done: number): void;
}

const same = (a: Uint32Array, b: Uint32Array) => a.every((word, i) => word === b[i]);

/** Takes instances through both engines side by side. */
export function compareMasks(options: MaskComparisonOptions): MaskComparison {
  const { tokenizer, cases, statesPerSchema, eachToken } = options;
  const engine = new ConstraintEngine(tokenizer);
  const walking = new ConstraintEngine(tokenizer, { masks: "walked" });
  const { words, size } = engine.vocabulary;
  const [mask, other] = [new Uint32Array(words), new Uint32Array(words)];
  const out: MaskComparison = { own: [], walked: [], ownBesideEach: [], each: [], differing: [] };
  const timed = (work: () => void) => {
    const start = performance.now();
    work();
    return (performance.now() - start) * 1000;
  };
  for (const [number, { name, schema, tests }] of cases.entries()) {
    let compiled: ReturnType<typeof engine.jsonSchema>;
    let walked: typeof compiled;
    try {
      compiled = engine.jsonSchema(schema);
      walked = walking.jsonSchema(schema);
    } catch {
      continue;
    }
    const texts = tests.map(({ text }) => tokenizer.encode(spacedJson(text)));
    const total = texts.reduce((sum, { length }) => sum + length + 1, 0);
    const stride = Math.max(1, Math.floor(total / statesPerSchema));
    let state = 0;
    for (const tokens of texts) {
      const [constraint, walker] = [compiled.start(), walked.start()];
      for (let i = 0; i <= tokens.length; i++, state++) {
        const own = timed(() => constraint.mask(mask));
        if (state % stride === stride - 1) {
          out.own.push(own);
          out.walked.push(timed(() => walker.mask(other)));
          let agree = same(mask, other);
          if (number % eachToken === 0) {
            const ends = engine.vocabulary.endTokens;
            out.ownBesideEach.push(own);
            out.each.push(
              timed(() => {
                other.fill(0);
                for (let id = 0; id < size; id++) if (walker.allows(id)) other[id >>> 5]! |= 1 << (id & 31);
              }),
            );
            agree &&= same(mask, other) && ends.some((id) => walker.allows(id)) === walker.isComplete();
          }
          if (!agree) out.differing.push(`${name}, token ${i} of ${tokens.length}`);
        }
        if (i < tokens.length && !(constraint.advance(tokens[i]!) && walker.advance(tokens[i]!))) break;
      }
    }
    options.onCase?.(number + 1);
  }
  return out;
}

/** Forced tokens along texts that are valid. */
export interface ForcedTokens {
  /** Tokens of all texts. */
  readonly tokens: number;
  /** Tokens that were forced. */
  readonly forced: number;
  /** Forced runs that are not spelled as the tokenizer spells the whole text. */
  readonly misspelt: string[];
}

/** Follows valid instances in the tokenizer's own spelling, taking what is forced as it comes. */
export function followForced(tokenizer: Tokenizer, cases: readonly MaskCase[]): ForcedTokens {
  const engine = new ConstraintEngine(tokenizer);
  const found = { tokens: 0, forced: 0, misspelt: [] as string[] };
  for (const { name, schema, tests } of cases) {
    let compiled: ReturnType<typeof engine.jsonSchema>;
    try {
      compiled = engine.jsonSchema(schema);
    } catch {
      continue;
    }
    for (const { valid, text } of tests) {
      if (!valid) continue;
      const tokens = tokenizer.encode(spacedJson(text));
      const constraint = compiled.start();
      let at = 0;
      while (at < tokens.length) {
        const forced = constraint.forced();
        if (forced.some((token, i) => token !== tokens[at + i])) {
          found.misspelt.push(`${name}: [${forced.join(" ")}] at token ${at} of ${spacedJson(text).slice(0, 200)}`);
          break;
        }
        found.forced += forced.length;
        const taken = forced.length ? forced : [tokens[at]!];
        if (!taken.every((token) => constraint.advance(token))) break;
        at += taken.length;
      }
      found.tokens += at;
    }
  }
  return found;
}
