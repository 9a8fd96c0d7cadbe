/**
 * Contractions by Einstein's notation, rewritten into diagonals, sums, transposes and matrix products, which have
 * gradients of their own.
 */
import { fail } from "../util/errors.ts";
import { diagonal } from "./arrange.ts";
import { sum } from "./broadcast.ts";
import { type Dim, mulDims, shapeText } from "./dims.ts";
import { mul } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { reshape, transpose, unsqueeze } from "./movement.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor whose axes carry labels; labels that are digits stand for the axes of an ellipsis. */
interface Labelled {
  readonly tensor: Tensor;
  readonly labels: readonly string[];
}

function parseEquation(equation: string, tensors: readonly Tensor[]): { terms: string[][]; output: string[] } {
  const [left, right, ...extra] = equation.replaceAll(" ", "").split("->");
  const inputs = left!.split(",");
  if (extra.length || !/^[A-Za-z.,]*$/.test(left! + (right ?? "")))
    fail("argument", `einsum: "${equation}" is no equation such as "ij,jk->ik"`);
  if (inputs.length !== tensors.length)
    fail("argument", `einsum: "${equation}" has ${inputs.length} operands, ${tensors.length} tensors were given`);
  let widest = 0;
  const spread = inputs.map((term, i) => tensors[i]!.rank - term.replace("...", "").length);
  const terms = inputs.map((term, i) => {
    if (spread[i]! < 0 || (spread[i]! > 0 && !term.includes("...")))
      fail("shape", `einsum: "${term}" does not name the axes of ${shapeText(tensors[i]!.shape)}`);
    if (term.includes("...")) widest = Math.max(widest, spread[i]!);
    return term;
  });
  // the axes of an ellipsis are counted from the right, so that they broadcast
  const expand = (term: string, count: number): string[] => {
    const [before, after] = term.split("...");
    if (after === undefined) return [...term];
    return [...before!, ...Array.from({ length: count }, (_, i) => String(count - 1 - i)), ...after];
  };
  const expanded = terms.map((term, i) => expand(term, spread[i]!));
  if (right !== undefined) return { terms: expanded, output: expand(right, widest) };
  const all = expanded.flat();
  const once = [...new Set(all)].filter((l) => /[A-Za-z]/.test(l) && all.filter((m) => m === l).length === 1);
  return { terms: expanded, output: [...expand("...", widest), ...once.sort()] };
}

function withoutRepeats({ tensor, labels }: Labelled): Labelled {
  const repeated = labels.findIndex((l, i) => labels.indexOf(l) !== i);
  if (repeated < 0) return { tensor, labels };
  const first = labels.indexOf(labels[repeated]!);
  const rest = labels.filter((_, i) => i !== repeated && i !== first);
  return withoutRepeats({ tensor: diagonal(tensor, 0, first, repeated), labels: [...rest, labels[repeated]!] });
}

function summed({ tensor, labels }: Labelled, kept: ReadonlySet<string>): Labelled {
  const axes = labels.flatMap((l, i) => (kept.has(l) ? [] : [i]));
  return axes.length ? { tensor: sum(tensor, axes), labels: labels.filter((l) => kept.has(l)) } : { tensor, labels };
}

function arranged({ tensor, labels }: Labelled, order: readonly string[]): Tensor {
  return transpose(
    tensor,
    order.map((l) => labels.indexOf(l)),
  );
}

/** Brings labels that a tensor lacks in as axes of size 1. */
function aligned(x: Labelled, order: readonly string[]): Tensor {
  const present = order.filter((l) => x.labels.includes(l));
  const missing = order.flatMap((l, i) => (x.labels.includes(l) ? [] : [i]));
  const y = arranged(x, present);
  return missing.length ? unsqueeze(y, missing) : y;
}

function contract(a: Labelled, b: Labelled, kept: ReadonlySet<string>): Labelled {
  const common = a.labels.filter((l) => b.labels.includes(l));
  const inner = common.filter((l) => !kept.has(l));
  const batch = common.filter((l) => kept.has(l));
  // axes of an ellipsis may be missing on one side, and broadcast like a batch
  const loose = [...a.labels, ...b.labels].filter((l) => /\d/.test(l) && !common.includes(l));
  const leading = [...loose, ...batch].sort((x, y) => order(y) - order(x));
  const left = a.labels.filter((l) => !common.includes(l) && !loose.includes(l));
  const right = b.labels.filter((l) => !common.includes(l) && !loose.includes(l));
  if (!inner.length) {
    const labels = [...leading, ...left, ...right];
    return { tensor: mul(aligned(a, labels), aligned(b, labels)), labels };
  }
  const sizes = (x: Labelled, labels: readonly string[]) => labels.map((l) => x.tensor.shape[x.labels.indexOf(l)]!);
  const product = (dims: readonly Dim[]) => dims.reduce(mulDims, 1);
  const side = (x: Labelled, rows: readonly string[], columns: readonly string[]) => {
    const own = leading.filter((l) => x.labels.includes(l));
    const y = aligned(x, [...leading, ...rows, ...columns]);
    const front = leading.map((l) => (own.includes(l) ? x.tensor.shape[x.labels.indexOf(l)]! : 1));
    return reshape(y, [...front, product(sizes(x, rows)), product(sizes(x, columns))]);
  };
  const y = matmul(side(a, left, inner), side(b, inner, right));
  const front = y.shape.slice(0, -2);
  return {
    tensor: reshape(y, [...front, ...sizes(a, left), ...sizes(b, right)]),
    labels: [...leading, ...left, ...right],
  };
}

function order(label: string): number {
  return /\d/.test(label) ? Number(label) : -1;
}

function checkSizes(equation: string, operands: readonly Labelled[]): void {
  const sizes = new Map<string, Dim>();
  for (const { tensor, labels } of operands)
    labels.forEach((l, i) => {
      const size = tensor.shape[i]!;
      const known = sizes.get(l) ?? size;
      if (known !== size && !(/\d/.test(l) && (known === 1 || size === 1)))
        fail("shape", `einsum: label "${l}" of "${equation}" is both ${known} and ${size}`);
      sizes.set(l, known === 1 ? size : known);
    });
}

/**
 * Contraction of any number of tensors, such as `einsum("bqhd,bkhd->bhqk", q, k)`. Labels may repeat (diagonals), `...`
 * stands for further axes that broadcast, and without `->` the result has the labels that occur once, in order.
 * @throws `argument` for a malformed equation, `shape` when sizes of one label differ.
 */
export function einsum(equation: string, ...tensors: readonly Tensor[]): Tensor {
  const { terms, output } = parseEquation(equation, tensors);
  const operands = tensors.map((tensor, i) => ({ tensor, labels: terms[i]! }));
  checkSizes(equation, operands);
  const known = new Set(terms.flat());
  for (const l of output) if (!known.has(l)) fail("argument", `einsum: "${l}" of "${equation}" stands in no operand`);
  let rest: readonly Labelled[] = operands.map(withoutRepeats);
  const needed = (others: readonly Labelled[]) => new Set([...output, ...others.flatMap((x) => x.labels)]);
  rest = rest.map((x, i) => summed(x, needed(rest.filter((_, j) => j !== i))));
  while (rest.length > 1) {
    const [a, b, ...others] = rest as [Labelled, Labelled, ...Labelled[]];
    rest = [contract(a, b, needed(others)), ...others];
  }
  return arranged(rest[0]!, output);
}
