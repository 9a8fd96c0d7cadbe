/**
 * The alphabet of byte-level vocabularies: each of the 256 bytes is spelt as one printable character (GPT-2's table).
 */

/** Character code that spells each byte. */
export const charOfByte: Uint16Array = (() => {
  const table = new Uint16Array(256);
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table[byte] = printable ? byte : next++;
  }
  return table;
})();

const byteOfChar = new Map(Array.from(charOfByte, (char, byte) => [char, byte]));
const utf8 = new TextEncoder();

/** Bytes that a byte-level token spells; characters outside of the alphabet stand for their own UTF-8. */
export function bytesOfSpelling(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = byteOfChar.get(text.charCodeAt(i));
    if (byte === undefined) return utf8.encode(text);
    bytes[i] = byte;
  }
  return bytes;
}

/** Spelling of a text's UTF-8 bytes. */
export function spellingOf(text: string): string {
  let out = "";
  for (const byte of utf8.encode(text)) out += String.fromCharCode(charOfByte[byte]);
  return out;
}

/** Byte that a token such as `<0x0A>` stands for; -1 for other tokens. */
export function byteOfToken(text: string): number {
  if (text.length !== 6 || !/^<0x[0-9A-Fa-f]{2}>$/.test(text)) return -1;
  return Number.parseInt(text.slice(3, 5), 16);
}
