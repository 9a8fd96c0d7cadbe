/**
 * Compiles schemas, patterns, grammars and choices for one tokenizer. What is compiled is shared by all texts; a text's own
 * state is a {@link Constraint}. Knows how the parts fit together and none of their insides.
 */
import { fail } from "../../util/index.ts";
import type { Constraint } from "./constraint.ts";
import { GrammarPosition } from "./grammar/earley.ts";
import { readGbnf } from "./grammar/gbnf.ts";
import { readLark } from "./grammar/lark.ts";
import { ValuePosition } from "./json/containers.ts";
import { Formulas, type Json } from "./json/formula.ts";
import { OuterPlace, type Spacing } from "./json/place.ts";
import { fromPlain, readJson } from "./json/read-json.ts";
import { Solver } from "./json/solver.ts";
import { type Track, Tracks } from "./json/track.ts";
import { Lexer } from "./lexer/lexer.ts";
import { MaskBuilder } from "./mask-builder.ts";
import { Patience } from "./patience.ts";
import type { Position } from "./position.ts";
import { compilePattern } from "./regex/compile-pattern.ts";
import { Regexes } from "./regex/regex.ts";
import type { Regex } from "./regex/term.ts";
import { SchemaCompiler } from "./schema/compile.ts";
import { Documents, type Draft } from "./schema/documents.ts";
import { Formats } from "./schema/formats.ts";
import { TextPosition } from "./text-position.ts";
import { TokenConstraint } from "./token-constraint.ts";
import { type TokenBytes, Vocabulary } from "./vocabulary.ts";

/**
 * White space in JSON: `spaced` writes one space behind each comma and colon and none elsewhere (as Python's `json.dumps`),
 * `compact` writes none, `flexible` allows up to 64 characters of it between any two tokens.
 */
export type Whitespace = "spaced" | "compact" | "flexible";

/** How JSON is constrained. */
export interface JsonOptions {
  /** White space; default `spaced`, which leaves the fewest tokens to choose and cannot loop. */
  readonly whitespace?: Whitespace;
  /**
   * How whole numbers are spelled where a schema allows no others: `any` admits `1.0` and `1e2`, as validators do; `plain` only
   * digits, which is what a model should write. Default `any`.
   */
  readonly integers?: "any" | "plain";
}

/** How a schema is read. */
export interface JsonSchemaOptions extends JsonOptions {
  /** Whether `format` limits strings; default `assert`. Formats that no specification defines are always ignored. */
  readonly formats?: "assert" | "annotate";
  /** Whether `contentEncoding` and `contentMediaType` of draft 7 limit strings; default `annotate`. */
  readonly content?: "assert" | "annotate";
  /** Draft of schemas without `$schema`; default 7. */
  readonly draft?: Draft;
  /** Documents that `$ref` may point at, by address: values or JSON text. */
  readonly documents?: Readonly<Record<string, unknown>>;
}

/** A compiled schema, pattern or grammar: where the texts that obey it begin. */
export interface CompiledConstraint {
  /** A new text. */
  start(): Constraint;
}

const spacings: Readonly<Record<Whitespace, Spacing>> = {
  spaced: { separator: 1, elsewhere: 0 },
  compact: { separator: 0, elsewhere: 0 },
  flexible: { separator: -64, elsewhere: -64 },
};

/** Terms, formulas and automata that compiled schemas share. */
class Universe {
  readonly regexes: Regexes;
  readonly formulas: Formulas;
  readonly solver: Solver;
  readonly formats: Formats;
  readonly jsonLexer: Lexer;
  readonly textLexer: Lexer;
  readonly tracks: Tracks;
  readonly plainTracks: Tracks;
  readonly #starts = new Map<Track, Map<Spacing, ValuePosition>>();

  readonly #keys = new Map<string, string>();

  constructor(patience: Patience) {
    this.regexes = new Regexes(patience);
    this.formulas = new Formulas(this.regexes);
    this.solver = new Solver(this.formulas);
    this.formats = new Formats(this.regexes);
    this.jsonLexer = new Lexer(this.regexes, true);
    this.textLexer = new Lexer(this.regexes, false);
    this.tracks = new Tracks(this.solver, this.jsonLexer);
    this.plainTracks = new Tracks(this.solver, this.jsonLexer, true);
  }

