/**
 * Templates about numbers and lists of them.
 */
import { camelCase, type Drawing, type Template } from "./drawing.ts";

/** A condition on a number: in words, in code, and as a function. */
function conditionOn(d: Drawing): {
  readonly words: string;
  readonly name: string;
  readonly code: (one: string) => string;
  readonly holds: (x: number) => boolean;
} {
  const c = d.whole(2, 9);
  switch (d.random.integer(4)) {
    case 0:
      return { words: `greater than ${c}`, name: "above", code: (x) => `${x} > ${c}`, holds: (x) => x > c };
    case 1:
      return { words: `less than ${c}`, name: "below", code: (x) => `${x} < ${c}`, holds: (x) => x < c };
    case 2: {
      const n = d.whole(2, 5);
      return {
        words: `divisible by ${n}`,
        name: "divisible",
        code: (x) => `${x} % ${n} === 0`,
        holds: (x) => x % n === 0,
      };
    }
    default:
      return { words: `different from ${c}`, name: "other", code: (x) => `${x} !== ${c}`, holds: (x) => x !== c };
  }
}

const list = "number[]";
const total = (d: Drawing) => d.pick("total", "sum", "result");
const output = (d: Drawing) => d.pick("result", "out", "found");

const sumWhere: Template = (d) => {
  const [xs, x] = d.numbers();
  const { words, name, code, holds } = conditionOn(d);
  const acc = total(d);
  return {
    comment: `${d.pick("Returns", "Computes")} the sum of all ${xs} ${words}`,
    name: camelCase("sum", xs, name),
    parameters: [[xs, list]],
    returns: "number",
    body: d.random.integer(3)
      ? [`let ${acc} = 0;`, ...d.each(xs, x, (y) => d.when(code(y), `${acc} += ${y};`)), `return ${acc};`]
      : [`return ${xs}.filter((${x}) => ${code(x)}).reduce((a, b) => a + b, 0);`],
    reference: (values: number[]) => values.filter(holds).reduce((a, b) => a + b, 0),
    draw: () => [d.drawNumbers()],
  };
};

const countWhere: Template = (d) => {
  const [xs, x] = d.numbers();
  const { words, name, code, holds } = conditionOn(d);
  const acc = d.pick("count", "result", "total");
  return {
    comment: `${d.pick("Returns how many", "Counts how many")} ${xs} are ${words}`,
    name: camelCase("count", xs, name),
    parameters: [[xs, list]],
    returns: "number",
    body: d.random.integer(3)
      ? [`let ${acc} = 0;`, ...d.each(xs, x, (y) => d.when(code(y), `${acc}++;`)), `return ${acc};`]
      : [`return ${xs}.filter((${x}) => ${code(x)}).length;`],
    reference: (values: number[]) => values.filter(holds).length,
    draw: () => [d.drawNumbers()],
  };
};

const keepWhere: Template = (d) => {
  const [xs, x] = d.numbers();
  const { words, name, code, holds } = conditionOn(d);
  const acc = output(d);
  return {
    comment: `${d.pick("Keeps only", "Returns only")} the ${xs} that are ${words}`,
    name: camelCase("keep", xs, name),
    parameters: [[xs, list]],
    returns: list,
    body: d.random.integer(2)
      ? [
          `const ${acc}: number[] = [];`,
          ...d.each(xs, x, (y) => d.when(code(y), `${acc}.push(${y});`)),
          `return ${acc};`,
        ]
      : [`return ${xs}.filter((${x}) => ${code(x)});`],
    reference: (values: number[]) => values.filter(holds),
    draw: () => [d.drawNumbers()],
  };
};

const scaleAll: Template = (d) => {
  const [xs, x] = d.numbers();
  const [a, b] = [d.whole(2, 9), d.whole(2, 9)];
  const acc = output(d);
  return {
    comment: `${d.pick("Multiplies", "Scales")} all ${xs} by ${a} and adds ${b}`,
    name: camelCase("scale", xs),
    parameters: [[xs, list]],
    returns: list,
    body: d.random.integer(2)
      ? [
          `const ${acc}: number[] = [];`,
          ...d.each(xs, x, (y) => [`${acc}.push(${y} * ${a} + ${b});`]),
          `return ${acc};`,
        ]
      : [`return ${xs}.map((${x}) => ${x} * ${a} + ${b});`],
    reference: (values: number[]) => values.map((y) => y * a + b),
    draw: () => [d.drawNumbers()],
  };
};

