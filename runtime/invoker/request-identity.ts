/**
 * Proof to a deployment that a request comes from this orchestrator: a JWT signed with Ed25519, which SDKs verify
 * against the public key they were given.
 *
 * Invariants: a token names the path and, of keyed handlers, the key it was made for, and is used for no others; it
 * is sent for at most `REUSE_MS` after it was made, so that two thirds of its validity are left for the way; the
 * private key leaves this file in no message. A token does not cover the body: whoever sees one can repeat it on the
 * same path within a minute, which is why endpoints are called over TLS.
 *
 * Signing costs more CPU than the rest of a request, hence the reuse.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { CodedError } from '../platform/error.ts';
import type { Clock } from '../platform/ports.ts';
import type { HeaderMap } from './envelope.ts';
import type { RequestIdentity } from './transport.ts';

export interface SigningIdentity extends RequestIdentity {
  /** As SDKs take it: `publickeyv1_…`. */
  readonly publicKey: string;
}

const VALID_S = 60;
const REUSE_MS = 20_000;
/** Objects have any number of keys. */
const TOKENS_MAX = 4096;

interface Token {
  readonly madeAtMs: number;
  readonly headers: HeaderMap;
}

/** `pem`: one private key, PKCS#8, Ed25519. Throws `HF_REQUEST_IDENTITY_KEY` for anything else. */
export function createRequestIdentity(pem: string, clock: Pick<Clock, 'now'>): SigningIdentity {
  const privateKey = parseKey(pem);
  const publicKey = publicKeyText(privateKey);
  const head = `${base64url(`{"typ":"JWT","alg":"EdDSA","kid":"${publicKey}"}`)}.`;
  // Oldest first, since a token that is made anew goes to the end.
  const tokens = new Map<string, Token>();

  function make(path: string, key: string | undefined, nowMs: number): HeaderMap {
    const now = Math.floor(nowMs / 1000);
    const subject = key === undefined ? undefined : { sub: key };
    const claims = { aud: path, exp: now + VALID_S, iat: now, nbf: now - VALID_S, ...subject };
    const signed = head + base64url(JSON.stringify(claims));
    const signature = sign(null, Buffer.from(signed), privateKey).toString('base64url');
    return { 'x-restate-signature-scheme': 'v1', 'x-restate-jwt-v1': `${signed}.${signature}` };
  }

  return {
    publicKey,
    headersFor(path, key) {
      const nowMs = clock.now();
      // A path has no blank, so no path with a key is taken for another path.
      const id = key === undefined ? path : `${path} ${key}`;
      const token = tokens.get(id);
      const ageMs = token === undefined ? -1 : nowMs - token.madeAtMs;
      if (token !== undefined && ageMs >= 0 && ageMs <= REUSE_MS) return token.headers;
      const headers = make(path, key, nowMs);
      tokens.delete(id);
      tokens.set(id, { madeAtMs: nowMs, headers });
      if (tokens.size > TOKENS_MAX) {
        const [oldest = ''] = tokens.keys();
        tokens.delete(oldest);
      }
      return headers;
    },
  };
}

function parseKey(pem: string): KeyObject {
  const blocks = pem.match(/-----BEGIN [^-]*-----/g) ?? [];
  if (blocks.length !== 1) throw badKey(`it has ${blocks.length} PEM blocks`);
  if (blocks[0] !== '-----BEGIN PRIVATE KEY-----') throw badKey(`it has '${blocks[0]?.slice(0, 60)}'`);
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem' });
  } catch (error) {
    // OpenSSL says what it could not parse, never what it has read.
    throw badKey(error instanceof Error ? error.message : String(error));
  }
  if (key.asymmetricKeyType !== 'ed25519') throw badKey(`its key is of the type ${key.asymmetricKeyType}`);
  return key;
}

function publicKeyText(privateKey: KeyObject): string {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  if (x === undefined) throw new Error('an Ed25519 public key has no x');
  return `publickeyv1_${base58(Buffer.from(x, 'base64url'))}`;
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

function base58(bytes: Buffer): string {
  let text = '';
  let rest = BigInt(`0x${bytes.toString('hex')}`);
  for (; rest > 0n; rest /= 58n) text = (BASE58[Number(rest % 58n)] ?? '') + text;
  // Zeros in front have no value of their own.
  for (let i = 0; bytes[i] === 0; i++) text = `1${text}`;
  return text;
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function badKey(reason: string): CodedError {
  return new CodedError(
    'HF_REQUEST_IDENTITY_KEY',
    `The request identity key cannot be used: ${reason}. Give a PEM file with one PKCS#8 Ed25519 private key, ` +
      'as `openssl genpkey -algorithm ed25519` writes it.',
  );
}
