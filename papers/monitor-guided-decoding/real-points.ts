/**
 * Points of real code: member accesses in this project's own sources, one per function, and how the functions go on.
 */
import { openFrames, scanCode } from "bletchley/decode";
import { Random } from "bletchley/util";
import type ts from "typescript";
import type { Point } from "./point.ts";

type Compiler = typeof ts;

/** Functions that are points' homes, in a file; nested ones belong to the outermost. */
function functionsOf(compiler: Compiler, file: ts.SourceFile): readonly ts.FunctionLikeDeclaration[] {
  const found: ts.FunctionLikeDeclaration[] = [];
  const visit = (node: ts.Node): void => {
    if (
      (compiler.isFunctionDeclaration(node) ||
        compiler.isMethodDeclaration(node) ||
        compiler.isConstructorDeclaration(node) ||
        compiler.isAccessor(node)) &&
      node.body
    )
      found.push(node);
    else compiler.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Member accesses below a node whose name stands right behind its dot. */
function accessesOf(compiler: Compiler, file: ts.SourceFile, node: ts.Node): readonly ts.PropertyAccessExpression[] {
  const found: ts.PropertyAccessExpression[] = [];
  const visit = (child: ts.Node): void => {
    if (compiler.isPropertyAccessExpression(child) && file.text[child.name.getStart(file) - 1] === ".")
      found.push(child);
    compiler.forEachChild(child, visit);
  };
  visit(node);
  return found;
}

/** The folder of the sources that a card was loaded from; undefined where the package was installed without them. */
export function sourceRoot(compiler: Compiler, from: string): string | undefined {
  for (let folder = from; folder.includes("/"); folder = folder.slice(0, folder.lastIndexOf("/")))
    if (compiler.sys.fileExists(`${folder}/src/index.ts`)) return folder;
  return undefined;
}

/**
 * Points of the sources below a folder, in a random order of files and functions that the seed decides.
 * @param declare whether to describe the type of what stands before the dot, which takes a compiled project.
 */
export function realPoints(
  compiler: Compiler,
  root: string,
  { count, seed, declare }: { readonly count: number; readonly seed: number; readonly declare: boolean },
): readonly Point[] {
  const random = new Random(seed, 2);
  const paths = compiler.sys
    .readDirectory(`${root}/src`, [".ts"], undefined, undefined)
    .filter((path) => !/[.]test[.]ts$|\/testing\/|[.]d[.]ts$/.test(path))
    .sort();
  const candidates = paths.flatMap((path) => {
    const text = compiler.sys.readFile(path) ?? "";
    const file = compiler.createSourceFile(path, text, compiler.ScriptTarget.Latest, true);
    return functionsOf(compiler, file).map((home) => ({
      path,
      file,
      home,
      accesses: accessesOf(compiler, file, home.body!),
    }));
  });
  const filled = candidates.filter(({ accesses }) => accesses.length > 0);
  for (let i = filled.length - 1; i > 0; i--) {
    const k = random.integer(i + 1);
    [filled[i], filled[k]] = [filled[k]!, filled[i]!];
  }
  const chosen = filled.slice(0, count).map(({ path, file, home, accesses }) => {
    const access = accesses[random.integer(accesses.length)]!;
    return { path, file, body: home.body!, access };
  });
  const describe = declare
    ? describer(
        compiler,
        root,
        chosen.map(({ path }) => path),
      )
    : () => "";
  return chosen.map(({ path, file, body, access }): Point => {
    const { text } = file;
    const cut = access.name.getStart(file);
    return {
      id: `${path.slice(root.length + 1)}:${file.getLineAndCharacterOfPosition(cut).line + 1}`,
      path,
      files: {},
      before: text.slice(0, cut),
      truth: text.slice(cut, body.end),
      after: text.slice(body.end),
      declaration: describe(path, access.expression.getStart(file), access.expression.end),
      depth: openFrames(scanCode(text.slice(0, body.getStart(file)))).length,
    };
  });
}

/** Most members that a declaration lists. */
const mostMembers = 24;

/** Describes the type of an expression, by its place in a file: its members with their types. */
function describer(
  compiler: Compiler,
  root: string,
  paths: readonly string[],
): (path: string, start: number, end: number) => string {
  const { config } = compiler.readConfigFile(`${root}/tsconfig.json`, compiler.sys.readFile);
  const { options } = compiler.parseJsonConfigFileContent(config, compiler.sys, root);
  const program = compiler.createProgram([...new Set(paths)], options);
  const checker = program.getTypeChecker();
  return (path, start, end) => {
    const file = program.getSourceFile(path)!;
    let found: ts.Node | undefined;
    const visit = (node: ts.Node): void => {
      if (node.getStart(file) === start && node.end === end) found = node;
      if (node.pos <= start && node.end >= end) compiler.forEachChild(node, visit);
    };
    visit(file);
    if (!found) return "";
    const at = found;
    const type = checker.getApparentType(checker.getTypeAtLocation(at));
    const members = type.getProperties().filter(({ name }) => /^#?[\w$]+$/.test(name));
    const lines = members.slice(0, mostMembers).map((member) => {
      const of = checker.typeToString(checker.getTypeOfSymbolAtLocation(member, at));
      return `  ${member.name}: ${of.length > 80 ? `${of.slice(0, 79)}…` : of};`;
    });
    return `interface ${checker.typeToString(type).slice(0, 60)} {\n${lines.join("\n")}\n}`;
  };
}
