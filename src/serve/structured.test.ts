import { describe, expect, it } from "vitest";
import { z } from "zod";
import { noisyLogits } from "../decode/testing/scripted.ts";
import { generateObject } from "./generate-object.ts";
import { scriptedModel } from "./testing/scripted-model.ts";

const person = z.object({
  name: z.string().max(8),
  age: z.int().min(0).max(120),
  tags: z.array(z.enum(["a", "b"])).max(2),
});

describe("answers of a form", () => {
  it("are objects of a schema's type, whatever the model would rather say", async () => {
    const { model } = scriptedModel({ next: noisyLogits });
    for (const seed of [1, 2, 3, 4, 5]) {
      const { object, finishReason, text } = await generateObject(model, person, "Who?", {
        temperature: 1,
        seed,
        maxTokens: 200,
      });
      const age: number = object.age;
      expect(age).toBeGreaterThanOrEqual(0);
      expect(person.safeParse(JSON.parse(text)).success).toBe(true);
      expect(finishReason).toBe("stop");
    }
  });

  it("are completed when the limit comes near", async () => {
    const { model } = scriptedModel({ next: noisyLogits });
    const schema = { type: "array", items: { type: "string" }, minItems: 2 };
    for (let maxTokens = 24; maxTokens < 40; maxTokens++) {
      const { object, tokens } = await generateObject(model, schema, "List?", {
        temperature: 1,
        seed: maxTokens,
        maxTokens,
      });
      expect(Array.isArray(object)).toBe(true);
      expect(tokens.length).toBeLessThanOrEqual(maxTokens);
    }
  });

  it("spend no step on tokens without a choice", async () => {
    const { model } = scriptedModel({ next: noisyLogits });
    const schema = { const: { a_rather_long_name: "and a rather long text" } };
    const { stats, object } = await generateObject(model, schema, "Say it.");
    expect(object).toEqual(schema.const);
    expect(stats.completionTokens).toBeGreaterThan(40);
    expect(stats.steps).toBeLessThan(6);
  });

  it("are refused with a reason when nothing can satisfy the schema, before a step is taken", async () => {
    const { model, engine } = scriptedModel();
    await expect(generateObject(model, { allOf: [{ type: "string" }, { type: "number" }] }, "x")).rejects.toMatchObject(
      { code: "argument" },
    );
    await expect(generateObject(model, { type: "strin" }, "x")).rejects.toMatchObject({ code: "argument" });
    expect(engine.rows).toBe(0);
    await expect(
      model.collect(
        model.generate("x", { format: { kind: "json-object" }, constraint: model.constraint({ kind: "json-object" }) }),
      ),
    ).rejects.toThrow(/both limit/);
  });

  it("say so when the limit is too small for any object", async () => {
    const { model } = scriptedModel();
    await expect(generateObject(model, person, "Who?", { maxTokens: 3 })).rejects.toMatchObject({
      code: "context-overflow",
    });
  });
});
