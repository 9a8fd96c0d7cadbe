/**
 * The shortest way to end a number that was begun: a member of its set is chosen first, and then written behind the digits that are
 * there. Knows nothing of what follows the number.
 */
import { type Decimal, decimal } from "./decimal.ts";
import { maxExponentDigits, membersBehind } from "./number-reach.ts";
import { containsNumber } from "./number-set.ts";
import type { NumberText } from "./number-text.ts";

/** Members that are tried. */
const mostMembers = 24;
/** Unfinished exponents that are followed at each length. */
const widestSearch = 200;
const exponentCharacters = "0123456789-+";

/** Few characters that make a number a member of its set; undefined when none are known. */
export function numberEnd(number: NumberText): string | undefined {
  if (number.accepted) return "";
  const { phase } = number;
  if (phase === "e" || phase === "sign" || phase === "exponent") return exponentEnd(number);
  let best = shortestExponent(number);
  const consider = (text: string): void => {
    if (best !== undefined && best.length <= text.length) return;
    let at: NumberText | null = number;
    for (let i = 0; i < text.length && at; i++) at = at.step(text.charCodeAt(i));
    if (at?.accepted) best = text;
  };
  let tried = 0;
  for (const { value } of membersBehind(number.set, number.prefix)) {
    spellings(number, value, consider);
    if (++tried === mostMembers) break;
  }
  return best;
}

/** Ways to write a number that is not negative behind digits that it begins with. */
function spellings(number: NumberText, value: Decimal, consider: (text: string) => void): void {
  const { phase } = number;
  const { digits } = number.prefix;
  const begun = digits ? digits.toString().length : 0;
  const own = value.units.toString().padEnd(begun, "0");
  const rest = own.slice(begun);
  // the exponent of the last digit
  const last = value.exponent - (own.length - value.size);
  if (phase === "digits" || phase === "minus") {
    if (last >= 0) consider(rest + "0".repeat(last));
    if (rest) consider(`${rest}e${last}`);
    const before = rest.length + last;
    if (last < 0 && before >= 0) consider(`${rest.slice(0, before) || (begun ? "" : "0")}.${rest.slice(before)}`);
    if (last < 0 && before < 0 && !begun) consider(`0.${"0".repeat(-before)}${rest}`);
    if (last >= 0) consider(`${rest}${"0".repeat(last)}.0`);
    if (!rest && begun) consider(`e${last}`);
    return;
  }
  const point = phase === "zero" ? "." : "";
  const places = number.text.includes(".") ? number.text.length - number.text.indexOf(".") - 1 : 0;
  if (value.units === 0n) {
    consider(`${point}0`);
    return;
  }
  const more = -last - places - rest.length;
  if (begun === 0 && more > 0) consider(`${point}${"0".repeat(more)}${rest}`);
  if (rest) consider(`${point}${rest}${more === 0 ? "" : `e${-more}`}`);
  else if (phase === "point") consider(more === 0 ? "0" : `0e${-more}`);
  else consider(more === 0 ? `${point}0` : `e${-more}`);
}

/** The shortest exponent that makes a number a member; undefined when there is none, or none can follow here. */
function shortestExponent({ ended, set, value }: NumberText): string | undefined {
  if (!ended) return undefined;
  for (let e = 0; e < 10; e++)
    for (const sign of ["", "-"])
      if (containsNumber(set, decimal(value.units, value.exponent + (sign ? -e : e)), false)) return `e${sign}${e}`;
  return undefined;
}

/** What ends an exponent that was begun. */
function exponentEnd(number: NumberText): string | undefined {
  let level = [{ at: number, text: "" }];
  for (let length = 0; length <= maxExponentDigits && level.length; length++) {
    const next: typeof level = [];
    for (const { at, text } of level)
      for (const character of exponentCharacters) {
        const after = at.step(character.charCodeAt(0));
        if (!after) continue;
        if (after.accepted) return text + character;
        if (next.length < widestSearch) next.push({ at: after, text: text + character });
      }
    level = next;
  }
  return undefined;
}
