/**
 * Builds `dist`, or the folder given: JavaScript and declarations, without checking types (`npm run types` does). Plain
 * JavaScript, because it runs while the package is being installed. The new folder replaces the old one at the end, so that
 * nobody meets half a build, and one that is up to date is left alone: npx prepares the repository each time it runs in it.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const target = resolve(process.argv[2] ?? join(root, "dist"));
const stamp = join(root, "node_modules/.cache/bletchley/build");

/** Changes whenever a file that the build reads does. */
function fingerprint() {
  const hash = createHash("sha256").update(target);
  const sources = ["src", "papers"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((path) => join(folder, path)),
  );
  const others = ["scripts/build.mjs", "tsconfig.json", "tsconfig.build.json", "node_modules/typescript/package.json"];
  for (const path of [...sources.sort(), ...others]) {
    const file = statSync(join(root, path), { throwIfNoEntry: false });
    hash.update(`${path}\0${file?.size}\0${file?.mtimeMs}\n`);
  }
  return hash.digest("hex");
}

async function loadTypeScript() {
  try {
    return (await import("typescript")).default;
  } catch (thrown) {
    // `npm ci --omit=dev` prepares too, and must not fail for want of a compiler
    if (process.env.npm_lifecycle_event !== "prepare") throw thrown;
    console.error("bletchley: TypeScript is not installed, so dist is not built; `npm ci && npm run build` builds it");
    return process.exit(0);
  }
}

/** Throws what the compiler has to say, if anything. */
function refuse(ts, diagnostics) {
  if (!diagnostics.length) return;
  const names = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => root, getNewLine: () => "\n" };
  throw new Error(ts.formatDiagnostics(diagnostics, names));
}

/** The compiler rewrites `./x.ts` to `./x.js` in JavaScript only; declarations need it as well. */
const rewriteSpecifiers = (ts) => (context) => {
  const { factory } = context;
  const rewritten = (node) =>
    node && ts.isStringLiteral(node) && /^\.{1,2}\/.*\.ts$/.test(node.text)
      ? factory.createStringLiteral(node.text.replace(/\.ts$/, ".js"))
      : node;
  const visit = (node) => {
    if (ts.isImportDeclaration(node))
      return factory.updateImportDeclaration(
        node,
        node.modifiers,
        node.importClause,
        rewritten(node.moduleSpecifier),
        node.attributes,
      );
    if (ts.isExportDeclaration(node))
      return factory.updateExportDeclaration(
        node,
        node.modifiers,
        node.isTypeOnly,
        node.exportClause,
        rewritten(node.moduleSpecifier),
        node.attributes,
      );
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      return factory.updateImportTypeNode(
        node,
        factory.createLiteralTypeNode(rewritten(node.argument.literal)),
        node.attributes,
        node.qualifier,
        node.typeArguments?.map(visit),
        node.isTypeOf,
      );
    if (ts.isModuleDeclaration(node))
      return factory.updateModuleDeclaration(
        node,
        node.modifiers,
        rewritten(node.name),
        ts.visitEachChild(node.body, visit, context),
      );
    return ts.visitEachChild(node, visit, context);
  };
  return (file) => ts.visitNode(file, visit);
};

function compile(ts, folder) {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, "tsconfig.build.json"),
    { outDir: folder, noCheck: true },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (diagnostic) => refuse(ts, [diagnostic]) },
  );
  refuse(ts, config.errors);
  const program = ts.createProgram({ rootNames: config.fileNames, options: config.options });
  const write = (path, text) => {
    // nobody imports the commands
    if (/[/\\]cli[/\\][^/\\]*\.d\.ts$/.test(path)) return;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  const transformers = { afterDeclarations: [rewriteSpecifiers(ts)] };
  const { diagnostics } = program.emit(undefined, write, undefined, false, transformers);
  refuse(ts, [...program.getSyntacticDiagnostics(), ...diagnostics]);
}

/** The cards of papers with their results, as JavaScript that names the package by its subpaths. */
function buildCards(ts, folder) {
  const options = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    rewriteRelativeImportExtensions: true,
  };
  for (const path of readdirSync(join(root, "papers"), { recursive: true })) {
    const from = join(root, "papers", path);
    const to = join(folder, path);
    if (!statSync(from).isFile() || path.endsWith(".test.ts")) continue;
    mkdirSync(dirname(to), { recursive: true });
    if (!path.endsWith(".ts")) {
      copyFileSync(from, to);
      continue;
    }
    const { outputText, diagnostics } = ts.transpileModule(readFileSync(from, "utf8"), {
      compilerOptions: options,
      fileName: from,
      reportDiagnostics: true,
    });
    refuse(ts, diagnostics);
    writeFileSync(to.replace(/\.ts$/, ".js"), outputText);
  }
}

const isDefault = target === join(root, "dist");
const main = join(target, "cli/main.js");
const state = fingerprint();
if (!(isDefault && existsSync(main) && existsSync(stamp) && readFileSync(stamp, "utf8") === state)) {
  const ts = await loadTypeScript();
  mkdirSync(dirname(target), { recursive: true });
  const fresh = mkdtempSync(`${target}.new-`);
  try {
    compile(ts, fresh);
    buildCards(ts, join(fresh, "cards"));
    chmodSync(join(fresh, "cli/main.js"), 0o755);
    chmodSync(fresh, 0o755);
    rmSync(target, { recursive: true, force: true });
    renameSync(fresh, target);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  if (isDefault) {
    mkdirSync(dirname(stamp), { recursive: true });
    writeFileSync(stamp, state);
  }
}
