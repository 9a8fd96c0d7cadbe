/**
 * The last line of `npm test` counts everything, and a run that went wrong can never look like one that went well.
 */
import { describe, expect, it } from "vitest";
import { describeTally, sumOf, type TestReport, tallyOf } from "../../scripts/tally.ts";

const file = (status: string, ...tests: string[]): TestReport["testResults"][number] => ({
  name: "a.test.ts",
  status,
  assertionResults: tests.map((status) => ({ status })),
});

describe("tallyOf", () => {
  it("counts tests, and everything that neither passed nor failed as skipped", () => {
    const report = {
      testResults: [file("failed", "passed", "failed", "skipped"), file("passed", "passed", "todo", "pending")],
    };
    expect(tallyOf(report, 1)).toEqual({ passed: 2, failed: 1, skipped: 3 });
  });

  it("counts a file that does not load as a failure", () => {
    expect(tallyOf({ testResults: [file("failed"), file("passed", "passed")] }, 1)).toMatchObject({ failed: 1 });
  });

  it("counts errors outside of tests, a crash, and a run without tests as a failure", () => {
    expect(tallyOf({ testResults: [file("passed", "passed")] }, 1)).toMatchObject({ passed: 1, failed: 1 });
    expect(tallyOf(undefined, null)).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(tallyOf({ testResults: [] }, 0)).toMatchObject({ failed: 1 });
  });
});

describe("describeTally", () => {
  it("names skipped tests only when there are some", () => {
    const a = { passed: 3, failed: 0, skipped: 0 };
    expect(describeTally(a)).toBe("3 passed, 0 failed");
    expect(describeTally(sumOf([a, { passed: 1, failed: 2, skipped: 4 }]))).toBe("4 passed, 2 failed, 4 skipped");
  });
});
