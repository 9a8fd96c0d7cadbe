/**
 * Small programs over lists of numbers, with the English line that asks for them. A line may leave a constant out, so that it allows
 * several programs, of which only tests can tell the right one. Knows no model.
 */
import { Random } from "bletchley/util";

/** What a stage does. Kinds with `constants` can be told without their constant: then it is one of these, by {@link missingLaw}. */
interface StageKind {
  readonly name: string;
  /** Words for it; `#` stands for its constant, `@` for its divisor. */
  readonly phrases: readonly [string, string, string];
  /** Words without the constant. */
  readonly vague?: readonly [string, string, string];
  readonly constants?: readonly [number, number, number, number];
  /** Tokens of the program. */
  readonly code: string;
  readonly apply: (xs: readonly number[], c: number, divisor: number) => readonly number[];
}

const kinds: readonly StageKind[] = [
  {
    name: "modulo",
    phrases: ["keep those that leave # by @", "keep remainder # modulo @", "filter remainder # of @"],
    vague: ["keep one class modulo @", "keep some remainder modulo @", "filter one remainder of @"],
    constants: [0, 1, 2, 3],
    code: ".filter ( x => x % @ === # )",
    apply: (xs, c, divisor) => xs.filter((x) => x % divisor === c),
  },
  {
    name: "above",
    phrases: ["keep those above #", "drop up to #", "only larger than #"],
    vague: ["keep the large ones", "drop the small ones", "only large ones"],
    constants: [5, 0, 8, 3],
    code: ".filter ( x => x > # )",
    apply: (xs, c) => xs.filter((x) => x > c),
  },
  {
    name: "below",
    phrases: ["keep those below #", "drop from # on", "only smaller than #"],
    vague: ["keep the lower ones", "drop the high ones", "only lower ones"],
    constants: [9, 4, 6, 1],
    code: ".filter ( x => x < # )",
    apply: (xs, c) => xs.filter((x) => x < c),
  },
  {
    name: "scale",
    phrases: ["scale them by #", "multiply by #", "times #"],
    vague: ["scale them", "multiply them", "times something"],
    constants: [3, 2, 5, 7],
    code: ".map ( x => x * # )",
    apply: (xs, c) => xs.map((x) => x * c),
  },
  {
    name: "shift",
    phrases: ["add # to each", "shift them by #", "plus #"],
    vague: ["add something to each", "shift them", "plus something"],
    constants: [1, 4, 6, 9],
    code: ".map ( x => x + # )",
    apply: (xs, c) => xs.map((x) => x + c),
  },
  {
    name: "mirror",
    phrases: ["subtract each from #", "mirror them at #", "# minus each"],
    vague: ["subtract each from something", "mirror them", "something minus each"],
    constants: [9, 0, 5, 2],
    code: ".map ( x => # - x )",
    apply: (xs, c) => xs.map((x) => c - x),
  },
  {
    name: "skip",
    phrases: ["skip the first #", "leave out # at the start", "from place # on"],
    vague: ["skip the first few", "leave out some at the start", "from some place on"],
    constants: [1, 2, 3, 4],
    code: ".slice ( # )",
    apply: (xs, c) => xs.slice(c),
  },
  {
    name: "take",
    phrases: ["take the first #", "at most #", "keep # at the start"],
    vague: ["take the first few", "at most some", "keep some at the start"],
    constants: [3, 5, 2, 4],
    code: ".slice ( 0 , # )",
    apply: (xs, c) => xs.slice(0, c),
  },
  {
    name: "reverse",
    phrases: ["reverse", "turn around", "backwards"],
    code: ".reverse ( )",
    apply: (xs) => [...xs].reverse(),
  },
  {
    name: "up",
    phrases: ["sort up", "smallest first", "ascending"],
    code: ".sort ( ( a , b ) => a - b )",
    apply: (xs) => [...xs].sort((a, b) => a - b),
  },
  {
    name: "down",
    phrases: ["sort down", "largest first", "descending"],
    code: ".sort ( ( a , b ) => b - a )",
    apply: (xs) => [...xs].sort((a, b) => b - a),
  },
];

interface Reducer {
  readonly phrases: readonly [string, string, string];
  readonly code: string;
  readonly apply: (xs: readonly number[]) => number;
}

