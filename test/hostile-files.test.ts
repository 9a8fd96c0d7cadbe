import { describe, expect, it } from "vitest";
import { expectedFaults } from "../bench/hostile/faulty-subject.ts";
import { runCases } from "../bench/hostile/run-cases.ts";
import { formatNames, subjects } from "../bench/hostile/subjects.ts";

/** A short form of `bar:hostile-files`; the bar itself runs thousands of cases. */
describe("hostile files", () => {
  it("that go wrong on purpose are found out", async () => {
    // the first of each kind; the bar runs them all
    const last = 6;
    const limits = { limitMs: 1000, limitMiB: 400 };
    const { findings, accepted } = await runCases({ subject: "faulty", seed: 1, first: 0, last, ...limits });
    const found = findings.map(({ index, fault }) => [index, fault]);
    expect(found).toEqual([...expectedFaults].filter(([index]) => index <= last));
    expect(new Set(found.map(([, fault]) => fault)).size).toBe(4);
    expect(accepted).toBe(1);
  }, 60_000);

  it.each(formatNames)(
    "are read or refused: %s",
    async (subject) => {
      const made = subjects[subject]!();
      made.close?.();
      const first = made.handmade.length;
      const { findings, accepted, cases } = await runCases({ subject, seed: 11, first, last: first + 59 });
      expect(findings).toEqual([]);
      expect(accepted).toBeGreaterThan(0);
      expect(accepted).toBeLessThan(cases);
    },
    60_000,
  );
});
