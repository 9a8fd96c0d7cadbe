import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { joinSignals } from "./abort.ts";

describe("joined signals", () => {
  it("fire with the first source, with its reason, or by themselves", () => {
    const [a, b] = [new AbortController(), new AbortController()];
    const joined = joinSignals(a.signal, undefined, b.signal);
    b.abort("b");
    a.abort("a");
    expect(joined.signal).toMatchObject({ aborted: true, reason: "b" });
    expect(joinSignals(a.signal, b.signal).signal.reason).toBe("a");
    const own = joinSignals();
    own.abort("own");
    expect(own.signal.reason).toBe("own");
  });

  it("let go of their sources", () => {
    const a = new AbortController();
    const joined = joinSignals(a.signal);
    joined.release();
    a.abort();
    expect(joined.signal.aborted).toBe(false);
  });

  it("survive garbage collection", () => {
    const code = `
      import { joinSignals } from ${JSON.stringify(new URL("./abort.ts", import.meta.url).href)};
      const held = (() => joinSignals(joinSignals(AbortSignal.timeout(150)).signal).signal)();
      for (let i = 0; i < 10; i++) { gc(); await new Promise((wake) => setTimeout(wake, 40)); }
      console.log(held.aborted);`;
    const command = ["--expose-gc", "--import", "tsx", "--input-type=module", "--eval", code];
    expect(execFileSync(process.execPath, command, { encoding: "utf8" }).trim()).toBe("true");
  });
});
