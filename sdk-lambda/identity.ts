/**
 * Request identity: is this request from the server whose key the endpoint was given? The server signs a token
 * (a JWT, EdDSA over Ed25519) that names the path and is valid for a minute or so. WebCrypto verifies it, which every host has.
 *
 * Invariants: with keys configured nothing but health checks is answered without a token that one of them has signed,
 * for this path, valid now, with no leeway; the algorithm is this one whatever a token says; a verified token is
 * taken from the cache only under the same conditions. The body is not signed.
 */
import { SdkUsageError } from './coded-error.ts';

/** Undefined: it is from the server. Else why it is not taken to be. */
export type Verify = (
  headers: Readonly<Record<string, string | string[] | undefined>>,
  /** `/discover` or `/invoke/{service}/{handler}`. */
  audience: string,
  nowMs: number,
) => Promise<string | undefined>;

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

interface Claims {
  readonly aud: unknown;
  readonly nbf: number;
  readonly exp: number;
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const KEY = new RegExp(`^publickeyv1_([${BASE58}]{32,44})$`);
const KEY_BYTES = 32;
const ALGORITHM = 'Ed25519';
/** The server uses a token for some seconds, and one for each key of an object: this is for some seconds of them. */
const CACHED_MAX = 256;

/** Throws on a key that is none. */
export function verifierOf(keys: readonly string[]): Verify {
  const raw = (keys.length > 0 ? keys : ['']).map(parseKey);
  let imported: Promise<readonly Key[]> | undefined;
  const cache = new Map<string, Claims>();
  return async (headers, audience, nowMs) => {
    const token = headers['x-restate-jwt-v1'];
    if (headers['x-restate-signature-scheme'] !== 'v1' || typeof token !== 'string')
      return 'The request is not signed';
    let claims = cache.get(token);
    if (!claims) {
      imported ??= Promise.all(
        raw.map(bytes => crypto.subtle.importKey('raw', bytes, ALGORITHM, false, ['verify'])),
      );
      claims = await claimsOf(token, await imported);
      if (!claims) return 'The token is malformed, or signed by no key';
      if (cache.size === CACHED_MAX) cache.clear();
      cache.set(token, claims);
    }
    const { aud, nbf, exp } = claims;
    const second = nowMs / 1000;
    return aud === audience && second >= nbf && second < exp
      ? undefined
      : `The token is for ${aud} from ${nbf} to ${exp}, not for ${audience} at ${second}`;
  };
}

/** Of a token that one of the keys has signed and that has all claims it must have. */
async function claimsOf(token: string, keys: readonly Key[]): Promise<Claims | undefined> {
  try {
    const end = token.lastIndexOf('.');
    const content = token.slice(0, end);
    const [header, claims] = content.split('.').map(part => JSON.parse(decode(part)));
    const { aud, iat, nbf, exp } = claims;
    // `crit` are extensions that must be understood.
    if (header.alg !== 'EdDSA' || header.crit !== undefined || typeof aud !== 'string') return undefined;
    if (![iat, nbf, exp].every(Number.isFinite)) return undefined;
    const signature = bytesOf(decode(token.slice(end + 1)));
    for (const key of keys)
      if (await crypto.subtle.verify(ALGORITHM, key, signature, bytesOf(content))) return claims;
  } catch {
    // Neither base64 nor JSON: no token.
  }
  return undefined;
}

/** A char is a byte. That is enough for the claims that matter, and what is signed is the text. */
const decode = (base64Url: string): string => atob(base64Url.replace(/-/g, '+').replace(/_/g, '/'));
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(text, char => char.charCodeAt(0));

function parseKey(key: string): Uint8Array<ArrayBuffer> {
  const digits = KEY.exec(key)?.[1] ?? '';
  let number = 0n;
  for (const digit of digits) number = number * 58n + BigInt(BASE58.indexOf(digit));
  const bytes = Uint8Array.from({ length: KEY_BYTES }, (_, i) =>
    Number(BigInt.asUintN(8, number >> BigInt(8 * (KEY_BYTES - 1 - i)))),
  );
  // Each zero at the beginning is a digit of its own. Nothing but zeros is no key.
  const isKey = number >> 256n === 0n && number > 0n && digits.search(/[^1]/) === bytes.findIndex(Boolean);
  if (!isKey) throw new SdkUsageError('HF_SDK_IDENTITY_KEY', `"${key}" is no identity key.`);
  return bytes;
}
