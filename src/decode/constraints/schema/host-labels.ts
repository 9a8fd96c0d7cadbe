/**
 * Which labels of host names stand for international ones: IDNA 2008 (RFC 5891 to 5893) for what is written behind `xn--`.
 * Knows nothing of automata; the rule on directions is applied to each label by itself.
 */
import type { WordJudge } from "../regex/term.ts";
import { decodePunycode, encodePunycode } from "./punycode.ts";

const longest = 63 - 4;

/** RFC 5892, section 2.6: exceptions that are always allowed. */
const allowedAlways = /[\u00DF\u03C2\u06FD\u06FE\u0F0B\u3007]/u;
/** Allowed in some surroundings (section 2.6, and joiners in section 2.8). */
const contextual = /[\u00B7\u0375\u05F3\u05F4\u30FB\u0660-\u0669\u06F0-\u06F9\u200C\u200D]/u;
const allowedNever = new RegExp(
  [
    "[\\u0640\\u07FA\\u302E\\u302F\\u3031-\\u3035\\u303B]",
    "\\p{Changes_When_NFKC_Casefolded}|\\p{Default_Ignorable_Code_Point}|\\p{White_Space}",
    // Jamo that only Old Hangul combines; combining marks for symbols; musical symbols
    "[\\u1100-\\u11FF\\uA960-\\uA97C\\uD7B0-\\uD7C6\\uD7CB-\\uD7FB\\u20D0-\\u20FF\\u{1D100}-\\u{1D24F}]",
  ].join("|"),
  "u",
);
const lettersAndDigits = /[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]/u;
const asciiAllowed = /[a-z0-9-]/;

const virama = new RegExp(
  "[\\u094D\\u09CD\\u0A4D\\u0ACD\\u0B4D\\u0BCD\\u0C4D\\u0CCD\\u0D3B\\u0D3C\\u0D4D\\u0DCA\\u0E3A\\u0EBA\\u0F84\\u1039\\u103A" +
    "\\u1714\\u1715\\u1734\\u17D2\\u1A60\\u1B44\\u1BAA\\u1BAB\\u1BF2\\u1BF3\\u2D7F\\uA806\\uA82C\\uA8C4\\uA953\\uA9C0\\uAAF6\\uABED" +
    "\\u{10A3F}\\u{11046}\\u{11070}\\u{1107F}\\u{110B9}\\u{11133}\\u{11134}\\u{111C0}\\u{11235}\\u{112EA}\\u{1134D}\\u{11442}" +
    "\\u{114C2}\\u{115BF}\\u{1163F}\\u{116B6}\\u{1172B}\\u{11839}\\u{1193D}\\u{1193E}\\u{119E0}\\u{11A34}\\u{11A47}\\u{11A99}" +
    "\\u{11C3F}\\u{11D44}\\u{11D45}\\u{11D97}]$",
  "u",
);
/** Arabic and Syriac letters that join on their right side alone. */
const joinsRight =
  "[\\u0622-\\u0625\\u0627\\u0629\\u062F-\\u0632\\u0648\\u0671-\\u0673\\u0675-\\u0677\\u0688-\\u0699\\u06C0\\u06C3-\\u06CB\\u06CD\\u06CF\\u06D2\\u06D3\\u06D5\\u06EE\\u06EF\\u0710\\u0715-\\u0719\\u071E\\u0728\\u072A\\u072C\\u072F]";
/** Letters of these scripts that join on both sides. */
const joinsBoth = `(?!${joinsRight}|[\\u0621\\u0674\\u06D5])[\\u0620-\\u064A\\u066E-\\u06FF\\u0712-\\u072F\\u0750-\\u077F\\u07CA-\\u07EA\\u1820-\\u18AA\\uA840-\\uA871]`;
const transparent = "[\\p{Mn}\\p{Me}\\p{Cf}]*";
const joinedBefore = new RegExp(`(?:${joinsBoth})${transparent}$`, "u");
const joinedAfter = new RegExp(`^${transparent}(?:${joinsRight}|${joinsBoth})`, "u");

/** Characters written from right to left: bidirectional classes R and AL. */
const rightToLeft = new RegExp(
  `[${[
    "Hebrew Arabic Syriac Thaana Nko Samaritan Mandaic Cypriot Imperial_Aramaic Phoenician Lydian Kharoshthi",
    "Old_South_Arabian Avestan Inscriptional_Parthian Inscriptional_Pahlavi Old_Turkic Meroitic_Hieroglyphs",
    "Meroitic_Cursive Manichaean Mende_Kikakui Nabataean Old_North_Arabian Palmyrene Psalter_Pahlavi Hatran",
    "Old_Hungarian Adlam Hanifi_Rohingya Sogdian Old_Sogdian Elymaic Chorasmian Yezidi",
  ]
    .join(" ")
    .split(" ")
    .map((script) => `\\p{Script=${script}}`)
    .join("")}]`,
  "u",
);
const arabicDigit = /[\u0660-\u0669\u066B\u066C\u{10D30}-\u{10D39}]/u;
const europeanDigit = /[0-9\u06F0-\u06F9]/u;
const neutral = /[-\u00B7\u0375\u30FB\u200C\u200D]/u;
const mark = /\p{Mn}/u;

