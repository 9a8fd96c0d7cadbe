/**
 * node-llama-cpp as a peer: the same GGUF file, token ids in, milliseconds and probabilities out. Knows nothing of tokenizers or
 * of what it is compared with; where the package is absent, `bench/setup` has not been run, and the reason is returned.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

type Token = number;

/** The little of node-llama-cpp that is used here, so that types need no package. */
interface Package {
  readonly InputLookupTokenPredictor: new () => Predictor;
  getLlama(options: object): Promise<{
    readonly systemInfo: string;
    loadModel(options: object): Promise<Model>;
    dispose(): Promise<void>;
  }>;
}
interface Model {
  createContext(options: object): Promise<Context>;
}
interface Context {
  readonly contextSize: number;
  readonly currentThreads: number;
  getSequence(options?: { readonly tokenPredictor?: Predictor }): Sequence;
}
interface Predictor {
  updateInputTokens(tokens: readonly Token[]): void;
}
interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: readonly Token[], options: object): AsyncGenerator<Token, void>;
  controlledEvaluate(
    input: readonly (readonly [Token, object])[],
  ): Promise<(undefined | { next: { probabilities?: Map<Token, number> } })[]>;
}

/** A token and how long it took, from the previous one (the first: from the start of the prompt) to having it. */
export interface TimedToken {
  readonly token: number;
  readonly ms: number;
}

/** A model that node-llama-cpp has loaded, with one sequence. Calls must not overlap. */
export interface LlamaCpp {
  /** CPU features that its build uses, as it says itself. */
  readonly systemInfo: string;
  /** Most tokens of a sequence; the size asked for, rounded up to its multiple of 256. */
  readonly contextSize: number;
  /** Threads at work. */
  readonly threads: number;
  /**
   * Greedy tokens after a prompt, without end; end-of-text tokens are yielded like others. The first one carries the time
   * of the whole prompt. Starts from an empty cache.
   */
  greedy(prompt: readonly number[]): AsyncGenerator<TimedToken, void>;
  /**
   * Decodes `count` tokens greedily after a prompt: the tokens, and the milliseconds of each but the first, which comes
   * with the prompt and is reported as `promptMs`; `ms` has `count - 1` numbers.
   */
  decode(
    prompt: readonly number[],
    count: number,
  ): Promise<{ readonly tokens: number[]; readonly promptMs: number; readonly ms: number[] }>;
  /** Milliseconds from an empty cache to the first greedy token after `tokens`. */
  prefill(tokens: readonly number[]): Promise<number>;
  /**
   * Natural logarithms of the probabilities of the next token after each of `tokens`, teacher-forced from an empty cache.
   * `visit` gets them in order; the array is used again for the next position. Below about -103 they are -103, the
   * smallest that single precision tells apart from nothing. Slow: the package hands out one map entry per vocabulary word.
   */
  logProbabilities(tokens: readonly number[], visit: (position: number, row: Float32Array) => void): Promise<void>;
  close(): Promise<void>;
}

/** What to open. */
export interface LlamaCppOptions {
  readonly threads: number;
  /** Most tokens of prompt and answer together. */
  readonly contextSize: number;
  /** Draft by looking up the prompt, as the package does it by default. */
  readonly lookup?: boolean;
}

/** Positions whose probabilities are fetched in one call; each one's map takes several MB. */
const chunkLength = 16;
const smallestLog = Math.fround(Math.log(2 ** -149));

async function importPackage(): Promise<Package> {
  // not a literal, so that types and bundlers do not look for a package that is optional
  const name: string = "node-llama-cpp";
  return (await import(name)) as Package;
}

/**
 * Loads a GGUF file into node-llama-cpp on the CPU with its prebuilt binary. Returns the reason instead when the peer is
 * not installed or does not run on this machine; a file that it cannot load is an error.
 */
export async function openLlamaCpp(
  path: string,
  options: LlamaCppOptions,
): Promise<
  { readonly peer: LlamaCpp; readonly reason?: undefined } | { readonly peer?: undefined; readonly reason: string }
> {
  if (!existsSync(fileURLToPath(new URL("../node_modules/node-llama-cpp", import.meta.url))))
    return { reason: "node-llama-cpp is not installed: run bench/setup" };
  let llama: Awaited<ReturnType<Package["getLlama"]>>;
  let predictor: Predictor | undefined;
  try {
    // with 0 as the most threads of all, each context uses exactly as many as it asks for
    const { getLlama, InputLookupTokenPredictor } = await importPackage();
    if (options.lookup) predictor = new InputLookupTokenPredictor();
    llama = await getLlama({ gpu: false, build: "never", skipDownload: true, maxThreads: 0, logLevel: "error" });
  } catch (thrown) {
    return { reason: `node-llama-cpp does not run here: ${thrown instanceof Error ? thrown.message : String(thrown)}` };
  }
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const { threads, contextSize } = options;
  const context = await model.createContext({ contextSize, threads, batchSize: Math.min(contextSize, 512) });
  const sequence = context.getSequence(predictor && { tokenPredictor: predictor });
  const room = (needed: number) => {
    // beyond its context it would shift the window silently and measure something else
    if (needed > context.contextSize)
      throw new RangeError(`${needed} tokens do not fit the context of ${context.contextSize}`);
  };
  async function* greedy(prompt: readonly number[]): AsyncGenerator<TimedToken, void> {
    room(prompt.length);
    await sequence.clearHistory();
    predictor?.updateInputTokens(prompt);
    let before = performance.now();
    let length = prompt.length;
    for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
      const now = performance.now();
      yield { token, ms: now - before };
      room(++length);
      before = performance.now();
    }
  }
  const decode: LlamaCpp["decode"] = async (prompt, count) => {
    room(prompt.length + count - 1);
    const timed: TimedToken[] = [];
    for await (const item of greedy(prompt)) if (timed.push(item) >= count) break;
    return {
      tokens: timed.map(({ token }) => token),
      promptMs: timed[0]!.ms,
      ms: timed.slice(1).map(({ ms }) => ms),
    };
  };
  return {
    peer: {
      systemInfo: llama.systemInfo,
      contextSize: context.contextSize,
      get threads() {
        return context.currentThreads;
      },
      greedy,
      decode,
      async prefill(tokens) {
        return (await decode(tokens, 1)).promptMs;
      },
      async logProbabilities(tokens, visit) {
        room(tokens.length);
        await sequence.clearHistory();
        const generateNext = { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } };
        let row: Float32Array | undefined;
        for (let from = 0; from < tokens.length; from += chunkLength) {
          const chunk = tokens.slice(from, from + chunkLength);
          const results = await sequence.controlledEvaluate(chunk.map((token) => [token, { generateNext }] as const));
          chunk.forEach((_, index) => {
            const map = results[index]?.next.probabilities;
            if (!map) throw new Error(`node-llama-cpp gave no probabilities for position ${from + index}`);
            row ??= new Float32Array(map.size);
            if (map.size !== row.length)
              throw new Error(`node-llama-cpp gave ${map.size} probabilities of ${row.length}`);
            // the package adds them up in single precision, which leaves the sum off by 1e-4
            let sum = 0;
            for (const probability of map.values()) sum += probability;
            for (const [token, probability] of map) row[token] = Math.max(smallestLog, Math.log(probability / sum));
            visit(from + index, row);
          });
        }
      },
      close: () => llama.dispose(),
    },
  };
}
