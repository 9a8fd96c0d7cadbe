/** Every template's own programs are TypeScript and pass their own checks, and other programs do not. */
import { describe, expect, it } from "vitest";
import { Judge } from "../../papers/lexical-unit-decoding/judge.ts";
import { drawProgram, templates } from "../../papers/lexical-unit-decoding/programs.ts";

const judge = await Judge.open();
const programs = Array.from({ length: 400 }, (_, i) => drawProgram(1, i));

describe("programs", () => {
  it("pass their own checks", async () => {
    expect(templates.length).toBeGreaterThanOrEqual(30);
    for (const program of programs)
      expect([program.prompt + program.solution, await judge.verdict(program, program.solution)]).toEqual([
        program.prompt + program.solution,
        "passes",
      ]);
  });

  it("are those of their seed, and differ", () => {
    expect(drawProgram(1, 7)).toEqual(programs[7]);
    expect(drawProgram(2, 7).prompt).not.toBe(programs[7]!.prompt);
    expect(new Set(programs.map(({ prompt, solution }) => prompt + solution)).size).toBeGreaterThan(350);
    expect(new Set(programs.map(({ prompt }) => prompt.replace(/\d+/g, "0"))).size).toBeGreaterThan(100);
  });

  it("are told from what is wrong, broken or endless", async () => {
    const program = programs[0]!;
    expect(await judge.verdict(program, "\n  return undefined;\n}\n")).toBe("fails");
    expect(await judge.verdict(program, "\n  return (;\n}\n")).toBe("does not parse");
    expect(await judge.verdict(program, program.solution.slice(0, -2))).toBe("does not parse");
    expect(await judge.verdict(program, "\n  while (true);\n}\n")).toBe("fails");
    expect(await judge.verdict(program, "\n  throw new Error();\n}\n")).toBe("fails");
  });
});
