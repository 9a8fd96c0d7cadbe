import { describe, expect, it } from "vitest";
import { Patience } from "../../src/decode/constraints/patience.ts";

describe("patience", () => {
  it("ends a call that would not end, and begins anew with the next", () => {
    const patience = new Patience(20);
    patience.begin();
    expect(() => {
      for (;;) patience.spend();
    }).toThrow(/too complex: one step of it took more than 0.02 s/);
    patience.begin();
    for (let i = 0; i < 5000; i++) patience.spend();
  });

  it("does not count the time for which the process does not compute", () => {
    const patience = new Patience(20);
    patience.begin();
    patience.spend(2000);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    patience.spend(2000);
  });
});
