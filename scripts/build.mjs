/**
 * Builds `dist`, or the folder given: JavaScript and declarations, without checking types (`npm run types` does). Plain
 * JavaScript, because it runs while the package is being installed. The new folder replaces the old one at the end, so that
 * nobody meets half a build.
 */
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../..");

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

const ts = await loadTypeScript();

/** The compiler rewrites `./x.ts` to `./x.js` in JavaScript only; declarations need it as well. */
function rewriteSpecifiers(context) {
  const rewritten = (node) =>
    node && ts.isStringLiteral(node) && /^\.{1,2}\/.*\.ts$/.test(node.text)
      ? context.factory.createStringLiteral(node.text.replace(/\.ts$/, ".js"))
      : node;
  const visit = (node) => {
    const { factory } = context;
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
        node.typeArguments,
        node.isTypeOf,
      );
    if (ts.isModuleDeclaration(node))
      return factory.updateModuleDeclaration(node, node.modifiers, rewritten(node.name), node.body);
    return ts.visitEachChild(node, visit, context);
  };
  return (file) => ts.visitNode(file, visit);
}

const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (diagnostic) => refuse([diagnostic]) };

function refuse(diagnostics) {
  if (!diagnostics.length) return;
  const names = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => root, getNewLine: () => "\n" };
  throw new Error(ts.formatDiagnostics(diagnostics, names));
}

const target = resolve(process.argv[2] ?? join(root, "dist"));
mkdirSync(dirname(target), { recursive: true });
const fresh = mkdtempSync(`${target}.new-`);
try {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, "tsconfig.build.json"),
    { outDir: fresh, noCheck: true },
    host,
  );
  refuse(config.errors);
  const program = ts.createProgram({ rootNames: config.fileNames, options: config.options });
  const result = program.emit(
    undefined,
    (path, text) => {
      // nobody imports the commands
      if (/[/\\]cli[/\\][^/\\]*\.d\.ts$/.test(path)) return;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    },
    undefined,
    false,
    { afterDeclarations: [rewriteSpecifiers] },
  );
  refuse([...program.getSyntacticDiagnostics(), ...result.diagnostics]);
  chmodSync(join(fresh, "cli/main.js"), 0o755);
  chmodSync(fresh, 0o755);
  rmSync(target, { recursive: true, force: true });
  renameSync(fresh, target);
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
