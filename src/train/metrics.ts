/**
 * What a run has measured: a line of JSON a record, in a file that a resumed run goes on writing.
 */
import type { FileStore } from "../runtime/index.ts";
import type { Curve } from "./loss-curve.ts";

/** Numbers by name, of one step or one evaluation. */
export type MetricRecord = Readonly<Record<string, number>> & { readonly step: number };

const fileName = "metrics.jsonl";

/** A record of a run, in memory and, when there is a store, in `metrics.jsonl`. */
export class MetricLog {
  readonly #files: FileStore | undefined;
  #records: MetricRecord[] = [];

  constructor(files?: FileStore) {
    this.#files = files;
  }

  /** All records. */
  get records(): readonly MetricRecord[] {
    return this.#records;
  }

  /** Takes over what an earlier run measured up to a step, and forgets what it measured beyond. */
  async resume(step: number): Promise<void> {
    if (!this.#files) return;
    const text = new TextDecoder().decode((await this.#files.read(fileName)) ?? new Uint8Array());
    this.#records = text.split("\n").flatMap((line) => {
      try {
        const record = JSON.parse(line) as MetricRecord;
        return record.step <= step ? [record] : [];
      } catch {
        // the line that was being written when the run was killed
        return [];
      }
    });
    await this.#files.write(fileName, [
      new TextEncoder().encode(this.#records.map((record) => `${JSON.stringify(record)}\n`).join("")),
    ]);
  }

  /** Adds a record. @throws `disk`. */
  async add(record: MetricRecord): Promise<void> {
    this.#records.push(record);
    await this.#files?.append(fileName, `${JSON.stringify(record)}\n`);
  }

  /** Curves of some metrics, those that were measured. */
  curves(names: readonly string[]): Curve[] {
    return names.flatMap((name) => {
      const points = this.#records.flatMap((record) =>
        record[name] === undefined ? [] : [[record.step, record[name]] as const],
      );
      return points.length ? [{ name, points }] : [];
    });
  }
}
