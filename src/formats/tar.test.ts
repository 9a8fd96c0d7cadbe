import { gzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { readTarGz } from "./tar.ts";

const encoder = new TextEncoder();

function entry(name: string, content: string, { type = "0", prefix = "" } = {}): Uint8Array {
  const data = encoder.encode(content);
  const out = new Uint8Array(512 + Math.ceil(data.length / 512) * 512);
  const put = (at: number, text: string) => out.set(encoder.encode(text), at);
  put(0, name);
  put(124, `${data.length.toString(8).padStart(11, "0")} `);
  put(156, type);
  put(257, "ustar");
  put(345, prefix);
  out.set(data, 512);
  return out;
}

function archive(...entries: readonly Uint8Array[]): Uint8Array {
  const parts = [...entries, new Uint8Array(1024)];
  return gzipSync(Uint8Array.from(parts.flatMap((part) => [...part])));
}

const texts = (bytes: Uint8Array) =>
  Object.fromEntries(
    [...readTarGz(bytes, "a.tgz")].map(([path, content]) => [path, new TextDecoder().decode(content)]),
  );

describe("tar archives", () => {
  it("give plain files by path, long ones too", () => {
    const long = `${"d".repeat(120)}/e.ts`;
    const record = ` path=${long}\n`;
    const length = record.length + 3;
    expect(
      texts(
        archive(
          entry("package", "", { type: "5" }),
          entry("a.ts", "one"),
          entry("b.ts", "x".repeat(600), { prefix: "package/src" }),
          entry("PaxHeader", `${length}${record}`, { type: "x" }),
          entry("short", "two"),
          entry("link", "", { type: "2" }),
        ),
      ),
    ).toEqual({ "a.ts": "one", "package/src/b.ts": "x".repeat(600), [long]: "two" });
  });

  it("are refused when broken, too large, or none", () => {
    expect(() => readTarGz(encoder.encode("no archive at all, but long enough"), "x")).toThrow(/x/);
    const good = archive(entry("a.ts", "one"));
    expect(() => readTarGz(good.subarray(0, good.length - 20), "cut.tgz")).toThrow(/cut\.tgz/);
    expect(() => readTarGz(good, "big.tgz", 100)).toThrow(/more than the 100/);
    const broken = entry("a.ts", "one");
    broken.set(encoder.encode("77777777777"), 124);
    expect(() => readTarGz(archive(broken), "broken.tgz")).toThrow(/do not fit/);
    expect(() => readTarGz(archive(), "empty.tgz")).toThrow(/no files/);
  });
});
