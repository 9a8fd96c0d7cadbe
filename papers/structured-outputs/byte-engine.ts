/**
 * An engine whose tokens are the 256 bytes, where languages are judged and no real vocabulary is needed.
 */
import { type CompiledConstraint, ConstraintEngine } from "bletchley/decode";

/** Drafts that the engine reads. */
export type Draft = 4 | 6 | 7 | 2019 | 2020;

const endToken = 256;

/** The engine over single bytes; token 256 ends a text. */
export function byteEngine(): ConstraintEngine {
  const bytes = Array.from({ length: 257 }, (_, i) => Uint8Array.of(i));
  return new ConstraintEngine({
    vocabSize: 257,
    specials: { eosIds: [endToken], addBos: false, addEos: false },
    tokenBytes: (id) => bytes[id]!,
    isSpecial: (id) => id === endToken,
  });
}

/** Whether a text is accepted from end to end; mask and verdict on each byte must agree. */
export function followText(compiled: CompiledConstraint, text: string): boolean {
  const constraint = compiled.start();
  const mask = new Uint32Array(9);
  const allowed = (token: number) => (mask[token >>> 5]! & (1 << (token & 31))) !== 0;
  for (const byte of new TextEncoder().encode(text)) {
    constraint.mask(mask);
    if (!mask.some((word) => word !== 0)) throw new Error(`a dead end before ${JSON.stringify(text)} ended`);
    if (allowed(byte) !== constraint.advance(byte)) throw new Error("mask and verdict on a byte differ");
    if (!allowed(byte)) return false;
  }
  constraint.mask(mask);
  return allowed(endToken);
}
