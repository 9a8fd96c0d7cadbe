/**
 * Monitors over tokens: what is limited, what is not, and that states survive drafts, copies and rollback.
 */
import { describe, expect, it } from "vitest";
import type { TokenBytes } from "../vocabulary.ts";
import { Vocabulary } from "../vocabulary.ts";
import { ArgumentMonitor, type Arity } from "./argument-monitor.ts";
import { MemberMonitor, type MemberMonitorOptions } from "./member-monitor.ts";
import type { MonitorTrigger } from "./monitor.ts";
import { MonitorConstraint } from "./monitor-constraint.ts";

/** A vocabulary of all bytes, some longer tokens, a special token and an end. */
const longer = [
  "brew",
  "brewLedger",
  "Ledger",
  "tidy",
  "tidyQuota",
  "Quota",
  "Quota(",
  "Quota.",
  "(",
  "()",
  "();",
  ").",
  ");",
  "), ",
  ", ",
  "foo",
  "foo.",
  "foo.br",
  ".",
  "..",
  "bre",
  " = ",
  ";\n",
  "é",
  "—",
  "Quota—",
  "Quotaé",
  "(1",
  "(1, ",
  "(1)",
  "f",
  "g(",
  "[1, 2]",
];
const texts = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...longer.map((text) => new TextEncoder().encode(text)),
];
const special = texts.length;
const end = texts.length + 1;
const tokenizer: TokenBytes = {
  vocabSize: texts.length + 2,
  specials: { eosIds: [end] } as unknown as TokenBytes["specials"],
  tokenBytes: (id) => texts[id] ?? new Uint8Array(),
  isSpecial: (id) => id >= special,
};
const vocabulary = new Vocabulary(tokenizer);
const id = (text: string) => 256 + longer.indexOf(text);
const names = ["brewLedger", "tidyQuota"];

const members = (before: string, options: Partial<MemberMonitorOptions> = {}) =>
  MonitorConstraint.start(vocabulary, [new MemberMonitor({ vocabulary, analyse: () => names, ...options })], {
    before,
  });

/** Takes a text, in tokens of single characters or as given. */
function take(constraint: MonitorConstraint, ...tokens: string[]): void {
  for (const token of tokens)
    expect(constraint.advance(longer.includes(token) ? id(token) : token.charCodeAt(0))).toBe(true);
}

function allowed(constraint: MonitorConstraint): string[] {
  const mask = new Uint32Array(vocabulary.words);
  constraint.mask(mask);
  const ids = texts.flatMap((_, i) => ((mask[i >>> 5]! >>> (i & 31)) & 1 ? [i] : []));
  for (let i = 0; i < vocabulary.size; i++)
    expect(constraint.allows(i), `token ${i}`).toBe(((mask[i >>> 5]! >>> (i & 31)) & 1) === 1);
  return ids.filter((i) => i >= 256).map((i) => longer[i - 256]!);
}

