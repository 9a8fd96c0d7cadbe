/**
 * A TypeScript project in memory and what its compiler says about one of its files: members, signatures, errors. The compiler is handed
 * in, so that whoever does not monitor needs none; files that are not in memory are read through it where it can (not in a browser).
 */
import type * as TypeScript from "typescript";
import { fail } from "../../../util/index.ts";
import type { Arity, ArityAnalyser } from "./argument-monitor.ts";
import { missingClosers, scanCode } from "./code-scanner.ts";
import type { MemberAnalyser } from "./member-monitor.ts";

/** The package `typescript` of a version whose language service can be called from JavaScript, such as 5.9 or 6.0. */
export interface TypeScriptModule {
  readonly version: string;
  readonly createLanguageService: (...args: never[]) => unknown;
}

/** What a project is made of. */
export interface TypeScriptProjectOptions {
  readonly typescript: TypeScriptModule;
  /** Source files by path; absolute paths with `/`, also on Windows. */
  readonly files: Readonly<Record<string, string>>;
  /** `compilerOptions` as `tsconfig.json` has them. */
  readonly compilerOptions?: Readonly<Record<string, unknown>>;
  /** Where the compiler looks for packages from. Default `/`. */
  readonly directory?: string;
  /** Files that it may read but that are not part of the project by themselves, such as `lib.*.d.ts` in a browser. */
  readonly libraries?: Readonly<Record<string, string>>;
}

/** What the compiler has to say about a piece of text. */
export interface CodeDiagnostic {
  /** UTF-16 code units from the beginning of the file. */
  readonly offset: number;
  readonly length: number;
  /** TypeScript's number of the message. */
  readonly code: number;
  readonly message: string;
}

/** Names that can stand behind a dot. */
const memberName = /^#?[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

/** Preferences of completions: only what can be written as it is, without an import or another bracket. */
const preferences: TypeScript.UserPreferences = {
  includeCompletionsForModuleExports: false,
  includeCompletionsWithInsertText: false,
  includeCompletionsForImportStatements: false,
  includeCompletionsWithSnippetText: false,
};

/** Parsed files that projects share, by compiler: those of TypeScript's own library are large. */
const registries = new WeakMap<object, TypeScript.DocumentRegistry>();

function registryOf(ts: typeof TypeScript): TypeScript.DocumentRegistry {
  const known = registries.get(ts);
  if (known) return known;
  const { sys } = ts as { readonly sys?: TypeScript.System };
  const registry = ts.createDocumentRegistry(sys?.useCaseSensitiveFileNames ?? true);
  registries.set(ts, registry);
  return registry;
}

/** A number of a text, that texts of other content hardly share. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return `${text.length}-${hash >>> 0}`;
}

/** What a project consists of, in the compiler's own terms. */
interface Setup {
  readonly options: TypeScript.CompilerOptions;
  readonly files: Readonly<Record<string, string>>;
  /** Files on disk that belong to the project although none imports them. */
  readonly roots: readonly string[];
  readonly directory: string;
  readonly libraries: Readonly<Record<string, string>>;
}

function compilerOf(typescript: TypeScriptModule): typeof TypeScript {
  if (typeof typescript?.createLanguageService !== "function")
    fail(
      "unsupported",
      `TypeScript ${typescript?.version ?? "of this version"} has no createLanguageService; install typescript@6.0.3 or 5.9.3`,
    );
  return typescript as unknown as typeof TypeScript;
}

/** Versions of files, never the same twice: projects share what they have parsed. */
let versions = 0;

/** See the top of the file. One project has one version of each file at a time. */
export class TypeScriptProject {
  readonly #ts: typeof TypeScript;
  readonly #service: TypeScript.LanguageService;
  readonly #files = new Map<string, { readonly text: string; readonly version: string }>();
  /** Whether files of JavaScript belong to it, by its `allowJs`. */
  readonly readsJavaScript: boolean;

