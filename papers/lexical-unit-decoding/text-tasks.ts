/**
 * Templates about texts, lists of them, and records.
 */
import { camelCase, type Drawing, type Template } from "./drawing.ts";

const list = "string[]";
const output = (d: Drawing) => d.pick("result", "out", "found");
const textName = (d: Drawing) => d.pick("text", "line", "title");

const longWords: Template = (d) => {
  const [xs, x] = d.texts();
  const c = d.whole(2, 6);
  const acc = output(d);
  return {
    comment: `${d.pick("Keeps only", "Returns only")} the ${xs} with more than ${c} letters`,
    name: camelCase("long", xs),
    parameters: [[xs, list]],
    returns: list,
    body: d.random.integer(2)
      ? [
          `const ${acc}: string[] = [];`,
          ...d.each(xs, x, (y) => d.when(`${y}.length > ${c}`, `${acc}.push(${y});`)),
          `return ${acc};`,
        ]
      : [`return ${xs}.filter((${x}) => ${x}.length > ${c});`],
    reference: (values: string[]) => values.filter((y) => y.length > c),
    draw: () => [d.drawTexts()],
  };
};

const lengths: Template = (d) => {
  const [xs, x] = d.texts();
  const acc = d.pick("total", "sum", "result");
  return {
    comment: `Returns the number of letters in all ${xs}`,
    name: camelCase("letters", "of", xs),
    parameters: [[xs, list]],
    returns: "number",
    body: [`let ${acc} = 0;`, ...d.each(xs, x, (y) => [`${acc} += ${y}.length;`]), `return ${acc};`],
    reference: (values: string[]) => values.join("").length,
    draw: () => [d.drawTexts()],
  };
};

const repeat: Template = (d) => {
  const text = textName(d);
  const c = d.whole(2, 6);
  const separator = d.pick("-", ", ", "/", " ");
  const acc = d.pick("parts", "result", "out");
  return {
    comment: `Repeats the ${text} ${c} times with "${separator}" between`,
    name: camelCase("repeat", text),
    parameters: [[text, "string"]],
    returns: "string",
    body: [
      `const ${acc}: string[] = [];`,
      `for (let i = 0; i < ${c}; i++) {`,
      `  ${acc}.push(${text});`,
      "}",
      `return ${acc}.join("${separator}");`,
    ],
    reference: (value: string) => Array(c).fill(value).join(separator),
    draw: () => [d.drawText()],
  };
};

const reverse: Template = (d) => {
  const text = textName(d);
  const words = d.random.integer(2) === 1;
  const separator = words ? " " : "";
  return {
    comment: `Reverses the ${words ? "order of the words" : "letters"} of a ${text}`,
    name: camelCase("reverse", words ? "words" : "letters"),
    parameters: [[text, "string"]],
    returns: "string",
    body: [`return ${text}.split("${separator}").reverse().join("${separator}");`],
    reference: (value: string) => value.split(separator).reverse().join(separator),
    draw: () => [d.drawText()],
  };
};

const countLetter: Template = (d) => {
  const text = textName(d);
  const letter = d.pick("a", "e", "n", "o", "r", "s");
  const acc = d.pick("count", "result", "total");
  const one = d.pick("letter", "char", "c");
  return {
    comment: `Counts how often the letter ${letter} is in a ${text}`,
    name: camelCase("count", "letter"),
    parameters: [[text, "string"]],
    returns: "number",
    body: d.random.integer(3)
      ? [
          `let ${acc} = 0;`,
          `for (const ${one} of ${text}) {`,
          ...d.when(`${one} === "${letter}"`, `${acc}++;`).map((line) => `  ${line}`),
          "}",
          `return ${acc};`,
        ]
      : [`return ${text}.split("${letter}").length - 1;`],
    reference: (value: string) => value.split(letter).length - 1,
    draw: () => [d.drawText()],
  };
};

