/**
 * Punycode (RFC 3492): text beyond ASCII in letters, digits and hyphens. Knows nothing of which texts are host names.
 */

const base = 36;
const least = 1;
const most = 26;
const skew = 38;
const damp = 700;
const firstBias = 72;
const firstCode = 128;
const lastCode = 0x10ffff;

function adapt(delta: number, points: number, first: boolean): number {
  let left = Math.floor(first ? delta / damp : delta / 2);
  left += Math.floor(left / points);
  let k = 0;
  for (; left > ((base - least) * most) >> 1; k += base) left = Math.floor(left / (base - least));
  return k + Math.floor(((base - least + 1) * left) / (left + skew));
}

const threshold = (k: number, bias: number): number => Math.min(most, Math.max(least, k - bias));

function digitOf(code: number): number {
  if (code >= 97 && code <= 122) return code - 97;
  if (code >= 65 && code <= 90) return code - 65;
  return code >= 48 && code <= 57 ? code - 22 : base;
}

/** The code points that a text in Punycode stands for; undefined when it is none. */
export function decodePunycode(text: string): number[] | undefined {
  const hyphen = text.lastIndexOf("-");
  const out: number[] = [];
  for (let i = 0; i < hyphen; i++) out.push(text.charCodeAt(i));
  let code = firstCode;
  let bias = firstBias;
  let index = 0;
  for (let at = hyphen + 1; at < text.length; ) {
    const before = index;
    let weight = 1;
    for (let k = base; ; k += base) {
      const digit = at < text.length ? digitOf(text.charCodeAt(at++)) : base;
      if (digit >= base) return undefined;
      index += digit * weight;
      if (index > 2 ** 31) return undefined;
      const limit = threshold(k, bias);
      if (digit < limit) break;
      weight *= base - limit;
    }
    const points = out.length + 1;
    bias = adapt(index - before, points, before === 0);
    code += Math.floor(index / points);
    if (code > lastCode) return undefined;
    index %= points;
    out.splice(index++, 0, code);
  }
  return out;
}

/** Code points in Punycode. */
export function encodePunycode(points: readonly number[]): string {
  const basic = points.filter((point) => point < firstCode);
  let out = String.fromCharCode(...basic);
  if (basic.length) out += "-";
  let code = firstCode;
  let bias = firstBias;
  let delta = 0;
  for (let done = basic.length; done < points.length; ) {
    const next = Math.min(...points.filter((point) => point >= code));
    delta += (next - code) * (done + 1);
    code = next;
    for (const point of points) {
      if (point < code) delta++;
      if (point !== code) continue;
      let left = delta;
      for (let k = base; ; k += base) {
        const limit = threshold(k, bias);
        if (left < limit) break;
        out += digit(limit + ((left - limit) % (base - limit)));
        left = Math.floor((left - limit) / (base - limit));
      }
      out += digit(left);
      bias = adapt(delta, done + 1, done === basic.length);
      delta = 0;
      done++;
    }
    delta++;
    code++;
  }
  return out;
}

const digit = (value: number): string => String.fromCharCode(value < 26 ? value + 97 : value + 22);