  /**
   * What schemas that refer to themselves are known by, so that one that comes again has the same formulas; undefined for
   * other schemas, and for large ones.
   */
  keyOf(schema: unknown, options: string): string | undefined {
    const text = typeof schema === "string" ? schema : JSON.stringify(schema);
    if (!text || text.length > maxKeyLength || !/Ref"|"\$ref"/.test(text)) return undefined;
    const whole = `${options} ${text}`;
    let key = this.#keys.get(whole);
    if (key === undefined) {
      if (this.#keys.size >= maxKeys) return undefined;
      key = String(this.#keys.size);
      this.#keys.set(whole, key);
    }
    return key;
  }

  /** Before the outermost value: one place for all schemas that mean the same. */
  start(track: Track, spacing: Spacing): ValuePosition {
    let bySpacing = this.#starts.get(track);
    if (!bySpacing) {
      bySpacing = new Map();
      this.#starts.set(track, bySpacing);
    }
    let start = bySpacing.get(spacing);
    if (!start) {
      start = new ValuePosition(new OuterPlace(track, spacing), 0);
      bySpacing.set(spacing, start);
    }
    return start;
  }

  get full(): boolean {
    return (
      this.regexes.size > maxTerms ||
      this.formulas.size > maxFormulas ||
      this.jsonLexer.size + this.textLexer.size > maxStates ||
      !this.tracks.keeps ||
      !this.plainTracks.keeps
    );
  }
}

/** Formulas that are weighed to tell whether anything satisfies a schema. */
const maxCompileWork = 50_000;
/** When a universe holds more than this, the next schema begins a new one and the old one is freed with its schemas. */
const maxTerms = 1_000_000;
const maxFormulas = 500_000;
const maxStates = 100_000;
/** Schemas that refer to themselves are known by their text up to this length, and up to this number. */
const maxKeyLength = 100_000;
const maxKeys = 2000;

const read = (value: unknown): Json => (typeof value === "string" ? readJson(value) : fromPlain(value));

/** How an engine works. */
export interface EngineOptions {
  /**
   * `shared`, the default: masks are put together from what automaton states and places know of their tokens. `walked`: every mask is a
   * walk of its own over the whole token trie, from which nothing is kept. The same masks, hundreds of times slower: what the
   * first way is checked against and compared with.
   */
  readonly masks?: "shared" | "walked";
}

/** See the top of the file. One for each tokenizer: building it takes a moment. */
export class ConstraintEngine {
  readonly vocabulary: Vocabulary;
  readonly #builder: MaskBuilder;
  readonly #patience = new Patience();
  #universe = new Universe(this.#patience);

  constructor(tokenizer: TokenBytes, { masks = "shared" }: EngineOptions = {}) {
    this.vocabulary = new Vocabulary(tokenizer);
    this.#builder = new MaskBuilder(this.vocabulary, this.#patience, masks === "walked");
  }

  #shared(): Universe {
    if (this.#universe.full) {
      this.#universe = new Universe(this.#patience);
      this.#builder.forget();
    }
    this.#patience.begin();
    return this.#universe;
  }

  #compiled(start: () => Position): CompiledConstraint {
    return { start: () => new TokenConstraint(this.#builder, start()) };
  }

  /**
   * A JSON Schema, as a value or as JSON text (which keeps large numbers exact). Every keyword of drafts 4 to 2020-12 that can
   * be decided is enforced, in any order of properties.
   * @throws `argument` for what is no schema, `unsupported` naming keyword and pointer for what cannot be decided while a text
   * is written, `argument` when nothing satisfies the schema.
   */
  jsonSchema(schema: unknown, options: JsonSchemaOptions = {}): CompiledConstraint {
    const {
      whitespace = "spaced",
      integers = "any",
      formats = "assert",
      content = "annotate",
      draft = 7,
      documents = {},
    } = options;
    const universe = this.#shared();
    const sources = new Map(
      Object.entries(documents).map(([address, value]) => [address.replace(/#$/, ""), () => read(value)]),
    );
    try {
      const compiler = new SchemaCompiler(
        universe.formulas,
        new Documents(read(schema), draft, sources),
        universe.formats,
        { formats: formats === "assert", content: content === "assert" },
        sources.size ? undefined : universe.keyOf(schema, [draft, formats, content].join()),
      );
      const formula = compiler.main();
      const { givenUp } = universe.solver;
      universe.solver.allow(maxCompileWork);
      if (universe.solver.cost(formula) === Infinity) {
        if (universe.solver.givenUp > givenUp)
          fail(
            "unsupported",
            "the schema combines its keywords in too many ways to tell whether anything satisfies it",
          );
        fail("argument", "no value satisfies the schema");
      }
      const track = (integers === "plain" ? universe.plainTracks : universe.tracks).track(formula);
      const start = universe.start(track, spacings[whitespace]);
      return this.#compiled(() => start);
    } catch (error) {
      if (error instanceof RangeError) fail("unsupported", "the schema is nested too deep", error);
      throw error;
    }
  }

  /** Any JSON value. */
  json(options: JsonOptions = {}): CompiledConstraint {
    return this.jsonSchema(true, options);
  }

  /** Texts that a pattern of ECMAScript matches from end to end. @throws `unsupported` naming what is not regular. */
  regex(pattern: string): CompiledConstraint {
    const universe = this.#shared();
    return this.#language(
      universe,
      compilePattern(universe.regexes, pattern, true),
      `the pattern ${JSON.stringify(pattern.slice(0, 200))}`,
    );
  }

  /** One of several texts. @throws `argument` when there are none. */
  choices(texts: readonly string[]): CompiledConstraint {
    const universe = this.#shared();
    return this.#language(universe, universe.regexes.words(texts), "an empty list of choices");
  }

  #language({ regexes, textLexer }: Universe, language: Regex, what: string): CompiledConstraint {
    if (regexes.shortest(language) === Infinity) fail("argument", `no text satisfies ${what}`);
    const start = new TextPosition(textLexer, textLexer.start(language));
    return this.#compiled(() => start);
  }

  /**
   * A context-free grammar: `lark` for Lark's notation (texts begin with the rule `start`), `gbnf` for llama.cpp's (`root`).
   * @throws `argument` naming the line that is wrong, `unsupported` for what the notation has and this engine has not.
   */
  grammar(text: string, notation: "lark" | "gbnf"): CompiledConstraint {
    const { regexes } = this.#shared();
    const grammar = notation === "lark" ? readLark(regexes, text) : readGbnf(regexes, text);
    return this.#compiled(() => GrammarPosition.start(grammar, regexes));
  }
}
