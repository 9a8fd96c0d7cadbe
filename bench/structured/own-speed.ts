/**
 * Times this engine's masks in a process of its own, as `llguidance_speed.py` does for its peer: prints one JSON object with
 * lists of microseconds (`cold`: the masks of the warm-up pass, when nothing is kept yet). Arguments: file of cases, tokenizer, passes.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { ConstraintEngine } from "../../src/decode/constraints/index.ts";
import { openTokenizer } from "./tokenizers.ts";

const [path, name, passes, out] = process.argv.slice(2) as [string, string, string, string];
const cases = readFileSync(path, "utf8")
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => JSON.parse(line) as { schema: string; tests: number[][] });
const engine = new ConstraintEngine(await openTokenizer(name));
const mask = new Uint32Array(engine.vocabulary.words);

/** Compile time, then the time of every mask; undefined where the schema is refused. */
function runCase({ schema, tests }: (typeof cases)[number]): number[] | undefined {
  const times: number[] = [];
  let start = performance.now();
  let compiled: ReturnType<typeof engine.jsonSchema>;
  try {
    compiled = engine.jsonSchema(schema);
  } catch {
    return undefined;
  }
  times.push((performance.now() - start) * 1000);
  for (const ids of tests.length ? tests : [[]]) {
    const constraint = compiled.start();
    if (!ids.length) {
      start = performance.now();
      constraint.mask(mask);
      times.push((performance.now() - start) * 1000);
    }
    for (const token of ids) {
      start = performance.now();
      constraint.mask(mask);
      times.push((performance.now() - start) * 1000);
      if (!(mask[token >>> 5]! & (1 << (token & 31))) || !constraint.advance(token)) break;
    }
  }
  return times;
}

let best: (number[] | undefined)[] = [];
let cold: (number[] | undefined)[] = [];
for (let pass = 0; pass <= Number(passes); pass++) {
  const result = cases.map(runCase);
  if (pass === 0) cold = result;
  if (pass === 1) best = result;
  if (pass > 1) best = best.map((times, i) => times?.map((us, j) => Math.min(us, result[i]?.[j] ?? us)));
}
const ran = best.filter((times) => times !== undefined);
writeFileSync(
  out,
  JSON.stringify({
    compile: ran.map((times) => times[0]!),
    first: ran.flatMap((times) => (times.length > 1 ? [times[1]!] : [])),
    mask: ran.flatMap((times) => times.slice(1)),
    cold: cold.flatMap((times) => times?.slice(1) ?? []),
  }),
);
