/**
 * Made-up projects with a function that is cut behind one of its dots. All names are new, so that no model can have seen them; the
 * files that declare them are not in the prompt.
 */
import { scanCode } from "bletchley/decode";
import { Random } from "bletchley/util";
import type { Point } from "./point.ts";
import { firstWords, secondWords } from "./words.ts";

type Primitive = "number" | "string" | "boolean";

/** A type of a value: a primitive one, or one of the project's by its place. */
type ValueType = Primitive | { readonly type: number };

interface Member {
  readonly name: string;
  /** Types of the parameters of a method; absent for properties. */
  readonly parameters?: readonly Primitive[];
  readonly result: ValueType;
}

interface MadeType {
  readonly kind: "class" | "interface" | "enum";
  readonly name: string;
  readonly members: readonly Member[];
}

/** A name in scope. */
interface Variable {
  readonly name: string;
  readonly type: ValueType;
}

/** Where a dot of the function stands, what it belongs to. */
interface Dot {
  readonly at: number;
  readonly receiver: MadeType;
}

/** An expression of accesses. */
interface Chain {
  readonly text: string;
  readonly type: ValueType;
  /** The last member. */
  readonly member: string;
  readonly dots: readonly Dot[];
}

const capitalized = (word: string) => word[0]!.toUpperCase() + word.slice(1);
const parameterNames = ["count", "label", "limit"];

/** Makes points, one after the other from one stream of random numbers. */
class Maker {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  #pick<T>(of: readonly T[]): T {
    return of[this.#random.integer(of.length)]!;
  }

  #chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  /** Different names of two words. */
  #names(count: number, taken: Set<string>): string[] {
    const names: string[] = [];
    while (names.length < count) {
      const name = this.#pick(firstWords) + capitalized(this.#pick(secondWords));
      if (taken.has(name.toLowerCase())) continue;
      taken.add(name.toLowerCase());
      names.push(name);
    }
    return names;
  }

  #typeSet(): readonly MadeType[] {
    const count = 3 + this.#random.integer(3);
    const taken = new Set<string>();
    const names = this.#names(count, taken).map(capitalized);
    const kinds = names.map((_, i) => (i < 2 ? this.#pick(["class", "interface"] as const) : this.#kind()));
    return names.map((name, i) => {
      const kind = kinds[i]!;
      const members = this.#names(4 + this.#random.integer(5), taken).map((member, m): Member => {
        if (kind === "enum") return { name: capitalized(member), result: { type: i } };
        // the first members lead to other types, so that chains go through several files
        const others = kinds.flatMap((other, at) => (at === i || other === "enum" ? [] : [at]));
        const result: ValueType =
          m < 2 && others.length ? { type: this.#pick(others) } : this.#pick(["number", "string", "boolean"] as const);
        if (this.#chance(0.5)) return { name: member, result };
        const parameters = Array.from({ length: this.#random.integer(3) }, () =>
          this.#pick(["number", "string"] as const),
        );
        return { name: member, result, parameters };
      });
      return { kind, name, members };
    });
  }

  #kind(): MadeType["kind"] {
    return this.#pick(["class", "interface", "enum"] as const);
  }

  #literal(type: Primitive): string {
    if (type === "number") return String(1 + this.#random.integer(20));
    return type === "string" ? `"${this.#pick(firstWords)}"` : "true";
  }

  /** A name for a value that a member gave: the member's own, or one of its words. */
  #nameFor(member: string, taken: Set<string>): string {
    const words = wordsOf(member);
    const whole = member[0]!.toLowerCase() + member.slice(1);
    return unused(this.#pick([whole, words[0]!, words[1]!]), taken);
  }

  /** Accesses one behind the other, at most so many; calls get literals. */
  #chain(types: readonly MadeType[], from: Variable, most: number): Chain {
    const dots: Dot[] = [];
    let text = from.name;
    let type = from.type;
    let name = "";
    while (typeof type === "object" && dots.length < most && (!dots.length || this.#chance(0.5))) {
      const receiver: MadeType = types[type.type]!;
      const member = this.#pick(receiver.members);
      dots.push({ at: text.length + 1, receiver });
      text += `.${member.name}`;
      if (member.parameters) text += `(${member.parameters.map((of) => this.#literal(of)).join(", ")})`;
      ({ name, result: type } = member);
    }
    return { text, type, member: name, dots };
  }

  /** One made-up point. */
  point(id: string): Point {
    const types = this.#typeSet();
    const files: Record<string, string> = {
      "/globals.d.ts":
        "declare const console: { log(...values: unknown[]): void; error(...values: unknown[]): void };\n",
    };
    for (const [i, type] of types.entries()) files[`/${fileName(type)}.ts`] = declarationFile(types, i);

    const objects = types.filter(({ kind }) => kind !== "enum");
    const namesInScope = new Set<string>();
    const scope: Variable[] = objects.slice(0, 1 + this.#random.integer(Math.min(3, objects.length))).map((type) => {
      return { name: unused(wordsOf(type.name)[1]!, namesInScope), type: { type: types.indexOf(type) } };
    });
    const parameters = scope.map(({ name, type }) => `${name}: ${typeName(types, type)}`).join(", ");
    const used = new Set(scope.map(({ type }) => typeName(types, type)));
    const dots: Dot[] = [];
    const enums = types.filter(({ kind }) => kind === "enum");
    let body = "";
    let resultType: ValueType = "number";
    let goal = "";
    for (let left = 3 + this.#random.integer(4); left > 0; left--) {
      const last = left === 1;
      const enumeration = !last && enums.length > 0 && this.#chance(0.2) ? this.#pick(enums) : undefined;
      if (enumeration) used.add(enumeration.name);
      const from = enumeration
        ? { name: enumeration.name, type: { type: types.indexOf(enumeration) } }
        : this.#pick(scope.filter(({ type }) => typeof type === "object"));
      const chain = this.#chain(types, from, enumeration ? 1 : 3);
      const name = last ? "" : this.#nameFor(chain.member, namesInScope);
      const start = last ? "  return " : `  const ${name} = `;
      for (const { at, receiver } of chain.dots) dots.push({ at: body.length + start.length + at, receiver });
      body += `${start}${chain.text};\n`;
      if (last) [resultType, goal] = [chain.type, chain.member];
      else if (!enumeration) scope.push({ name, type: chain.type });
    }
    if (typeof resultType === "object") used.add(typeName(types, resultType));
    const verb = this.#pick(["find", "read", "collect", "prepare"]);
    const imports = types
      .filter(({ name }) => used.has(name))
      .map((type) => `import { ${type.name} } from "./${fileName(type)}";\n`)
      .join("");
    const head = `${imports}
/** Gets the ${wordsOf(goal).join(" ")} of the ${scope[0]!.name}. */
export function ${verb}${capitalized(goal)}(${parameters}): ${typeName(types, resultType)} {
`;
    const dot = this.#pick(dots);
    const cut = head.length + dot.at;
    const whole = `${head}${body}}`;
    return {
      id,
      path: "/main.ts",
      files,
      before: whole.slice(0, cut),
      truth: whole.slice(cut),
      after: "\n",
      declaration: declarationOf(types, types.indexOf(dot.receiver), true),
      depth: depthOf(head),
    };
  }
}