const extreme: Template = (d) => {
  const [xs, x] = d.numbers();
  const largest = d.random.integer(2) === 0;
  const c = d.whole(2, 9);
  const best = d.pick("best", "result", largest ? "largest" : "smallest");
  return {
    comment: `Returns the ${largest ? "largest" : "smallest"} of the ${xs}, or ${c} if there are none`,
    name: camelCase(largest ? "largest" : "smallest", xs),
    parameters: [[xs, list]],
    returns: "number",
    body: [
      ...d.when(`${xs}.length === 0`, `return ${c};`),
      ...(d.random.integer(2)
        ? [
            `let ${best} = ${xs}[0];`,
            ...d.each(xs, x, (y) => d.when(`${y} ${largest ? ">" : "<"} ${best}`, `${best} = ${y};`)),
            `return ${best};`,
          ]
        : [`return Math.${largest ? "max" : "min"}(...${xs});`]),
    ],
    reference: (values: number[]) => (values.length ? Math[largest ? "max" : "min"](...values) : c),
    draw: () => [d.drawNumbers()],
  };
};

const clampAll: Template = (d) => {
  const [xs, x] = d.numbers();
  const [low, high] = [d.whole(2, 4), d.whole(6, 9)];
  return {
    comment: `Limits all ${xs} to the range from ${low} to ${high}`,
    name: camelCase("limit", xs),
    parameters: [[xs, list]],
    returns: list,
    body: [`return ${xs}.map((${x}) => Math.min(Math.max(${x}, ${low}), ${high}));`],
    reference: (values: number[]) => values.map((y) => Math.min(Math.max(y, low), high)),
    draw: () => [d.drawNumbers()],
  };
};

const sumOfPowers: Template = (d) => {
  const [xs, x] = d.numbers();
  const cubes = d.random.integer(2) === 1;
  const acc = total(d);
  const power = (y: string) =>
    Array(cubes ? 3 : 2)
      .fill(y)
      .join(" * ");
  return {
    comment: `${d.pick("Returns", "Computes")} the sum of the ${cubes ? "cubes" : "squares"} of all ${xs}`,
    name: camelCase("sum", cubes ? "cubes" : "squares"),
    parameters: [[xs, list]],
    returns: "number",
    body: [`let ${acc} = 0;`, ...d.each(xs, x, (y) => [`${acc} += ${power(y)};`]), `return ${acc};`],
    reference: (values: number[]) => values.reduce((sum, y) => sum + y ** (cubes ? 3 : 2), 0),
    draw: () => [d.drawNumbers()],
  };
};

const runningTotals: Template = (d) => {
  const [xs, x] = d.numbers();
  const c = d.whole(2, 9);
  const [acc, sum] = [output(d), d.pick("sum", "total")];
  return {
    comment: `Returns the running totals of the ${xs}, starting from ${c}`,
    name: camelCase("running", xs),
    parameters: [[xs, list]],
    returns: list,
    body: [
      `const ${acc}: number[] = [];`,
      `let ${sum} = ${c};`,
      ...d.each(xs, x, (y) => [`${sum} += ${y};`, `${acc}.push(${sum});`]),
      `return ${acc};`,
    ],
    reference: (values: number[]) => {
      let at = c;
      return values.map((y) => (at += y));
    },
    draw: () => [d.drawNumbers()],
  };
};

const differences: Template = (d) => {
  const [xs] = d.numbers();
  const acc = output(d);
  const i = d.pick("i", "j", "index");
  return {
    comment: `Returns the differences between neighbouring ${xs}`,
    name: camelCase("differences", "of", xs),
    parameters: [[xs, list]],
    returns: list,
    body: [
      `const ${acc}: number[] = [];`,
      `for (let ${i} = 1; ${i} < ${xs}.length; ${i}++) {`,
      `  ${acc}.push(${xs}[${i}] - ${xs}[${i} - 1]);`,
      "}",
      `return ${acc};`,
    ],
    reference: (values: number[]) => values.slice(1).map((y, at) => y - values[at]!),
    draw: () => [d.drawNumbers()],
  };
};