type Direction = "left" | "right" | "arabic digit" | "european digit" | "neutral" | "mark";

function directionOf(char: string): Direction {
  if (mark.test(char)) return "mark";
  if (arabicDigit.test(char)) return "arabic digit";
  if (europeanDigit.test(char)) return "european digit";
  if (neutral.test(char)) return "neutral";
  return rightToLeft.test(char) ? "right" : "left";
}

/** The rule on directions (RFC 5893, section 2), for a label by itself. */
function obeysDirections(chars: readonly string[]): boolean {
  const directions = chars.map(directionOf);
  if (!directions.some((direction) => direction === "right" || direction === "arabic digit")) return true;
  if (directions[0] !== "right" || directions.includes("left")) return false;
  const last = directions.findLast((direction) => direction !== "mark");
  if (last === "neutral") return false;
  return !(directions.includes("arabic digit") && directions.includes("european digit"));
}

function fitsContext(chars: readonly string[], i: number): boolean {
  const char = chars[i]!;
  const before = chars.slice(0, i).join("");
  const after = chars.slice(i + 1).join("");
  switch (char) {
    case "\u00B7":
      return before.endsWith("l") && after.startsWith("l");
    case "\u0375":
      return /^\p{Script=Greek}/u.test(after);
    case "\u05F3":
    case "\u05F4":
      return /\p{Script=Hebrew}$/u.test(before);
    case "\u30FB":
      return /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(before + after);
    case "\u200C":
      return virama.test(before) || (joinedBefore.test(before) && joinedAfter.test(after));
    case "\u200D":
      return virama.test(before);
    default:
      return !(char < "\u06F0" ? /[\u06F0-\u06F9]/ : /[\u0660-\u0669]/).test(before + after);
  }
}

/** Whether a label may be written in other scripts: a U-label of RFC 5890 with a character beyond ASCII. */
export function isInternationalLabel(points: readonly number[]): boolean {
  if (!points.some((point) => point > 127)) return false;
  if (points.some((point) => point >= 0xd800 && point <= 0xdfff)) return false;
  const chars = points.map((point) => String.fromCodePoint(point));
  for (const [i, char] of chars.entries()) {
    if (points[i]! < 128) {
      if (!asciiAllowed.test(char)) return false;
    } else if (contextual.test(char)) {
      if (!fitsContext(chars, i)) return false;
    } else if (!allowedAlways.test(char) && (allowedNever.test(char) || !lettersAndDigits.test(char))) return false;
  }
  const text = chars.join("");
  if (text.startsWith("-") || text.endsWith("-") || (chars[2] === "-" && chars[3] === "-")) return false;
  return !/^\p{M}/u.test(text) && text.normalize("NFC") === text && obeysDirections(chars);
}

/** Whether a word behind `xn--` is the one spelling of an international label. */
function accepts(word: string): boolean {
  if (word.length > longest || word.endsWith("-")) return false;
  const lower = word.toLowerCase();
  const points = decodePunycode(lower);
  return points !== undefined && isInternationalLabel(points) && encodePunycode(points) === lower;
}

/** Words up to this length have an ending: a hyphen and one or a few umlauts. */
const surelyEnds = 40;
const umlaut = 0xfc;
/** Umlauts before and behind what was written; some of these keep hyphens from where they are forbidden. */
const surroundings = [0, 1, 2, 3, 4].flatMap((before) => [0, 1].map((after) => [before, after] as const));

/** A short rest that makes a label of what was written, taken as ASCII with umlauts around it. */
function ending(word: string): string | undefined {
  if (accepts(word)) return "";
  const lower = word.toLowerCase();
  let best: string | undefined;
  const hyphen = lower.lastIndexOf("-");
  for (const ascii of new Set([lower, lower.slice(0, Math.max(0, hyphen))]))
    for (const [before, after] of surroundings) {
      if (before + after === 0) continue;
      const points = [
        ...new Array<number>(before).fill(umlaut),
        ...[...ascii].map((char) => char.charCodeAt(0)),
        ...new Array<number>(after).fill(umlaut),
      ];
      const whole = encodePunycode(points);
      if (!whole.startsWith(lower) || whole.length > longest || !accepts(whole)) continue;
      const rest = whole.slice(lower.length);
      if (best === undefined || rest.length < best.length) best = rest;
    }
  return best;
}

/**
 * What may stand behind `xn--` in a label. Words so long that no ending of the usual form fits are given up, so a few labels
 * of nearly 63 characters are refused.
 */
export const internationalWords: WordJudge = {
  alphabet: [45, 45, 48, 57, 65, 90, 97, 122],
  longest,
  accepts,
  ending,
  possible: (word) => word.length <= surelyEnds || ending(word) !== undefined,
};
