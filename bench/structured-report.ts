/**
 * The report on structured outputs: coverage of MaskBench by family of schemas, times of compiling, of first masks and of masks, and
 * what is left of a model's speed, for this engine, XGrammar's WebAssembly build, and llguidance and XGrammar in Python. Prints
 * tables and draws them. `--step N` takes every Nth schema, `--engines NAME,…`, `--out FOLDER`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCases, spacedJson } from "../papers/structured-outputs/mask-cases.ts";
import { percentile } from "../papers/structured-outputs/mask-runner.ts";
import { table } from "../src/cli/terminal.ts";
import { drawPlot, Plot } from "../src/papers/figure.ts";
import { loadModel } from "../src/serve/index.ts";
import { dataRoot, median, root, runBar } from "./harness.ts";
import type { EngineVerdict } from "./structured/report-engines.ts";
import { openTokenizer } from "./structured/tokenizers.ts";

/** Engines by the names of their columns. */
const engines = {
  own: "Bletchley",
  "web-xgrammar": "web-xgrammar",
  llguidance: "llguidance",
  xgrammar: "XGrammar",
} as const;
type EngineName = keyof typeof engines;

const family = (name: string) => {
  const [first, second] = name.split(/---|_/);
  return first === "Github" ? `Github ${second}` : first!;
};
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
const micro = (us: number) => (us >= 1000 ? `${(us / 1000).toPrecision(3)} ms` : `${us.toPrecision(3)} µs`);

