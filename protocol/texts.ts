/**
 * Text out of bytes for the side that reads many messages. Making a string costs more than reading its bytes, so a
 * short one is first looked for among those seen lately: names, header keys and state keys come again and again.
 */
import { decodeText } from './decode.ts';

const LENGTH_MAX = 24;
/** By a hash of the bytes; all of them ASCII. A collision only costs the time: the characters are compared. */
const known: string[] = /* @__PURE__ */ new Array(512).fill('');

export function knownText(bytes: Uint8Array, from: number, to: number): string {
  const length = to - from;
  if (length > LENGTH_MAX) return decodeText(bytes, from, to);
  let hash = length;
  let seen = 0;
  for (let at = from; at < to; at++) {
    const code = bytes[at] as number;
    seen |= code;
    hash = (Math.imul(hash, 31) + code) | 0;
  }
  if (seen > 0x7f) return decodeText(bytes, from, to);
  const slot = (hash ^ (hash >>> 9)) & 511;
  const candidate = known[slot] as string;
  if (isText(candidate, bytes, from, length)) return candidate;
  const codes = new Array<number>(length);
  for (let i = 0; i < length; i++) codes[i] = bytes[from + i] as number;
  const text = String.fromCharCode.apply(null, codes);
  known[slot] = text;
  return text;
}

function isText(text: string, bytes: Uint8Array, from: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
}