describe("the monitor of members", () => {
  it("allows everything where nothing is limited, the end and special tokens included", () => {
    const text = members("let x");
    const mask = new Uint32Array(vocabulary.words);
    text.mask(mask);
    for (let i = 0; i < vocabulary.size; i++) expect((mask[i >>> 5]! >>> (i & 31)) & 1).toBe(1);
    expect(mask[vocabulary.words - 1]! >>> (vocabulary.size & 31)).toBe(0);
    expect([text.isComplete(), text.allows(end), text.allows(special), text.allows(vocabulary.size)]).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it("limits a name behind a dot, and what may end it", () => {
    const text = members("it.");
    expect(allowed(text)).toEqual(["brew", "brewLedger", "tidy", "tidyQuota", "bre"]);
    expect([text.isComplete(), text.allows(end), text.allows(special), text.allows(32)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
    take(text, "tidy");
    expect(allowed(text)).toEqual(["Quota", "Quota(", "Quota.", "Quota—"]);
    take(text, "Quota");
    expect(allowed(text)).toEqual([
      "(",
      "()",
      "();",
      ").",
      ");",
      "), ",
      ", ",
      ".",
      "..",
      " = ",
      ";\n",
      "—",
      "(1",
      "(1, ",
      "(1)",
      "[1, 2]",
    ]);
    expect(text.allows("a".charCodeAt(0))).toBe(false);
    take(text, "(");
    expect(text.isComplete()).toBe(true);
    expect(text.text).toBe("it.tidyQuota(");
  });

  it("goes on from a dot inside of a token, and from a name that is begun", () => {
    const text = members("");
    take(text, "foo.br");
    expect(text.allows("e".charCodeAt(0))).toBe(true);
    expect(text.allows("o".charCodeAt(0))).toBe(false);
    expect(allowed(members("it.bre"))).toEqual([]);
    expect(members("it.bre").allows("w".charCodeAt(0))).toBe(true);
  });

  it("limits again behind a token that ends one name and has the next dot", () => {
    const text = members("it.");
    take(text, "tidy", "Quota.");
    expect(text.isComplete()).toBe(false);
    expect(allowed(text)).toContain("brew");
  });

  it("leaves free what the analyser knows nothing of, or what no member begins with", () => {
    for (const analyse of [() => undefined, () => []]) expect(members("it.", { analyse }).isComplete()).toBe(true);
    expect(members("it.xy").isComplete()).toBe(true);
    expect(members("it. ").isComplete()).toBe(true);
    expect(members("it.", { trigger: "->" }).isComplete()).toBe(true);
    expect(members("it->", { trigger: "->" }).isComplete()).toBe(false);
  });

  it("spells names of any characters byte by byte", () => {
    const text = members("it.", { analyse: () => ["größe"] });
    for (const byte of new TextEncoder().encode("größe")) {
      expect(text.allows("x".charCodeAt(0))).toBe(false);
      expect(text.advance(byte)).toBe(true);
    }
    expect([text.allows(id("é")), text.allows(id("—")), text.allows(0xc3)]).toEqual([false, true, false]);
    take(text, "—");
    expect(text.text).toBe("it.größe—");
  });

  it("keeps a private name", () => {
    const text = members("this.", { analyse: () => ["#own"] });
    expect(text.allows("#".charCodeAt(0))).toBe(true);
    expect(text.allows("o".charCodeAt(0))).toBe(false);
    take(text, "#", "o");
    expect(text.allows("w".charCodeAt(0))).toBe(true);
  });

  it("asks once for a text, tells of it, and counts", () => {
    const triggers: MonitorTrigger[] = [];
    const asked: [string, number][] = [];
    const monitor = new MemberMonitor({
      vocabulary,
      analyse: (text, offset) => {
        asked.push([text, offset]);
        return names;
      },
      onTrigger: (trigger) => triggers.push(trigger),
    });
    const start = () => MonitorConstraint.start(vocabulary, [monitor], { before: "a.", after: ";}" });
    const text = start();
    expect(asked).toEqual([]);
    text.isComplete();
    expect(asked).toEqual([["a.;}", 2]]);
    start().isComplete();
    take(text, "tidyQuota", ".");
    text.isComplete();
    expect(asked.slice(1)).toEqual([["a.tidyQuota.;}", 12]]);
    expect(triggers.map(({ text, known, legal }) => [text, known, legal])).toEqual([
      ["a.", false, names],
      ["a.", true, names],
      ["a.tidyQuota.", false, names],
    ]);
    const mask = new Uint32Array(vocabulary.words);
    text.mask(mask);
    text.mask(mask);
    expect(monitor.statistics).toMatchObject({ triggers: 3, limited: 3, analyses: 2, masks: 1 });
  });
});

describe("a text under monitors", () => {
  it("is taken back token by token, and copied", () => {
    const text = members("it.");
    const masks: string[] = [];
    const mask = new Uint32Array(vocabulary.words);
    const tokens = [id("tidy"), id("Quota"), id("()"), id("."), id("brewLedger"), id(";\n"), end];
    for (const token of tokens) {
      text.mask(mask);
      masks.push(String(mask));
      expect(text.advance(token)).toBe(true);
    }
    text.mask(mask);
    expect(mask.every((word) => word === 0)).toBe(true);
    expect([text.isComplete(), text.allows(end), text.advance(id("("))]).toEqual([false, false, false]);
    const copy = text.clone();
    for (let i = tokens.length - 1; i >= 0; i--) {
      text.rollback(1);
      expect(text.length).toBe(i);
      text.mask(mask);
      expect(String(mask)).toBe(masks[i]);
    }
    expect(copy.length).toBe(tokens.length);
    expect(copy.allows(end)).toBe(false);
    copy.rollback(4);
    expect(copy.text).toBe("it.tidyQuota()");
    expect(() => text.rollback(1)).toThrow(/cannot take back 1 of 0 tokens/);
  });

  it("changes nothing when a token is refused", () => {
    const text = members("it.");
    expect(text.advance(id("foo"))).toBe(false);
    expect([text.length, text.text]).toEqual([0, "it."]);
  });

  it("suggests what all names that are left begin with", () => {
    const text = members("it.");
    expect(text.suggested()).toEqual([]);
    take(text, "b");
    expect(text.suggested().map((token) => (token >= 256 ? longer[token - 256] : String.fromCharCode(token)))).toEqual([
      "r",
      "e",
      "w",
      "Ledger",
    ]);
    take(text, "r", "e", "w", "Ledger");
    expect(text.suggested()).toEqual([]);
    expect(members("").suggested()).toEqual([]);
  });

  it("forces nothing and asks for no completion", () => {
    const text = members("it.");
    expect([text.forced(), text.shortestCompletion()]).toEqual([[], []]);
  });

  it("refuses masks of another size, and no monitors", () => {
    expect(() => members("").mask(new Uint32Array(1))).toThrow(/a mask of 1 words/);
    expect(() => MonitorConstraint.start(vocabulary, [], { before: "" })).toThrow(/no monitor/);
  });

  it("lets the earlier monitor decide where two leave nothing between them", () => {
    const two = (first: string, second: string) =>
      MonitorConstraint.start(
        vocabulary,
        [first, second].map((name) => new MemberMonitor({ vocabulary, analyse: () => [name] })),
        { before: "it." },
      );
    const text = two("brewLedger", "tidyQuota");
    expect(allowed(text)).toEqual(["brew", "brewLedger", "bre"]);
    take(text, "brew");
    expect(allowed(text)).toEqual(["Ledger"]);
    expect(allowed(two("brewLedger", "brew"))).toEqual(["brew", "bre"]);
  });
});

describe("the monitor of argument counts", () => {
  const counted = (before: string, arities: readonly Arity[] | undefined) =>
    MonitorConstraint.start(vocabulary, [new ArgumentMonitor({ vocabulary, analyse: () => arities })], { before });
  const closes = (before: string, ...arities: Arity[]) => {
    const text = counted(before, arities);
    allowed(text);
    return [")", ","].map((c) => text.allows(c.charCodeAt(0)));
  };
  const two: Arity = { least: 2, most: 2 };

  it("closes a call neither too early nor too late", () => {
    expect(closes("f(", two)).toEqual([false, false]);
    expect(closes("f(1", two)).toEqual([false, true]);
    expect(closes("f(1, ", two)).toEqual([false, false]);
    expect(closes("f(1, 2", two)).toEqual([true, false]);
    expect(closes("f(", { least: 0, most: 0 })).toEqual([true, false]);
    expect(closes("f(1", { least: 0, most: Number.POSITIVE_INFINITY })).toEqual([true, true]);
    expect(closes("f(1", { least: 1, most: 1 }, { least: 3, most: 3 })).toEqual([true, true]);
    expect(closes("f(1, 2", { least: 1, most: 1 }, { least: 3, most: 3 })).toEqual([false, true]);
  });

  it("keeps open calls apart, also in strings, comments and lists", () => {
    expect(closes("f(1, g([1, 2], ", two)).toEqual([false, false]);
    expect(closes("f(1, g([1, 2], 3)", two)).toEqual([true, false]);
    expect(closes('f("a, b', two)).toEqual([true, true]);
    expect(closes("f(/* , ", two)).toEqual([true, true]);
    expect(closes("f([1", two)).toEqual([true, true]);
  });

  it("leaves alone what is no call, or not clear", () => {
    expect(closes("if (a", two)).toEqual([true, true]);
    expect(closes("(a", two)).toEqual([true, true]);
    expect(closes("f(...a", two)).toEqual([true, true]);
    expect(closes("f(new Map<string", two)).toEqual([true, true]);
    expect(closes("f(1")).toEqual([true, true]);
  });

  it("judges calls that open inside of a token", () => {
    const text = counted("f", [two]);
    expect([text.allows(id("()")), text.allows(id("(1)")), text.allows(id("(1, ")), text.allows(id("("))]).toEqual([
      false,
      false,
      true,
      true,
    ]);
    take(text, "(1, ", "f", ");");
    expect(text.text).toBe("f(1, f);");
    expect(text.isComplete()).toBe(true);
  });

  it("works beside the monitor of members", () => {
    const monitors = [
      new MemberMonitor({ vocabulary, analyse: () => names }),
      new ArgumentMonitor({ vocabulary, analyse: () => [two] }),
    ];
    const text = MonitorConstraint.start(vocabulary, monitors, { before: "it." });
    take(text, "tidyQuota");
    expect([text.allows(id("()")), text.allows(id("(")), text.allows(id("foo"))]).toEqual([false, true, false]);
    take(text, "(1, ", "foo", ")");
    expect(text.text).toBe("it.tidyQuota(1, foo)");
  });
});
