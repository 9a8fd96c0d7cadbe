/**
 * International labels of host names: Punycode against samples of RFC 3492 and the platform's own, endings of what was begun, and
 * the formats that use them.
 */
import { domainToASCII } from "node:url";
import { describe, expect, it } from "vitest";
import { byteEngine, followText } from "../../papers/structured-outputs/byte-engine.ts";
import { internationalWords, isInternationalLabel } from "../../src/decode/constraints/schema/host-labels.ts";
import { decodePunycode, encodePunycode } from "../../src/decode/constraints/schema/punycode.ts";

const points = (text: string) => [...text].map((char) => char.codePointAt(0)!);

describe("Punycode", () => {
  it.each([
    ["他们为什么不说中文", "ihqwcrb4cv8a8dqg056pqjye"],
    ["почемужеонинеговорятпорусски", "b1abfaaepdrnnbgefbadotcwatmq2g4l"],
    ["ひとつ屋根の下2", "2-u9tlzr9756bt3uc0v"],
    ["bücher", "bcher-kva"],
  ])("%s", (text, spelled) => {
    expect(encodePunycode(points(text))).toBe(spelled);
    expect(decodePunycode(spelled)).toEqual(points(text));
  });

  it("agrees with the platform's host names", () => {
    for (const text of ["straßenbahn-ü", "θάλασσα", "ñandú", "日本語テスト", "مثال", "דוגמה"])
      expect(`xn--${encodePunycode(points(text.normalize("NFC")))}`).toBe(domainToASCII(text));
  });
});

describe("labels behind xn--", () => {
  it("may be written where IDNA allows them", () => {
    for (const text of ["bücher", "日本", "דוגמה", "l·l"]) expect(isInternationalLabel(points(text)), text).toBe(true);
    for (const text of ["plain", "-ü", "ü-", "üa--b", "a·b", "ü_", "Ü", "☃", "\u0301a", "אa"])
      expect(isInternationalLabel(points(text)), text).toBe(false);
  });

  it("have an ending wherever one is promised, and it stays known while it is written", () => {
    let state = 12345;
    const next = (n: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    const alphabet = "abcxyz0189--AB";
    for (let i = 0; i < 400; i++) {
      const begun = Array.from({ length: next(40) }, () => alphabet[next(alphabet.length)]!).join("");
      expect(internationalWords.possible(begun)).toBe(true);
      let rest = internationalWords.ending(begun)!;
      expect(internationalWords.accepts(begun + rest), begun + rest).toBe(true);
      for (let at = begun; rest; ) {
        at += rest[0]!;
        const shorter = internationalWords.ending(at)!;
        expect(shorter.length, at).toBeLessThan(rest.length);
        rest = shorter;
      }
    }
  });

  it("stand in host names and e-mail addresses, and texts can always be ended", () => {
    const engine = byteEngine();
    const host = engine.jsonSchema({ type: "string", format: "hostname" });
    const email = engine.jsonSchema({ type: "string", format: "email" });
    for (const [text, valid] of [
      ["xn--bcher-kva.example", true],
      ["www.XN--BCHER-KVA", true],
      ["xn--x.example", false],
      ["xn--bcher-kvb", false],
      ["xn--", false],
    ] as const) {
      expect(followText(host, JSON.stringify(text)), text).toBe(valid);
      expect(followText(email, JSON.stringify(`me@${text}`)), text).toBe(valid);
    }
    const constraint = host.start();
    for (const byte of new TextEncoder().encode('"a.xn--ab-c')) expect(constraint.advance(byte)).toBe(true);
    const text = new TextDecoder().decode(Uint8Array.from(constraint.shortestCompletion()));
    expect(followText(host, `"a.xn--ab-c${text}`)).toBe(true);
  });
});
