import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";

/** Runs a program with a command line of one line of 60 kB: what crashed ONNX Runtime's telemetry. */
function runWithLongArgument(program: string, own?: string): { output: string; signal: unknown } {
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", program.replaceAll("\n", " "), "a".repeat(60_000)],
    { encoding: "utf8", env: { ...process.env, ORT_DISABLE_TELEMETRY: own }, timeout: 25_000 },
  );
  return { output: stdout + stderr, signal };
}

const engine = JSON.stringify(new URL("./ort-engine.ts", import.meta.url).href);
const telemetry = JSON.stringify(new URL("./ort-telemetry.ts", import.meta.url).href);

const create = `
  const { OrtEngine } = await import(${engine});
  await new OrtEngine().load({ bytes: new Uint8Array(10), name: "broken" }).catch((error) => console.log(error.code));`;

describe("ONNX Runtime's telemetry", () => {
  it("does not end the process when the command line is long", () => {
    expect(runWithLongArgument(create)).toEqual({
      output: expect.stringContaining("engine"),
      signal: null,
    });
  });

  it("is left to users who ask for it", () => {
    const program = `
      const { disableOrtTelemetry } = await import(${telemetry});
      disableOrtTelemetry();
      console.log("disabled", process.env.ORT_DISABLE_TELEMETRY);`;
    expect(runWithLongArgument(program, "0").output).toContain("disabled 0");
    expect(runWithLongArgument(program).output).toContain("disabled 1");
  });
});
