/**
 * Takes instances through this engine or through XGrammar's WebAssembly build, as `report_peers.py` does through engines in
 * Python: `report-engines.ts own|web-xgrammar INPUT OUTPUT TOKENIZER`, on one core.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { compileFunction, constants } from "node:vm";
import { ConstraintEngine } from "../../src/decode/constraints/index.ts";
import { openTokenizer } from "./tokenizers.ts";

/** What came of a case, times in microseconds. */
export interface EngineVerdict {
  readonly status: "pass" | "compile-error" | "validation-error" | "invalidation-error";
  readonly compile: number | null;
  readonly masks: readonly number[];
  readonly commits: readonly number[];
}

/** The first line of the input. */
export interface VocabularyLine {
  /** Bytes of each token in base64. */
  readonly tokens: readonly string[];
  readonly eos: number;
  readonly special: readonly number[];
}

/** Any other line of the input. */
export interface CaseLine {
  readonly schema: string;
  readonly tests: readonly { readonly valid: boolean; readonly ids: readonly number[] }[];
}

interface Matcher {
  /** The mask of the next token, good until the next call. */
  mask(): Promise<Int32Array | Uint32Array> | Uint32Array;
  take(token: number): boolean;
  dispose(): void;
}

interface Peer {
  compile(schema: string): Promise<{ start(): Promise<Matcher>; dispose(): void }>;
}

function own(engine: ConstraintEngine): Peer {
  const bits = new Uint32Array(engine.vocabulary.words);
  return {
    async compile(schema) {
      const compiled = engine.jsonSchema(schema);
      return {
        async start() {
          const constraint = compiled.start();
          return {
            mask() {
              constraint.mask(bits);
              return bits;
            },
            take: (token) => constraint.advance(token),
            dispose() {},
          };
        },
        dispose() {},
      };
    },
  };
}

/** Bytes as byte-level vocabularies spell them: printable ones as they are, the others from U+0100 on. */
function byteLevel(bytes: Uint8Array): string {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let text = "";
  for (const byte of bytes) {
    let code = byte;
    if (!printable(byte)) {
      code = 256;
      for (let b = 0; b < byte; b++) if (!printable(b)) code++;
    }
    text += String.fromCharCode(code);
  }
  return text;
}

async function webXgrammar({ tokens, eos }: VocabularyLine): Promise<Peer> {
  // it is a script for browsers in a package of modules: run as what it is
  const path = fileURLToPath(new URL("../node_modules/@mlc-ai/web-xgrammar/lib/index.js", import.meta.url));
  const script = compileFunction(
    readFileSync(path, "utf8"),
    ["exports", "require", "module", "__filename", "__dirname"],
    { importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER },
  );
  // biome-ignore lint/suspicious/noExplicitAny: a peer without types here
  const exports: any = {};
  script(exports, createRequire(path), { exports }, path, dirname(path));
  const { TokenizerInfo, GrammarCompiler, GrammarMatcher } = exports;
  const vocabulary = tokens.map((token) => byteLevel(Buffer.from(token, "base64")));
  const info = await TokenizerInfo.createTokenizerInfo(vocabulary, "byte_level", false, vocabulary.length, [eos]);
  const compiler = await GrammarCompiler.createGrammarCompiler(info, false);
  return {
    async compile(schema) {
      const compiled = await compiler.compileJSONSchema(schema, false, -1, [", ", ": "], false);
      return {
        async start() {
          const matcher = await GrammarMatcher.createGrammarMatcher(compiled);
          return {
            mask: () => matcher.getNextTokenBitmask(),
            take: (token: number) => matcher.acceptToken(token),
            dispose: () => matcher.dispose(),
          };
        },
        dispose: () => compiled.dispose(),
      };
    },
  };
}

async function runCase(peer: Peer, { schema, tests }: CaseLine, eos: number): Promise<EngineVerdict> {
  const [masks, commits]: [number[], number[]] = [[], []];
  let started = performance.now();
  let compiled: Awaited<ReturnType<Peer["compile"]>>;
  try {
    compiled = await peer.compile(schema);
  } catch {
    return { status: "compile-error", compile: null, masks, commits };
  }
  const compile = (performance.now() - started) * 1000;
  let [accepted, refused] = [0, 0];
  for (const { valid, ids } of tests) {
    const matcher = await compiled.start();
    const allows = (bits: Int32Array | Uint32Array, token: number) => ((bits[token >>> 5]! >>> (token & 31)) & 1) === 1;
    let ok = true;
    for (const token of ids) {
      started = performance.now();
      const made = matcher.mask();
      const bits = made instanceof Promise ? await made : made;
      masks.push((performance.now() - started) * 1000);
      ok = allows(bits, token);
      if (!ok) break;
      started = performance.now();
      ok = matcher.take(token);
      commits.push((performance.now() - started) * 1000);
      if (!ok) break;
    }
    if (ok) ok = allows(await matcher.mask(), eos);
    matcher.dispose();
    if (ok && !valid) accepted++;
    if (!ok && valid) refused++;
  }
  compiled.dispose();
  const status = accepted ? "invalidation-error" : refused ? "validation-error" : "pass";
  return { status, compile, masks, commits };
}

const [engine, source, target, tokenizer] = process.argv.slice(2) as [string, string, string, string];
const [head, ...lines] = readFileSync(source, "utf8").trim().split("\n");
const vocabulary = JSON.parse(head!) as VocabularyLine;
const peer =
  engine === "own" ? own(new ConstraintEngine(await openTokenizer(tokenizer))) : await webXgrammar(vocabulary);
const verdicts: EngineVerdict[] = [];
for (const [i, line] of lines.entries()) {
  verdicts.push(await runCase(peer, JSON.parse(line) as CaseLine, vocabulary.eos));
  if (i % 100 === 99) console.error(`${engine}: ${i + 1} of ${lines.length} schemas`);
}
writeFileSync(target, JSON.stringify(verdicts));
process.exit(0);
