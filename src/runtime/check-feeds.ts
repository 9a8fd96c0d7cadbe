/**
 * Checks what is fed to a graph, because ONNX Runtime's own messages name neither both shapes nor the remedy. What can be
 * known of the graph is worked out once: small graphs run in a few microseconds.
 */
import { evaluateDim, shapeText } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import type { NDArray } from "../util/ndarray.ts";
import type { OnnxGraph, OnnxValue } from "./onnx/model.ts";

/** A size that is computed from names. */
interface ComputedSize {
  readonly input: OnnxValue;
  readonly axis: number;
  readonly size: string;
}

/** Checks feeds of one graph. */
export class FeedChecker {
  readonly #graph: OnnxGraph;
  readonly #inputs: ReadonlyMap<string, OnnxValue>;
  /** For each input and axis, whether its size is a name alone. */
  readonly #named: ReadonlyMap<OnnxValue, readonly boolean[]>;
  readonly #computed: readonly ComputedSize[];

  constructor(graph: OnnxGraph) {
    this.#graph = graph;
    this.#inputs = new Map(graph.inputs.map((input) => [input.name, input]));
    this.#named = new Map(
      graph.inputs.map((input) => [input, input.shape.map((n) => typeof n === "string" && /^\w+$/.test(n))]),
    );
    this.#computed = graph.inputs.flatMap((input) =>
      input.shape.flatMap((size, axis) =>
        typeof size === "string" && !this.#named.get(input)![axis] ? [{ input, axis, size }] : [],
      ),
    );
  }

  /** @throws `name`, `dtype` or `shape`, naming the input and both shapes. */
  check(feeds: Readonly<Record<string, NDArray>>): void {
    const sizes: Record<string, number> = {};
    for (const input of this.#graph.inputs) {
      const array = feeds[input.name];
      if (array) this.#checkInput(input, array, sizes);
      else
        fail(
          "name",
          `input "${input.name}" of "${this.#graph.name}" is missing; it needs ${input.dtype}${shapeText(input.shape)}`,
        );
    }
    for (const { input, axis, size } of this.#computed) {
      const { shape } = feeds[input.name]!;
      if (evaluateDim(size, sizes) !== shape[axis])
        fail(
          "shape",
          `input "${input.name}" is ${shapeText(shape)}, but its size ${size} should be ${evaluateDim(size, sizes)}`,
        );
    }
    for (const { least, what, size } of this.#graph.leastSizes ?? []) {
      const count = evaluateDim(size, sizes);
      if (count < least)
        fail("shape", `"${this.#graph.name}" needs at least ${least} ${what}, these inputs make ${size} = ${count}`);
    }
    for (const name in feeds)
      if (!this.#inputs.has(name))
        fail(
          "name",
          `"${this.#graph.name}" has no input "${name}"; it has ${[...this.#inputs.keys()].join(", ") || "none"}`,
        );
  }

  #checkInput(input: OnnxValue, array: NDArray, sizes: Record<string, number>): void {
    const { name, dtype, shape } = input;
    const graph = this.#graph.name;
    if (array.dtype !== dtype) fail("dtype", `input "${name}" is ${array.dtype}, "${graph}" needs ${dtype}`);
    const named = this.#named.get(input)!;
    let fits = array.shape.length === shape.length;
    for (let i = 0; fits && i < shape.length; i++) {
      const [n, size] = [shape[i]!, array.shape[i]!];
      if (typeof n === "number") fits = n === size;
      else if (named[i]) {
        sizes[n] ??= size;
        if (sizes[n] !== size)
          fail(
            "shape",
            `input "${name}" is ${shapeText(array.shape)}, but dimension "${n}" is ${sizes[n]} in another input`,
          );
      }
    }
    if (!fits) fail("shape", `input "${name}" is ${shapeText(array.shape)}, "${graph}" needs ${shapeText(shape)}`);
  }
}
