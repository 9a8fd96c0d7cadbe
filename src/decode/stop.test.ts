import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopFilter } from "./stop.ts";

function run(stops: readonly string[], pieces: readonly string[]): { text: string; stopped: boolean; shown: string[] } {
  const filter = new StopFilter(stops);
  const shown = pieces.map((piece) => filter.push(piece));
  return { text: shown.join("") + filter.flush(), stopped: filter.stopped, shown };
}

describe("StopFilter", () => {
  it("cuts at the first stop text, even when it arrives in pieces", () => {
    expect(run(["END"], ["one E", "N", "D two"])).toMatchObject({ text: "one ", stopped: true });
    expect(run(["b", "ab"], ["xab"])).toMatchObject({ text: "x", stopped: true });
  });

  it("holds back only what may begin a stop text", () => {
    expect(run(["END"], ["one E", "N", "o"]).shown).toEqual(["one ", "", "ENo"]);
  });

  it("gives back what it held when the stream ends", () => {
    expect(run(["END"], ["the E"])).toMatchObject({ text: "the E", stopped: false });
  });

  it("does the same as cutting the whole text, however it is cut into pieces", () => {
    const letters = fc.string({ unit: fc.constantFrom(..."ab "), minLength: 0, maxLength: 30 });
    const stopTexts = fc.array(fc.string({ unit: fc.constantFrom(..."ab "), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 8 }), stopTexts, (pieces, stops) => {
        const whole = pieces.join("");
        const ats = stops.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0);
        const { text, stopped, shown } = run(stops, pieces);
        expect(stopped).toBe(ats.length > 0);
        expect(text).toBe(ats.length ? whole.slice(0, Math.min(...ats)) : whole);
        // what was shown was never taken back
        expect(text.startsWith(shown.join(""))).toBe(true);
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  it("shows everything without stop texts, and ignores empty ones", () => {
    expect(run([""], ["a", "b"])).toEqual({ text: "ab", stopped: false, shown: ["a", "b"] });
  });
});
