/**
 * Drafts under a constraint: what it forbids is not worth checking.
 */
import type { Constraint } from "../constraints/constraint.ts";
import { childrenOf, type DraftTree, prune } from "../draft-tree.ts";

/** The nodes that a constraint allows, in its state at the root; the state is the same afterwards. */
export function pruneForbidden(tree: DraftTree, constraint: Constraint): DraftTree {
  const children = childrenOf(tree);
  const allowed = new Set<number>();
  // with a stack of its own: trees may be deep
  const stack: { node: number; next: number }[] = [{ node: -1, next: 0 }];
  while (stack.length) {
    const top = stack[stack.length - 1]!;
    const child = children[top.node + 1]![top.next++];
    if (child === undefined) {
      if (top.node >= 0) constraint.rollback(1);
      stack.pop();
    } else if (constraint.advance(tree.tokens[child]!)) {
      allowed.add(child);
      stack.push({ node: child, next: 0 });
    }
  }
  return prune(tree, (i) => allowed.has(i));
}
