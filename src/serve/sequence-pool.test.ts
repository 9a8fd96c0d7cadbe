import { describe, expect, it } from "vitest";
import { noisyLogits, ScriptedModel } from "../decode/testing/scripted.ts";
import { prefill, type Sequence } from "../lm/index.ts";
import { SequencePool } from "./sequence-pool.ts";

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => (from + i) % 250);

async function feed(sequence: Sequence, tokens: readonly number[]): Promise<Float32Array> {
  return prefill(sequence, tokens.slice(sequence.length));
}

describe("SequencePool", () => {
  it("hands out the sequence that holds most of a prompt, and computes only the rest", async () => {
    const model = new ScriptedModel();
    const pool = new SequencePool(model, { sequences: 4, tokens: 1000 });
    const first = await pool.take(range(0, 20));
    await feed(first, range(0, 20));
    await pool.give(first, [...range(0, 20), 99]);
    const again = await pool.take(range(0, 30));
    expect(again).toBe(first);
    expect(again.length).toBe(20);
    const logits = await feed(again, range(0, 30));
    expect(model.rows).toBe(30);
    expect(logits).toEqual(noisyLogits(range(0, 30)));
    // the same prompt again still needs its last token
    await pool.give(again, range(0, 30));
    expect((await pool.take(range(0, 30))).length).toBe(29);
  });

  it("does not let a short beginning cost a long conversation its cache", async () => {
    const model = new ScriptedModel();
    const pool = new SequencePool(model, { sequences: 4, tokens: 1000 });
    const long = await pool.take(range(0, 200));
    await feed(long, range(0, 200));
    await pool.give(long, range(0, 200));
    // ten tokens in common: as cheap to compute as to copy
    const short = await pool.take([...range(0, 10), 7, 7, 7]);
    expect(short.length).toBe(0);
    // seventy: copied
    const fork = await pool.take([...range(0, 70), 7, 7, 7]);
    expect(fork.length).toBe(70);
    expect(await feed(fork, [...range(0, 70), 7])).toEqual(noisyLogits([...range(0, 70), 7]));
    expect(await pool.take(range(0, 220))).toBe(long);
    expect(long.length).toBe(200);
  });

  it("closes what is least recently used when there is too much", async () => {
    const model = new ScriptedModel();
    const pool = new SequencePool(model, { sequences: 2, tokens: 100 });
    const starts = [0, 60, 120];
    const taken = await Promise.all(starts.map(async (start) => pool.take(range(start, 30))));
    for (const [i, start] of starts.entries()) {
      await feed(taken[i]!, range(start, 30));
      await pool.give(taken[i]!, range(start, 30));
    }
    expect(model.openCount).toBe(2);
    expect((await pool.take(range(0, 30))).length).toBe(0);
    // one that is larger than the limit is kept alone
    const large = await pool.take(range(200, 150));
    await feed(large, range(200, 150));
    await pool.give(large, range(200, 150));
    expect(model.openCount).toBe(2); // it, and the one that is out
    expect(await pool.take(range(200, 151))).toBe(large);
    await pool.give(large, range(200, 150));
    await pool.clear();
    expect(model.openCount).toBe(1);
  });
});
