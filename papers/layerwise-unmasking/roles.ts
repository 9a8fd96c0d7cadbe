/**
 * What every identifier of a TypeScript file is there for, as the compiler's syntax tree says, and the tokens around it.
 */
import type ts from "typescript";

/** The compiler. */
export type Compiler = typeof ts;

/** Roles of identifiers; their numbers are the labels. */
export const roles = ["CALL", "MCALL", "PROP", "PARAM", "TYPE", "KEY", "FDECL", "VDECL", "SHORT", "REF"] as const;

/** What an identifier is there for. */
export type Role = (typeof roles)[number];

/** A token of a file. */
export interface CodeToken {
  readonly text: string;
  /** What stands for it when it is too rare to be known by itself. */
  readonly kind: "name" | "string" | "number" | "template" | "other";
  /** Of identifiers only. */
  readonly role?: Role;
  /** Where it begins in the file. */
  readonly start: number;
}

/** Kinds of nodes whose own name is a role by itself. */
function roleOfName(c: Compiler, parent: ts.Node): Role | undefined {
  if (c.isParameter(parent)) return "PARAM";
  if (c.isVariableDeclaration(parent)) return "VDECL";
  if (c.isShorthandPropertyAssignment(parent)) return "SHORT";
  if (c.isFunctionDeclaration(parent) || c.isFunctionExpression(parent)) return "FDECL";
  if (c.isMethodDeclaration(parent) || c.isAccessor(parent)) return "FDECL";
  if (
    c.isPropertyAssignment(parent) ||
    c.isPropertySignature(parent) ||
    c.isPropertyDeclaration(parent) ||
    c.isMethodSignature(parent) ||
    c.isEnumMember(parent)
  )
    return "KEY";
  return undefined;
}

/**
 * Role of an identifier in its place. `TYPE` is what a type refers to by a single name; `REF` is all that has no role of its own, such as a
 * value that is read, a part of a qualified name, a type that is declared.
 */
export function roleOf(compiler: Compiler, name: ts.Identifier): Role {
  const { parent } = name;
  if (compiler.isPropertyAccessExpression(parent) && parent.name === name) {
    const { parent: user } = parent;
    return compiler.isCallExpression(user) && user.expression === parent ? "MCALL" : "PROP";
  }
  if (compiler.isCallExpression(parent) && parent.expression === name) return "CALL";
  if (compiler.isTypeReferenceNode(parent)) return "TYPE";
  return ((parent as { readonly name?: ts.Node }).name === name && roleOfName(compiler, parent)) || "REF";
}

/** Tokens of a file without comments, in order, as the compiler's scanner cuts them: `>>` is two. */
export function tokensOf(compiler: Compiler, path: string, text: string): readonly CodeToken[] {
  const { SyntaxKind } = compiler;
  // comments are half of some files, and nothing is asked of them
  const options = {
    languageVersion: compiler.ScriptTarget.Latest,
    jsDocParsingMode: compiler.JSDocParsingMode.ParseNone,
  };
  const file = compiler.createSourceFile(path, text, options, true);
  const identifiers = new Map<number, ts.Identifier>();
  /** Where what the scanner takes for an operator or a bracket goes on with a template, or is a regular expression. */
  const templates = new Set<number>();
  const expressions = new Set<number>();
  const visit = (node: ts.Node): void => {
    if (compiler.isIdentifier(node)) identifiers.set(node.getStart(file), node);
    else if (compiler.isTemplateMiddle(node) || compiler.isTemplateTail(node)) templates.add(node.getStart(file));
    else if (compiler.isRegularExpressionLiteral(node)) expressions.add(node.getStart(file));
    compiler.forEachChild(node, visit);
  };
  visit(file);
  const scanner = compiler.createScanner(compiler.ScriptTarget.Latest, true, compiler.LanguageVariant.Standard, text);
  const out: CodeToken[] = [];
  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFileToken; kind = scanner.scan()) {
    const start = scanner.getTokenStart();
    if (templates.has(start)) kind = scanner.reScanTemplateToken(false);
    else if (expressions.has(start)) kind = scanner.reScanSlashToken();
    const name = identifiers.get(start);
    out.push({
      text: scanner.getTokenText(),
      kind: kindOf(compiler, kind),
      start,
      // a name that the parser missed is empty, and what stands there is another token
      ...(name && name.end === scanner.getTokenEnd() && { role: roleOf(compiler, name) }),
    });
  }
  return out;
}

function kindOf({ SyntaxKind }: Compiler, kind: ts.SyntaxKind): CodeToken["kind"] {
  if (kind === SyntaxKind.Identifier || kind === SyntaxKind.PrivateIdentifier) return "name";
  if (kind === SyntaxKind.StringLiteral) return "string";
  if (kind === SyntaxKind.NumericLiteral || kind === SyntaxKind.BigIntLiteral) return "number";
  if (kind >= SyntaxKind.FirstTemplateToken && kind <= SyntaxKind.LastTemplateToken) return "template";
  return "other";
}
