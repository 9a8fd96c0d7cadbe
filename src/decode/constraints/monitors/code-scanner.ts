/**
 * Where a place in program text is: open brackets, strings, comments, regular expressions, for languages that write them as
 * ECMAScript does. States are immutable; it reads characters one by one and never fails. Knows no grammar.
 */

/** A bracket, or a template string, that is open. */
export interface OpenFrame {
  /** `(`, `[`, `{`, a backtick, or `${`. */
  readonly bracket: string;
  /** Its place in the text, in UTF-16 code units. */
  readonly offset: number;
  /** What stood before it: the last character that is no space. */
  readonly previous: string;
  /** The name right before it; empty when there is none. */
  readonly word: string;
  readonly parent: OpenFrame | undefined;
  /** Commas directly inside. */
  readonly commas: number;
  /** Whether nothing stands behind the last comma, or the bracket. */
  readonly empty: boolean;
  /** Whether commas might not separate what they seem to: a `<` or a `...` stands directly inside. */
  readonly unclear: boolean;
}

/** What a character belongs to. */
export type CodeMode = "code" | "line-comment" | "block-comment" | "string" | "template" | "regex";

/** A place in program text. */
export interface CodePlace {
  /** Characters read so far. */
  readonly offset: number;
  readonly mode: CodeMode;
  /** The innermost open bracket. */
  readonly frame: OpenFrame | undefined;
  /** The quote of a string. */
  readonly quote: string;
  /** Whether the next character is escaped. */
  readonly escaped: boolean;
  /** Whether a slash was read that may begin a comment, or a star that may end one. */
  readonly half: boolean;
  /** Whether a regular expression is inside of a class. */
  readonly inClass: boolean;
  /** The last character of code that is no space; `/` only where it divided. */
  readonly last: string;
  /** The last name, while nothing but spaces follows it. */
  readonly word: string;
  /** Whether the last character went on with that name. */
  readonly touching: boolean;
}

const closers: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", "${": "}" };

/** Names behind which a slash begins a regular expression. */
const beforeRegex = new Set(
  "return typeof case in of delete void throw new instanceof do else yield await default".split(" "),
);

/** The beginning of a text. */
export const codeStart: CodePlace = {
  offset: 0,
  mode: "code",
  frame: undefined,
  quote: "",
  escaped: false,
  half: false,
  inClass: false,
  last: "",
  word: "",
  touching: false,
};