/** Brackets that are open before a function's body opens. */
const depthOf = (head: string): number => {
  let depth = 0;
  for (let { frame } = scanCode(head); frame?.parent; frame = frame.parent) depth++;
  return depth;
};

/** Words of a name, in small letters. */
const wordsOf = (name: string): string[] => name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());

/** A name that was not taken yet, and now is. */
function unused(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let i = 2; taken.has(name); i++) name = `${wanted}${i}`;
  taken.add(name);
  return name;
}

const fileName = ({ name }: MadeType): string => wordsOf(name).join("-");

const typeName = (types: readonly MadeType[], type: ValueType): string =>
  typeof type === "object" ? types[type.type]!.name : type;

function declarationFile(types: readonly MadeType[], at: number): string {
  const own = types[at]!;
  const others = new Set<number>();
  for (const { result } of own.members) if (typeof result === "object" && result.type !== at) others.add(result.type);
  const imports = [...others].map((i) => `import type { ${types[i]!.name} } from "./${fileName(types[i]!)}";\n`);
  return `${imports.join("")}${imports.length ? "\n" : ""}export ${own.kind === "class" ? "declare " : ""}${declarationOf(types, at, false)}\n`;
}

function declarationOf(types: readonly MadeType[], at: number, brief: boolean): string {
  const { kind, name, members } = types[at]!;
  const lines = members.map((member) => {
    if (kind === "enum") return `  ${member.name},`;
    const result = typeName(types, member.result);
    if (!member.parameters) return `  ${brief ? "" : "readonly "}${member.name}: ${result};`;
    const parameters = member.parameters.map((type, i) => `${parameterNames[i]}: ${type}`).join(", ");
    return `  ${member.name}(${parameters}): ${result};`;
  });
  return `${kind} ${name} {\n${lines.join("\n")}\n}`;
}

/** Compiler options of the made-up projects. */
export const syntheticOptions: Readonly<Record<string, unknown>> = {
  target: "es2022",
  module: "esnext",
  moduleResolution: "bundler",
  lib: ["es2022"],
  types: [],
  strict: true,
  noEmit: true,
};

/** Made-up points. */
export function syntheticPoints(count: number, seed: number): readonly Point[] {
  return Array.from({ length: count }, (_, i) => new Maker(new Random(seed, 100 + i)).point(`made-up ${i}`));
}
