/**
 * `unevaluatedProperties` and `unevaluatedItems` without annotations: for every way in which the subschemas at this place may
 * hold, what they look at is known in advance. Knows the compiler's formulas and nothing of values.
 */
import { fail } from "../../../util/index.ts";
import { type Formula, type Formulas, type Json, types } from "../json/formula.ts";
import type { Regex } from "../regex/term.ts";
import type { Place, SchemaCompiler } from "./compile.ts";
import type { SchemaObject } from "./documents.ts";

/** What a subschema looks at, if a condition holds. */
interface Share {
  readonly condition: Formula;
  readonly names: readonly string[];
  readonly patterns: readonly Regex[];
  /** Items from the start. */
  readonly items: number;
  /** Whether all names, or all items, are looked at. */
  readonly all: boolean;
  /** Items that satisfy this are looked at. */
  readonly contained?: Formula;
}

/** More conditions than this would make too many combinations. */
const maxConditions = 10;

const isObject = (node: Json | undefined): node is SchemaObject => node instanceof Map;

function collect(
  compiler: SchemaCompiler,
  place: Place,
  condition: Formula,
  wanted: "properties" | "items",
  top: boolean,
  trail: readonly Json[],
): Share[] {
  const { node } = place;
  if (!isObject(node) || trail.includes(node)) return [];
  const path = [...trail, node];
  const { formulas } = compiler;
  const { draft } = place.resource;
  const shares: Share[] = [];
  const own = (share: Partial<Share>) =>
    shares.push({ condition, names: [], patterns: [], items: 0, all: false, ...share });
  const into = (inner: Json | undefined, when: Formula | undefined, ...steps: (string | number)[]) => {
    if (inner === undefined) return;
    const below = compiler.inner(place, inner, ...steps);
    const held = when ? formulas.and([condition, when]) : condition;
    shares.push(...collect(compiler, below, held, wanted, false, path));
  };
  if (wanted === "properties") {
    const named = node.get("properties");
    const patterns = node.get("patternProperties");
    own({
      names: isObject(named) ? [...named.keys()] : [],
      patterns: isObject(patterns)
        ? [...patterns.keys()].map((source) => compiler.pattern(source, place, "patternProperties"))
        : [],
      all: node.has("additionalProperties") || (!top && node.has("unevaluatedProperties")),
    });
  } else {
    const items = node.get("items");
    const prefix = draft >= 2020 ? node.get("prefixItems") : items;
    const rest =
      draft >= 2020 ? node.has("items") : Array.isArray(items) ? node.has("additionalItems") : node.has("items");
    own({
      items: Array.isArray(prefix) ? prefix.length : 0,
      all: rest || (!top && node.has("unevaluatedItems")),
      contained: draft >= 2020 ? compiler.schema(place, "contains") : undefined,
    });
  }
  for (const keyword of ["$ref", "$dynamicRef", "$recursiveRef"] as const) {
    const target = compiler.referenceOf(place, keyword);
    if (target) shares.push(...collect(compiler, target, condition, wanted, false, path));
  }
  for (const keyword of ["allOf", "anyOf", "oneOf"]) {
    const list = node.get(keyword);
    if (Array.isArray(list))
      list.forEach((item: Json, i) => {
        const held = keyword === "allOf" ? undefined : compiler.compile(compiler.inner(place, item, keyword, i));
        into(item, held, keyword, i);
      });
  }
  const test = compiler.schema(place, "if");
  if (test) {
    into(node.get("if"), test, "if");
    into(node.get("then"), test, "then");
    into(node.get("else"), formulas.not(test), "else");
  }
  const dependent = node.get("dependentSchemas");
  if (isObject(dependent))
    for (const [name, inner] of dependent)
      into(inner, formulas.and([formulas.type(types.object), formulas.required([name])]), "dependentSchemas", name);
  return shares;
}

/** A formula for every combination of conditions. */
function combine(
  formulas: Formulas,
  shares: readonly Share[],
  where: string,
  rule: (held: readonly Share[]) => Formula,
): Formula {
  const conditions = [...new Set(shares.map(({ condition }) => condition))].filter(
    (condition) => condition !== formulas.yes && condition !== formulas.no,
  );
  if (conditions.length > maxConditions)
    fail("unsupported", `${where} depends on ${conditions.length} conditions, at most ${maxConditions} are told apart`);
  const build = (i: number, holding: ReadonlySet<Formula>): Formula => {
    if (i === conditions.length) return rule(shares.filter(({ condition }) => holding.has(condition)));
    const condition = conditions[i]!;
    const yes = build(i + 1, new Set([...holding, condition]));
    const no = build(i + 1, holding);
    if (yes === no) return yes;
    return formulas.or([formulas.and([condition, yes]), formulas.and([formulas.not(condition), no])]);
  };
  return build(0, new Set([formulas.yes]));
}

/** What `unevaluatedProperties` of a schema asks. */
export function unevaluatedProperties(compiler: SchemaCompiler, place: Place): Formula {
  const { formulas } = compiler;
  const rest = compiler.schema(place, "unevaluatedProperties")!;
  const shares = collect(compiler, place, formulas.yes, "properties", true, []);
  return combine(formulas, shares, `unevaluatedProperties at ${place.pointer}`, (held) => {
    if (held.some(({ all }) => all)) return formulas.yes;
    return formulas.properties({
      named: new Map(held.flatMap(({ names }) => names).map((name) => [name, formulas.yes] as const)),
      patterns: held.flatMap(({ patterns }) => patterns).map((regex) => [regex, formulas.yes] as const),
      rest,
    });
  });
}

/** What `unevaluatedItems` of a schema asks. */
export function unevaluatedItems(compiler: SchemaCompiler, place: Place): Formula {
  const { formulas } = compiler;
  const rest = compiler.schema(place, "unevaluatedItems")!;
  const shares = collect(compiler, place, formulas.yes, "items", true, []);
  return combine(formulas, shares, `unevaluatedItems at ${place.pointer}`, (held) => {
    if (held.some(({ all }) => all)) return formulas.yes;
    const prefix = Math.max(0, ...held.map(({ items }) => items));
    const contained = held.flatMap((share) => share.contained ?? []);
    return formulas.items(new Array<Formula>(prefix).fill(formulas.yes), formulas.or([rest, ...contained]));
  });
}