const firstWhere: Template = (d) => {
  const [xs, x] = d.numbers();
  const { words, name, code, holds } = conditionOn(d);
  const i = d.pick("i", "j", "index");
  return {
    comment: `Finds the place of the first of the ${xs} that is ${words}, or -1`,
    name: camelCase("find", xs, name),
    parameters: [[xs, list]],
    returns: "number",
    body: d.random.integer(2)
      ? [
          `for (let ${i} = 0; ${i} < ${xs}.length; ${i}++) {`,
          ...d.when(code(`${xs}[${i}]`), `return ${i};`).map((line) => `  ${line}`),
          "}",
          "return -1;",
        ]
      : [`return ${xs}.findIndex((${x}) => ${code(x)});`],
    reference: (values: number[]) => values.findIndex(holds),
    draw: () => [d.drawNumbers()],
  };
};

const average: Template = (d) => {
  const [xs, x] = d.numbers();
  const c = d.whole(2, 9);
  const acc = total(d);
  return {
    comment: `Returns the rounded average of the ${xs}, or ${c} if there are none`,
    name: camelCase("average", xs),
    parameters: [[xs, list]],
    returns: "number",
    body: [
      ...d.when(`${xs}.length === 0`, `return ${c};`),
      `let ${acc} = 0;`,
      ...d.each(xs, x, (y) => [`${acc} += ${y};`]),
      `return Math.round(${acc} / ${xs}.length);`,
    ],
    reference: (values: number[]) =>
      values.length ? Math.round(values.reduce((a, b) => a + b, 0) / values.length) : c,
    draw: () => [d.drawNumbers()],
  };
};

const checkAll: Template = (d) => {
  const [xs, x] = d.numbers();
  const { words, name, code, holds } = conditionOn(d);
  const every = d.random.integer(2) === 0;
  return {
    comment: `Checks whether ${every ? "all" : "any"} of the ${xs} ${every ? "are" : "is"} ${words}`,
    name: camelCase(every ? "all" : "any", xs, name),
    parameters: [[xs, list]],
    returns: "boolean",
    body: [`return ${xs}.${every ? "every" : "some"}((${x}) => ${code(x)});`],
    reference: (values: number[]) => (every ? values.every(holds) : values.some(holds)),
    draw: () => [d.drawNumbers()],
  };
};

const chunks: Template = (d) => {
  const [xs] = d.numbers();
  const c = d.whole(2, 5);
  const acc = output(d);
  const i = d.pick("i", "start");
  return {
    comment: `Cuts the ${xs} into parts of ${c}`,
    name: camelCase("split", xs),
    parameters: [[xs, list]],
    returns: "number[][]",
    body: [
      `const ${acc}: number[][] = [];`,
      `for (let ${i} = 0; ${i} < ${xs}.length; ${i} += ${c}) {`,
      `  ${acc}.push(${xs}.slice(${i}, ${i} + ${c}));`,
      "}",
      `return ${acc};`,
    ],
    reference: (values: number[]) =>
      Array.from({ length: Math.ceil(values.length / c) }, (_, at) => values.slice(at * c, at * c + c)),
    draw: () => [d.drawNumbers()],
  };
};

const unique: Template = (d) => {
  const [xs, x] = d.numbers();
  const acc = output(d);
  return {
    comment: `Returns the ${xs} without repetitions`,
    name: camelCase("unique", xs),
    parameters: [[xs, list]],
    returns: list,
    body: d.random.integer(2)
      ? [
          `const ${acc}: number[] = [];`,
          ...d.each(xs, x, (y) => d.when(`!${acc}.includes(${y})`, `${acc}.push(${y});`)),
          `return ${acc};`,
        ]
      : [`return [...new Set(${xs})];`],
    reference: (values: number[]) => [...new Set(values)],
    draw: () => [[...d.drawNumbers(), ...d.drawNumbers()].map((y) => y % 5)],
  };
};

