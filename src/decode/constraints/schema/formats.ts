/**
 * The formats of JSON Schema as regular languages, as exact as the documents that define them. Knows no schemas.
 */

import { compilePattern } from "../regex/compile-pattern.ts";
import type { Regexes } from "../regex/regex.ts";
import type { Regex } from "../regex/term.ts";
import { internationalWords } from "./host-labels.ts";

const days =
  "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))";
const leapYear = "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
const date = `(?:\\d{4}-${days}|${leapYear}-02-29)`;
const offset = "(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";
const plainTime = `(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?${offset}`;

const clock = "(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)";
const calendar = "(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)";
const duration = `P(?:\\d+W|${calendar}(?:T${clock})?|T${clock})`;

const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const ipv4 = `${octet}(?:\\.${octet}){3}`;
const h16 = "[0-9A-Fa-f]{1,4}";
const ls32 = `(?:${h16}:${h16}|${ipv4})`;
const ipv6 = [
  `(?:${h16}:){6}${ls32}`,
  `::(?:${h16}:){5}${ls32}`,
  `(?:${h16})?::(?:${h16}:){4}${ls32}`,
  `(?:(?:${h16}:){0,1}${h16})?::(?:${h16}:){3}${ls32}`,
  `(?:(?:${h16}:){0,2}${h16})?::(?:${h16}:){2}${ls32}`,
  `(?:(?:${h16}:){0,3}${h16})?::${h16}:${ls32}`,
  `(?:(?:${h16}:){0,4}${h16})?::${ls32}`,
  `(?:(?:${h16}:){0,5}${h16})?::${h16}`,
  `(?:(?:${h16}:){0,6}${h16})?::`,
].join("|");

const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const quoted = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\x20-\\x7e])*"';
// what stands behind xn-- is decoded, see host-labels.ts
const label = "(?![Xx][Nn]--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const literal = `\\[(?:${ipv4}|IPv6:(?:${ipv6})|[A-Za-z0-9-]*[A-Za-z0-9]:[\\x21-\\x5a\\x5e-\\x7e]+)\\]`;
const mailbox = `(?:${atom}(?:\\.${atom})*|${quoted})@`;
const wide = "\\u0080-\\u{10FFFF}";
const wideAtom = `[A-Za-z0-9!#$%&'*+/=?^_\`{|}~${wide}-]+`;
const wideLabel = `[A-Za-z0-9${wide}](?:[A-Za-z0-9${wide}-]*[A-Za-z0-9${wide}])?`;
const wideQuoted = `"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e${wide}]|\\\\[\\x20-\\x7e])*"`;
const idnEmail = `(?:${wideAtom}(?:\\.${wideAtom})*|${wideQuoted})@(?:${wideLabel}(?:\\.${wideLabel})*|${literal})`;

/** RFC 3986, and with further characters RFC 3987. */
function address(more: string, morePrivate: string): { whole: string; reference: string } {
  const escaped = "%[0-9A-Fa-f]{2}";
  const pchar = `(?:[A-Za-z0-9._~!$&'()*+,;=:@${more}-]|${escaped})`;
  const noColon = `(?:[A-Za-z0-9._~!$&'()*+,;=@${more}-]|${escaped})`;
  const user = `(?:[A-Za-z0-9._~!$&'()*+,;=:${more}-]|${escaped})*`;
  const name = `(?:[A-Za-z0-9._~!$&'()*+,;=${more}-]|${escaped})*`;
  const future = "[vV][0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+";
  const authority = `(?:${user}@)?(?:\\[(?:${ipv6}|${future})\\]|${name})(?::\\d*)?`;
  const path = `(?:/${pchar}*)*`;
  const absolute = `/(?:${pchar}+${path})?`;
  const tail = `(?:\\?(?:${pchar}|[/?${morePrivate}])*)?(?:#(?:${pchar}|[/?])*)?`;
  const whole = `[A-Za-z][A-Za-z0-9+.-]*:(?://${authority}${path}|${absolute}|${pchar}+${path}|)${tail}`;
  return { whole, reference: `(?:${whole}|(?://${authority}${path}|${absolute}|${noColon}+${path}|)${tail})` };
}

const uri = address("", "");
const iri = address(
  "\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF\\u{10000}-\\u{EFFFD}",
  "\\uE000-\\uF8FF\\u{F0000}-\\u{10FFFD}",
);

const templateName = "(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})(?:\\.?(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2}))*";
const templateVariable = `${templateName}(?::[1-9]\\d{0,3}|\\*)?`;
const templateLiteral = "[\\x21\\x23\\x24\\x26-\\x3b\\x3d\\x3f-\\x5b\\x5d\\x5f\\x61-\\x7a\\x7e\\u00A0-\\u{10FFFF}]";
const uriTemplate = `(?:${templateLiteral}|%[0-9A-Fa-f]{2}|\\{[+#./;?&=,!@|]?${templateVariable}(?:,${templateVariable})*\\})*`;

const pointer = "(?:/(?:[^~/]|~[01])*)*";

