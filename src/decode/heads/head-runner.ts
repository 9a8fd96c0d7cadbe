/**
 * Draft heads that are ready to run: one graph for each head, or one for all where heads do not read each other's guesses, and one for
 * a prefix layer. Knows no drafts.
 */
import { formNamed } from "../../lm/index.ts";
import { Linear, loadStateDict, stateDict } from "../../nn/index.ts";
import { compile, type Engine, type Executable } from "../../runtime/index.ts";
import { concat, Parameter, softmax, type Tensor, topk } from "../../tensor/index.ts";
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { DraftHeads } from "./head-modules.ts";

/** How heads are made ready. */
export interface HeadRunnerOptions {
  /** Form of the weights: `f32` (the default) or `int8-fast`, which is about three times as fast where weights are many. */
  readonly form?: string;
  /** Best guesses that a run returns of each row; 8 by default. */
  readonly top?: number;
  readonly threads?: number;
  readonly engine?: Engine;
}

/** Guesses of some rows. */
export interface HeadGuesses {
  /** The best tokens of each row, best first: `[rows, top]`. */
  readonly tokens: Int32Array;
  /** Their probabilities. */
  readonly probabilities: Float32Array;
  /** Probabilities of all tokens that can be drafted, `[rows, draft vocabulary]`, when they were asked for. */
  readonly all?: Float32Array;
}

/** New rows of a prefix layer's cache and the states after them. */
export interface PrefixResult {
  /** `[n, hidden]` each. */
  readonly states: Float32Array;
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** The same heads with their products in a form of weights. */
function inForm(heads: DraftHeads, formName: string): DraftHeads {
  if (formName === "f32") return heads;
  const form = formNamed(formName);
  const copy = new DraftHeads(heads._design, heads._tokens);
  loadStateDict(copy, stateDict(heads));
  for (const [path, module] of copy.modules()) {
    if (!(module instanceof Linear)) continue;
    const { inFeatures, outFeatures } = module;
    const spec = { role: path.endsWith("lm_head") ? ("head" as const) : ("mlp.in" as const), inFeatures, outFeatures };
    const stored = form.convert(spec, (module.weight.value as NDArray).data as Float32Array);
    const parameters = Object.entries(stored).map(
      ([name, value]) => [name, new Parameter(`${path}:${name}`, value.dtype, value.shape, value)] as const,
    );
    module._kernel = form.kernel(spec, Object.fromEntries(parameters));
  }
  return copy;
}

type HeadExecutable = Executable<"probabilities" | "best" | "places">;

/** Runs heads. */
export class HeadRunner implements AsyncDisposable {
  readonly heads: DraftHeads;
  /** Best guesses that a run returns of each row. */
  readonly top: number;
  readonly #graphs: readonly HeadExecutable[];
  readonly #prefix: Executable<"states" | "newKeys" | "newValues"> | undefined;

  private constructor(
    heads: DraftHeads,
    top: number,
    graphs: readonly HeadExecutable[],
    prefix: Executable<"states" | "newKeys" | "newValues"> | undefined,
  ) {
    this.heads = heads;
    this.top = top;
    this.#graphs = graphs;
    this.#prefix = prefix;
  }