await runBar("structured-report", async ({ options, quick, log, measure }) => {
  const path = options.get("schemas") ?? join(dataRoot, "maskbench/schemas.jsonl.gz");
  if (!existsSync(path)) {
    measure({ name: "schemas that pass", value: null, unit: "%", bar: "at least every other engine's", pass: null });
    return;
  }
  const step = Number(options.get("step") ?? (quick ? 40 : 8));
  const cases = readCases(readFileSync(path)).filter((_, i) => i % step === 0);
  const tokenizer = await openTokenizer("smollm2");
  const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id);
  const folder = mkdtempSync(join(tmpdir(), "bletchley-structured-"));
  const python = join(root, "bench/.venv/bin/python");
  const pinned = spawnSync("taskset", ["--version"]).status === 0 ? ["taskset", "-c", "0"] : [];
  const results = new Map<EngineName, EngineVerdict[]>();
  try {
    const input = join(folder, "cases.jsonl");
    const head = {
      tokens: ids.map((id) => Buffer.from(tokenizer.tokenBytes(id)).toString("base64")),
      eos: tokenizer.specials.eosIds[0],
      special: ids.filter((id) => tokenizer.isSpecial(id)),
    };
    const lines = cases.map(({ schema, tests }) =>
      JSON.stringify({
        schema,
        tests: tests.map(({ valid, text }) => ({ valid, ids: tokenizer.encode(spacedJson(text)) })),
      }),
    );
    writeFileSync(input, [JSON.stringify(head), ...lines].join("\n"));
    const wanted = (options.get("engines")?.split(",") ?? Object.keys(engines)) as EngineName[];
    for (const name of wanted) {
      const inPython = name === "llguidance" || name === "xgrammar";
      const missing = inPython
        ? !existsSync(python)
        : name === "web-xgrammar" && !existsSync(join(root, "bench/node_modules/@mlc-ai/web-xgrammar"));
      if (missing) {
        log(`${engines[name]} is not here; bench/setup installs it`);
        continue;
      }
      const out = join(folder, `${name}.json`);
      const command = inPython
        ? [python, join(root, "bench/structured/report_peers.py"), name, input, out]
        : [
            process.execPath,
            "--import",
            "tsx",
            join(root, "bench/structured/report-engines.ts"),
            name,
            input,
            out,
            "smollm2",
          ];
      const [program, ...rest] = [...pinned, ...command] as [string, ...string[]];
      const ran = spawnSync(program, rest, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
      if (ran.status === 0) results.set(name, JSON.parse(readFileSync(out, "utf8")) as EngineVerdict[]);
      else log(`${engines[name]} ended with ${ran.status ?? ran.signal}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const names = [...results.keys()];
  const titles = names.map((name) => engines[name]);

  // coverage
  const families = [...new Set(cases.map(({ name }) => family(name)))].sort();
  const passing = (name: EngineName, of: string | undefined) => {
    const chosen = results.get(name)!.filter((_, i) => of === undefined || family(cases[i]!.name) === of);
    return { pass: chosen.filter(({ status }) => status === "pass").length, count: chosen.length };
  };
  const cell = ({ pass, count }: ReturnType<typeof passing>) => `${pass} (${((100 * pass) / count).toFixed(0)} %)`;
  const rows = [...families, undefined].map((of) => [
    of ?? "all",
    String(passing(names[0]!, of).count),
    ...names.map((name) => cell(passing(name, of))),
  ]);
  log(`\nschemas that pass\n${table(["FAMILY", " SCHEMAS", ...titles.map((title) => ` ${title}`)], rows)}`);
  const faults = (["compile-error", "validation-error", "invalidation-error"] as const).map((status) => [
    {
      "compile-error": "refused",
      "validation-error": "refuse a valid instance",
      "invalidation-error": "accept an invalid one",
    }[status],
    ...names.map((name) => String(results.get(name)!.filter((verdict) => verdict.status === status).length)),
  ]);
  log(`\nschemas that do not\n${table(["", ...titles.map((title) => ` ${title}`)], faults)}`);

  // times
  const times = new Map(
    names.map((name) => {
      const verdicts = results.get(name)!;
      return [
        name,
        {
          compile: sorted(verdicts.flatMap(({ compile }) => compile ?? [])),
          first: sorted(verdicts.flatMap(({ masks }) => masks[0] ?? [])),
          mask: sorted(verdicts.flatMap(({ masks }) => masks)),
          commit: verdicts.flatMap(({ commits }) => commits),
        },
      ] as const;
    }),
  );
  const kinds = ["compile", "first", "mask"] as const;
  const percentiles = [50, 90, 99, 99.9, 100] as const;
  log(
    `\ntimes on one core, one pass\n${table(
      ["", ...titles.map((title) => ` ${title}`)],
      kinds.flatMap((kind) => [
        [`${kind}, mean`, ...names.map((name) => micro(mean(times.get(name)![kind])))],
        ...percentiles.map((p) => [
          `${kind}, ${p === 100 ? "longest" : `p${p}`}`,
          ...names.map((name) => micro(percentile(times.get(name)![kind], p))),
        ]),
      ]),
    )}`,
  );

  // what is left of a model's speed
  await using model = await loadModel("smollm2", { draft: false });
  const steps: number[] = [];
  for (let i = 0; i < 3; i++) {
    const { stats } = await model.collect(
      model.generate("A list of cities in JSON:", { maxTokens: 65, ignoreEos: true }),
    );
    steps.push(1e6 / stats.decodeTokensPerSecond);
  }
  const stepUs = median(steps);
  const left = names.map((name) => {
    const { mask, commit } = times.get(name)!;
    return 1e6 / (stepUs + mean(mask) + mean(commit));
  });
  log(
    `\nSmolLM2 in its default form with each engine's mean mask and commit added to a step of ${(stepUs / 1000).toFixed(2)} ms (${(1e6 / stepUs).toFixed(1)} tokens/s free)\n${table(
      ["", ...titles.map((title) => ` ${title}`)],
      [["tokens/s", ...left.map((rate) => rate.toFixed(1))]],
    )}`,
  );

  const out = options.get("out") ?? join(root, "bench/results/structured");
  mkdirSync(out, { recursive: true });
  const coverage = names.flatMap((name) =>
    families.map((of) => {
      const { pass, count } = passing(name, of);
      return { engine: engines[name], family: of, share: (100 * pass) / count };
    }),
  );
  writeFileSync(
    join(out, "coverage.svg"),
    drawPlot({
      title: "MaskBench schemas that pass, by family",
      series: titles,
      marginLeft: 130,
      height: 60 + 22 * families.length,
      x: { label: "%", domain: [0, 100], grid: true },
      y: { label: null },
      color: { domain: titles },
      marks: [Plot.dot(coverage, { x: "share", y: "family", fill: "engine", r: 5, fillOpacity: 0.8 })],
    }),
  );
  const curve = names.flatMap((name) => {
    const { mask } = times.get(name)!;
    return [1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99].map((p) => ({
      engine: engines[name],
      slower: 100 - p,
      us: Math.max(0.1, percentile(mask, p)),
    }));
  });
  writeFileSync(
    join(out, "masks.svg"),
    drawPlot({
      title: "Time of a mask: share of masks that take longer",
      series: titles,
      x: { type: "log", label: "µs", grid: true },
      y: { type: "log", label: "% of masks that take longer", grid: true },
      color: { domain: titles },
      marks: [Plot.line(curve, { x: "us", y: "slower", stroke: "engine", strokeWidth: 2 })],
    }),
  );
  log(`\ndrawn: ${join(out, "coverage.svg")} and masks.svg`);

  const total = (name: EngineName) => passing(name, undefined).pass;
  const best = names.length > 1 ? Math.max(...names.filter((name) => name !== "own").map(total)) : undefined;
  if (!results.has("own")) return;
  measure({
    name: `schemas that pass, of ${cases.length}, against the best other engine`,
    value: total("own"),
    unit: "schemas",
    baseline: best ?? null,
    ratio: best ? total("own") / best : null,
    bar: "≥ 1×",
    pass: best === undefined ? null : total("own") >= best,
  });
});