const capitalize: Template = (d) => {
  const [xs, x] = d.texts();
  return {
    comment: `Makes the first letter of each of the ${xs} a capital one`,
    name: camelCase("capitalize", xs),
    parameters: [[xs, list]],
    returns: list,
    body: [`return ${xs}.map((${x}) => ${x}.charAt(0).toUpperCase() + ${x}.slice(1));`],
    reference: (values: string[]) => values.map((y) => y.charAt(0).toUpperCase() + y.slice(1)),
    draw: () => [d.drawTexts()],
  };
};

const decorate: Template = (d) => {
  const [xs, x] = d.texts();
  const [open, close] = d.pick(["<", ">"] as const, ["(", ")"] as const, ["[", "]"] as const, ["*", "*"] as const);
  const acc = output(d);
  return {
    comment: `Puts ${open} before and ${close} after each of the ${xs}`,
    name: camelCase("wrap", xs),
    parameters: [[xs, list]],
    returns: list,
    body: d.random.integer(2)
      ? [
          `const ${acc}: string[] = [];`,
          ...d.each(xs, x, (y) => [`${acc}.push("${open}" + ${y} + "${close}");`]),
          `return ${acc};`,
        ]
      : [`return ${xs}.map((${x}) => "${open}" + ${x} + "${close}");`],
    reference: (values: string[]) => values.map((y) => open + y + close),
    draw: () => [d.drawTexts()],
  };
};

const padText: Template = (d) => {
  const text = textName(d);
  const c = d.whole(5, 9);
  const filling = d.pick(".", "-", "0", "*");
  const before = d.random.integer(2) === 1;
  const result = d.pick("result", "out", "padded");
  return {
    comment: `Fills the ${text} with ${filling} ${before ? "before" : "after"} it up to ${c} letters`,
    name: camelCase("fill", text),
    parameters: [[text, "string"]],
    returns: "string",
    body: d.random.integer(2)
      ? [
          `let ${result} = ${text};`,
          `while (${result}.length < ${c}) {`,
          before ? `  ${result} = "${filling}" + ${result};` : `  ${result} += "${filling}";`,
          "}",
          `return ${result};`,
        ]
      : [`return ${text}.${before ? "padStart" : "padEnd"}(${c}, "${filling}");`],
    reference: (value: string) => (before ? value.padStart(c, filling) : value.padEnd(c, filling)),
    draw: () => [d.drawText()],
  };
};

const shorten: Template = (d) => {
  const text = textName(d);
  const c = d.whole(3, 9);
  return {
    comment: `Shortens the ${text} to ${c} letters and three dots if it is longer`,
    name: camelCase("shorten", text),
    parameters: [[text, "string"]],
    returns: "string",
    body: [...d.when(`${text}.length <= ${c}`, `return ${text};`), `return ${text}.slice(0, ${c}) + "...";`],
    reference: (value: string) => (value.length <= c ? value : `${value.slice(0, c)}...`),
    draw: () => [d.drawText()],
  };
};

const palindrome: Template = (d) => {
  const text = textName(d);
  const i = d.pick("i", "j");
  return {
    comment: `Checks whether the ${text} reads the same backwards`,
    name: camelCase("is", "palindrome"),
    parameters: [[text, "string"]],
    returns: "boolean",
    body: d.random.integer(2)
      ? [
          `for (let ${i} = 0; ${i} < ${text}.length / 2; ${i}++) {`,
          ...d.when(`${text}[${i}] !== ${text}[${text}.length - 1 - ${i}]`, "return false;").map((line) => `  ${line}`),
          "}",
          "return true;",
        ]
      : [`return ${text}.split("").reverse().join("") === ${text};`],
    reference: (value: string) => [...value].reverse().join("") === value,
    draw: () => [d.random.integer(2) ? d.drawText() : d.pick("level", "abba", "noon", "x", "radar")],
  };
};

