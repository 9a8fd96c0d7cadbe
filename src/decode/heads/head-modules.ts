/**
 * Draft heads as modules: Medusa (Cai et al. 2024, arXiv 2401.10774), whose heads see a hidden state alone, and Hydra (Ankner et al. 2024,
 * arXiv 2402.05109), whose heads also see the tokens drafted so far. Knows neither how they are trained nor how they draft.
 */
import {
  attend,
  Dropout,
  freeze,
  GatedMlp,
  type Initializer,
  initialize,
  Linear,
  Module,
  normal,
  RmsNorm,
  zeros,
} from "../../nn/index.ts";
import { concat, type Dim, reshape, rope, silu, split, type Tensor, transpose } from "../../tensor/index.ts";
import { fail } from "../../util/errors.ts";

/** What some heads look like. */
export interface HeadDesign {
  /** Whether heads see the tokens drafted so far (`hydra`) or not (`medusa`). */
  readonly kind: "medusa" | "hydra";
  /** Number of heads: the deepest draft. Head i guesses the token i + 1 places after the hidden state's. */
  readonly heads: number;
  /** Size of the target's hidden states and embeddings. */
  readonly hiddenSize: number;
  /** Residual blocks of a head: 1 in Medusa and plain Hydra, 4 in Hydra++. */
  readonly blocks: number;
  /** Attention heads of a prefix layer over the hidden states, as in Hydra++; none by default. */
  readonly prefixHeads?: number;
  /** Share that training drops before every block and before the LM head; 0 by default. */
  readonly dropout?: number;
  /**
   * `own`: every head has an LM head, a trained copy of the target's. `shared`: all use one that stays as it is in the target, which costs
   * far less to read and to train.
   */
  readonly lmHead: "own" | "shared";
  /** Size of the target's vocabulary. */
  readonly vocabSize: number;
}

/** Keys and values of a prefix layer for some tokens, rotated and side by side: `[tokens, hidden]` each. */
export interface PrefixRows {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** The identity on the first columns, and nothing of the others: a head starts as if it saw the hidden state alone. */
const firstColumns: Initializer = ([rows, columns]) => {
  const out = new Float32Array(rows! * columns!);
  for (let i = 0; i < rows!; i++) out[i * columns! + i] = 1;
  return out;
};

/** `R x + SiLU(W x + b)`; R is the identity where input and output have the same size. */
class ResidualBlock extends Module {
  /** R. */
  readonly skip?: Linear;
  /** W and b. */
  readonly gate: Linear;

  constructor(inFeatures: number, outFeatures: number) {
    super();
    if (inFeatures !== outFeatures) this.skip = new Linear(inFeatures, outFeatures);
    this.gate = new Linear(inFeatures, outFeatures, { bias: true });
  }

  /** `[n, in] → [n, out]`. */
  forward(x: Tensor): Tensor {
    return (this.skip ? this.skip.forward(x) : x).add(silu(this.gate.forward(x)));
  }
}

/** One head without what all share. */
class DraftHead extends Module {
  /** Distinct blocks; only the first one sees tokens. */
  readonly blocks: readonly ResidualBlock[];
  readonly lm_head?: Linear;
  readonly dropout: Dropout;

  constructor(inputs: number, draftVocabulary: number, { hiddenSize, blocks, dropout = 0, lmHead }: HeadDesign) {
    super();
    this.blocks = Array.from(
      { length: blocks },
      (_, i) => new ResidualBlock(i ? hiddenSize : inputs * hiddenSize, hiddenSize),
    );
    if (lmHead === "own") this.lm_head = new Linear(hiddenSize, draftVocabulary);
    this.dropout = new Dropout(dropout);
  }

  /** `[n, inputs · hidden] → [n, hidden]`: a guess at the target's own hidden state. */
  forward(x: Tensor): Tensor {
    let y = x;
    for (const block of this.blocks) y = block.forward(this.dropout.forward(y));
    return y;
  }
}

/**
 * One decoder layer over the target's hidden states, with rotary positions. It begins as the identity, so that heads may start as they
 * would without it.
 */
export class PrefixLayer extends Module {
  readonly norm1: RmsNorm;
  /** Queries, keys and values. */
  readonly qkv: Linear;
  readonly output: Linear;
  readonly norm2: RmsNorm;
  readonly mlp: GatedMlp;
  readonly _heads: number;

  /** @throws `shape` when the size does not divide into heads of an even size. */
  constructor(hiddenSize: number, heads: number) {
    super();
    if ((hiddenSize / heads) % 2)
      fail("shape", `a hidden size of ${hiddenSize} does not divide into ${heads} heads of an even size`);
    this.norm1 = new RmsNorm(hiddenSize, { epsilon: 1e-5 });
    this.qkv = new Linear(hiddenSize, 3 * hiddenSize);
    this.output = new Linear(hiddenSize, hiddenSize);
    this.norm2 = new RmsNorm(hiddenSize, { epsilon: 1e-5 });
    this.mlp = new GatedMlp(hiddenSize, 3 * hiddenSize);
    this._heads = heads;
  }

