import { describe, expect, it } from "vitest";
import { checkOptions, type GenerateOptions } from "./options.ts";

const refused = (options: unknown, vocabSize?: number): string | undefined => {
  try {
    checkOptions(options as GenerateOptions, vocabSize);
    return undefined;
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "argument" });
    return (thrown as Error).message;
  }
};

describe("checkOptions", () => {
  it.each([
    {},
    { temperature: 0, topK: 0, topP: 1, minP: 0, typicalP: 1, repetitionPenalty: 1, maxTokens: 1, logprobs: 0 },
    { temperature: 100, topP: 0, presencePenalty: -2, frequencyPenalty: 2, seed: -5 },
    { stop: "x" },
    { stop: ["x", "y"], logitBias: { 0: -100, 9: 3.5 }, contextOverflow: "drop-oldest" },
  ])("accepts %j", (options) => {
    expect(refused(options, 10)).toBeUndefined();
  });

  it.each([
    [{ temperature: -0.1 }, /temperature is -0.1.*0 to 100/],
    [{ temperature: Number.NaN }, /temperature is NaN/],
    [{ temperature: "1" }, /temperature is 1; it must be a number/],
    [{ topK: 1.5 }, /topK is 1.5.*whole/],
    [{ topP: 1.01 }, /topP/],
    [{ minP: 2 }, /minP/],
    [{ typicalP: -1 }, /typicalP/],
    [{ repetitionPenalty: 0 }, /repetitionPenalty/],
    [{ maxTokens: 0 }, /maxTokens is 0/],
    [{ logprobs: 101 }, /logprobs/],
    [{ seed: 0.5 }, /seed is 0.5/],
    [{ seed: 2 ** 60 }, /seed/],
    [{ stop: "" }, /stop has ""/],
    [{ stop: ["a", 3] }, /stop has 3/],
    [{ logitBias: { 10: 1 } }, /token 10; ids are whole numbers from 0 to 9/],
    [{ logitBias: { hello: 1 } }, /token hello/],
    [{ logitBias: { 1: Number.POSITIVE_INFINITY } }, /token 1 is Infinity/],
    [{ contextOverflow: "wrap" }, /contextOverflow is wrap/],
  ])("refuses %j", (options, message) => {
    expect(refused(options, 10)).toMatch(message);
  });
});
