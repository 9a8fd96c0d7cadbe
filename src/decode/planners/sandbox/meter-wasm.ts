/**
 * Rewrites a WebAssembly module so that it counts what it does and stops when its allowance is used up. The count is the same on every
 * machine, and no loop escapes it, whatever it was compiled from. Knows nothing of QuickJS.
 */
import { fail } from "../../../util/errors.ts";

/** Name of the exported 32-bit global that holds what is left of the allowance; a loop that finds it below zero traps. */
export const allowanceName = "allowance";

/** Bytes that are copied or filled at once for one unit of the allowance. */
const bytesPerUnit = 16;

const section = { import: 2, global: 6, export: 7, code: 10 } as const;

class Reader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    return this.bytes[this.at++] ?? fail("format", `meterWasm: the module ends inside of byte ${this.at - 1}`);
  }

  /** An unsigned LEB128 number of at most 32 bits. */
  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  /** Passes over a LEB128 number of any size and sign. */
  skipNumber(): void {
    while (this.byte() >= 128);
  }

  skipName(): void {
    const length = this.unsigned();
    this.at += length;
  }
}

function unsigned(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return [...out, rest];
}

function joined(parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Globals that a module imports; their numbers come before its own. */
function importedGlobals(reader: Reader): number {
  let globals = 0;
  for (let left = reader.unsigned(); left; left--) {
    reader.skipName();
    reader.skipName();
    const kind = reader.byte();
    if (kind === 0) reader.unsigned();
    else if (kind === 1 || kind === 2) {
      if (kind === 1) reader.byte();
      const bounded = reader.unsigned() & 1;
      reader.unsigned();
      if (bounded) reader.unsigned();
    } else if (kind === 3) {
      globals++;
      reader.at += 2;
    } else fail("unsupported", `meterWasm: an import of kind ${kind}`);
  }
  return globals;
}

/** Passes over what follows an instruction's first byte. @returns whether bytes are copied or filled in bulk. */
function skipImmediates(reader: Reader, opcode: number): boolean {
  const skip = (count: number) => {
    for (let i = 0; i < count; i++) reader.skipNumber();
  };
  if (opcode === 0x41 || opcode === 0x42) skip(1);
  else if (opcode === 0x43) reader.at += 4;
  else if (opcode === 0x44) reader.at += 8;
  else if (opcode >= 0x28 && opcode <= 0x3e) skip(2);
  else if (opcode >= 0x45 && opcode <= 0xc4) return false;
  else if (opcode >= 0x02 && opcode <= 0x04) skip(1);
  else if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10) skip(1);
  else if (opcode === 0x0e) skip(reader.unsigned() + 1);
  else if (opcode === 0x11) skip(2);
  else if (opcode === 0x1c) skip(reader.unsigned());
  else if (opcode >= 0x20 && opcode <= 0x26) skip(1);
  else if (opcode === 0x3f || opcode === 0x40) skip(1);
  else if (opcode === 0xd0 || opcode === 0xd2) skip(1);
  else if (opcode === 0xfc) {
    const extended = reader.unsigned();
    if (extended === 8 || extended === 10 || extended === 12 || extended === 14) skip(2);
    else if (extended === 9 || extended === 11 || extended === 13 || extended >= 15) skip(1);
    if (extended > 17) fail("unsupported", `meterWasm: the instruction 0xfc ${extended}`);
    return extended === 10 || extended === 11;
  } else if (!plain.has(opcode)) fail("unsupported", `meterWasm: the instruction 0x${opcode.toString(16)}`);
  return false;
}

/** Instructions of a single byte among the control and parametric ones. */
const plain: ReadonlySet<number> = new Set([0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b, 0xd1]);

