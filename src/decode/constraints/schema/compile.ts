/**
 * Schemas as formulas, keyword by keyword, in the meaning of each draft. Knows JSON Schema; what becomes of the formulas is
 * none of its business.
 */
import { fail } from "../../../util/index.ts";
import { compareDecimals, type Decimal, magnitude, zero } from "../json/decimal.ts";
import { project } from "../json/derive.ts";
import { type Formula, type Formulas, type Json, stringLanguage, types } from "../json/formula.ts";
import { plainIntegers, wholeNumbers } from "../json/number-set.ts";
import { compilePattern } from "../regex/compile-pattern.ts";
import type { Regex } from "../regex/term.ts";
import { type Documents, type Located, maxSchemaDepth, type Resource, type SchemaObject } from "./documents.ts";
import type { Formats } from "./formats.ts";
import { unevaluatedItems, unevaluatedProperties } from "./unevaluated.ts";

const typeBits: Readonly<Record<string, number>> = {
  null: types.null,
  boolean: types.true | types.false,
  number: types.number,
  integer: types.number,
  string: types.string,
  object: types.object,
  array: types.array,
};

const isObject = (node: Json | undefined): node is SchemaObject => node instanceof Map;
const isList = (node: Json | undefined): node is readonly Json[] => Array.isArray(node);
const isNumber = (node: Json | undefined): node is Decimal =>
  typeof node === "object" && node !== null && "units" in node;

/** Bounds may have leading digits as far from the point as this. */
const maxMagnitude = 900;

/** A schema at its place, and the resources that led there. */
export interface Place extends Located {
  readonly scope: readonly Resource[];
  readonly depth: number;
}

/** Compiles schemas of one set of documents. */
export class SchemaCompiler {
  readonly #known = new Map<Json, Map<string, Formula>>();
  readonly #pending = new Map<Formula, boolean>();
  readonly #patterns = new Map<string, Regex>();
  #references = 0;

  constructor(
    readonly formulas: Formulas,
    readonly documents: Documents,
    readonly formats: Formats,
    readonly assertions: { readonly formats: boolean; readonly content: boolean },
    /** Stands for the documents and options: references of schemas with the same key are the same. */
    readonly key?: string,
  ) {}

  /** The formula of the main schema. */
  main(): Formula {
    const { main } = this.documents;
    return this.compile({ ...main, scope: [main.resource], depth: 0 });
  }

