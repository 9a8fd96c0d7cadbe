/**
 * Spans written as IOB2 tags: `B-x` begins one of type x, `I-x` goes on with it, `O` is outside. Reads spans strictly, scores them, and finds the
 * best sequence of tags that is one. Knows tags and scores; no tokens.
 */
import { fail } from "../util/errors.ts";

/** A span of some type: words `start` to `end − 1`. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly type: string;
}

type Tag = { readonly kind: "O" } | { readonly kind: "B" | "I"; readonly type: string };

function parseTag(tag: string): Tag {
  if (tag === "O") return { kind: "O" };
  const match = /^([BI])-(.+)$/.exec(tag);
  return match
    ? { kind: match[1] as "B" | "I", type: match[2]! }
    : fail("argument", `"${tag}" is no IOB2 tag; they are O, B-type and I-type`);
}

/**
 * Spans of some tags, read strictly: only `B` begins one, and an `I` that does not go on with one of its type belongs to none.
 * @throws `argument` for what is no tag.
 */
export function spansOf(tags: readonly string[]): readonly Span[] {
  const out: Span[] = [];
  let open: { readonly start: number; readonly type: string } | undefined;
  const close = (end: number) => {
    if (open) out.push({ ...open, end });
    open = undefined;
  };
  for (const [i, text] of tags.entries()) {
    const tag = parseTag(text);
    if (tag.kind === "I" && open?.type === tag.type) continue;
    close(i);
    if (tag.kind === "B") open = { start: i, type: tag.type };
  }
  close(tags.length);
  return out;
}

/** Tags of some words' spans. @throws `argument` for spans that overlap or do not fit. */
export function tagsOf(spans: readonly Span[], length: number): readonly string[] {
  const tags = Array<string>(length).fill("O");
  for (const { start, end, type } of spans)
    for (let i = start; i < end; i++) {
      if (tags[i] !== "O")
        fail("argument", `tagsOf: the span of ${type} from ${start} to ${end} overlaps or does not fit`);
      tags[i] = `${i === start ? "B" : "I"}-${type}`;
    }
  return tags;
}

/** Precision, recall and their harmonic mean; 0 where there is nothing to divide by. */
export interface SpanScore {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** True spans. */
  readonly support: number;
}

/** Scores over all spans, and by type. */
export interface SpanScores extends SpanScore {
  readonly byType: Readonly<Record<string, SpanScore>>;
}

interface Counts {
  right: number;
  found: number;
  there: number;
}

function scoreOf({ right, found, there }: Counts): SpanScore {
  return {
    precision: found ? right / found : 0,
    recall: there ? right / there : 0,
    f1: found + there ? (2 * right) / (found + there) : 0,
    support: there,
  };
}

/**
 * Micro-averaged scores of predicted tags: a span counts when its type and both ends are right, as in seqeval's strict mode with IOB2.
 * @throws `argument` for sequences of unequal lengths.
 */
export function spanScores(
  predicted: readonly (readonly string[])[],
  truth: readonly (readonly string[])[],
): SpanScores {
  if (predicted.length !== truth.length)
    fail("argument", `spanScores: ${predicted.length} predicted sequences for ${truth.length} true ones`);
  const byType = new Map<string, Counts>();
  const of = (type: string) => {
    const counts = byType.get(type) ?? { right: 0, found: 0, there: 0 };
    byType.set(type, counts);
    return counts;
  };
  for (const [i, tags] of truth.entries()) {
    if (tags.length !== predicted[i]!.length)
      fail("argument", `spanScores: sequence ${i} has ${tags.length} tags and ${predicted[i]!.length} predicted ones`);
    const key = ({ start, end, type }: Span) => `${start} ${end} ${type}`;
    const there = spansOf(tags);
    const known = new Set(there.map(key));
    for (const { type } of there) of(type).there++;
    for (const span of spansOf(predicted[i]!)) {
      of(span.type).found++;
      if (known.has(key(span))) of(span.type).right++;
    }
  }
  const all = { right: 0, found: 0, there: 0 };
  for (const { right, found, there } of byType.values()) {
    all.right += right;
    all.found += found;
    all.there += there;
  }
  const types = [...byType].sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...scoreOf(all), byType: Object.fromEntries(types.map(([type, counts]) => [type, scoreOf(counts)])) };
}

/** Whether a tag may stand behind another; behind nothing when `before` is absent. */
export function mayFollow(tag: string, before: string | undefined): boolean {
  const now = parseTag(tag);
  if (now.kind !== "I") return true;
  const last = before === undefined ? undefined : parseTag(before);
  return last !== undefined && last.kind !== "O" && last.type === now.type;
}

/**
 * The sequence of tags with the largest sum of scores among those in which every `I` goes on with a span (Viterbi).
 * @param scores of each word, of each tag, such as logits: sums of logits and of log probabilities have the same best sequence.
 * @returns numbers of tags. @throws `argument` for rows of another length than there are tags, or when no tag may stand first.
 */
export function bestTags(scores: readonly ArrayLike<number>[], tags: readonly string[]): readonly number[] {
  const first = tags.map((tag) => mayFollow(tag, undefined));
  if (!first.some(Boolean)) fail("argument", `bestTags: none of ${tags.join(", ")} may stand first`);
  const allowed = tags.map((tag) => tags.flatMap((before, b) => (mayFollow(tag, before) ? [b] : [])));
  const back: Int32Array[] = [];
  let best = new Float64Array(tags.length);
  for (const [i, row] of scores.entries()) {
    if (row.length !== tags.length)
      fail("argument", `bestTags: word ${i} has ${row.length} scores for ${tags.length} tags`);
    const next = new Float64Array(tags.length);
    const from = new Int32Array(tags.length).fill(-1);
    for (let t = 0; t < tags.length; t++) {
      if (i === 0) next[t] = first[t] ? row[t]! : Number.NEGATIVE_INFINITY;
      else {
        let most = Number.NEGATIVE_INFINITY;
        for (const b of allowed[t]!)
          if (best[b]! > most) {
            most = best[b]!;
            from[t] = b;
          }
        next[t] = most + row[t]!;
      }
    }
    back.push(from);
    best = next;
  }
  const path = new Array<number>(scores.length);
  let at = best.indexOf(Math.max(...best));
  for (let i = scores.length - 1; i >= 0; i--) {
    path[i] = at;
    at = back[i]![at]!;
  }
  return path;
}
