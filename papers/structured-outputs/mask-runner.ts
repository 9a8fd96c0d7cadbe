/**
 * Takes instances through a constraint token by token, as MaskBench does: mask, look-up, commit, and at the end the token that
 * ends the text. Knows the engine's public interface alone.
 */
import { type CompiledConstraint, ConstraintEngine, type JsonSchemaOptions } from "bletchley/decode";
import type { Tokenizer } from "bletchley/formats";
import { type MaskCase, spacedJson } from "./mask-cases.ts";

/** What became of a schema; the graver fault wins. */
export type Status = "pass" | "compile-error" | "invalidation-error" | "validation-error" | "error";

/** A schema's verdict with its times in microseconds. */
export interface Verdict {
  readonly name: string;
  readonly status: Status;
  readonly detail?: string;
  readonly compileUs: number;
  readonly firstUs?: number;
  /** Time of every mask, in order. */
  readonly maskUs: readonly number[];
}

/** Runs cases through one engine. */
export class CaseRunner {
  readonly engine: ConstraintEngine;
  readonly #mask: Uint32Array;
  readonly #tokens = new Map<string, readonly number[]>();

  constructor(readonly tokenizer: Tokenizer) {
    this.engine = new ConstraintEngine(tokenizer);
    this.#mask = new Uint32Array(this.engine.vocabulary.words);
  }

  #encode(text: string): readonly number[] {
    let tokens = this.#tokens.get(text);
    if (!tokens) {
      tokens = this.tokenizer.encode(text);
      this.#tokens.set(text, tokens);
    }
    return tokens;
  }

  /** The verdict on a case. */
  run({ name, schema, tests }: MaskCase, options: JsonSchemaOptions = {}): Verdict {
    const maskUs: number[] = [];
    const before = performance.now();
    let compiled: CompiledConstraint;
    try {
      compiled = this.engine.jsonSchema(schema, options);
    } catch (error) {
      return { name, status: "compile-error", detail: (error as Error).message, compileUs: 0, maskUs };
    }
    const compileUs = (performance.now() - before) * 1000;
    const faults: string[] = [];
    let accepted = 0;
    let broken = 0;
    if (!tests.length) {
      const constraint = compiled.start();
      const start = performance.now();
      constraint.mask(this.#mask);
      return { name, status: "pass", compileUs, firstUs: (performance.now() - start) * 1000, maskUs };
    }
    for (const { valid, text } of tests) {
      const spaced = spacedJson(text);
      try {
        const at = this.#follow(compiled, this.#encode(spaced), maskUs);
        if (at < 0 === valid) continue;
        if (!valid) accepted++;
        faults.push(valid ? `refused at token ${at}: ${spaced.slice(0, 2000)}` : `accepted: ${spaced.slice(0, 2000)}`);
      } catch (error) {
        broken++;
        faults.push(`failed: ${(error as Error).stack}`);
      }
    }
    const status = accepted ? "invalidation-error" : broken ? "error" : faults.length ? "validation-error" : "pass";
    return { name, status, detail: faults.join("\n"), compileUs, firstUs: maskUs[0], maskUs };
  }

  /** The number of the token that is refused, counting the end of the text as one; -1 when all are allowed. */
  #follow(compiled: CompiledConstraint, tokens: readonly number[], maskUs: number[]): number {
    const mask = this.#mask;
    const constraint = compiled.start();
    const allowed = (token: number) => (mask[token >>> 5]! & (1 << (token & 31))) !== 0;
    for (let i = 0; i < tokens.length; i++) {
      const start = performance.now();
      constraint.mask(mask);
      maskUs.push((performance.now() - start) * 1000);
      const token = tokens[i]!;
      if (!allowed(token)) {
        if (constraint.allows(token)) throw new Error(`the mask forbids token ${token}, and the constraint takes it`);
        return i;
      }
      if (!constraint.advance(token)) throw new Error(`the mask allows token ${token}, and the constraint refuses it`);
    }
    constraint.mask(mask);
    return this.engine.vocabulary.endTokens.some(allowed) ? -1 : tokens.length;
  }
}

/** A percentile by nearest rank. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((sorted.length * p) / 100) - 1))] ?? Number.NaN;
}
