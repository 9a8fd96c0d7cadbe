import { describe, expect, it } from "vitest";
import { Random } from "../../util/random.ts";
import { depthsOf } from "../draft-tree.ts";
import { AdaptiveTrigrams } from "./adaptive-trigrams.ts";
import { bestFirst, greedyWalk, paperSearch, TrigramSearch } from "./trigram-search.ts";
import { TrigramTable, trigramWidth } from "./trigram-table.ts";

const successors = (table: TrigramTable, a: number, b: number) => {
  const row = table.find(a, b);
  return row < 0
    ? {}
    : Object.fromEntries(
        Array.from({ length: table.count(row) }, (_, i) => [table.token(row, i), table.weight(row, i)]),
      );
};

/** Words over five letters in which 1 2 is followed by 3 three times in four. */
const documents = [
  [1, 2, 3, 4, 1, 2, 3, 4],
  [1, 2, 3, 5, 1, 2, 5, 5],
];

describe("a trigram table", () => {
  it("counts shares within documents", () => {
    const table = TrigramTable.fromDocuments(documents);
    expect(successors(table, 1, 2)).toEqual({ 3: 0.75, 5: 0.25 });
    // 3 4 1 is inside of one document, 4 1 2 too; no window crosses from the first document to the second
    expect(successors(table, 3, 4)).toEqual({ 1: 1 });
    expect(successors(table, 4, 1)).toEqual({ 2: 1 });
    expect(successors(table, 2, 4)).toEqual({});
  });

  it("keeps the most frequent successors, and drops the lightest for a new one", () => {
    const many = Array.from({ length: 20 }, (_, i) => Array.from({ length: 20 - i }, () => [7, 8, 100 + i])).flat();
    const table = TrigramTable.fromDocuments(many);
    const kept = Object.keys(successors(table, 7, 8)).map(Number);
    expect(kept.sort((a, b) => a - b)).toEqual(Array.from({ length: trigramWidth }, (_, i) => 100 + i));
    table.reward(7, 8, 999, 0.5, 3);
    expect(successors(table, 7, 8)[999]).toBe(0.5);
    expect(successors(table, 7, 8)[100 + trigramWidth - 1]).toBeUndefined();
  });

  it("limits rewards, and lets the least recently used pair go", () => {
    const table = new TrigramTable(8);
    for (let i = 0; i < 100; i++) table.reward(1, 2, 3, 0.04, 3);
    expect(successors(table, 1, 2)[3]).toBeCloseTo(3, 5);
    for (let i = 0; i < 8; i++) table.reward(50 + i, 60, 1, 1, 3);
    expect(table.size).toBe(8);
    expect(table.find(1, 2)).toBe(-1);
    expect(table.find(57, 60)).toBeGreaterThanOrEqual(0);
  });
});

describe("searches", () => {
  const table = TrigramTable.fromDocuments(documents);
  it("walk greedily", () => {
    expect(greedyWalk(table, 1, 2, 3)).toEqual({
      tokens: [3, 4, 1],
      parents: [-1, 0, 1],
      confidences: [0.75, 2 / 3, 1].map((x) => expect.closeTo(x, 6)),
    });
  });

  it("find the likeliest nodes in order", () => {
    const tree = bestFirst(table, 1, 2, 5, 3);
    const chance = (i: number): number => tree.confidences![i]! * (tree.parents[i]! < 0 ? 1 : chance(tree.parents[i]!));
    const chances = tree.tokens.map((_, i) => chance(i));
    expect(chances).toEqual([...chances].sort((a, b) => b - a));
    expect(tree.tokens[0]).toBe(3);
    expect(Math.max(...depthsOf(tree))).toBeLessThanOrEqual(3);
  });

  it("visit likely continuations more often, and repeat exactly", () => {
    const search = new TrigramSearch(paperSearch);
    const tree = search.search(table, 1, 2, 24, new Random(1));
    expect(tree).toEqual(new TrigramSearch(paperSearch).search(table, 1, 2, 24, new Random(1)));
    const first = tree.tokens.map((token, i) => ({ token, i })).filter(({ i }) => tree.parents[i]! < 0);
    expect(first.map(({ token }) => token)).toEqual([3, 5]);
    expect(tree.confidences![first[0]!.i]!).toBeGreaterThan(tree.confidences![first[1]!.i]!);
    expect(Math.max(...depthsOf(tree))).toBe(4);
    const paths = tree.tokens.map((_, i) => {
      const path: number[] = [];
      for (let at = i; at >= 0; at = tree.parents[at]!) path.unshift(tree.tokens[at]!);
      return path.join();
    });
    expect(new Set(paths).size).toBe(paths.length);
  });

  it("come up with nothing where nothing is known", () => {
    expect(new TrigramSearch().search(table, 9, 9, 24, new Random(1)).tokens).toEqual([]);
    expect(greedyWalk(table, 9, 9, 3).tokens).toEqual([]);
  });
});

describe("adaptation", () => {
  it("learns what the text says, but nothing of ignored tokens", () => {
    const drafter = new AdaptiveTrigrams({ ignore: new Set([9]) });
    const session = drafter.open();
    const request = { maxDepth: 8, maxNodes: 20, sampling: {}, random: new Random(0) };
    expect(session.propose({ ...request, tokens: [5, 6] }).tokens).toEqual([]);
    const tree = session.propose({ ...request, tokens: [1, 2, 3, 9, 1, 2] });
    expect(tree.tokens[0]).toBe(3);
    expect(successors(drafter.table, 3, 9)).toEqual({});
  });
});
