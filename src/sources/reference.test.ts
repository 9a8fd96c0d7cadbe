import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { catalogue } from "./catalogue.ts";
import { formatModelRef, parseModelRef } from "./reference.ts";

describe("model references", () => {
  it("knows names, paths, the Hub and wheels", () => {
    expect(parseModelRef("smollm2")).toEqual({ type: "alias", name: "smollm2" });
    expect(parseModelRef("./m.gguf")).toEqual({ type: "path", path: resolve("m.gguf") });
    expect(parseModelRef("m.GGUF")).toEqual({ type: "path", path: resolve("m.GGUF") });
    expect(parseModelRef("~/m")).toEqual({ type: "path", path: join(homedir(), "m") });
    expect(parseModelRef("src")).toEqual({ type: "path", path: resolve("src") });
    expect(parseModelRef("hf:org/repo")).toEqual({ type: "hub", repo: "org/repo" });
    expect(parseModelRef("hf:o/r/a/b.gguf@refs/pr/1")).toEqual({
      type: "hub",
      repo: "o/r",
      file: "a/b.gguf",
      revision: "refs/pr/1",
    });
    expect(parseModelRef("wheel:some.Pkg")).toEqual({ type: "wheel", package: "some.Pkg" });
    expect(parseModelRef("wheel:pkg==1.0.post1")).toEqual({ type: "wheel", package: "pkg", version: "1.0.post1" });
  });

  it("gives back the text of what it parsed", () => {
    for (const text of [
      "smollm2",
      "hf:o/r",
      "hf:o/r@v1",
      "hf:o/r/f.gguf",
      "hf:o/r/d/f.gguf@main",
      "wheel:p",
      "wheel:p@2",
    ])
      expect(formatModelRef(parseModelRef(text))).toBe(text);
  });

  it("names the known models when one is unknown", () => {
    expect(() => parseModelRef("smollm3")).toThrow(/unknown model smollm3: known names are smollm2, gemma3, minilm/);
    for (const name of catalogue.keys()) expect(() => parseModelRef(`${name}x`)).toThrow(name);
  });

  for (const text of [
    "",
    "hf:repo",
    "hf:o/../r",
    "hf:o/r/../../x",
    "hf:o/r@../x",
    "hf:o/r@",
    "wheel:",
    "wheel:a b",
    "wheel:../x",
  ])
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseModelRef(text)).toThrow(expect.objectContaining({ code: "argument" }));
    });
});
