/**
 * JSON Schema while a text is written: keywords, refusals, properties of masks, hostile schemas.
 */
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BletchleyError } from "../../src/util/errors.ts";
import { accepts, byBytes, endToken, engine, newMask, spelled, textOf, tokensOf } from "./engine.ts";

const spaced = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value.map(spaced).join(", ")}]`
    : value !== null && typeof value === "object"
      ? `{${Object.entries(value)
          .map(([name, inner]) => `${JSON.stringify(name)}: ${spaced(inner)}`)
          .join(", ")}}`
      : JSON.stringify(value);

describe("keywords", () => {
  const cases: readonly (readonly [string, unknown, readonly string[], readonly string[]])[] = [
    [
      "properties in any order",
      {
        type: "object",
        properties: { a: { type: "integer" }, b: { type: "string" } },
        required: ["a"],
        additionalProperties: false,
      },
      ['{"b": "x", "a": 1}', '{"a": 1}'],
      ['{"b": "x"}', '{"a": 1, "a": 2}', '{"c": 1, "a": 1}'],
    ],
    ["one property twice", { type: "object" }, ['{"x": 1, "y": 1}'], ['{"x": 1, "x": 1}', '{"\\u00e9": 1, "é": 1}']],
    [
      "overlapping oneOf",
      { oneOf: [{ required: ["a"] }, { required: ["b"] }] },
      ['{"a": 1}', '{"b": 1, "c": 2}'],
      ['{"a": 1, "b": 1}', "{}"],
    ],
    ["not", { type: "string", not: { enum: ["a", "b"] } }, ['"c"', '"ab"', '""'], ['"a"', '"b"', "1"]],
    [
      "if, then, else",
      {
        if: { properties: { k: { const: 1 } }, required: ["k"] },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: { required: ["x"] },
        else: { required: ["y"] },
      },
      ['{"x": 0, "k": 1}', '{"y": 0}'],
      ['{"k": 1, "y": 0}', '{"x": 0}'],
    ],
    [
      "uniqueItems",
      { type: "array", uniqueItems: true },
      ['[1, 2, "1", {"a": 1}]', "[]"],
      ["[1, 1.0]", '[{"a": 1, "b": 2}, {"b": 2, "a": 1}]'],
    ],
    [
      "contains",
      { type: "array", contains: { type: "integer", minimum: 5 } },
      ["[1, 7]", '["a", 5]'],
      ["[]", "[1, 2]"],
    ],
    ["dependencies", { dependencies: { a: ["b"] } }, ["{}", '{"a": 1, "b": 1}', '{"b": 1, "a": 1}'], ['{"a": 1}']],
    [
      "multipleOf of decimals",
      { type: "number", multipleOf: 0.01 },
      ["19.99", "0", "1e3", "-0.5"],
      ["0.001", "19.999"],
    ],
    [
      "integers of any size",
      { type: "integer", minimum: 9007199254740992 },
      ["123456789012345678901234567890", "9007199254740993"],
      ["1", "-5", "9007199254740991"],
    ],
    [
      "lengths in characters",
      { type: "string", minLength: 2, maxLength: 3 },
      ['"日本"', '"a\\n"', '"\\ud83d\\ude00b"'],
      ['"日"', '"abcd"'],
    ],
    [
      "patterns with look-ahead",
      { type: "string", pattern: "^(?!ab)[a-z]+$" },
      ['"ba"', '"a"'],
      ['"abc"', '""', '"A"'],
    ],
    [
      "calendar days",
      { type: "string", format: "date" },
      ['"2024-02-29"', '"1999-12-31"'],
      ['"2023-02-29"', '"2024-04-31"', '"24-01-01"'],
    ],
    [
      "propertyNames and patternProperties",
      { propertyNames: { pattern: "^[a-c]+$" }, patternProperties: { "^a": { type: "integer" } } },
      ['{"ab": 1, "b": "x"}'],
      ['{"ab": "x"}', '{"d": 1}'],
    ],
    [
      "unevaluatedProperties",
      {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        anyOf: [
          { properties: { a: { type: "integer" } }, required: ["a"] },
          { properties: { b: {} }, required: ["b"] },
        ],
        unevaluatedProperties: false,
      },
      ['{"a": 1}', '{"b": 1, "a": 1}'],
      ['{"c": 1, "a": 1}', '{"a": "x", "b": 1}'],
    ],
    [
      "recursive $ref",
      {
        $ref: "#/definitions/n",
        definitions: {
          n: { type: "object", properties: { next: { $ref: "#/definitions/n" } }, additionalProperties: false },
        },
      },
      ['{"next": {"next": {}}}'],
      ['{"next": 1}'],
    ],
  ];
  it.each(cases)("%s", (_, schema, valid, invalid) => {
    const compiled = engine.jsonSchema(schema);
    expect(valid.filter((text) => !accepts(compiled, text))).toEqual([]);
    expect(invalid.filter((text) => accepts(compiled, text))).toEqual([]);
  });

  it("white space is written as asked", () => {
    const schema = { type: "object", properties: { a: { type: "array" } } };
    const verdicts = (whitespace: "spaced" | "compact" | "flexible") =>
      ['{"a": [1, 2]}', '{"a":[1,2]}', '{\n  "a" : [ 1 ,2 ]\n}'].map((text) =>
        accepts(engine.jsonSchema(schema, { whitespace }), text),
      );
    expect(verdicts("spaced")).toEqual([true, false, false]);
    expect(verdicts("compact")).toEqual([false, true, false]);
    expect(verdicts("flexible")).toEqual([true, true, true]);
  });
});

describe("refusals", () => {
  it.each([
    [{ type: "string", pattern: "(a)\\1" }, "unsupported", /pattern at #.*back-reference/],
    [{ properties: { a: { $ref: "#/nowhere" } } }, "unsupported", /nowhere.*#\/properties\/a/],
    [{ $ref: "#" }, "unsupported", /leads back to itself/],
    [{ type: "string", enum: [1] }, "argument", /no value satisfies/],
    [{ type: "array", items: { enum: [1, 2] }, minItems: 3, uniqueItems: true }, "argument", /no value satisfies/],
    [{ type: "object", properties: { a: { $ref: "#" } }, required: ["a"] }, "argument", /no value satisfies/],
    [{ type: "text" }, "argument", /type "text" at #/],
    [{ minLength: -1 }, "argument", /minLength at #/],
  ])("%j", (schema, code, message) => {
    expect(() => engine.jsonSchema(schema)).toThrowError(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

const scalar = fc.oneof(fc.constantFrom(null, true, false, 0, 1, -1, 10, 0.5, 1e21), fc.string({ maxLength: 6 }));
const schemas = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ enum: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
    fc.record({ type: fc.constantFrom("string", "integer", "number", "boolean", "null", "object", "array") }),
    fc.record({ type: fc.constant("string"), minLength: fc.nat(3), maxLength: fc.integer({ min: 3, max: 6 }) }),
    fc.record({ minimum: fc.integer({ min: -5, max: 5 }), multipleOf: fc.constantFrom(1, 2, 0.5, 3) }),
    fc.record({
      properties: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("schema")),
      required: fc.subarray(["a", "b"]),
      additionalProperties: fc.boolean(),
    }),
    fc.record({ items: tie("schema"), minItems: fc.nat(2), uniqueItems: fc.boolean() }),
    fc.record({ contains: tie("schema") }),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ oneOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ allOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }) }),
    fc.record({ not: tie("schema") }),
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    fc.record({ if: tie("schema"), then: tie("schema"), else: tie("schema") }),
  ),
})).schema;
const values = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(
    fc.constantFrom("a", "b", "c", "d"),
    fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }), fc.dictionary(fc.constantFrom("a", "b"), scalar)),
  ),
);

describe("properties", () => {
  const ajv = new Ajv({ strict: false, validateSchema: false });

  it("a value is accepted exactly when a validator accepts it, however it is spelled in tokens", () => {
    let compiledOnes = 0;
    fc.assert(
      fc.property(
        schemas,
        fc.array(values, { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.nat(1000)),
        (schema, instances, picks) => {
          const validate = ajv.compile(schema);
          let compiled: ReturnType<typeof engine.jsonSchema>;
          try {
            compiled = engine.jsonSchema(schema);
          } catch (error) {
            expect((error as { code: string }).code).toMatch(/argument|unsupported/);
            // a schema that nothing satisfies must not have an instance
            if (/no value/.test((error as Error).message))
              expect(instances.filter((instance) => validate(instance))).toEqual([]);
            return;
          }
          compiledOnes++;
          for (const instance of instances) {
            const text = spaced(instance);
            const tokens = spelled(text, (count) => picks.next().value % count);
            expect([text, accepts(compiled, text, tokens)]).toEqual([text, validate(instance)]);
          }
        },
      ),
      { numRuns: 300, seed: 11 },
    );
    expect(compiledOnes).toBeGreaterThan(200);
  });

  it("random walks end in valid texts; masks are what single tokens say, and rollback restores them", () => {
    fc.assert(
      fc.property(schemas, fc.array(fc.nat(100_000), { minLength: 1, maxLength: 25 }), (schema, picks) => {
        let compiled: ReturnType<typeof engine.jsonSchema>;
        try {
          compiled = engine.jsonSchema(schema);
        } catch {
          return;
        }
        const constraint = compiled.start();
        const seen: number[][] = [];
        const mask = newMask();
        const taken: number[] = [];
        for (const pick of picks) {
          constraint.mask(mask);
          const allowed = tokensOf(mask);
          seen.push(allowed);
          expect(allowed.length).toBeGreaterThan(0);
          expect(allowed).toEqual(
            Array.from({ length: endToken + 1 }, (_, id) => id).filter((id) => constraint.allows(id)),
          );
          expect(allowed.includes(endToken)).toBe(constraint.isComplete());
          const ahead = constraint.suggested!();
          for (const token of ahead) expect(constraint.advance(token)).toBe(true);
          constraint.rollback(ahead.length);
          const token = allowed[pick % allowed.length]!;
          if (token === endToken) break;
          expect(constraint.advance(token)).toBe(true);
          taken.push(token);
        }
        const rest = constraint.shortestCompletion();
        const text = textOf([...taken, ...rest]);
        for (const token of rest) expect(constraint.advance(token)).toBe(true);
        expect(constraint.isComplete()).toBe(true);
        expect([text, ajv.validate(schema, JSON.parse(text))]).toEqual([text, true]);
        constraint.rollback(rest.length);
        for (let i = taken.length; i > 0; i--) {
          constraint.rollback(1);
          constraint.mask(mask);
          expect(tokensOf(mask)).toEqual(seen[i - 1]);
        }
      }),
      { numRuns: 150, seed: 5 },
    );
  });
});

describe("forced tokens", () => {
  it("are all that can come, up to where the text is open", () => {
    const constraint = engine
      .jsonSchema({
        type: "object",
        properties: { foo: { const: "bar" } },
        required: ["foo"],
        additionalProperties: false,
      })
      .start();
    const forced = constraint.forced();
    expect(textOf(forced)).toBe('{"foo": "bar"}');
    for (const token of forced) expect(constraint.advance(token)).toBe(true);
    expect(constraint.isComplete()).toBe(true);
    expect(constraint.forced()).toEqual([]);
  });
});

describe("suggested tokens", () => {
  const properties = { foo: { type: "string" }, bar: { type: "integer" }, "x y": { type: "boolean" } };
  const { start } = engine.jsonSchema({ type: "object", properties, required: ["x y"] });
  const ahead = (text: string) => {
    const constraint = start();
    for (const token of byBytes(text)) expect(constraint.advance(token)).toBe(true);
    return textOf(constraint.suggested!());
  };

  it("are the next declared name and what must follow it", () => {
    expect(ahead("{")).toBe('"foo": ');
    expect(ahead('{"foo": "a", ')).toBe('"bar": ');
    expect(ahead('{"foo": "a",')).toBe(' "bar": ');
    expect(ahead('{"bar": 10, "')).toBe('x y": ');
    expect(ahead('{"bar": 10, "f')).toBe('oo": "');
  });

  it("go back to names that were left out, and end with them", () => {
    expect(ahead('{"x y": true, ')).toBe('"foo": ');
    expect(ahead('{"x y": true, "bar": 1, "foo": "", ')).toBe("");
  });
});

describe("hostile schemas end in bounded time, by a typed error or a mask", () => {
  const nested = (depth: number): object => {
    let schema: object = { type: "integer" };
    for (let i = 0; i < depth; i++) schema = { type: "object", properties: { a: schema }, required: ["a"] };
    return schema;
  };
  it.each<[string, () => unknown]>([
    ["10,000 deep", () => nested(10_000)],
    ["10,000 deep as text", () => `${'{"not":'.repeat(10_000)}true${"}".repeat(10_000)}`],
    ["a catastrophic pattern", () => ({ type: "string", pattern: "^(a+)+$" })],
    [
      "200 required names in any order",
      () => ({
        properties: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`key${i}`, { type: "integer" }])),
        required: Array.from({ length: 200 }, (_, i) => `key${i}`),
        additionalProperties: false,
      }),
    ],
    [
      "300 different items",
      () => ({
        type: "array",
        uniqueItems: true,
        items: { enum: Array.from({ length: 300 }, (_, i) => i) },
        minItems: 300,
      }),
    ],
    ["bounds of 300 digits", () => `{"type":"integer","minimum":${"9".repeat(300)},"maximum":1${"0".repeat(300)}}`],
    ["a multiple of a tiny decimal", () => ({ type: "number", multipleOf: 1e-30, minimum: 0.1, maximum: 0.2 })],
    ["a bound that no exponent reaches", () => `{"type":"number","minimum":1e-5000,"maximum":1e-4000}`],
    ["a long string", () => ({ type: "string", minLength: 200_000, maxLength: 262_144 })],
    ["10 MB of names", () => ({ enum: Array.from({ length: 300_000 }, (_, i) => `name number ${i} of many`) })],
    [
      "mutual recursion",
      () => ({
        $ref: "#/definitions/a",
        definitions: { a: { allOf: [{ $ref: "#/definitions/b" }] }, b: { anyOf: [{ $ref: "#/definitions/a" }] } },
      }),
    ],
  ])("%s", (_, make) => {
    const started = process.cpuUsage();
    try {
      const constraint = engine.jsonSchema(make()).start();
      constraint.mask(newMask());
      for (const token of constraint.shortestCompletion()) expect(constraint.advance(token)).toBe(true);
      expect(constraint.isComplete()).toBe(true);
    } catch (error) {
      if (!(error instanceof BletchleyError)) throw error;
      expect(error).toMatchObject({ name: "BletchleyError", code: expect.stringMatching(/unsupported|argument/) });
    }
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(15_000);
  });
});
