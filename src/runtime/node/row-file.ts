/**
 * Rows of a matrix read straight from a file when they are needed: a token's embedding is a kilobyte, the table is not
 * worth its memory. Reads are synchronous because they hit the page cache and take microseconds.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { fail } from "../../util/errors.ts";

/** Where rows lie and how they are unpacked. */
export interface RowLayout {
  readonly path: string;
  readonly rows: number;
  readonly offset: number;
  readonly rowBytes: number;
  unpack(bytes: Uint8Array, out: Float32Array, outOffset: number): void;
}

/** An open table of rows. */
export class RowFile {
  readonly #layout: RowLayout;
  readonly #buffer: Uint8Array;
  #handle: number | undefined;

  constructor(layout: RowLayout) {
    this.#layout = layout;
    this.#buffer = new Uint8Array(layout.rowBytes);
    this.#handle = openSync(layout.path, "r");
  }

  /** Writes row `index` to `out` at `offset`. @throws `format` when the file ends early. */
  read(index: number, out: Float32Array, offset: number): void {
    const { path, rows, rowBytes, offset: start } = this.#layout;
    if (index < 0 || index >= rows) fail("argument", `row ${index} is outside of the ${rows} rows of ${path}`);
    const handle = this.#handle ?? fail("disposed", `the rows of ${path} have been closed`);
    const got = readSync(handle, this.#buffer, 0, rowBytes, start + index * rowBytes);
    if (got !== rowBytes) fail("format", `${path} ends inside of row ${index}`);
    this.#layout.unpack(this.#buffer, out, offset);
  }

  /** Closes the file. */
  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }
}
