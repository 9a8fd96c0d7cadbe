/**
 * Monitors for code that a model writes into a project on disk: finds the compiler and the project's files, and makes constraints for a
 * model's tokens. What is monitored is in src/decode/constraints/monitors.
 */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import {
  ArgumentMonitor,
  type Constraint,
  MemberMonitor,
  type Monitor,
  MonitorConstraint,
  type MonitoredPlace,
  type MonitorTrigger,
  type TypeScriptModule,
  TypeScriptProject,
  Vocabulary,
} from "../decode/index.ts";
import type { Tokenizer } from "../formats/index.ts";
import { fail, messageOf } from "../util/errors.ts";

/**
 * The package `typescript`, which is only needed to monitor code and is not installed with Bletchley.
 * @throws `not-found` when it is absent, naming what to install.
 */
export async function loadTypeScript(): Promise<TypeScriptModule> {
  try {
    return (await import("typescript")).default;
  } catch (thrown) {
    return fail(
      "not-found",
      `monitoring TypeScript needs the package "typescript", which is not installed: npm install typescript@6.0.3 (${messageOf(thrown)})`,
      thrown,
    );
  }
}

/** Which code is monitored, and how. */
export interface CodeMonitorOptions {
  /** The project's folder, with its `tsconfig.json` if it has one. */
  readonly directory: string;
  /** Whether calls get only as many arguments as their signatures take, too. Default false. */
  readonly countArguments?: boolean;
  /** Told of every analysis. */
  readonly onTrigger?: (trigger: MonitorTrigger) => void;
}

/** Where the generated text goes. */
export interface CodePlaceOptions extends MonitoredPlace {
  /** File that is written, relative to the project's folder; it need not exist. Default `generated.ts`. */
  readonly file?: string;
}

/** Tokenizers' vocabularies for masks; making one takes a moment. */
const vocabularies = new WeakMap<Tokenizer, Vocabulary>();

function vocabularyOf(tokenizer: Tokenizer): Vocabulary {
  const known = vocabularies.get(tokenizer);
  if (known) return known;
  const made = new Vocabulary(tokenizer);
  vocabularies.set(tokenizer, made);
  return made;
}

/** Watches what a model writes into a TypeScript project. */
export class CodeMonitor {
  readonly #project: TypeScriptProject;
  readonly #options: CodeMonitorOptions;
  readonly #vocabulary: Vocabulary;
  readonly #monitors = new Map<string, readonly Monitor[]>();

  private constructor(project: TypeScriptProject, vocabulary: Vocabulary, options: CodeMonitorOptions) {
    this.#project = project;
    this.#vocabulary = vocabulary;
    this.#options = options;
  }

  /**
   * Opens a project for a model's tokenizer.
   * @throws `not-found` without the folder or the package `typescript`, `unsupported` for a TypeScript without a language service.
   */
  static async open(
    { tokenizer }: { readonly tokenizer: Tokenizer },
    options: CodeMonitorOptions,
  ): Promise<CodeMonitor> {
    const directory = resolve(options.directory);
    const found = await stat(directory).catch(() => undefined);
    if (!found?.isDirectory()) fail("not-found", `there is no folder ${directory} whose code could be monitored`);
    const project = TypeScriptProject.open(await loadTypeScript(), toSlashes(directory));
    return new CodeMonitor(project, vocabularyOf(tokenizer), { ...options, directory });
  }

  /**
   * A constraint for text that goes on behind `before`: the file up to there, or as much of it as matters.
   * @throws `argument` for a file that the compiler would not read as code.
   */
  start({ file = "generated.ts", before, after }: CodePlaceOptions): Constraint {
    if (!codeFile.test(file))
      fail("argument", `${file} is no file of code that TypeScript reads; give one such as generated.ts`);
    if (javaScriptFile.test(file) && !this.#project.readsJavaScript)
      fail(
        "argument",
        `${file} is JavaScript, which the project does not let in; set allowJs in its tsconfig.json, or name a .ts file`,
      );
    const path = toSlashes(resolve(this.#options.directory, file));
    return MonitorConstraint.start(this.#vocabulary, this.#monitorsOf(path), { before, after });
  }

  #monitorsOf(path: string): readonly Monitor[] {
    const known = this.#monitors.get(path);
    if (known) return known;
    const { countArguments, onTrigger } = this.#options;
    const common = { vocabulary: this.#vocabulary, onTrigger };
    const made: Monitor[] = [new MemberMonitor({ ...common, analyse: this.#project.members(path) })];
    if (countArguments) made.push(new ArgumentMonitor({ ...common, analyse: this.#project.arities(path) }));
    this.#monitors.set(path, made);
    return made;
  }
}

/** Names of files that the compiler reads. */
const codeFile = /\.([cm]?[jt]s|[jt]sx)$/;

const javaScriptFile = /\.([cm]?js|jsx)$/;

/** A path as the compiler writes it. */
const toSlashes = (path: string) => path.replaceAll("\\", "/");
