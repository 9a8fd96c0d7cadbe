import { describe, expect, it } from "vitest";
import { faint, formatBytes, formatSeconds, hasColour, printable, table } from "./terminal.ts";

const stream = (isTTY: boolean) => ({ isTTY, write: () => true });

describe("words for a terminal", () => {
  it("are faint only where there is colour", () => {
    expect(hasColour(stream(true), {})).toBe(true);
    expect(hasColour(stream(false), {})).toBe(false);
    expect(hasColour(stream(true), { NO_COLOR: "1" })).toBe(false);
    expect(hasColour(stream(true), { TERM: "dumb" })).toBe(false);
    expect(faint("x", stream(false))).toBe("x");
  });

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [98_362_432, "98.4 MB"],
    [253_113_024, "253 MB"],
    [999_960, "1.0 MB"],
    [1.5e12, "1.5 TB"],
  ])("%i bytes are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0.4, "0 s"],
    [59.4, "59 s"],
    [59.6, "1:00"],
    [125, "2:05"],
    [3725, "1:02:05"],
  ])("%f seconds are %s", (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });

  it("stand in tables", () => {
    expect(
      table(
        ["NAME", " SIZE", "X"],
        [
          ["a", "10", "é"],
          ["long", "5", ""],
        ],
      ),
    ).toBe(["NAME  SIZE  X", "a       10  é", "long     5"].join("\n"));
  });

  it("lose what could rewrite the screen", () => {
    expect(printable("a\u001b[2Jb\r\n\tc\u009bd")).toBe("a[2Jb\n\tcd");
  });
});