const reducers: readonly Reducer[] = [
  {
    phrases: ["sum", "add up", "total"],
    code: ".reduce ( ( a , b ) => a + b , 0 )",
    apply: (xs) => xs.reduce((a, b) => a + b, 0),
  },
  {
    phrases: ["maximum", "the largest", "find the greatest"],
    code: ".reduce ( ( a , b ) => a > b ? a : b , 0 )",
    apply: (xs) => Math.max(0, ...xs),
  },
  {
    phrases: ["minimum", "the smallest", "find the least"],
    code: ".reduce ( ( a , b ) => a < b ? a : b , 0 )",
    apply: (xs) => Math.min(0, ...xs),
  },
  { phrases: ["count", "how many", "number of them"], code: ".length", apply: (xs) => xs.length },
  { phrases: ["first", "the front one", "give the head"], code: ".at ( 0 ) ?? 0", apply: (xs) => xs.at(0) ?? 0 },
  { phrases: ["last", "the final one", "give the tail"], code: ".at ( - 1 ) ?? 0", apply: (xs) => xs.at(-1) ?? 0 },
];

/** Chances of the four constants that a vague line may mean. */
export const missingLaw: readonly number[] = [0.5, 0.25, 0.15, 0.1];

/** Chance that a constant is left out. */
const vagueness = 0.4;

/** A list, and what the right program makes of it. */
export interface PipelineTest {
  readonly input: readonly [readonly number[]];
  readonly output: number | readonly number[];
}

/** A line, the program that is meant, and how to tell. */
export interface PipelineTask {
  /** Words of the line, separated by spaces. */
  readonly prompt: string;
  /** Tokens of the program, separated by spaces. */
  readonly program: string;
  /** Constants that the line leaves out. */
  readonly missing: number;
  readonly publicTests: readonly PipelineTest[];
  readonly privateTests: readonly PipelineTest[];
  /** All programs that the line may mean, the meant one among them. */
  readonly meanings: readonly string[];
}

interface Stage {
  readonly kind: StageKind;
  readonly constant: number;
  readonly divisor: number;
  readonly vague: boolean;
  readonly phrase: number;
}

interface Pipeline {
  readonly stages: readonly Stage[];
  readonly reducer: Reducer | undefined;
  readonly reducerPhrase: number;
}

function draw(law: readonly number[], random: Random): number {
  let rest = random.next();
  for (const [i, share] of law.entries()) {
    rest -= share;
    if (rest < 0) return i;
  }
  return 0;
}

function drawStage(random: Random): Stage {
  const kind = kinds[random.integer(kinds.length)]!;
  const { constants } = kind;
  const vague = constants !== undefined && random.next() < vagueness;
  const divisor = vague ? 4 : 2 + random.integer(4);
  let constant = 0;
  if (vague) constant = constants[draw(missingLaw, random)]!;
  else if (kind.name === "modulo") constant = random.integer(divisor);
  else if (kind.name === "skip" || kind.name === "take") constant = 1 + random.integer(5);
  else constant = random.integer(10);
  return { kind, constant, divisor, vague, phrase: random.integer(3) };
}

function drawPipeline(random: Random): Pipeline {
  const stages = Array.from({ length: 2 + random.integer(3) }, () => drawStage(random));
  const reducer = random.next() < 0.5 ? reducers[random.integer(reducers.length)] : undefined;
  return { stages, reducer, reducerPhrase: random.integer(3) };
}

function promptOf({ stages, reducer, reducerPhrase }: Pipeline): string {
  const parts = stages.map(({ kind, vague, phrase, constant, divisor }) =>
    (vague ? kind.vague! : kind.phrases)[phrase]!.replace("#", String(constant)).replace("@", String(divisor)),
  );
  if (reducer) parts.push(reducer.phrases[reducerPhrase]!);
  return `// ${parts.join(" , ")} \n`;
}

function programOf({ stages, reducer }: Pipeline): string {
  const code = stages.map(({ kind, constant, divisor }) =>
    kind.code.replace("#", String(constant)).replace("@", String(divisor)),
  );
  return ["function f ( xs ) { return xs", ...code, ...(reducer ? [reducer.code] : []), "}"].join(" ");
}

