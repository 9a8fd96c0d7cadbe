/**
 * How long a mask takes, beside llguidance on the same core, schemas and tokens: a warm-up pass, then the least of three passes
 * for each mask. Compiled schemas are made anew in every pass; what this engine shares between schemas stays, as in a server.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCases, spacedJson } from "../papers/structured-outputs/mask-cases.ts";
import { percentile } from "../papers/structured-outputs/mask-runner.ts";
import { dataRoot, root, runBar } from "./harness.ts";
import { openTokenizer } from "./structured/tokenizers.ts";

interface Times {
  readonly compile: number[];
  readonly first: number[];
  readonly mask: number[];
  /** Masks of the warm-up pass, when nothing is kept yet. */
  readonly cold?: number[];
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

runBar("mask-speed", async ({ options, quick, log, measure }) => {
  const path = options.get("schemas") ?? join(dataRoot, "maskbench/schemas.jsonl.gz");
  if (!existsSync(path)) {
    measure({ name: "mask, mean", value: null, unit: "µs", bar: "≤ 2× llguidance", pass: null });
    return;
  }
  const names = options.get("tokenizer")?.split(",") ?? (quick ? ["smollm2"] : ["smollm2", "llama3"]);
  const step = Number(options.get("step") ?? (quick ? 20 : 4));
  const passes = Number(options.get("passes") ?? 3);
  const cases = readCases(readFileSync(path)).filter((_, i) => i % step === 0);
  const folder = mkdtempSync(join(tmpdir(), "bletchley-mask-speed-"));
  const python = join(root, "bench/.venv/bin/python");
  const pinned = spawnSync("taskset", ["--version"]).status === 0 ? ["taskset", "-c", "0"] : [];
  try {
    for (const name of names) {
      const tokenizer = await openTokenizer(name);
      const input = join(folder, `${name}.jsonl`);
      const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id);
      const head = {
        tokens: ids.map((id) => Buffer.from(tokenizer.tokenBytes(id)).toString("base64")),
        eos: tokenizer.specials.eosIds[0],
        special: ids.filter((id) => tokenizer.isSpecial(id)),
      };
      const lines = cases.map(({ schema, tests }) =>
        JSON.stringify({ schema, tests: tests.map(({ text }) => tokenizer.encode(spacedJson(text))) }),
      );
      writeFileSync(input, [JSON.stringify(head), ...lines].join("\n"));
      const run = (command: readonly string[], out?: string): Times | undefined => {
        const [program, ...rest] = [...pinned, ...command] as [string, ...string[]];
        const ran = spawnSync(program, rest, { encoding: "utf8", maxBuffer: 1 << 29 });
        if (ran.status !== 0) {
          log(ran.stderr.slice(-2000));
          return undefined;
        }
        return JSON.parse(out ? readFileSync(out, "utf8") : ran.stdout) as Times;
      };
      const out = join(folder, "own.json");
      const own = run(
        [
          process.execPath,
          "--import",
          "tsx",
          join(root, "bench/structured/own-speed.ts"),
          input,
          name,
          String(passes),
          out,
        ],
        out,
      );
      const peer = existsSync(python)
        ? run([python, join(root, "bench/structured/llguidance_speed.py"), input, String(passes)])
        : undefined;
      if (!own) throw new Error("the engine's own times could not be measured");
      const sorted = (values: number[]) => values.sort((a, b) => a - b);
      for (const times of [own, peer])
        if (times) for (const list of [times.compile, times.first, times.mask]) sorted(list);
      const against = (
        title: string,
        value: number,
        other: number | undefined,
        bar: string,
        limit: number | undefined,
      ) =>
        measure({
          name: `${name}: ${title}`,
          value,
          unit: "µs",
          baseline: other,
          ratio: other ? value / other : null,
          bar,
          pass: limit === undefined ? null : value <= limit,
        });
      const of = (which: "compile" | "first" | "mask", p: number) =>
        [percentile(own[which], p), peer && percentile(peer[which], p)] as const;
      const average = peer && mean(peer.mask);
      against(`mask, mean of ${own.mask.length}`, mean(own.mask), average, "≤ 2× llguidance", average && average * 2);
      against("mask, p50", ...of("mask", 50), "", undefined);
      const p99 = of("mask", 99);
      against("mask, p99", ...p99, "≤ 2× llguidance", p99[1] && p99[1] * 2);
      against("mask, p99.9", ...of("mask", 99.9), "≤ 1 ms", 1000);
      against("mask, longest", ...of("mask", 100), "≤ 10 ms", 10_000);
      if (own.cold) {
        const cold = sorted([...own.cold]);
        against("mask in the warm-up pass, mean", mean(cold), undefined, "", undefined);
        for (const p of [50, 99, 99.9])
          against(`mask in the warm-up pass, p${p}`, percentile(cold, p), undefined, "", undefined);
      }
      against("compile, p50", ...of("compile", 50), "≤ 1 ms", 1000);
      against("compile, p99", ...of("compile", 99), "≤ 15 ms", 15_000);
      against("first mask, p50", ...of("first", 50), "≤ 100 µs", 100);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