  /** The formula of a schema. @throws `argument` when it is none, `unsupported` naming keyword and pointer. */
  compile(place: Place): Formula {
    const { node, scope, depth, pointer } = place;
    if (node === true) return this.formulas.yes;
    if (node === false) return this.formulas.no;
    if (!isObject(node)) return fail("argument", `a schema is an object or a boolean; ${pointer} is neither`);
    if (depth > maxSchemaDepth * 2)
      fail("unsupported", `the schema is nested more than ${maxSchemaDepth * 2} deep at ${pointer}`);
    const key = this.documents.dynamic ? scope.map(({ id }) => id).join() : "";
    let byScope = this.#known.get(node);
    if (!byScope) {
      byScope = new Map();
      this.#known.set(node, byScope);
    }
    const known = byScope.get(key);
    if (known) {
      if (this.#pending.has(known)) this.#pending.set(known, true);
      return known;
    }
    // stands for the result where the schema refers to itself
    const self = this.formulas.reference(this.key === undefined ? undefined : `${this.key} ${this.#references++}`);
    byScope.set(key, self);
    this.#pending.set(self, false);
    const formula = this.#object(node, place);
    self.data.target = formula;
    const used = this.#pending.get(self);
    this.#pending.delete(self);
    if (!used) byScope.set(key, formula);
    return used ? self : formula;
  }

  /** A schema inside another one. */
  inner(place: Place, node: Json, ...path: readonly (string | number)[]): Place {
    const resource = this.documents.homeOf(node, place.resource);
    const pointer = `${place.pointer}${path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("")}`;
    return { node, resource, pointer, scope: this.#enter(place.scope, resource), depth: place.depth + 1 };
  }

  #enter(scope: readonly Resource[], resource: Resource): readonly Resource[] {
    return scope.includes(resource) ? scope : [...scope, resource];
  }

  /** Where a reference keyword of a schema leads; undefined when there is none. */
  referenceOf(place: Place, keyword: "$ref" | "$dynamicRef" | "$recursiveRef"): Place | undefined {
    const reference = isObject(place.node) ? place.node.get(keyword) : undefined;
    if (typeof reference !== "string") return undefined;
    let target = this.documents.resolve(reference, place);
    if (keyword === "$dynamicRef") {
      const name = /#([^/].*)$/.exec(reference)?.[1];
      if (name !== undefined && target.resource.dynamicAnchors.get(name) === target.node)
        target = this.documents.dynamicTarget(name, this.#enter(place.scope, target.resource)) ?? target;
    }
    if (keyword === "$recursiveRef") {
      const moving = (resource: Resource) => isObject(resource.root) && resource.root.get("$recursiveAnchor") === true;
      if (isObject(target.node) && target.node.get("$recursiveAnchor") === true) {
        const outer = place.scope.find(moving);
        if (outer) target = { node: outer.root, resource: outer, pointer: reference };
      }
    }
    return { ...target, scope: this.#enter(place.scope, target.resource), depth: place.depth + 1 };
  }

  #object(node: SchemaObject, place: Place): Formula {
    const { draft, validates } = place.resource;
    const reference = this.referenceOf(place, "$ref");
    if (reference && draft <= 7) return this.compile(reference);
    const parts: Formula[] = [];
    if (reference) parts.push(this.compile(reference));
    if (draft === 2020) {
      const dynamic = this.referenceOf(place, "$dynamicRef");
      if (dynamic) parts.push(this.compile(dynamic));
    }
    if (draft === 2019) {
      const recursive = this.referenceOf(place, "$recursiveRef");
      if (recursive) parts.push(this.compile(recursive));
    }
    if (validates) {
      this.#anyType(node, place, parts);
      this.#numbers(node, place, parts);
      this.#strings(node, place, parts);
    }
    this.#format(node, place, parts);
    this.#combinations(node, place, parts);
    this.#objects(node, place, parts);
    this.#arrays(node, place, parts);
    if (draft >= 2019) {
      if (node.has("unevaluatedProperties")) parts.push(unevaluatedProperties(this, place));
      if (node.has("unevaluatedItems")) parts.push(unevaluatedItems(this, place));
    }
    return this.formulas.and(parts);
  }

  #wrong(place: Place, keyword: string, expected: string): never {
    return fail("argument", `${keyword} at ${place.pointer} must be ${expected}`);
  }

  #anyType(node: SchemaObject, place: Place, parts: Formula[]): void {
    const { formulas } = this;
    const { draft } = place.resource;
    const type = node.get("type");
    if (type !== undefined) {
      const names = isList(type) ? type : [type];
      const integers = formulas.number(draft === 4 ? plainIntegers : wholeNumbers);
      parts.push(
        formulas.or(
          names.map((name) => {
            const bits = typeof name === "string" && Object.hasOwn(typeBits, name) ? typeBits[name]! : 0;
            if (!bits) {
              if (draft === 4 && name === "any") return formulas.yes;
              this.#wrong(place, `type ${JSON.stringify(name)}`, `one of ${Object.keys(typeBits).join(", ")}`);
            }
            return name === "integer" ? formulas.and([formulas.type(bits), integers]) : formulas.type(bits);
          }),
        ),
      );
    }
    const values = node.get("enum");
    if (values !== undefined) {
      if (!isList(values)) this.#wrong(place, "enum", "a list");
      parts.push(formulas.oneOf(values));
    }
    const constant = node.get("const");
    if (constant !== undefined && draft >= 6) parts.push(formulas.oneOf([constant]));
  }

