/**
 * Monitors in the decode loop: what they limit is written, what they do not limit is as it would be, with and without drafts. Masks
 * of a real vocabulary against their definition.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isIdentifierPart,
  MemberMonitor,
  MonitorConstraint,
  promptLookup,
  Vocabulary,
} from "../../src/decode/index.ts";
import { byteTokenizer, noisyLogits } from "../../src/decode/testing/scripted.ts";
import { readTextFiles } from "../../src/serve/read-tokenizer.ts";
import { scriptedModel } from "../../src/serve/testing/scripted-model.ts";
import { resolveModel } from "../../src/sources/index.ts";

const names = ["brewLedger", "brewQuota", "tidyQuota", "t"];
const vocabulary = new Vocabulary(byteTokenizer());

/** A model that writes dots often, and repeats what it has written. */
const dotted = (tokens: readonly number[]): Float32Array => {
  const logits = noisyLogits(tokens.slice(-3));
  logits[46]! += 4;
  return logits;
};

const start = (before: string, legal: readonly string[] = names) =>
  MonitorConstraint.start(vocabulary, [new MemberMonitor({ vocabulary, analyse: () => legal })], { before });

describe("generation under a monitor", () => {
  it("writes a legal name behind every dot, and is cut anywhere by the limit", async () => {
    const { model } = scriptedModel({ next: dotted });
    let limited = 0;
    for (let seed = 0; seed < 20; seed++) {
      const options = { constraint: start("x"), temperature: 1, seed, maxTokens: 60 };
      const { text, finishReason } = await model.collect(model.generate("x", options));
      expect(["length", "stop"]).toContain(finishReason);
      for (const { 1: name, index, 0: all } of text.matchAll(/\.([\w$]*)/g)) {
        limited++;
        const cut = index + all.length === text.length;
        expect(
          names.some((word) => (cut ? word.startsWith(name!) : word === name)),
          `${name} in ${text}`,
        ).toBe(true);
      }
    }
    expect(limited).toBeGreaterThan(50);
  });

  it("is plain generation where nothing is known", async () => {
    const { model } = scriptedModel({ next: dotted });
    for (let seed = 0; seed < 10; seed++) {
      const options = { temperature: 1, seed, maxTokens: 60 };
      const plain = await model.collect(model.generate("x", options));
      const constraint = start("x", []);
      expect((await model.collect(model.generate("x", { ...options, constraint }))).tokens).toEqual(plain.tokens);
    }
  });

  it("gives the same tokens with drafts, greedy and sampled", async () => {
    const { model } = scriptedModel({ next: dotted });
    let accepted = 0;
    for (let seed = 0; seed < 10; seed++)
      for (const temperature of [0, 1]) {
        const before = `${seed}: x.brewQuota x.tidyQuota.t `;
        const generate = (draft: boolean) => {
          model.speculation = draft ? { drafters: [promptLookup({ tokens: 8 })], size: "all" } : undefined;
          return model.collect(
            model.generate(before, { constraint: start(before), temperature, seed, maxTokens: 60, draft }),
          );
        };
        const plain = await generate(false);
        const drafted = await generate(true);
        expect(drafted.tokens).toEqual(plain.tokens);
        accepted += drafted.stats.drafting?.accepted ?? 0;
      }
    expect(accepted).toBeGreaterThan(20);
  });
});

describe("masks of names", async () => {
  const shipped = await resolveModel("tiny");
  const { tokenizer } = await readTextFiles(shipped);
  const real = new Vocabulary(tokenizer);
  const encoder = new TextEncoder();
  const tokens = Array.from({ length: real.size }, (_, id) => real.bytesOf(id));

  /** The definition: a token goes on with a name, or ends one. */
  const allowed = (token: Uint8Array | undefined, word: string): boolean => {
    if (!token?.length) return false;
    const rest = encoder.encode(word);
    const common = Math.min(rest.length, token.length);
    if (Buffer.compare(rest.subarray(0, common), token.subarray(0, common)) !== 0) return false;
    if (token.length <= rest.length) return true;
    const [character] = new TextDecoder().decode(token.subarray(rest.length));
    return character !== "\ufffd" && !isIdentifierPart(character!);
  };

  it("are those of the definition for every token of the shipped model", () => {
    const word = fc.stringMatching(/^[a-z]{1,4}([A-Z][a-z]{0,4}|_\d|é|\$){0,2}$/);
    const mask = new Uint32Array(real.words);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), fc.nat(6), (list, length) => {
        const typed = list[0]!.slice(0, length);
        const monitor = new MemberMonitor({ vocabulary: real, analyse: () => list });
        const text = MonitorConstraint.start(real, [monitor], { before: `it.${typed}` });
        text.mask(mask);
        const left = list.filter((name) => name.startsWith(typed)).map((name) => name.slice(typed.length));
        tokens.forEach((token, id) => {
          const legal = left.some((name) => allowed(token, name));
          if (((mask[id >>> 5]! >>> (id & 31)) & 1) !== Number(legal) || text.allows(id) !== legal)
            throw new Error(`token ${id} after "${typed}" of ${list.join(", ")}`);
        });
      }),
      { numRuns: 60 },
    );
  });
});