const countWords: Template = (d) => {
  const [xs, x] = d.texts();
  const acc = d.pick("counts", "result", "found");
  return {
    comment: `Counts how often each of the ${xs} occurs`,
    name: camelCase("count", xs),
    parameters: [[xs, list]],
    returns: "Record<string, number>",
    body: [
      `const ${acc}: Record<string, number> = {};`,
      ...d.each(xs, x, (y) => [`${acc}[${y}] = (${acc}[${y}] ?? 0) + 1;`]),
      `return ${acc};`,
    ],
    reference: (values: string[]) => {
      const counts: Record<string, number> = {};
      for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
      return counts;
    },
    draw: () => [d.drawTexts()],
  };
};

const lengthOfEach: Template = (d) => {
  const [xs, x] = d.texts();
  const acc = d.pick("lengths", "result", "out");
  return {
    comment: `Returns a record of the length of each of the ${xs}`,
    name: camelCase("lengths", "of", xs),
    parameters: [[xs, list]],
    returns: "Record<string, number>",
    body: [
      `const ${acc}: Record<string, number> = {};`,
      ...d.each(xs, x, (y) => [`${acc}[${y}] = ${y}.length;`]),
      `return ${acc};`,
    ],
    reference: (values: string[]) => Object.fromEntries(values.map((y) => [y, y.length])),
    draw: () => [d.drawTexts()],
  };
};

const drawRecord = (d: Drawing) => Object.fromEntries(d.drawTexts().map((key) => [key, d.whole(-4, 24)]));
const recordName = (d: Drawing) => d.pick("stock", "prices", "scores");

const keysAbove: Template = (d) => {
  const record = recordName(d);
  const c = d.whole(2, 9);
  const key = d.pick("key", "name");
  const acc = output(d);
  return {
    comment: `Returns the keys of the ${record} with values greater than ${c}`,
    name: camelCase("keys", "of", record),
    parameters: [[record, "Record<string, number>"]],
    returns: list,
    body: d.random.integer(2)
      ? [
          `const ${acc}: string[] = [];`,
          `for (const ${key} of Object.keys(${record})) {`,
          ...d.when(`${record}[${key}] > ${c}`, `${acc}.push(${key});`).map((line) => `  ${line}`),
          "}",
          `return ${acc};`,
        ]
      : [`return Object.keys(${record}).filter((${key}) => ${record}[${key}] > ${c});`],
    reference: (values: Record<string, number>) => Object.keys(values).filter((y) => values[y]! > c),
    draw: () => [drawRecord(d)],
  };
};

const sumRecord: Template = (d) => {
  const record = recordName(d);
  const [acc, one] = [d.pick("total", "sum", "result"), d.pick("value", "amount")];
  return {
    comment: `Adds up all values of the ${record}`,
    name: camelCase("total", record),
    parameters: [[record, "Record<string, number>"]],
    returns: "number",
    body: [`let ${acc} = 0;`, ...d.each(`Object.values(${record})`, one, (y) => [`${acc} += ${y};`]), `return ${acc};`],
    reference: (values: Record<string, number>) => Object.values(values).reduce((a, b) => a + b, 0),
    draw: () => [drawRecord(d)],
  };
};

const changeRecord: Template = (d) => {
  const record = recordName(d);
  const c = d.whole(2, 9);
  const [acc, key] = [d.pick("result", "out", "changed"), d.pick("key", "name")];
  return {
    comment: `Adds ${c} to every value of the ${record}`,
    name: camelCase("raise", record),
    parameters: [[record, "Record<string, number>"]],
    returns: "Record<string, number>",
    body: [
      `const ${acc}: Record<string, number> = {};`,
      `for (const ${key} of Object.keys(${record})) {`,
      `  ${acc}[${key}] = ${record}[${key}] + ${c};`,
      "}",
      `return ${acc};`,
    ],
    reference: (values: Record<string, number>) =>
      Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value + c])),
    draw: () => [drawRecord(d)],
  };
};

/** Templates about texts and records. */
export const textTasks: readonly Template[] = [
  longWords,
  lengths,
  repeat,
  reverse,
  countLetter,
  capitalize,
  decorate,
  padText,
  shorten,
  palindrome,
  countWords,
  lengthOfEach,
  keysAbove,
  sumRecord,
  changeRecord,
];
