/**
 * The package as its users get it: packed, installed into an empty project, imported by every subpath, checked against strict
 * types, bundled for a browser, and asked a question. Knows nothing of the repository but `npm pack`.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { type Ran, type RunOptions, runLine } from "./commands.ts";
import { root, runBar } from "./harness.ts";

/**
 * What the package may weigh, as it is downloaded and unpacked; 1,010 of each are the model that ships. Raise them for a reason,
 * and tell it in the changelog.
 */
const limitsKB = { packed: 1610, unpacked: 3510 };

/** Subpaths that find models and serve them; all others run in a browser. */
const boundToNode = ["bletchley", "bletchley/sources", "bletchley/serve", "bletchley/package.json"];

const question = "What is the capital of France?";

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly types?: string }>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** Runs a line that has to succeed for anything else to be worth trying. */
async function must(line: string, options: RunOptions): Promise<Ran> {
  const ran = await runLine(line, options);
  if (ran.exitCode !== 0) throw new Error(`${line} ended with ${ran.exitCode}:\n${ran.screen}`);
  return ran;
}

/** Bundles one subpath of the installed package for a browser; returns what went wrong. */
async function bundlingProblem(project: string, specifier: string): Promise<string | undefined> {
  try {
    const { metafile } = await build({
      stdin: { contents: `export * from "${specifier}";`, resolveDir: project },
      bundle: true,
      write: false,
      metafile: true,
      platform: "browser",
      format: "esm",
      logLevel: "silent",
    });
    const strangers = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
    return strangers.length ? `it imports ${strangers.join(", ")}` : undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

await runBar("package", async ({ measure, log }) => {
  const folder = mkdtempSync(join(tmpdir(), "bletchley-package-"));
  const project = join(folder, "project");
  mkdirSync(project);
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
  const { devDependencies } = manifest;
  // as README.md tells those who are without the network for GPU files
  const options: RunOptions = { cwd: project, env: { ONNXRUNTIME_NODE_INSTALL: "skip" }, limitSeconds: 900 };
  const none = (name: string, problems: readonly string[]) => {
    for (const problem of problems) log(problem);
    measure({ name, value: problems.length, unit: "", bar: "0", pass: !problems.length });
  };
  try {
    await must("npm run build", { ...options, cwd: root });
    const { stdout } = await must(`npm pack --json --pack-destination '${folder}'`, { ...options, cwd: root });
    // scripts that run before may print, too
    const [packed] = JSON.parse(stdout.slice(stdout.search(/^\[/m))) as Packed[];
    const { filename, size, unpackedSize, files } = packed!;
    const weigh = (what: keyof typeof limitsKB, bytes: number) =>
      measure({
        name: `${what} size`,
        value: Math.ceil(bytes / 1000),
        unit: "kB",
        bar: `≤ ${limitsKB[what]} kB`,
        pass: bytes <= 1000 * limitsKB[what],
      });
    weigh("packed", size);
    weigh("unpacked", unpackedSize);
    const unexpected = files.filter(({ path }) => /\.test\.|\/testing\/|^(?:src|test|bench|scripts)\//.test(path));
    none(
      "files that do not belong into it",
      unexpected.map(({ path }) => path),
    );

    writeFileSync(
      join(project, "package.json"),
      `${JSON.stringify({ name: "project", private: true, type: "module" })}\n`,
    );
    const tools = ["typescript", "@types/node"].map((name) => `'${name}@${devDependencies[name]}'`).join(" ");
    const install = await must(`npm install --no-audit --no-fund '${join(folder, filename)}' ${tools}`, options);
    measure({ name: "time of installation", value: install.seconds, unit: "s", pass: null });

    const subpaths = Object.keys(manifest.exports).map((subpath) => `bletchley${subpath.slice(1)}`);
    const importing = await Promise.all(
      subpaths.map(async (specifier) => {
        const attributes = specifier.endsWith(".json") ? `, { with: { type: "json" } }` : "";
        const line = `node --input-type=module -e 'if (!Object.keys(await import("${specifier}"${attributes})).length) process.exit(1)'`;
        return { specifier, ran: await runLine(line, options) };
      }),
    );
    none(
      `subpaths that cannot be imported, of ${subpaths.length}`,
      importing.flatMap(({ specifier, ran }) => (ran.exitCode === 0 ? [] : [`${specifier}: ${ran.screen}`])),
    );

    copyFileSync(join(root, "bench/package/consumer.ts"), join(project, "consumer.ts"));
    for (const [module, resolution] of [
      ["nodenext", "nodenext"],
      ["esnext", "bundler"],
    ] as const) {
      const flags = `--strict --skipLibCheck false --noEmit --target es2022 --types node --module ${module} --moduleResolution ${resolution}`;
      const { exitCode, stdout } = await runLine(`npx tsc ${flags} consumer.ts`, options);
      const errors = stdout.split("\n").filter((line) => /error TS\d+/.test(line));
      none(`type errors of a strict consumer, ${resolution}`, exitCode === 0 || errors.length ? errors : [stdout]);
    }
    const built = await runLine(
      "npx tsc --target es2022 --module nodenext --types node consumer.ts && node -e 'import(\"./consumer.js\").then(async ({ differentiate }) => console.log(await differentiate()))'",
      options,
    );
    // 1 + 4 + 9, and twice 1
    measure({
      name: "what its compiled code computes",
      value: Number(built.stdout),
      unit: "",
      bar: "16",
      pass: built.stdout.trim() === "16",
    });

    const portable = subpaths.filter((specifier) => !boundToNode.includes(specifier));
    const problems = await Promise.all(
      portable.map(async (specifier) => ({ specifier, problem: await bundlingProblem(project, specifier) })),
    );
    none(
      `subpaths that do not bundle for a browser, of ${portable.length}`,
      problems.flatMap(({ specifier, problem }) => (problem ? [`${specifier}: ${problem}`] : [])),
    );

    const chat = await runLine("npx bletchley chat", { ...options, input: `${question}\n` });
    log(chat.screen.trim());
    const answer = chat.exitCode === 0 ? chat.stdout.trim() : "";
    measure({
      name: "characters that chat answers",
      value: answer.length,
      unit: "",
      bar: "> 0",
      pass: answer.length > 0,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
