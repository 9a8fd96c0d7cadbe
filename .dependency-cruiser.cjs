/**
 * Which way imports may point (see ARCHITECTURE.md). `npm run imports` checks it; test/repository/imports.test.ts shows that
 * every rule catches what it is for.
 */

/** Folders of `src` from the bottom up; a folder may import what stands in rows above its own, never its neighbours. */
const layers = [
  ["util"],
  ["formats"],
  ["sources"],
  ["data"],
  ["tensor"],
  ["runtime"],
  ["nn", "optim"],
  ["compress", "interpret", "train"],
  ["lm", "vision", "audio", "video", "diffusion", "science", "retrieval"],
  ["decode"],
  ["serve"],
  ["papers", "simulate"],
  ["cli"],
];

/** Test code: it may import what it tests with, and nothing imports it. */
const tests = "[.]test[.]ts$|/testing/";

/** The only homes of `node:` imports and of packages that need them; everything else also runs in a browser. */
const nodeOnly = "^src/(?:runtime/node|sources|serve|cli)/|^src/index[.]ts$";

/** Where the package is entered: its subpaths, the command, what runs in a thread or process of its own, what bundlers take. */
const entries =
  "^src/runtime/browser/|^src/papers/document-browser[.]ts$|^src/index[.]ts$|^src/[^/]+/index[.]ts$|^src/cli/main[.]ts$|^src/serve/engine/worker[.]ts$|^src/runtime/node/(?:template-child|worker-engine-thread)[.]ts$";

/** Packages from npm, and the one place that each is imported in. */
const homes = {
  "onnxruntime-node": "^src/runtime/node/",
  hono: "^src/serve/http/",
  "@hono/node-server": "^src/serve/http/",
  commander: "^src/cli/",
  undici: "^src/sources/",
  yauzl: "^src/sources/",
  fflate: "^src/(?:sources|formats)/",
  "@huggingface/tokenizers": "^src/formats/tokenizer/",
  "@huggingface/jinja": "^src/formats/tokenizer/",
  "@observablehq/plot": "^src/papers/",
  linkedom: "^src/papers/",
  typescript: "^src/serve/code-monitor[.]ts$|^src/decode/constraints/monitors/typescript-project[.]ts$",
  "@jitl/quickjs-wasmfile-release-sync": "^src/decode/planners/sandbox/",
  "quickjs-emscripten-core": "^src/decode/planners/sandbox/",
};

const oneWay = layers.flatMap((row, at) =>
  row.map((folder) => ({
    name: `one-way-${folder}`,
    comment: `src/${folder} may import the layers below it, and nothing beside or above it.`,
    severity: "error",
    from: { path: `^src/${folder}/`, pathNot: tests },
    to: {
      path: "^src/",
      pathNot: `^src/(?:${[folder, ...layers.slice(0, at).flat()].join("|")})/`,
    },
  })),
);

const oneHome = Object.entries(homes).map(([name, home]) => ({
  name: `one-home-${name.replace(/^@/, "").replace("/", "-")}`,
  comment: `${name} is an implementation detail of one folder.`,
  severity: "error",
  from: { path: "^src/", pathNot: `${home}|${tests}` },
  to: { path: `(?:^|/)node_modules/${name}/` },
}));

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      comment:
        "Files that need each other when they run have one subject. Types may refer to each other within a folder (a tensor names the op that made it, an op's rules take tensors): that leaves no trace in JavaScript.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    ...oneWay,
    {
      name: "known-folder",
      comment: "Every folder of src has a place in the layers above; give a new one its own.",
      severity: "error",
      from: { path: `^src/(?!(?:${layers.flat().join("|")})/|index[.]ts$)` },
      to: {},
    },
    ...oneHome,
    {
      name: "no-node",
      comment: "What is not bound to Node must run in a browser: no `node:` import, not even behind `import()`.",
      severity: "error",
      from: { path: "^src/", pathNot: `${nodeOnly}|${tests}` },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "no-node-behind",
      comment:
        "Browser code reaches Node's side only through `import()`, which bundlers replace (package.json, `browser`), or for types, which leave no trace.",
      severity: "error",
      from: { path: "^src/", pathNot: `${nodeOnly}|${tests}` },
      to: { path: nodeOnly, dynamic: false, dependencyTypesNot: ["type-only"] },
    },
    {
      name: "no-sources-below",
      comment: "Only what serves people finds models by name; the rest is handed bytes or paths.",
      severity: "error",
      from: { path: "^src/(?:tensor|runtime|nn|optim|lm|decode)/", pathNot: tests },
      to: { path: "^src/sources/" },
    },
    {
      name: "cards-by-entries",
      comment:
        "A card uses the package as its users do, by its subpaths, so that it runs from a clone and from the package.",
      severity: "error",
      from: { path: "^papers/([^/]+)/" },
      to: { path: "^(?:src|papers)/", pathNot: "^papers/$1/|^src/index[.]ts$|^src/[^/]+/index[.]ts$" },
    },
    {
      name: "not-to-tests",
      comment: "Test code is not part of the package.",
      severity: "error",
      from: { path: "^src/", pathNot: tests },
      to: { path: `^(?:bench|test|examples|scripts|papers)/|^src/.*(?:${tests})` },
    },
    {
      name: "not-to-dev-packages",
      comment: "The package imports what it declares under dependencies.",
      severity: "error",
      from: { path: "^src/", pathNot: tests },
      // the compiler is an optional peer, loaded where code is monitored
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], pathNot: "(?:^|/)node_modules/typescript/" },
    },
    {
      name: "resolvable",
      comment: "An import that leads nowhere.",
      severity: "error",
      from: {},
      // the peers that bars compare with are installed by bench/setup, and may be absent
      to: { couldNotResolve: true, pathNot: "^(?:node-llama-cpp|@huggingface/transformers)$" },
    },
    {
      name: "no-dead-files",
      comment: "A file that no entry point reaches is dead code, or test code in the wrong place.",
      severity: "error",
      from: { path: entries },
      to: { path: "^src/", pathNot: `${entries}|${tests}`, reachable: false },
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^bench/(?:node_modules|[.]venv)/" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
