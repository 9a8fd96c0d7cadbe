/**
 * The ways of continuing a prefix that superposed decoding is compared with, and what a model thinks of their drafts. All of them run on
 * an empty sequence, and decode as many tokens as they are told to, ends of text or not.
 */
import { argmax, draftLogprobs, logSumExp, Sampler, type SamplingOptions } from "bletchley/decode";
import { prefill, type Sequence } from "bletchley/lm";

/** Drafts, and the steps after the prompt that they took. */
export interface Continued {
  readonly drafts: readonly (readonly number[])[];
  readonly steps: number;
}

const row = (logits: Float32Array, i: number, width: number) => logits.subarray(i * width, (i + 1) * width);

/** A sequence whose logits rule some tokens out: control tokens, which mean nothing in the middle of a plain text. */
export function without(banned: readonly number[], sequence: Sequence): Sequence {
  return {
    get length() {
      return sequence.length;
    },
    get room() {
      return sequence.room;
    },
    step: async (request) => {
      const result = await sequence.step(request);
      const data = result.logits.data as Float32Array;
      for (let at = 0; at < data.length; at += result.logits.shape[1]!)
        for (const token of banned) data[at + token] = Number.NEGATIVE_INFINITY;
      return result;
    },
    commit: (rows) => sequence.commit(rows),
    truncate: (length) => sequence.truncate(length),
    fork: async () => without(banned, await sequence.fork()),
    close: () => sequence.close(),
  };
}

/** Decodes one text, token by token. */
export async function decodeOne(
  sequence: Sequence,
  prompt: readonly number[],
  tokens: number,
  choose: (logits: Float32Array) => number = argmax,
): Promise<Continued> {
  const draft = [choose(await prefill(sequence, prompt))];
  while (draft.length < tokens) {
    const { logits } = await sequence.step({ tokens: [draft[draft.length - 1]!] });
    await sequence.commit([0]);
    draft.push(choose(logits.data as Float32Array));
  }
  return { drafts: [draft], steps: tokens - 1 };
}

/** Texts that grow side by side: a tree behind the prompt, whose nodes are run again in each step as rows of one forward pass. */
class Branches {
  readonly #sequence: Sequence;
  readonly tokens: number[] = [];
  readonly parents: number[] = [];

  constructor(sequence: Sequence) {
    this.#sequence = sequence;
  }

  add(parent: number, token: number): number {
    const twin = this.tokens.findIndex((other, i) => other === token && this.parents[i] === parent);
    if (twin >= 0) return twin;
    this.tokens.push(token);
    this.parents.push(parent);
    return this.tokens.length - 1;
  }

  pathTo(node: number): number[] {
    const path: number[] = [];
    for (let i = node; i >= 0; i = this.parents[i]!) path.unshift(this.tokens[i]!);
    return path;
  }

  /** Logits after some nodes. */
  async logits(nodes: readonly number[]): Promise<Float32Array[]> {
    const wanted = [...new Set(nodes)];
    const { logits } = await this.#sequence.step({ tokens: this.tokens, parents: this.parents, wanted });
    return nodes.map((node) => row(logits.data as Float32Array, wanted.indexOf(node), logits.shape[1]!));
  }
}

/** Several sampled texts in one batch: every step runs the rows of all of them. */
export async function sampleTogether(
  sequence: Sequence,
  prompt: readonly number[],
  tokens: number,
  samplings: readonly SamplingOptions[],
): Promise<Continued> {
  const samplers = samplings.map((options) => new Sampler(options));
  const first = await prefill(sequence, prompt);
  const branches = new Branches(sequence);
  let leaves = samplers.map((sampler) => branches.add(-1, sampler.sample(first)));
  for (let t = 1; t < tokens; t++) {
    const rows = await branches.logits(leaves);
    leaves = leaves.map((leaf, i) => branches.add(leaf, samplers[i]!.sample(rows[i]!)));
  }
  return { drafts: leaves.map((leaf) => branches.pathTo(leaf)), steps: tokens - 1 };
}

/** Beam search: the `width` likeliest texts that it finds. */
export async function beamSearch(
  sequence: Sequence,
  prompt: readonly number[],
  tokens: number,
  width: number,
): Promise<Continued> {
  const branches = new Branches(sequence);
  let beams: { node: number; logprob: number }[] = [{ node: -1, logprob: 0 }];
  let rows = [await prefill(sequence, prompt)];
  for (let t = 0; t < tokens; t++) {
    if (t) rows = await branches.logits(beams.map(({ node }) => node));
    const grown = beams.flatMap(({ node, logprob }, i) => {
      const total = logSumExp(rows[i]!);
      return bestOf(rows[i]!, width).map((token) => ({ node, token, logprob: logprob + rows[i]![token]! - total }));
    });
    grown.sort((a, b) => b.logprob - a.logprob);
    beams = grown.slice(0, width).map(({ node, token, logprob }) => ({ node: branches.add(node, token), logprob }));
  }
  return { drafts: beams.map(({ node }) => branches.pathTo(node)), steps: tokens - 1 };
}

function bestOf(logits: Float32Array, count: number): number[] {
  const best: number[] = [];
  for (let token = 0; token < logits.length; token++) {
    if (best.length === count && logits[token]! <= logits[best[count - 1]!]!) continue;
    best.push(token);
    best.sort((a, b) => logits[b]! - logits[a]! || a - b);
    best.length = Math.min(best.length, count);
  }
  return best;
}

/** Nats per token of drafts under the plain model. @param sequence an empty one. */
export async function natsPerToken(
  sequence: Sequence,
  prompt: readonly number[],
  drafts: readonly (readonly number[])[],
): Promise<number[]> {
  const first = await prefill(sequence, prompt);
  const logprobs = await draftLogprobs(sequence, first, drafts);
  return logprobs.map((logprob, i) => -logprob / drafts[i]!.length);
}
