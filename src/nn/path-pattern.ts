/**
 * Choosing parts of a module tree by their paths: parameters to freeze, groups of an optimiser, sites to edit.
 */

/**
 * Paths: one by name, where `*` stands for one part (`blocks.*.mlp`) and `**` for any number; by regular expression; by a
 * test; or several of these, of which one must hold.
 */
export type PathPattern = string | RegExp | ((path: string) => boolean) | readonly PathPattern[];

const special = /[.+?^${}()|[\]\\]/g;

function expressionOf(pattern: string): RegExp {
  const parts = pattern.split(".").map((part) => {
    if (part === "**") return "(?:[^.]+(?:\\.[^.]+)*)";
    return part.replace(special, "\\$&").replaceAll("*", "[^.]*");
  });
  return new RegExp(`^${parts.join("\\.")}$`);
}

/** Turns a pattern into a test of paths. */
export function pathMatcher(pattern: PathPattern): (path: string) => boolean {
  if (typeof pattern === "function") return pattern;
  if (typeof pattern === "string") {
    if (!pattern.includes("*")) return (path) => path === pattern;
    const expression = expressionOf(pattern);
    return (path) => expression.test(path);
  }
  if (pattern instanceof RegExp) {
    // without the flags that remember where the last match ended
    const expression = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
    return (path) => expression.test(path);
  }
  const tests = pattern.map(pathMatcher);
  return (path) => tests.some((test) => test(path));
}