/** Patterns of ECMAScript as a pattern, with groups nested up to some depth. */
function patternOfPatterns(depth: number): string {
  const escaped =
    "\\\\(?:[dDwWsSbBtnvfr0^$\\\\.*+?()\\[\\]{}|/-]|c[A-Za-z]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|u\\{0*[0-9A-Fa-f]{1,5}\\}|[pP]\\{[A-Za-z_]+(?:=[A-Za-z_]+)?\\})";
  const member = `(?:[^\\]\\\\-]|${escaped})`;
  const set = `\\[\\^?-?(?:${member}(?:-(?=\\]))?)*\\]`;
  const range = `\\[\\^?-?(?:${member}|0-[1-9]|[a-y]-z|A-[B-Z]|a-[b-z]|[1-8]-9)*-?\\]`;
  const count = "(?:[*+?]|\\{\\d{1,4}(?:,|)\\}|\\{0,\\d{1,4}\\})\\??";
  let inner = "";
  for (let i = 0; i <= depth; i++) {
    const group = i === 0 ? "" : `|\\((?:\\?(?:[:=!]|<[=!]))?${inner}\\)`;
    const piece = `(?:(?:[^\\\\^$.*+?()\\[\\]{}|]|\\.|${escaped}|${set}|${range}${group})(?:${count})?|[$^])`;
    inner = `(?:${piece}|\\|)*`;
  }
  return inner;
}

const patterns: Readonly<Record<string, () => string>> = {
  date: () => date,
  duration: () => duration,
  "idn-email": () => idnEmail,
  ipv4: () => ipv4,
  ipv6: () => ipv6,
  uri: () => uri.whole,
  "uri-reference": () => uri.reference,
  iri: () => iri.whole,
  "iri-reference": () => iri.reference,
  "uri-template": () => uriTemplate,
  uuid: () => "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
  "json-pointer": () => pointer,
  "relative-json-pointer": () => `(?:0|[1-9]\\d*)(?:#|${pointer})`,
};

const two = (n: number): string => String(n).padStart(2, "0");

/** Times with a leap second, which only the last minute of a day in UTC has. */
function leapTimes(regexes: Regexes): Regex {
  const fraction = compilePattern(regexes, "(?:\\.\\d+)?", true);
  const hours: Regex[] = [];
  for (let hour = 0; hour < 24; hour++) {
    // only texts that get this far pay for the minutes
    const minutes = regexes.recursive(false, () =>
      regexes.alt(
        Array.from({ length: 60 }, (_, minute) => {
          const east = (hour * 60 + minute + 1) % 1440;
          const west = (1440 - east) % 1440;
          const zones = [
            `+${two(Math.floor(east / 60))}:${two(east % 60)}`,
            `-${two(Math.floor(west / 60))}:${two(west % 60)}`,
          ];
          if (east === 0) zones.push("Z", "z");
          return regexes.cat(regexes.word(`${two(minute)}:60`), fraction, regexes.words(zones));
        }),
      ),
    );
    hours.push(regexes.cat(regexes.word(`${two(hour)}:`), minutes));
  }
  return regexes.alt(hours);
}

/** Formats of one set of terms. */
export class Formats {
  readonly #known = new Map<string, Regex | undefined>();

  constructor(readonly regexes: Regexes) {}

  /** The language of a format; undefined for a name that no specification defines. */
  language(name: string): Regex | undefined {
    if (!this.#known.has(name)) this.#known.set(name, this.#make(name));
    return this.#known.get(name);
  }

  #make(name: string): Regex | undefined {
    const { regexes } = this;
    if (name === "time") return regexes.alt([compilePattern(regexes, plainTime, true), leapTimes(regexes)]);
    if (name === "date-time") return regexes.cat(compilePattern(regexes, `${date}[Tt]`, true), this.language("time")!);
    if (name === "hostname") return regexes.and([this.#host(), regexes.loop(regexes.any, 1, 253)]);
    if (name === "email")
      return regexes.cat(
        compilePattern(regexes, mailbox, true),
        regexes.alt([this.#host(), compilePattern(regexes, literal, true)]),
      );
    if (name === "regex") return this.#regex();
    const pattern = Object.hasOwn(patterns, name) ? patterns[name]!() : undefined;
    return pattern === undefined ? undefined : compilePattern(regexes, pattern, true);
  }

  #host(): Regex {
    const { regexes } = this;
    const prefix = compilePattern(regexes, "[Xx][Nn]--", true);
    const one = regexes.alt([
      compilePattern(regexes, label, true),
      regexes.cat(prefix, regexes.judged(internationalWords)),
    ]);
    return regexes.cat(one, regexes.loop(regexes.cat(regexes.word("."), one), 0, Infinity));
  }

  /** Patterns with groups nested up to four deep. One group outside others may have a name; one letter is referred back to. */
  #regex(): Regex {
    const { regexes } = this;
    // compiled once: what stands behind a part does not change what the part may be
    const inner = compilePattern(regexes, patternOfPatterns(4), true);
    const group = (name: Regex) =>
      regexes.cat(inner, regexes.word("(?<"), name, regexes.word(">"), inner, regexes.word(")"), inner);
    const named = [..."abcdefghijklmnopqrstuvwxyz"].map((letter) => {
      const back = regexes.cat(regexes.word(`\\k<${letter}>`), inner);
      return regexes.cat(group(regexes.word(letter)), regexes.loop(back, 1, Infinity));
    });
    return regexes.alt([inner, group(compilePattern(regexes, "[A-Za-z_$][A-Za-z0-9_$]*", true)), ...named]);
  }
}