/** One function with its counts. */
function meterFunction(body: Uint8Array, allowance: number, scratch: number): Uint8Array {
  const left = unsigned(allowance);
  const size = unsigned(scratch);
  // global.get, i32.const 1, i32.sub, global.set; then: global.get, i32.const 0, i32.lt_s, if, unreachable, end
  const atLoop = [0x23, ...left, 0x41, 1, 0x6b, 0x24, ...left, 0x23, ...left, 0x41, 0, 0x48, 0x04, 0x40, 0x00, 0x0b];
  // the length lies on top of the stack: note it, take its share off the allowance, put it back
  const shift = Math.log2(bytesPerUnit);
  const beforeBulk = [
    0x24,
    ...size,
    0x23,
    ...left,
    0x23,
    ...size,
    0x41,
    shift,
    0x76,
    0x6b,
    0x24,
    ...left,
    0x23,
    ...size,
  ];
  const reader = new Reader(body);
  for (let groups = reader.unsigned(); groups; groups--) {
    reader.unsigned();
    reader.byte();
  }
  const parts: (Uint8Array | readonly number[])[] = [];
  let copied = 0;
  const insert = (at: number, code: readonly number[]) => {
    parts.push(body.subarray(copied, at), code);
    copied = at;
  };
  while (reader.at < body.length) {
    const start = reader.at;
    const opcode = reader.byte();
    const bulk = skipImmediates(reader, opcode);
    if (opcode === 0x03) insert(reader.at, atLoop);
    else if (bulk) insert(start, beforeBulk);
  }
  parts.push(body.subarray(copied));
  return joined(parts);
}

function meterCode(reader: Reader, allowance: number, scratch: number): Uint8Array {
  const count = reader.unsigned();
  const parts: (Uint8Array | readonly number[])[] = [unsigned(count)];
  for (let i = 0; i < count; i++) {
    const length = reader.unsigned();
    const body = meterFunction(reader.bytes.subarray(reader.at, reader.at + length), allowance, scratch);
    reader.at += length;
    parts.push(unsigned(body.length), body);
  }
  return joined(parts);
}

/**
 * Adds a count to every loop and to every bulk copy of a module. The count is exported as {@link allowanceName}: set it before a call,
 * and the call ends with a `WebAssembly.RuntimeError` when more rounds of loops are made than it says (16 bytes of a bulk copy count as
 * one). After that the instance is in no state to be used again.
 * @throws `format` for what is no module, `unsupported` for vector, thread, exception and garbage-collection instructions.
 */
export function meterWasm(module: Uint8Array): Uint8Array<ArrayBuffer> {
  if (module[0] !== 0 || String.fromCharCode(...module.subarray(1, 4)) !== "asm")
    fail("format", "meterWasm: the bytes are no WebAssembly module");
  const reader = new Reader(module, 8);
  const parts: (Uint8Array | readonly number[])[] = [module.subarray(0, 8)];
  let imported = 0;
  let allowance = -1;
  let exported = false;
  while (reader.at < module.length) {
    const id = reader.byte();
    const length = reader.unsigned();
    const end = reader.at + length;
    let content: Uint8Array = module.subarray(reader.at, end);
    if (id === section.import) imported = importedGlobals(new Reader(content));
    else if (id === section.global) {
      const inner = new Reader(content);
      const count = inner.unsigned();
      allowance = imported + count;
      // two more, each a mutable i32 that begins with 0
      const added = [0x7f, 1, 0x41, 0, 0x0b];
      content = joined([unsigned(count + 2), content.subarray(inner.at), added, added]);
    } else if (id === section.export) {
      const inner = new Reader(content);
      const count = inner.unsigned();
      const name = [...new TextEncoder().encode(allowanceName)];
      if (allowance < 0) fail("unsupported", "meterWasm: the module has no globals of its own");
      const added = [...unsigned(name.length), ...name, 3, ...unsigned(allowance)];
      content = joined([unsigned(count + 1), content.subarray(inner.at), added]);
      exported = true;
    } else if (id === section.code) {
      if (!exported) fail("unsupported", "meterWasm: the module exports nothing");
      content = meterCode(new Reader(content), allowance, allowance + 1);
    }
    parts.push([id, ...unsigned(content.length)], content);
    reader.at = end;
  }
  return joined(parts) as Uint8Array<ArrayBuffer>;
}