  /** Compiles heads. @throws `name` for an unknown form, or a parameter without a value. */
  static async compile(heads: DraftHeads, options: HeadRunnerOptions = {}): Promise<HeadRunner> {
    const { form = "f32", threads, engine } = options;
    const { hiddenSize, kind } = heads._design;
    const top = Math.min(options.top ?? 8, heads._tokens.length);
    const ready = inForm(heads, form);
    const session = { threads, engine };
    const guesses = (logits: Tensor) => {
      const probabilities = softmax(logits, 1);
      const best = topk(probabilities, top, { axis: 1 });
      return { probabilities, best: best.values, places: best.indices };
    };
    const graphs: HeadExecutable[] = [];
    if (kind === "medusa")
      // all heads read the same row, so that one run is enough, and a shared LM head is read once
      graphs.push(
        await compile(
          ({ x }) => {
            const states = ready.heads.map((_, i) => ready.states(i, x));
            if (ready.lm_head) return guesses(ready.lm_head.forward(concat(states, 0)));
            return guesses(
              concat(
                states.map((y, i) => ready.logits(i, y)),
                0,
              ),
            );
          },
          { inputs: { x: { dtype: "f32", shape: [1, hiddenSize] } }, ...session },
        ),
      );
    else
      for (const i of heads.heads.keys())
        graphs.push(
          await compile(({ x }) => guesses(ready.logits(i, ready.states(i, x))), {
            inputs: { x: { dtype: "f32", shape: ["n", (i + 2) * hiddenSize] } },
            ...session,
          }),
        );
    const { prefix } = ready;
    const rows = { dtype: "f32", shape: ["past", hiddenSize] } as const;
    const prefixGraph =
      prefix &&
      (await compile(
        ({ x, positions, keys, values, bias }) => {
          const result = prefix.forward(x, positions, { keys, values }, bias);
          return { states: result.y.reshape(["n", hiddenSize]), newKeys: result.keys, newValues: result.values };
        },
        {
          inputs: {
            x: { dtype: "f32", shape: [1, "n", hiddenSize] },
            positions: { dtype: "i64", shape: ["n"] },
            keys: rows,
            values: rows,
            bias: { dtype: "f32", shape: ["n", "past+n"] },
          },
          ...session,
        },
      ));
    return new HeadRunner(heads, top, graphs, prefixGraph);
  }

  /**
   * Runs a head on some rows; of Medusa's heads all at once.
   * @param head from 0 on. @param x `[rows, inputs · hidden]`; one row for Medusa, whose answer has a row for each head.
   * @param all whether the probabilities of all tokens are wanted.
   */
  async run(head: number, x: Float32Array, rows: number, all = false): Promise<HeadGuesses> {
    const { hiddenSize, kind } = this.heads._design;
    const medusa = kind === "medusa";
    const graph = this.#graphs[medusa ? 0 : head] ?? fail("argument", `there is no draft head ${head}`);
    const shape = [rows, (medusa ? 1 : head + 2) * hiddenSize];
    const { best, places, probabilities } = await graph.run(
      { x: new NDArray(x, shape, "f32") },
      { outputs: all ? ["best", "places", "probabilities"] : ["best", "places"] },
    );
    const tokens = Int32Array.from(places.data as BigInt64Array, (place) => this.heads._tokens[Number(place)]!);
    return {
      tokens,
      probabilities: best.data as Float32Array,
      ...(all && { all: probabilities.data as Float32Array }),
    };
  }

  /**
   * Runs the prefix layer on rows after what its cache holds.
   * @param x hidden states `[n, hidden]`. @param position place of the first one. @param keys rows of the cache `[past, hidden]`, and
   * `values` alike; at least one, of which the first `masked` are not looked at.
   */
  async runPrefix(
    x: Float32Array,
    position: number,
    cache: { readonly keys: Float32Array; readonly values: Float32Array; readonly masked: number },
  ): Promise<PrefixResult> {
    const { hiddenSize } = this.heads._design;
    const graph = this.#prefix ?? fail("argument", "these heads have no prefix layer");
    const n = x.length / hiddenSize;
    const past = cache.keys.length / hiddenSize;
    const width = past + n;
    const bias = new Float32Array(n * width);
    for (let row = 0; row < n; row++) {
      bias.fill(hidden, row * width, row * width + cache.masked);
      bias.fill(hidden, row * width + past + row + 1, (row + 1) * width);
    }
    const positions = NDArray.from(
      Array.from({ length: n }, (_, i) => position + i),
      [n],
      "i64",
    );
    const { states, newKeys, newValues } = await graph.run({
      x: new NDArray(x, [1, n, hiddenSize], "f32"),
      positions,
      keys: new NDArray(cache.keys, [past, hiddenSize], "f32"),
      values: new NDArray(cache.values, [past, hiddenSize], "f32"),
      bias: new NDArray(bias, [n, width], "f32"),
    });
    return {
      states: states.data as Float32Array,
      keys: newKeys.data as Float32Array,
      values: newValues.data as Float32Array,
    };
  }

  /** Frees the engine's memory. */
  async dispose(): Promise<void> {
    for (const graph of this.#graphs) await graph.dispose();
    await this.#prefix?.dispose();
  }

  /** Same as {@link dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Finite, and far enough below 0 that its exponential is exactly 0. */
const hidden = -1e30;
