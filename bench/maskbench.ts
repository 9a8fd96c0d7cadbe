/**
 * Every schema of MaskBench's sample, every instance token by token: which are accepted and refused, beside the peers' verdicts
 * on the same schemas. `--schemas FILE`, `--tokenizer smollm2|llama3`, `--verdicts OUT` writes each schema's verdict.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readCases } from "../papers/structured-outputs/mask-cases.ts";
import { CaseRunner, percentile, type Verdict } from "../papers/structured-outputs/mask-runner.ts";
import { dataRoot, runBar } from "./harness.ts";
import { openTokenizer } from "./structured/tokenizers.ts";

runBar("maskbench", async ({ inputs, options, quick, log, measure }) => {
  const path = options.get("schemas") ?? inputs[0] ?? join(dataRoot, "maskbench/schemas.jsonl.gz");
  if (!existsSync(path)) {
    log(`${path} is not there`);
    measure({ name: "schemas that pass", value: null, unit: "schemas", bar: "the sample", pass: null });
    return;
  }
  const tokenizer = options.get("tokenizer") ?? "smollm2";
  const runner = new CaseRunner(await openTokenizer(tokenizer));
  const only = options.get("only");
  const cases = readCases(readFileSync(path)).filter(({ name }, i) =>
    only ? name.includes(only) : !quick || i % 10 === 0,
  );
  const verdicts: Verdict[] = [];
  let slowest = 0;
  for (const one of cases) {
    const started = performance.now();
    const verdict = runner.run(one);
    verdicts.push(verdict);
    const took = performance.now() - started;
    if (took > Math.max(1000, slowest)) {
      slowest = took;
      log(`${one.name}: ${(took / 1000).toFixed(1)} s`);
    }
  }
  const count = (status: Verdict["status"]) => verdicts.filter((verdict) => verdict.status === status).length;
  const passing = count("pass");
  const tested = new Set(cases.filter(({ tests }) => tests.length).map(({ name }) => name));
  const testedPassing = verdicts.filter(({ name, status }) => status === "pass" && tested.has(name)).length;
  for (const { name, status, detail } of verdicts)
    if (status !== "pass") log(`${name}: ${status}: ${detail?.slice(0, only ? 4000 : 300)}`);

  const whole = cases.length === 2295;
  const peers = join(dataRoot, "maskbench/peers.json");
  const known = existsSync(peers)
    ? (JSON.parse(readFileSync(peers, "utf8")) as { engines: Record<string, { passing: number }> }).engines
    : {};
  const share = (n: number, of: number) =>
    whole ? `≥ ${n}` : `≥ ${Math.floor((n / of) * (n === 2270 ? cases.length : tested.size))}`;
  const floor = whole ? 2270 : Math.floor((2270 / 2295) * cases.length);
  const testedFloor = whole ? 1970 : Math.floor((1970 / 1979) * tested.size);
  measure({
    name: "invalid instances accepted",
    value: count("invalidation-error"),
    unit: "schemas",
    bar: "0",
    pass: count("invalidation-error") === 0,
  });
  const refused = count("validation-error") + count("error");
  measure({ name: "valid instances refused", value: refused, unit: "schemas", bar: "0", pass: refused === 0 });
  measure({
    name: `schemas that pass, of ${cases.length}`,
    value: passing,
    unit: "schemas",
    baseline: whole ? known.llguidance?.passing : undefined,
    bar: share(2270, 2295),
    pass: passing >= floor,
  });
  measure({
    name: `of the ${tested.size} with tests`,
    value: testedPassing,
    unit: "schemas",
    bar: share(1970, 1979),
    pass: testedPassing >= testedFloor,
  });
  measure({ name: "schemas refused", value: count("compile-error"), unit: "schemas", pass: null });
  const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
  const masks = sorted(verdicts.flatMap(({ maskUs }) => maskUs));
  const compiles = sorted(
    verdicts.filter(({ status }) => status !== "compile-error").map(({ compileUs }) => compileUs),
  );
  const firsts = sorted(verdicts.flatMap(({ firstUs }) => firstUs ?? []));
  const average = masks.reduce((sum, us) => sum + us, 0) / masks.length;
  measure({ name: `mask, mean of ${masks.length}`, value: average, unit: "µs", pass: null });
  for (const p of [50, 99, 99.9, 100])
    measure({ name: `mask, p${p}`, value: percentile(masks, p), unit: "µs", pass: null });
  for (const p of [50, 99, 100])
    measure({ name: `compile, p${p}`, value: percentile(compiles, p), unit: "µs", pass: null });
  for (const p of [50, 99, 100])
    measure({ name: `first mask, p${p}`, value: percentile(firsts, p), unit: "µs", pass: null });
  const out = options.get("verdicts");
  if (out)
    writeFileSync(
      out,
      `${JSON.stringify(
        verdicts.map(({ maskUs, ...verdict }) => ({ ...verdict, masks: maskUs.length })),
        null,
        1,
      )}\n`,
    );
});
