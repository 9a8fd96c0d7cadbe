/**
 * Cases that go wrong on purpose, one in each way: they show that the watch sees what it is there for.
 */
import { fail } from "../../src/util/errors.ts";
import type { Fault } from "./run-cases.ts";
import { type HostileCase, readParts, type Subject } from "./subject.ts";

const none = { codes: [] };

const cases: readonly (HostileCase & { readonly fault?: Fault })[] = [
  { what: "a file that is fine", run: async () => none },
  { what: "a file that is refused", run: () => readParts(() => fail("format", "no")) },
  {
    what: "an error without a code",
    fault: "untyped error",
    run: () => readParts(() => (undefined as unknown as string[]).length),
  },
  {
    what: "an error that says it is a bug",
    fault: "untyped error",
    run: () => readParts(() => fail("internal", "broken")),
  },
  { what: "a process that dies", fault: "crash", run: async () => process.abort() },
  {
    what: "a loop without end",
    fault: "hang",
    async run() {
      for (;;);
    },
  },
  {
    what: "a gigabyte and a half at once",
    fault: "memory",
    async run() {
      new Uint8Array(1.5 * 2 ** 30).fill(1);
      return none;
    },
  },
  {
    what: "a wait without end",
    fault: "hang",
    run: () => new Promise((resolve) => setTimeout(() => resolve(none), 1e6)),
  },
  {
    what: "memory without end",
    fault: "memory",
    async run() {
      for (const kept: Uint8Array[] = []; ; ) kept.push(new Uint8Array(1 << 24).fill(1));
    },
  },
];

/** The faults that must be found, by the number of their case. */
export const expectedFaults: ReadonlyMap<number, Fault> = new Map(
  cases.flatMap(({ fault }, index) => (fault ? [[index, fault] as const] : [])),
);

/** Cases that go wrong on purpose. */
export function faultySubject(): Subject {
  return { name: "faulty", handmade: cases, mutate: () => cases[0]! };
}