function run({ stages, reducer }: Pipeline, xs: readonly number[]): number | readonly number[] {
  const result = stages.reduce<readonly number[]>(
    (ys, { kind, constant, divisor }) => kind.apply(ys, constant, divisor),
    xs,
  );
  return reducer ? reducer.apply(result) : result;
}

/** The pipelines that a line may mean. */
function meaningsOf(pipeline: Pipeline): Pipeline[] {
  let meanings: Stage[][] = [[]];
  for (const stage of pipeline.stages) {
    const variants = stage.vague ? stage.kind.constants!.map((constant) => ({ ...stage, constant })) : [stage];
    meanings = meanings.flatMap((stages) => variants.map((variant) => [...stages, variant]));
  }
  return meanings.map((stages) => ({ ...pipeline, stages }));
}

function drawList(random: Random): number[] {
  return Array.from({ length: random.integer(9) }, () => random.integer(41) - 20);
}

function testsOf(pipeline: Pipeline, count: number, random: Random): PipelineTest[] {
  return Array.from({ length: count }, () => {
    const xs = drawList(random);
    // what JSON makes of it: there is no −0
    return { input: [xs], output: JSON.parse(JSON.stringify(run(pipeline, xs))) as PipelineTest["output"] };
  });
}

/** Whether the private tests tell all meanings of each left-out constant from the others. */
function isSeparated(pipeline: Pipeline, tests: readonly PipelineTest[]): boolean {
  return pipeline.stages.every((stage, at) => {
    if (!stage.vague) return true;
    const outputs = stage.kind.constants!.map((constant) => {
      const stages = pipeline.stages.map((other, i) => (i === at ? { ...other, constant } : other));
      return JSON.stringify(tests.map(({ input }) => run({ ...pipeline, stages }, input[0])));
    });
    return new Set(outputs).size === outputs.length;
  });
}

/** Lines with the programs they mean, for training. */
export function drawExamples(count: number, seed: number): { readonly prompt: string; readonly program: string }[] {
  const random = new Random(seed, 1);
  return Array.from({ length: count }, () => {
    const pipeline = drawPipeline(random);
    return { prompt: promptOf(pipeline), program: programOf(pipeline) };
  });
}

/** What tasks are drawn. */
export interface TaskOptions {
  readonly count: number;
  readonly seed: number;
  /** Least and greatest number of left-out constants; tasks with each number in between come in turn. */
  readonly missing: readonly [number, number];
  /** Lines that must not occur, such as those of the training. */
  readonly seen: ReadonlySet<string>;
}

/** Tasks with tests; every line is new. */
export function drawTasks({ count, seed, missing, seen }: TaskOptions): PipelineTask[] {
  const random = new Random(seed, 2);
  const tasks: PipelineTask[] = [];
  const used = new Set(seen);
  while (tasks.length < count) {
    const wanted = missing[0] + (tasks.length % (missing[1] - missing[0] + 1));
    const pipeline = drawPipeline(random);
    const prompt = promptOf(pipeline);
    const vague = pipeline.stages.filter((stage) => stage.vague).length;
    if (used.has(prompt) || vague !== wanted) continue;
    const publicTests = testsOf(pipeline, 4, random);
    const privateTests = testsOf(pipeline, 12, random);
    if (!isSeparated(pipeline, privateTests)) continue;
    used.add(prompt);
    const meanings = meaningsOf(pipeline).map(programOf);
    tasks.push({ prompt, program: programOf(pipeline), missing: vague, publicTests, privateTests, meanings });
  }
  return tasks;
}

/** Every word and symbol that occurs, in a fixed order. */
export function allWords(): string[] {
  const texts = [
    ...kinds.flatMap(({ phrases, vague = [], code }) => [...phrases, ...vague, code]),
    ...reducers.flatMap(({ phrases, code }) => [...phrases, code]),
    "// , \n function f ( xs ) { return xs }",
    "0 1 2 3 4 5 6 7 8 9",
  ];
  const words = new Set(texts.flatMap((text) => text.split(" ")));
  words.delete("#");
  words.delete("@");
  return [...words].sort();
}