  private constructor(ts: typeof TypeScript, setup: Setup) {
    const { options, files, roots, directory, libraries } = setup;
    this.#ts = ts;
    this.readsJavaScript = options.allowJs ?? options.checkJs ?? false;
    for (const [path, text] of Object.entries(files)) this.setText(path, text);
    const { sys } = ts as { readonly sys?: TypeScript.System };
    const readFile = (path: string) => this.#files.get(path)?.text ?? libraries[path] ?? sys?.readFile(path);
    // what is read from disk is taken to stay as it is
    const read = new Map<string, { readonly snapshot: TypeScript.IScriptSnapshot; readonly version: string } | null>();
    const readOnce = (path: string) => {
      const kept = read.get(path);
      if (kept !== undefined) return kept;
      const text = readFile(path);
      const found = text === undefined ? null : { snapshot: ts.ScriptSnapshot.fromString(text), version: hashOf(text) };
      read.set(path, found);
      return found;
    };
    const folders = new Set<string>();
    for (const path of [...this.#files.keys(), ...Object.keys(libraries)])
      for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) folders.add(path.slice(0, at));
    this.#service = ts.createLanguageService(
      {
        getCompilationSettings: () => options,
        getCurrentDirectory: () => directory,
        getDefaultLibFileName: (settings) =>
          sys ? ts.getDefaultLibFilePath(settings) : `/${ts.getDefaultLibFileName(settings)}`,
        getScriptFileNames: () => [...new Set([...roots, ...this.#files.keys()])],
        getScriptVersion: (path) => this.#files.get(path)?.version ?? readOnce(path)?.version ?? "",
        getScriptSnapshot: (path) => {
          const own = this.#files.get(path);
          return own ? ts.ScriptSnapshot.fromString(own.text) : readOnce(path)?.snapshot;
        },
        fileExists: (path) => this.#files.has(path) || path in libraries || (sys?.fileExists(path) ?? false),
        readFile,
        directoryExists: (path) => folders.has(path) || (sys?.directoryExists(path) ?? false),
        getDirectories: (path) => sys?.getDirectories(path) ?? [],
        ...(sys && { realpath: (path: string) => sys.realpath?.(path) ?? path }),
      },
      registryOf(ts),
    );
  }

  /**
   * A project of files in memory.
   * @throws `unsupported` for a TypeScript that has no language service to call, `argument` for impossible compiler options.
   */
  static create({
    typescript,
    files,
    compilerOptions = {},
    directory = "/",
    libraries = {},
  }: TypeScriptProjectOptions): TypeScriptProject {
    const ts = compilerOf(typescript);
    const { options, errors } = ts.convertCompilerOptionsFromJson(compilerOptions, directory);
    const [error] = errors;
    if (error) fail("argument", `compilerOptions: ${ts.flattenDiagnosticMessageText(error.messageText, " ")}`);
    return new TypeScriptProject(ts, { options, files, roots: [], directory, libraries });
  }

  /**
   * A project on disk, under the `tsconfig.json` of its folder or of one above. Its global declarations are part of it; all other files
   * are read when a file that is asked about imports them.
   * @throws `unsupported` as {@link create}, or where there is no disk; `format` for a `tsconfig.json` that cannot be read.
   */
  static open(typescript: TypeScriptModule, directory: string): TypeScriptProject {
    const ts = compilerOf(typescript);
    const { sys } = ts as { readonly sys?: TypeScript.System };
    if (!sys) return fail("unsupported", "there is no disk to open a project from; create one of files in memory");
    const config = ts.findConfigFile(directory, sys.fileExists);
    const setup = { files: {}, directory, libraries: {} };
    if (!config) return new TypeScriptProject(ts, { ...setup, options: ts.getDefaultCompilerOptions(), roots: [] });
    const { config: json, error } = ts.readConfigFile(config, sys.readFile);
    if (error) fail("format", `${config}: ${ts.flattenDiagnosticMessageText(error.messageText, " ")}`);
    const folder = config.slice(0, config.lastIndexOf("/"));
    const { options, fileNames } = ts.parseJsonConfigFileContent(json, sys, folder);
    return new TypeScriptProject(ts, { ...setup, options, roots: fileNames.filter((name) => name.endsWith(".d.ts")) });
  }

  /** The paths of the project's own files. */
  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** Text of a file. @throws `not-found`. */
  text(path: string): string {
    return this.#files.get(path)?.text ?? this.#missing(path);
  }

  /** Sets the text of a file, which may be new. */
  setText(path: string, text: string): void {
    if (this.#files.get(path)?.text !== text) this.#files.set(path, { text, version: `edit ${versions++}` });
  }

  #missing(path: string): never {
    return fail("not-found", `${path} is no file of the project, which has ${this.paths.slice(0, 8).join(", ")} …`);
  }

  /** Asks about a file with another text; its own is put back. */
  #with<T>(path: string, text: string, ask: () => T): T {
    const own = this.#files.get(path)?.text;
    this.setText(path, text);
    try {
      return ask();
    } finally {
      if (own === undefined) this.#files.delete(path);
      else this.setText(path, own);
    }
  }

  /**
   * Members at a place of a file, asked twice: with the text as it is, and with the brackets closed that are open at the place, so that
   * the parser finds its way. `undefined` where members are not known: behind numbers, in strings and comments, of `any`, and of
   * types that have an index signature.
   */
  members(path: string): MemberAnalyser {
    return (text, offset) => {
      const asIs = this.#membersIn(path, text, offset);
      if (asIs === "any name") return undefined;
      const closers = missingClosers(scanCode(text.slice(0, offset)), text.slice(offset));
      if (!closers) return asIs;
      const closed = this.#membersIn(path, text.slice(0, offset) + closers + text.slice(offset), offset);
      if (closed === "any name") return undefined;
      return asIs && closed ? [...new Set([...asIs, ...closed])] : (asIs ?? closed);
    };
  }

  #membersIn(path: string, text: string, offset: number): readonly string[] | "any name" | undefined {
    const found = this.#with(path, text, () => this.#service.getCompletionsAtPosition(path, offset, preferences));
    if (!found?.isMemberCompletion) return undefined;
    if (found.isNewIdentifierLocation) return "any name";
    const { keyword } = this.#ts.ScriptElementKind;
    return found.entries.filter(({ name, kind }) => kind !== keyword && memberName.test(name)).map(({ name }) => name);
  }

  /** Numbers of arguments that a call takes whose bracket has just been opened. */
  arities(path: string): ArityAnalyser {
    return (text, offset) => {
      const closers = missingClosers(scanCode(text.slice(0, offset)), text.slice(offset));
      const whole = text.slice(0, offset) + closers + text.slice(offset);
      const help = this.#with(path, whole, () => this.#service.getSignatureHelpItems(path, offset, undefined));
      // the call around it answers where the bracket calls nothing
      if (!help || help.applicableSpan.start !== offset) return undefined;
      return help.items.map((item): Arity => {
        const optional = item.parameters.map(
          ({ isOptional, displayParts }, i) =>
            isOptional ||
            (item.isVariadic && i === item.parameters.length - 1) ||
            // what may be void may be left out
            displayParts.some(({ text }) => text === "void" || text === "any"),
        );
        return {
          least: optional.lastIndexOf(false) + 1,
          most: item.isVariadic ? Number.POSITIVE_INFINITY : item.parameters.length,
        };
      });
    };
  }

  /** Errors of syntax and of types in a file as it stands. @throws `not-found`. */
  diagnostics(path: string): readonly CodeDiagnostic[] {
    if (!this.#files.has(path)) this.#missing(path);
    const { DiagnosticCategory, flattenDiagnosticMessageText } = this.#ts;
    return [...this.#service.getSyntacticDiagnostics(path), ...this.#service.getSemanticDiagnostics(path)]
      .filter(({ category }) => category === DiagnosticCategory.Error)
      .map(({ start = 0, length = 0, code, messageText }) => ({
        offset: start,
        length,
        code,
        message: flattenDiagnosticMessageText(messageText, " "),
      }));
  }

  /** Frees the compiler's memory; the project cannot be asked any more. */
  dispose(): void {
    this.#service.dispose();
  }
}
