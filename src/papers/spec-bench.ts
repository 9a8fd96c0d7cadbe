/**
 * The questions of Spec-Bench (Xia et al. 2024), and the six task groups that its leaderboard reports.
 */
import { fail } from "../util/errors.ts";
import type { DataNeed } from "./card.ts";

/** Task groups in the leaderboard's order; the first gathers the categories of MT-Bench. */
export const specBenchGroups = ["chat", "translation", "summarisation", "QA", "maths", "RAG"] as const;

/** One of the task groups. */
export type SpecBenchGroup = (typeof specBenchGroups)[number];

/** A question: its first turn is what benchmarks ask here. */
export interface SpecBenchQuestion {
  readonly id: number;
  readonly category: string;
  readonly group: SpecBenchGroup;
  readonly prompt: string;
}

/** What a card needs to read the questions. */
export const specBenchData: DataNeed = {
  path: "spec-bench/questions.jsonl",
  sha256: "5c0ba0726b628b3a5c6e23d8c051c559449703665d51f32de2b12a0421ae453c",
};

const groupOf: Readonly<Record<string, SpecBenchGroup>> = {
  translation: "translation",
  summarization: "summarisation",
  qa: "QA",
  math_reasoning: "maths",
  rag: "RAG",
};

/** Reads questions. @throws `format` for a line that is no question. */
export function parseSpecBench(text: string): SpecBenchQuestion[] {
  return text
    .trim()
    .split("\n")
    .map((line, i) => {
      const { question_id: id, category, turns } = JSON.parse(line) as Record<string, unknown>;
      if (
        typeof id !== "number" ||
        typeof category !== "string" ||
        !Array.isArray(turns) ||
        typeof turns[0] !== "string"
      )
        return fail("format", `Spec-Bench line ${i + 1} is no question with question_id, category and turns`);
      return { id, category, group: groupOf[category] ?? "chat", prompt: turns[0] };
    });
}

/** `count` questions, spread evenly over all. */
export function spread<T>(items: readonly T[], count: number): T[] {
  if (count >= items.length) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}