const rotate: Template = (d) => {
  const [xs] = d.numbers();
  const c = d.whole(2, 6);
  return {
    comment: `Moves the first ${c} of the ${xs} to the end`,
    name: camelCase("rotate", xs),
    parameters: [[xs, list]],
    returns: list,
    body: [`return [...${xs}.slice(${c}), ...${xs}.slice(0, ${c})];`],
    reference: (values: number[]) => [...values.slice(c), ...values.slice(0, c)],
    draw: () => [d.drawNumbers()],
  };
};

const combine: Template = (d) => {
  const [xs] = d.numbers();
  const [op, word] = d.pick(["+", "sums"] as const, ["*", "products"] as const, ["-", "differences"] as const);
  const [a, b] = d.pick(["left", "right"] as const, ["first", "second"] as const, ["before", "after"] as const);
  const apply = {
    "+": (x: number, y: number) => x + y,
    "*": (x: number, y: number) => x * y,
    "-": (x: number, y: number) => x - y,
  }[op];
  const [acc, i] = [output(d), d.pick("i", "j", "index")];
  return {
    comment: `Returns the ${word} of two lists of ${xs}, place by place`,
    name: camelCase(word, "of", xs),
    parameters: [
      [a, list],
      [b, list],
    ],
    returns: list,
    body: d.random.integer(2)
      ? [
          `const ${acc}: number[] = [];`,
          `for (let ${i} = 0; ${i} < ${a}.length; ${i}++) {`,
          `  ${acc}.push(${a}[${i}] ${op} ${b}[${i}]);`,
          "}",
          `return ${acc};`,
        ]
      : [`return ${a}.map((x, ${i}) => x ${op} ${b}[${i}]);`],
    reference: (x: number[], y: number[]) => x.map((value, at) => apply(value, y[at]!)),
    draw: () => {
      const x = d.drawNumbers();
      return [x, x.map(() => d.whole(-4, 12))];
    },
  };
};

const range: Template = (d) => {
  const c = d.whole(1, 6);
  const [acc, i, end] = [output(d), d.pick("i", "j", "value"), d.pick("limit", "end", "last")];
  return {
    comment: `Returns the numbers from 0 up to the ${end} in steps of ${c}`,
    name: camelCase("steps", "to", end),
    parameters: [[end, "number"]],
    returns: list,
    body: [
      `const ${acc}: number[] = [];`,
      `for (let ${i} = 0; ${i} <= ${end}; ${i} += ${c}) {`,
      `  ${acc}.push(${i});`,
      "}",
      `return ${acc};`,
    ],
    reference: (limit: number) => Array.from({ length: Math.floor(limit / c) + 1 }, (_, at) => at * c),
    draw: () => [d.whole(0, 20)],
  };
};

const digits: Template = (d) => {
  const n = d.pick("n", "number", "value");
  const [acc, left] = [total(d), d.pick("rest", "left")];
  return {
    comment: `${d.pick("Returns", "Computes")} the sum of the digits of a whole ${n}`,
    name: camelCase("sum", "digits"),
    parameters: [[n, "number"]],
    returns: "number",
    body: [
      `let ${acc} = 0;`,
      `let ${left} = ${n};`,
      `while (${left} > 0) {`,
      `  ${acc} += ${left} % 10;`,
      `  ${left} = Math.floor(${left} / 10);`,
      "}",
      `return ${acc};`,
    ],
    reference: (x: number) => [...String(x)].reduce((sum, digit) => sum + Number(digit), 0),
    draw: () => [d.whole(0, 99_999)],
  };
};

/** Templates about numbers. */
export const numberTasks: readonly Template[] = [
  sumWhere,
  countWhere,
  keepWhere,
  scaleAll,
  extreme,
  clampAll,
  sumOfPowers,
  runningTotals,
  differences,
  firstWhere,
  average,
  checkAll,
  chunks,
  unique,
  rotate,
  combine,
  range,
  digits,
];