  #count(node: SchemaObject, place: Place, keyword: string): number | undefined {
    const value = node.get(keyword);
    if (value === undefined) return undefined;
    if (!isNumber(value) || value.units < 0n || value.exponent < 0 || value.exponent > 300)
      return this.#wrong(place, keyword, "a whole number that is not negative");
    return Number(value.units) * 10 ** value.exponent;
  }

  #numbers(node: SchemaObject, place: Place, parts: Formula[]): void {
    const number = (keyword: string): Decimal | undefined => {
      const value = node.get(keyword);
      if (isNumber(value) && Math.abs(magnitude(value)) > maxMagnitude)
        fail(
          "unsupported",
          `${keyword} at ${place.pointer} is beyond 10^±${maxMagnitude}: no exponent of a text reaches it`,
        );
      if (value === undefined || isNumber(value)) return value;
      if (typeof value === "boolean" && keyword.startsWith("exclusive")) return undefined;
      return this.#wrong(place, keyword, "a number");
    };
    const add = (low: Decimal | undefined, high: Decimal | undefined, open: boolean): void => {
      if (low || high) parts.push(this.formulas.number([{ low, high, lowOpen: open, highOpen: open }]));
    };
    const strict = (keyword: string) => place.resource.draft === 4 && node.get(keyword) === true;
    add(number("minimum"), undefined, strict("exclusiveMinimum"));
    add(undefined, number("maximum"), strict("exclusiveMaximum"));
    if (place.resource.draft > 4) {
      add(number("exclusiveMinimum"), undefined, true);
      add(undefined, number("exclusiveMaximum"), true);
    }
    const step = number("multipleOf");
    if (!step) return;
    if (compareDecimals(step, zero) <= 0) this.#wrong(place, "multipleOf", "a positive number");
    parts.push(this.formulas.number([{ step }]));
  }

  /** The language of a pattern of a schema. */
  pattern(source: string, place: Place, keyword: string): Regex {
    let regex = this.#patterns.get(source);
    if (!regex) {
      try {
        regex = compilePattern(this.formulas.regexes, source);
      } catch (error) {
        fail("unsupported", `${keyword} at ${place.pointer}: ${(error as Error).message}`, error);
      }
      this.#patterns.set(source, regex);
    }
    return regex;
  }

  #strings(node: SchemaObject, place: Place, parts: Formula[]): void {
    const { formulas } = this;
    const low = this.#count(node, place, "minLength") ?? 0;
    const high = this.#count(node, place, "maxLength") ?? Infinity;
    if (low > 0 || high < Infinity) parts.push(formulas.string(formulas.regexes.all, low, high));
    const pattern = node.get("pattern");
    if (pattern !== undefined) {
      if (typeof pattern !== "string") this.#wrong(place, "pattern", "a string");
      parts.push(formulas.string(this.pattern(pattern, place, "pattern")));
    }
  }

  #format(node: SchemaObject, place: Place, parts: Formula[]): void {
    const { formulas } = this;
    const format = node.get("format");
    this.#content(node, place, parts);
    if (typeof format !== "string" || !(this.assertions.formats || place.resource.assertsFormats)) return;
    const language = this.formats.language(format);
    if (language) parts.push(formulas.string(language));
    else if (format === "idn-hostname")
      fail(
        "unsupported",
        `format "idn-hostname" at ${place.pointer} cannot be decided while a text is written; set formats to "annotate"`,
      );
  }

  /** What a string encodes; draft 7 lets it be asserted. */
  #content(node: SchemaObject, place: Place, parts: Formula[]): void {
    if (!this.assertions.content || place.resource.draft !== 7) return;
    const encoding = node.get("contentEncoding");
    if (typeof encoding === "string") {
      if (encoding !== "base64")
        fail(
          "unsupported",
          `contentEncoding ${JSON.stringify(encoding)} at ${place.pointer} is not decided: only base64 is`,
        );
      const base64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
      parts.push(this.formulas.string(this.pattern(base64, place, "contentEncoding")));
    }
    if (node.has("contentMediaType"))
      fail(
        "unsupported",
        `contentMediaType at ${place.pointer} is not decided while a text is written; set content to "annotate"`,
      );
  }

  #schemas(node: SchemaObject, place: Place, keyword: string): Formula[] | undefined {
    const list = node.get(keyword);
    if (list === undefined) return undefined;
    if (!isList(list)) return this.#wrong(place, keyword, "a list of schemas");
    return list.map((item, i) => this.compile(this.inner(place, item, keyword, i)));
  }

  /** The formula of a keyword that holds a schema. */
  schema(place: Place, keyword: string): Formula | undefined {
    const inner = (place.node as SchemaObject).get(keyword);
    return inner === undefined ? undefined : this.compile(this.inner(place, inner, keyword));
  }

  #combinations(node: SchemaObject, place: Place, parts: Formula[]): void {
    const { formulas } = this;
    const all = this.#schemas(node, place, "allOf");
    if (all) parts.push(...all);
    const any = this.#schemas(node, place, "anyOf");
    if (any) parts.push(formulas.or(any));
    const one = this.#schemas(node, place, "oneOf");
    if (one) parts.push(formulas.one(one));
    const not = this.schema(place, "not");
    if (not) parts.push(formulas.not(not));
    if (place.resource.draft < 7) return;
    const condition = this.schema(place, "if");
    if (!condition) return;
    const then = this.schema(place, "then") ?? formulas.yes;
    const otherwise = this.schema(place, "else") ?? formulas.yes;
    parts.push(formulas.or([formulas.not(condition), then]), formulas.or([condition, otherwise]));
  }

  /** Schemas of a keyword that maps names to them. */
  #named(node: SchemaObject, place: Place, keyword: string): [string, Json][] {
    const map = node.get(keyword);
    if (map === undefined) return [];
    if (!isObject(map)) return this.#wrong(place, keyword, "an object");
    return [...map];
  }

  #objects(node: SchemaObject, place: Place, parts: Formula[]): void {
    const { formulas } = this;
    const { validates, draft } = place.resource;
    const named = new Map(
      this.#named(node, place, "properties").map(
        ([name, inner]) => [name, this.compile(this.inner(place, inner, "properties", name))] as const,
      ),
    );
    const patterns = this.#named(node, place, "patternProperties").map(
      ([source, inner]) =>
        [
          this.pattern(source, place, "patternProperties"),
          this.compile(this.inner(place, inner, "patternProperties", source)),
        ] as const,
    );
    const rest = this.schema(place, "additionalProperties") ?? formulas.yes;
    parts.push(formulas.properties({ named, patterns, rest }));
    const names = draft >= 6 ? this.schema(place, "propertyNames") : undefined;
    if (names) parts.push(formulas.names(this.#languageOf(names)));
    if (validates) {
      const required = node.get("required");
      if (isList(required)) parts.push(formulas.required(this.#nameList(required, place, "required")));
      else if (required !== undefined && !(draft === 4 && typeof required === "boolean"))
        this.#wrong(place, "required", "a list of names");
      parts.push(formulas.count("minProperties", this.#count(node, place, "minProperties") ?? 0));
      parts.push(formulas.count("maxProperties", this.#count(node, place, "maxProperties") ?? Infinity));
    }
    const when = (name: string, then: Formula) =>
      parts.push(
        formulas.or([formulas.not(formulas.and([formulas.type(types.object), formulas.required([name])])), then]),
      );
    for (const keyword of ["dependencies", ...(draft >= 2019 ? ["dependentRequired", "dependentSchemas"] : [])])
      for (const [name, inner] of this.#named(node, place, keyword)) {
        if (isList(inner) || typeof inner === "string")
          when(name, formulas.required(this.#nameList(isList(inner) ? inner : [inner], place, keyword)));
        else when(name, this.compile(this.inner(place, inner, keyword, name)));
      }
  }

  #nameList(list: readonly Json[], place: Place, keyword: string): string[] {
    return list.map((name) => (typeof name === "string" ? name : this.#wrong(place, keyword, "a list of names")));
  }

  /** The strings that a formula allows. */
  #languageOf(formula: Formula): Regex {
    const { regexes } = this.formulas;
    const { regex, low, high } = stringLanguage(regexes, project(this.formulas, formula, types.string));
    return regexes.and([regex, regexes.loop(regexes.any, low, high)]);
  }

  #arrays(node: SchemaObject, place: Place, parts: Formula[]): void {
    const { formulas } = this;
    const { validates, draft } = place.resource;
    const items = node.get("items");
    if (draft < 2020 && isList(items)) {
      const prefix = items.map((item, i) => this.compile(this.inner(place, item, "items", i)));
      parts.push(formulas.items(prefix, this.schema(place, "additionalItems") ?? formulas.yes));
    } else {
      const prefix = draft >= 2020 ? (this.#schemas(node, place, "prefixItems") ?? []) : [];
      if (isList(items)) this.#wrong(place, "items", "a schema in draft 2020-12 (lists are called prefixItems there)");
      parts.push(formulas.items(prefix, this.schema(place, "items") ?? formulas.yes));
    }
    if (draft >= 6) {
      const contained = this.schema(place, "contains");
      if (contained) {
        const low = (draft >= 2019 ? this.#count(node, place, "minContains") : undefined) ?? 1;
        const high = (draft >= 2019 ? this.#count(node, place, "maxContains") : undefined) ?? Infinity;
        parts.push(low > high ? formulas.type(127 & ~types.array) : formulas.contains(contained, low, high));
      }
    }
    if (!validates) return;
    parts.push(formulas.count("minItems", this.#count(node, place, "minItems") ?? 0));
    parts.push(formulas.count("maxItems", this.#count(node, place, "maxItems") ?? Infinity));
    if (node.get("uniqueItems") === true) parts.push(formulas.unique([]));
  }
}
