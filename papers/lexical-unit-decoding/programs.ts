/**
 * Small TypeScript functions for a model to learn: a comment says the task, a signature follows, and the body is written in one of several
 * styles. Each comes with inputs and what its own reference answers. Everything is a function of a seed.
 */
import { Random } from "bletchley/util";
import { Drawing, type Template } from "./drawing.ts";
import { numberTasks } from "./number-tasks.ts";
import { textTasks } from "./text-tasks.ts";

/** A function with what it is checked by. */
export interface Program {
  /** Comment and signature, up to the brace that opens the body. */
  readonly prompt: string;
  /** The rest of it, up to the brace that closes the body. */
  readonly solution: string;
  readonly name: string;
  readonly checks: readonly { readonly values: readonly unknown[]; readonly wanted: unknown }[];
}

/** All templates. */
export const templates: readonly Template[] = [...numberTasks, ...textTasks];

const checksOf = 5;

/** The program of a number; another one for every seed. */
export function drawProgram(seed: number, number: number): Program {
  const drawing = new Drawing(new Random(seed, 5).split(number));
  const task = templates[drawing.random.integer(templates.length)]!(drawing);
  const parameters = task.parameters.map(([name, type]) => `${name}: ${type}`).join(", ");
  const reference = task.reference as (...values: readonly unknown[]) => unknown;
  return {
    prompt: `// ${task.comment}.\nfunction ${task.name}(${parameters}): ${task.returns} {`,
    solution: `\n${task.body.map((line) => `  ${line}\n`).join("")}}\n`,
    name: task.name,
    checks: Array.from({ length: checksOf }, () => {
      const values = task.draw();
      return { values, wanted: reference(...structuredClone(values)) };
    }),
  };
}