  /**
   * @param x `[batch, n, hidden]`. @param positions `i64[n]`. @param past rows of earlier tokens, for a batch of one.
   * @param bias added to scores, `[n, past + n]`; causal order when absent.
   */
  forward(x: Tensor, positions: Tensor, past?: PrefixRows, bias?: Tensor): { readonly y: Tensor } & PrefixRows {
    const [batch, n, size] = x.shape as readonly [Dim, Dim, number];
    const heads = this._heads;
    const dim = size / heads;
    const inHeads = (t: Tensor, rows: Dim) => transpose(reshape(t, [batch, rows, heads, dim]), [0, 2, 1, 3]);
    const inRows = (t: Tensor, rows: Dim) => reshape(transpose(t, [0, 2, 1, 3]), [batch, rows, size]);
    const [query, key, values] = split(this.qkv.forward(this.norm1.forward(x)), [size, size, size], -1) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const q = rope(inHeads(query, n), positions);
    const keys = inRows(rope(inHeads(key, n), positions), n);
    const joined = (own: Tensor, before: Tensor | undefined) =>
      before ? concat([before.reshape([1, before.shape[0]!, size]), own], 1) : own;
    const k = joined(keys, past?.keys);
    const v = joined(values, past?.values);
    const all = k.shape[1]!;
    const attended = attend(q, inHeads(k, all), inHeads(v, all), bias ? { bias } : { causal: true });
    const middle = x.add(this.output.forward(inRows(attended, n)));
    const y = middle.add(this.mlp.forward(this.norm2.forward(middle)));
    const flat = (t: Tensor) => reshape(t, [n, size]);
    return past ? { y, keys: flat(keys), values: flat(values) } : { y, keys, values };
  }
}

/** Some draft heads. */
export class DraftHeads extends Module {
  readonly heads: readonly DraftHead[];
  /** Of Hydra++. */
  readonly prefix?: PrefixLayer;
  /** The LM head that all share. */
  readonly lm_head?: Linear;
  readonly _design: HeadDesign;
  /** Ids of the tokens that can be drafted, by their place in the LM head. */
  readonly _tokens: Int32Array;

  /** @throws `argument` for an impossible design. */
  constructor(design: HeadDesign, tokens: Int32Array) {
    super();
    const { heads, hiddenSize, kind, blocks, prefixHeads, lmHead } = design;
    if (!(Number.isInteger(heads) && heads >= 1 && heads <= 16 && Number.isInteger(blocks) && blocks >= 1))
      fail("argument", `${heads} draft heads of ${blocks} blocks; there are 1 to 16 heads, of at least one block`);
    if (!tokens.length || tokens.some((token) => token < 0 || token >= design.vocabSize))
      fail("argument", `the tokens to draft must be some of the ${design.vocabSize} of the vocabulary`);
    this.heads = Array.from(
      { length: heads },
      (_, i) => new DraftHead(kind === "hydra" ? i + 2 : 1, tokens.length, design),
    );
    if (prefixHeads !== undefined) this.prefix = new PrefixLayer(hiddenSize, prefixHeads);
    if (lmHead === "shared") {
      this.lm_head = new Linear(hiddenSize, tokens.length);
      freeze(this.lm_head);
    }
    this._design = design;
    this._tokens = tokens;
  }

  /** A head's guesses at hidden states. @param head from 0 on. @param x `[n, inputs · hidden]`: a hidden state and embeddings. */
  states(head: number, x: Tensor): Tensor {
    return this.heads[head]!.forward(x);
  }

  /** Logits of the tokens that can be drafted, `[n, hidden] → [n, draft vocabulary]`. */
  logits(head: number, states: Tensor): Tensor {
    const { lm_head: own, dropout } = this.heads[head]!;
    return (own ?? this.lm_head!).forward(dropout.forward(states));
  }
}

/**
 * New heads that guess what the target guesses one place before: a good start, from which they learn.
 * @param lmHead the target's LM head for `tokens`, `[tokens, hidden]`.
 */
export function newDraftHeads(design: HeadDesign, tokens: Int32Array, lmHead: Float32Array, seed: number): DraftHeads {
  const heads = new DraftHeads(design, tokens);
  const shape = [tokens.length, design.hiddenSize];
  if (lmHead.length !== tokens.length * design.hiddenSize)
    fail("shape", `an LM head of ${lmHead.length} weights does not fit [${shape}]`);
  initialize(heads, seed, [
    [/lm_head\.weight$/, () => lmHead.slice()],
    [/skip\.weight$/, firstColumns],
    [/blocks\.\d+\.gate\.(weight|bias)$/, zeros],
    [/(output|down)\.weight$/, zeros],
    [/(qkv|gate|up)\.weight$/, normal(0.02)],
  ]);
  return heads;
}
