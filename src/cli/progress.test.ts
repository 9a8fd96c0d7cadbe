import { describe, expect, it } from "vitest";
import type { Progress } from "../util/progress.ts";
import { ProgressDrawing, progressLine } from "./progress.ts";

const bytes = (done: number, total?: number): Progress => ({ task: "download model", done, total, unit: "bytes" });

describe("progressLine", () => {
  it("shows share, amounts, rate and time left", () => {
    expect(progressLine(bytes(45e6, 100e6), { done: 0, at: 0 }, 3000, 100)).toBe(
      "download model  ━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌  45 %  45.0 MB of 100 MB  15.0 MB/s  4 s left",
    );
    expect(progressLine({ task: "t", done: 3, total: 12, unit: "tensors" }, { done: 0, at: 0 }, 6000, 100)).toBe(
      "t  ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  25 %  3 of 12 tensors  0.5/s  18 s left",
    );
  });

  it("does not count as speed what an earlier run has left", () => {
    expect(progressLine(bytes(60e6, 100e6), { done: 50e6, at: 1000 }, 2000, 100)).toContain("10.0 MB/s  4 s left");
  });

  it("does without a total, and promises nothing at the end", () => {
    expect(progressLine(bytes(5e6), { done: 0, at: 0 }, 1000, 80)).toBe("download model  5.0 MB  5.0 MB/s");
    expect(progressLine(bytes(100e6, 100e6), { done: 0, at: 0 }, 1000, 100)).not.toContain("left");
  });

  it("fits any width", () => {
    for (let columns = 1; columns < 120; columns++)
      expect([...progressLine(bytes(45e6, 100e6), { done: 0, at: 0 }, 3000, columns)].length).toBeLessThan(
        Math.max(2, columns),
      );
  });
});

describe("ProgressDrawing", () => {
  function drawing(isTTY: boolean) {
    const written: string[] = [];
    const clock = { now: 0 };
    const stream = { isTTY, columns: 100, write: (text: string) => written.push(text) };
    return { written, clock, drawing: new ProgressDrawing(stream, () => clock.now) };
  }

  it("is silent off a terminal", () => {
    const { drawing: line, clock, written } = drawing(false);
    for (; clock.now < 5000; clock.now += 100) line.listener(bytes(clock.now, 5000));
    line.clear();
    expect(written).toEqual([]);
  });

  it("draws what takes longer than a moment, not too often, and leaves nothing behind", () => {
    const { drawing: line, clock, written } = drawing(true);
    for (; clock.now < 400; clock.now += 10) line.listener(bytes(clock.now, 5000));
    line.clear();
    expect(written).toEqual([]);
    clock.now = 1000;
    for (; clock.now < 3000; clock.now += 10) line.listener(bytes(clock.now, 5000));
    expect(written.length).toBeGreaterThan(10);
    expect(written.length).toBeLessThan(30);
    line.clear();
    line.clear();
    expect(written.filter((text) => text === "\r\u001b[K")).toHaveLength(1);
    expect(written.at(-1)).toBe("\r\u001b[K");
  });
});
