import { describe, expect, it } from "vitest";
import { compareVersions, isPreRelease } from "./python-version.ts";

describe("versions of Python packages", () => {
  it("are ordered as PEP 440 says", () => {
    const ordered = [
      "not-a-version",
      "0.9",
      "1.0.dev1",
      "1.0a1.dev2",
      "1.0a1",
      "1.0a1.post1",
      "1.0a2",
      "1.0b1",
      "1.0rc1",
      "1.0",
      "1.0.post1.dev3",
      "1.0.post1",
      "1.0.1",
      "1.2",
      "1.10",
      "2024.1",
      "1!0.1",
    ];
    expect([...ordered].reverse().sort(compareVersions)).toEqual(ordered);
    for (const version of ordered) expect(compareVersions(version, version)).toBe(0);
  });

  it("may be written in several ways", () => {
    for (const [a, b] of [
      ["1.0", "1.0.0"],
      ["v1.0", "1"],
      ["1.0-1", "1.0.post1"],
      ["1.0.RC-1", "1.0c1"],
      ["1.0_alpha", "1.0a0"],
      ["1.0+cpu", "1.0"],
      ["0!2", "2"],
    ] as const)
      expect(compareVersions(a, b), `${a} ${b}`).toBe(0);
  });

  it("are told from pre-releases", () => {
    expect(["1.0.dev1", "1.0a1", "1.0rc1", "1.0.post1.dev1", "x"].filter((version) => !isPreRelease(version))).toEqual(
      [],
    );
    expect(["1.0", "1.0.post1", "1!2+local.1"].filter(isPreRelease)).toEqual([]);
  });
});
