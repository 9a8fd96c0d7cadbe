/**
 * Arms of decoding with a draft model, and what is measured of them: tokens per call of the target with their error, twins among
 * siblings, and pairs of distributions for what formulas say. Knows no paper.
 */
import {
  type Drafter,
  type DraftShape,
  ModelDrafter,
  Sampler,
  type SamplingOptions,
  shapeNodes,
  type Verifier,
} from "../decode/index.ts";
import { prefill, type SequenceModel } from "../lm/index.ts";
import type { NDArray } from "../util/ndarray.ts";
import type { DecodingArm, DecodingRecord } from "./compare-decoding.ts";
import { type Estimate, ratioOfSums } from "./statistics.ts";

/** Counts of drafts that were proposed. */
export interface SiblingCounts {
  /** Nodes with children. */
  readonly nodes: number;
  /** Those of them where a token was drawn more than once. */
  readonly withTwins: number;
}

/** An arm, and what it has drawn so far. */
export interface DraftArm extends DecodingArm {
  /** Nodes of a whole draft. */
  readonly nodes: number;
  /** Siblings so far. */
  siblings(): SiblingCounts;
}

/** An arm in which a draft model draws trees of a shape. */
export function draftArm(name: string, model: SequenceModel, shape: DraftShape, verifier: Verifier): DraftArm {
  const inner = new ModelDrafter({ model, shape, name });
  let nodes = 0;
  let withTwins = 0;
  const drafter: Drafter = {
    name,
    kind: inner.kind,
    async open() {
      const session = await inner.open();
      return {
        propose: (request) => session.propose(request),
        observe({ draft }) {
          for (const drawn of draft.draws?.values() ?? []) {
            if (drawn.length < 2) continue;
            nodes++;
            if (new Set(drawn).size < drawn.length) withTwins++;
          }
        },
        close: () => session.close?.(),
      };
    },
  };
  return {
    name,
    speculation: { drafters: [drafter], verifier, size: "all" },
    nodes: shapeNodes(shape),
    siblings: () => ({ nodes, withTwins }),
  };
}

/** What an arm's records say. */
export interface Efficiency {
  /** Tokens per call of the target model, with the error over prompts. */
  readonly tokensPerCall: Estimate;
  /** Tokens that the target checked for each one that was gained, the root of each step included. */
  readonly checkedPerToken: number;
  readonly tokensPerSecond: number;
  /** Shares of the time. */
  readonly draftShare: number;
  readonly verifyShare: number;
}

/** Sums up the records of an arm. */
export function efficiencyOf(records: readonly DecodingRecord[]): Efficiency {
  const sum = (f: (record: DecodingRecord) => number) => records.reduce((total, record) => total + f(record), 0);
  // plain steps have no statistics of drafts, and yield a token each
  const tokensOf = ({ steps, accepted }: DecodingRecord) => steps + accepted;
  const milliseconds = sum((record) => record.milliseconds);
  const tokens = sum(tokensOf);
  return {
    tokensPerCall: ratioOfSums(records.map((record) => ({ numerator: tokensOf(record), denominator: record.steps }))),
    checkedPerToken: sum(({ drafted, steps }) => drafted + steps) / tokens,
    tokensPerSecond: (sum((record) => record.tokens.length - 1) / milliseconds) * 1000,
    draftShare: sum(({ draftMs }) => draftMs) / milliseconds,
    verifyShare: sum(({ verifyMs }) => verifyMs) / milliseconds,
  };
}

/** Draft and target distribution after the same tokens, `[vocabulary]`. */
export interface DistributionPair {
  readonly p: Float64Array;
  readonly q: Float64Array;
}

/** Distributions of two models after every token of some texts but their first `skip` ones. */
export async function distributionPairs(
  models: { readonly draft: SequenceModel; readonly target: SequenceModel },
  texts: readonly (readonly number[])[],
  { skip = 0, ...sampling }: SamplingOptions & { readonly skip?: number },
): Promise<DistributionPair[]> {
  const sampler = new Sampler(sampling);
  const rowsOf = async (model: SequenceModel, text: readonly number[]) => {
    const sequence = await model.open();
    const rows: Float64Array[] = [];
    const visit = (_: number, { data, shape }: NDArray) => {
      const width = shape[1]!;
      for (let row = 0; row < shape[0]!; row++)
        rows.push(sampler.distribution((data as Float32Array).subarray(row * width, (row + 1) * width)));
    };
    await prefill(sequence, text, undefined, visit);
    await sequence.close();
    return rows.slice(skip);
  };
  const pairs: DistributionPair[] = [];
  for (const text of texts) {
    const ps = await rowsOf(models.draft, text);
    const qs = await rowsOf(models.target, text);
    ps.forEach((p, i) => {
      pairs.push({ p, q: qs[i]! });
    });
  }
  return pairs;
}
