import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BletchleyError } from "../util/errors.ts";
import { exitCodeOf, Interrupted, interruptible, reportOf } from "./exit.ts";
import { createProgram, run } from "./program.ts";

let out = "";
let err = "";

beforeEach(() => {
  [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

describe("the command line", () => {
  it("has the promised commands, each with a description and help", async () => {
    const commands = createProgram().commands.filter((command) => command.name() !== "help");
    const names = [
      "chat",
      "generate",
      "serve",
      "embed",
      "pull",
      "models",
      "bench",
      "tune",
      "distill",
      "explain",
      "papers",
      "video",
      "export",
    ];
    expect(commands.map((command) => command.name())).toEqual(names);
    for (const name of names) {
      out = "";
      expect(await run([name, "--help"])).toBe(0);
      expect(out).toContain(`bletchley ${name}`);
      // a terminal of 128 columns shows it without breaking lines
      expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(128);
    }
    expect(err).toBe("");
  });

  it("prints its help when asked for nothing, and its version", async () => {
    expect(await run([])).toBe(0);
    expect(out).toContain("Exit codes");
    out = "";
    expect(await run(["--version"])).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
  });

  it.each([
    [["generate", "--temprature", "1", "x"], "unknown option '--temprature' (Did you mean --temperature?)"],
    [["generat"], "unknown command 'generat' (Did you mean generate?)"],
    [["generate", "-t", "hot", "x"], "argument 'hot' is invalid. It must be a number from 0 to 100."],
    [["generate", "-t", "", "x"], "argument '' is invalid"],
    [["generate", "--top-p", "1.5", "x"], "It must be a number from 0 to 1."],
    [["generate", "--max-tokens", "0", "x"], "It must be a whole number from 1 to"],
    [["generate", "--max-tokens", "1e3", "x"], "It must be a whole number from 1 to"],
    [["generate", "--seed", "1.5", "x"], "It must be a whole number"],
    [["generate", "--logit-bias", "a=1", "x"], "Write it as ID=BIAS"],
    [["generate", "--threads", "0", "x"], "It must be a whole number from 1 to"],
    [["generate", "--raw", "--system", "s", "x"], "--system needs the chat template"],
    [["generate", "--monitor", "typescript", "x"], "--monitor watches code that goes on as it is: add --raw"],
    [["generate", "--monitor", "java", "--raw", "x"], "Allowed choices are typescript"],
    [["generate", "--project", "src", "x"], "--project and --file say what --monitor watches"],
    [["generate", "--monitor", "typescript", "--raw", "--json-object", "x"], "--monitor and a form of the answer"],
    [["generate", "--logprobs", "2", "x"], "--logprobs are only printed with --json"],
    [["generate", "--model"], "argument missing"],
    [["generate", "--model", "no-such-model", "x"], "unknown model no-such-model"],
    [["pull"], "missing required argument 'ref'"],
    [["serve", "--port", "70000"], "It must be a whole number from 0 to 65535."],
    [["models", "rm"], "missing required argument 'name'"],
    [["bench", "a", "b"], "too many arguments"],
  ])("refuses %j in one line, with exit code 2", async (args, message) => {
    expect(await run(args)).toBe(2);
    expect(err).toContain(message);
    expect(err).toMatch(/^bletchley: .*\n$/);
    expect(out).toBe("");
  });

  it("tells apart what could not be had", async () => {
    expect(await run(["generate", "--offline", "--model", "hf:nobody/nothing", "x"])).toBe(3);
    expect(err).toMatch(/^bletchley: .*--offline/);
    err = "";
    expect(await run(["pull", "--offline", "hf:nobody/nothing", "wheel:nothing-of-this-name"])).toBe(3);
    // the second one was tried as well
    expect(err.match(/^bletchley: /gm)).toHaveLength(2);
    expect(await run(["generate", "--model", "./no-such-file.gguf", "x"])).toBe(3);
  });
});

describe("exit codes", () => {
  it("stand for kinds of errors", () => {
    expect(exitCodeOf(new BletchleyError("argument", ""))).toBe(2);
    expect(exitCodeOf(new BletchleyError("name", ""))).toBe(2);
    expect(exitCodeOf(new BletchleyError("network", ""))).toBe(3);
    expect(exitCodeOf(new BletchleyError("checksum", ""))).toBe(3);
    expect(exitCodeOf(new BletchleyError("engine", ""))).toBe(1);
    expect(exitCodeOf(new Error("bug"))).toBe(1);
    expect(exitCodeOf(new Interrupted(130))).toBe(130);
  });

  it("come with one line, or with all stacks when debugging", () => {
    const error = new BletchleyError("format", "the file is broken", { cause: new Error("at byte 7") });
    expect(reportOf(error, false)).toBe("bletchley: the file is broken");
    const long = reportOf(error, true);
    expect(long).toContain("program.test.ts");
    expect(long).toContain("Error: at byte 7");
    expect(reportOf("text", true)).toBe("bletchley: text");
  });
});

describe("interruptible", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("turns %s into an abort and exit code %i", async (signal, exitCode) => {
    const before = process.listenerCount(signal);
    const work = interruptible(
      (aborted) =>
        new Promise<void>((_, reject) => {
          aborted.addEventListener("abort", () => reject(new Error("stopped half-way")));
          process.emit(signal);
        }),
    );
    await expect(work).rejects.toMatchObject({ name: "Interrupted", exitCode });
    expect(process.listenerCount(signal)).toBe(before);
  });

  it("counts a signal even when the work ends well", async () => {
    const work = interruptible(async () => {
      process.emit("SIGINT");
      return 5;
    });
    await expect(work).rejects.toMatchObject({ exitCode: 130 });
    expect(await interruptible(async () => 5)).toBe(5);
    await expect(interruptible(async () => Promise.reject(new Error("x")))).rejects.toThrow("x");
  });
});
