/**
 * From a cold process to the first token, and the most memory that a process takes at a full context of 2,048, beside
 * node-llama-cpp on the same file. The model has been pulled and converted before; the engines take turns.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readGguf, tokenizerFromGguf } from "../src/formats/index.ts";
import { forms } from "../src/lm/index.ts";
import { openFile } from "../src/runtime/node/file-source.ts";
import { resolveModel } from "../src/sources/index.ts";
import { median, root, runBar } from "./harness.ts";
import { shakespeareWindows } from "./models.ts";
import { SpeedEngine } from "./speed/engine.ts";

/** Milliseconds from the start of a process to its first byte of output. @throws when it prints nothing. */
function firstOutput(args: readonly string[], cwd: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
    let first: number | undefined;
    child.stdout.on("data", (bytes: Buffer) => {
      if (bytes.length) first ??= performance.now() - started;
    });
    child.on("exit", (code) => {
      if (code === 0 && first !== undefined) resolve(first);
      else reject(new Error(`${args.join(" ")} ended with ${code} and ${first === undefined ? "no " : ""}output`));
    });
  });
}

async function peakMemory(engine: "ours" | "peer", path: string, prompt: readonly number[]): Promise<number> {
  const child = new SpeedEngine();
  try {
    await child.ask({ kind: "open", engine, ref: path, path, contextSize: 2048 });
    await child.ask({ kind: "decode", prompt, count: 8 });
    return (await child.ask({ kind: "memory" })).mib;
  } finally {
    child.close();
  }
}

await runBar("start", async ({ quick, measure, log }) => {
  execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { stdio: "ignore" });
  const { path } = await resolveModel("smollm2");
  const command = [join(root, "dist/cli/main.js"), "generate", "--max-tokens", "8", "Hello"];
  // converts the weights if they have not been
  await firstOutput(command, root);
  const peerThere = existsSync(join(root, "bench/node_modules/node-llama-cpp"));
  if (!peerThere) log("node-llama-cpp is not installed: run bench/setup");
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < (quick ? 3 : 9); round++) {
    ours.push(await firstOutput(command, root));
    if (peerThere)
      theirs.push(await firstOutput([join(root, "bench/start/peer.mjs"), path, "Hello"], join(root, "bench")));
  }
  const [own, other] = [median(ours), peerThere ? median(theirs) : null];
  measure({ name: "cold start to first token", value: own, unit: "ms", bar: "≤ 2000 ms", pass: own <= 2000 });
  measure({
    name: "cold start to first token, beside node-llama-cpp",
    value: other === null ? null : own,
    unit: "ms",
    baseline: other,
    ratio: other === null ? null : own / other,
    bar: "≤ 1.5×",
    pass: other === null ? null : own / other <= 1.5,
  });
  const file = await openFile(path);
  const tokenizer = tokenizerFromGguf((await readGguf(file)).metadata);
  await file.close();
  const prompt = shakespeareWindows(tokenizer, 1, 2040)[0]!;
  const mine = await peakMemory("ours", path, prompt);
  const peers = peerThere ? await peakMemory("peer", path, prompt) : null;
  measure({
    name: `peak memory at context 2048, form ${forms[0]!.name}`,
    value: peers === null ? null : mine,
    unit: "MiB",
    baseline: peers,
    ratio: peers === null ? null : mine / peers,
    bar: "≤ 1.5×",
    pass: peers === null ? null : mine / peers <= 1.5,
  });
});