const isSpace = (c: string) => c === " " || c === "\n" || c === "\t" || c === "\r";
const isName = (c: string) => /[\w$#]/.test(c) || c > "\x7f";

/** Whether the innermost open thing is a template string rather than code. */
const modeOf = (frame: OpenFrame | undefined): CodeMode => (frame?.bracket === "`" ? "template" : "code");

function open(place: CodePlace, bracket: string, offset: number): OpenFrame {
  return {
    bracket,
    offset,
    previous: place.last,
    word: place.word,
    parent: place.frame && { ...place.frame, empty: false },
    commas: 0,
    empty: true,
    unclear: false,
  };
}

/** The place behind one more character of code. */
function stepCode(place: CodePlace, c: string): CodePlace {
  const { frame, offset } = place;
  const next = { ...place, offset: offset + 1, last: c, word: "", touching: false };
  if (c === "(" || c === "[" || c === "{") return { ...next, frame: open(place, c, offset) };
  if (c === "`") return { ...next, mode: "template", frame: open(place, c, offset) };
  if (c === ")" || c === "]" || c === "}") {
    // a closing bracket without its opening one changes nothing
    if (!frame || closers[frame.bracket] !== c) return next;
    return { ...next, frame: frame.parent, mode: modeOf(frame.parent) };
  }
  if (c === '"' || c === "'") return { ...next, mode: "string", quote: c, frame: frame && { ...frame, empty: false } };
  if (!frame) return next;
  if (c === ",") return { ...next, frame: { ...frame, commas: frame.commas + 1, empty: true } };
  const unclear = frame.unclear || c === "<" || (c === "." && place.last === ".");
  return frame.empty || unclear !== frame.unclear ? { ...next, frame: { ...frame, empty: false, unclear } } : next;
}

/** The place behind one more character. */
export function stepPlace(place: CodePlace, c: string): CodePlace {
  const offset = place.offset + 1;
  switch (place.mode) {
    case "line-comment":
      return { ...place, offset, mode: c === "\n" ? "code" : place.mode };
    case "block-comment":
      if (place.half && c === "/") return { ...place, offset, mode: "code", half: false };
      return { ...place, offset, half: c === "*" };
    case "string":
      if (place.escaped) return { ...place, offset, escaped: false };
      if (c === "\\") return { ...place, offset, escaped: true };
      // a string that its line does not close is left as it is
      return { ...place, offset, mode: c === place.quote || c === "\n" ? "code" : place.mode };
    case "regex":
      if (place.escaped) return { ...place, offset, escaped: false };
      if (c === "\\") return { ...place, offset, escaped: true };
      if (c === "\n" || (c === "/" && !place.inClass))
        return { ...place, offset, mode: "code", inClass: false, last: ")", word: "" };
      return { ...place, offset, inClass: c === "[" || (place.inClass && c !== "]") };
    case "template":
      if (place.escaped) return { ...place, offset, escaped: false };
      if (c === "\\") return { ...place, offset, escaped: true };
      if (c === "`") {
        const frame = place.frame?.parent;
        return { ...place, offset, frame, mode: modeOf(frame), half: false, last: c, word: "", touching: false };
      }
      if (place.half && c === "{")
        return { ...place, offset, mode: "code", half: false, last: "{", frame: open(place, "${", place.offset - 1) };
      return { ...place, offset, half: c === "$" };
    case "code": {
      if (place.half) {
        const before = { ...place, half: false };
        if (c === "/") return { ...before, offset, mode: "line-comment" };
        if (c === "*") return { ...before, offset, mode: "block-comment" };
        const divides = place.word ? !beforeRegex.has(place.word) : /[\w$)\]`"'>]/.test(place.last);
        if (divides) return stepPlace({ ...before, last: "/", word: "", touching: false }, c);
        const frame = before.frame && { ...before.frame, empty: false };
        return stepPlace({ ...before, frame, mode: "regex", last: "/", word: "", touching: false }, c);
      }
      if (c === "/") return { ...place, offset, half: true, touching: false };
      if (isSpace(c)) return place.touching ? { ...place, offset, touching: false } : { ...place, offset };
      if (!isName(c)) return stepCode(place, c);
      const word = place.touching ? place.word + c : c;
      const { frame } = place;
      return {
        ...place,
        offset,
        last: c,
        word,
        touching: true,
        frame: frame?.empty ? { ...frame, empty: false } : frame,
      };
    }
  }
}

/** The place behind a text. */
export function scanCode(text: string, from: CodePlace = codeStart): CodePlace {
  let place = from;
  for (let i = 0; i < text.length; i++) place = stepPlace(place, text[i]!);
  return place;
}

/** Brackets that are open at a place, the innermost first. */
export function openFrames(place: CodePlace): readonly OpenFrame[] {
  const frames: OpenFrame[] = [];
  for (let frame = place.frame; frame; frame = frame.parent) frames.push(frame);
  return frames;
}

/**
 * What would close everything that is open at a place but not closed by the text behind it; nothing inside of strings and comments.
 * @param after text behind the place.
 */
export function missingClosers(place: CodePlace, after = ""): string {
  let closed = 0;
  let behind: CodePlace = codeStart;
  for (const c of after) {
    const next = stepPlace(behind, c);
    // a closing bracket that nothing behind the place has opened
    if (behind.mode === "code" && !behind.frame && /[)\]}]/.test(c)) closed++;
    behind = next;
  }
  const frames = openFrames(place);
  let out = "";
  for (const { bracket } of frames.slice(0, Math.max(0, frames.length - closed)))
    out += bracket === "`" ? "`" : closers[bracket]!;
  return out;
}
