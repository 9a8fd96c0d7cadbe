/**
 * Counts what ran: gates (lint, types, …) and tests are worth one each, and nothing that went wrong may be counted as nothing.
 */

/** How many passed, failed and were skipped. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The part of vitest's JSON report that is counted. */
export interface TestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/**
 * Counts a test run.
 * @param report what vitest wrote; `undefined` when it ended before that. @param exitCode `null` when a signal ended it.
 */
export function tallyOf(report: TestReport | undefined, exitCode: number | null): Tally {
  let [passed, failed, skipped] = [0, 0, 0];
  for (const file of report?.testResults ?? []) {
    const before = failed;
    for (const { status } of file.assertionResults)
      if (status === "passed") passed++;
      else if (status === "failed") failed++;
      else skipped++;
    // a file that does not load has no tests that could fail
    if (file.status === "failed" && failed === before) failed++;
  }
  // errors outside of any test, a crash, or no tests at all
  if (!failed && (exitCode !== 0 || !passed)) failed++;
  return { passed, failed, skipped };
}

/** Adds tallies. */
export function sumOf(tallies: readonly Tally[]): Tally {
  return tallies.reduce(
    (a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}

/** `N passed, N failed`, and how many were skipped if any were. */
export function describeTally({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`;
}
