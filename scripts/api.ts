/**
 * The API report: every symbol that a subpath of the package exports, with its signature, as text that is committed and
 * compared. `--update` writes it anew. Reads declarations as users get them; knows nothing of what they do.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const reportFolder = join(root, "docs/api");

interface Entry {
  /** `bletchley/tensor`. */
  readonly specifier: string;
  /** File name of its report. */
  readonly report: string;
  readonly symbols: ReadonlyMap<string, ts.Symbol>;
}

const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });
const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** Declarations of a built package, ready to be asked. */
class Declarations {
  readonly #folder: string;
  readonly #program: ts.Program;
  readonly #checker: ts.TypeChecker;
  readonly entries: readonly Entry[];
  /** The first entry that exports a symbol; the main one, which exports from others, comes last. */
  readonly #homes = new Map<ts.Symbol, Entry>();

  constructor(folder: string) {
    this.#folder = folder;
    const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      exports: Record<string, { types?: string }>;
    };
    const files = Object.entries(exports).flatMap(([subpath, { types }]) =>
      types ? [{ subpath, file: join(folder, types.replace(/^\.\/dist\//, "")) }] : [],
    );
    this.#program = ts.createProgram(
      files.map(({ file }) => file),
      {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.NodeNext,
        lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.esnext.disposable.d.ts"],
        types: ["node"],
        typeRoots: [join(root, "node_modules/@types")],
        strict: true,
        noEmit: true,
      },
    );
    this.#checker = this.#program.getTypeChecker();
    this.entries = files.map(({ subpath, file }) => {
      const source = this.#program.getSourceFile(file);
      const module = source && this.#checker.getSymbolAtLocation(source);
      if (!module) throw new Error(`package.json exports "${subpath}", but ${file} was not built or exports nothing`);
      const symbols = this.#checker
        .getExportsOfModule(module)
        .map((symbol) => [symbol.name, this.#target(symbol)] as const);
      return {
        specifier: `bletchley${subpath.slice(1)}`,
        report: `${subpath.slice(2) || "main"}.md`,
        symbols: new Map(symbols.sort(([a], [b]) => byName(a, b))),
      };
    });
    for (const entry of [...this.entries].sort(
      (a, b) => Number(a.specifier === "bletchley") - Number(b.specifier === "bletchley"),
    ))
      for (const symbol of entry.symbols.values()) if (!this.#homes.has(symbol)) this.#homes.set(symbol, entry);
  }

  #target(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  /** Whether a symbol stands at the top of one of our files. */
  #ours(symbol: ts.Symbol): boolean {
    const declaration = symbol.declarations?.[0];
    if (!declaration?.getSourceFile().fileName.startsWith(this.#folder)) return false;
    const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
    return statement.parent !== undefined && ts.isSourceFile(statement.parent);
  }

  #text(symbol: ts.Symbol): string {
    return (symbol.declarations ?? [])
      .map((declaration) => {
        const text = printer.printNode(ts.EmitHint.Unspecified, declaration, declaration.getSourceFile());
        return ts.isVariableDeclaration(declaration)
          ? `const ${text};`
          : text.replace(/^export /, "").replace(/^declare /, "");
      })
      .join("\n");
  }

  /** Symbols that a declaration speaks of and no subpath exports. */
  *#hidden(symbol: ts.Symbol, seen: Set<ts.Symbol>): Generator<ts.Symbol> {
    for (const declaration of symbol.declarations ?? [])
      for (const name of identifiersOf(declaration)) {
        const found = this.#checker.getSymbolAtLocation(name);
        const target = found && this.#target(found);
        if (!target || seen.has(target) || this.#homes.has(target) || !this.#ours(target)) continue;
        seen.add(target);
        yield target;
        yield* this.#hidden(target, seen);
      }
  }

  /** The report of one entry. */
  report({ specifier, symbols }: Entry): string {
    const own: string[] = [];
    const elsewhere = new Map<string, string[]>();
    const hidden: ts.Symbol[] = [];
    const seen = new Set<ts.Symbol>();
    for (const [name, symbol] of symbols) {
      const home = this.#homes.get(symbol)!.specifier;
      if (home !== specifier) elsewhere.set(home, [...(elsewhere.get(home) ?? []), name]);
      else {
        own.push(`${name === symbol.name ? "" : `// exported as ${name}\n`}${this.#text(symbol)}`);
        hidden.push(...this.#hidden(symbol, seen));
      }
    }
    const block = (texts: readonly string[]) => `\n\`\`\`ts\n${texts.join("\n\n")}\n\`\`\`\n`;
    const parts = [
      `# ${specifier}\n\nWritten by \`npm run api:update\`; \`npm test\` fails when it differs from the code.\n`,
    ];
    if (own.length) parts.push(block(own));
    for (const [home, names] of [...elsewhere].sort(([a], [b]) => byName(a, b)))
      parts.push(`\nFrom [\`${home}\`](${home.split("/")[1]}.md): ${names.map((name) => `\`${name}\``).join(", ")}.\n`);
    if (hidden.length) {
      const texts = hidden.sort((a, b) => byName(a.name, b.name)).map((symbol) => this.#text(symbol));
      parts.push(`\n## Spoken of, not exported\n${block(texts)}`);
    }
    return parts.join("");
  }
}

function* identifiersOf(node: ts.Node): Generator<ts.Identifier> {
  if (ts.isIdentifier(node)) yield node;
  // a generator: `forEachChild` would stop at the first thing returned
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* identifiersOf(child);
}

/** The first lines in which two texts differ. */
function firstDifference(was: string, is: string): string {
  const [a, b] = [was.split("\n"), is.split("\n")];
  const at = a.findIndex((line, i) => line !== b[i]);
  const line = at < 0 ? a.length : at;
  return `  line ${line + 1}\n  - ${a[line] ?? "(end)"}\n  + ${b[line] ?? "(end)"}`;
}

function currentReports(): ReadonlyMap<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "bletchley-api-"));
  try {
    execFileSync(process.execPath, [join(root, "scripts/build.mjs"), join(folder, "dist")], { stdio: "inherit" });
    const declarations = new Declarations(join(folder, "dist"));
    return new Map(declarations.entries.map((entry) => [entry.report, declarations.report(entry)]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const reports = currentReports();
const committed = existsSync(reportFolder) ? readdirSync(reportFolder) : [];
if (process.argv.includes("--update")) {
  mkdirSync(reportFolder, { recursive: true });
  for (const file of committed) if (!reports.has(file)) rmSync(join(reportFolder, file));
  for (const [file, text] of reports) writeFileSync(join(reportFolder, file), text);
  console.log(`wrote ${reports.size} reports to docs/api`);
} else {
  const differences: string[] = [];
  for (const [file, text] of reports) {
    const was = committed.includes(file) ? readFileSync(join(reportFolder, file), "utf8") : "";
    if (was !== text) differences.push(`docs/api/${file}\n${firstDifference(was, text)}`);
  }
  for (const file of committed) if (!reports.has(file)) differences.push(`docs/api/${file} describes no subpath`);
  if (differences.length) {
    console.error(`${differences.join("\n")}\nThe public interface has changed. If it should, run: npm run api:update`);
    process.exit(1);
  }
  console.log(`${reports.size} API reports agree`);
}
