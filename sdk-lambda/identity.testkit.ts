/** Test helper: tokens as a server signs them, and as it must not. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';

/** RFC 8032, test 1: the key that the recorded exchanges are signed with. */
const RFC_SEED = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
export const RFC_IDENTITY = 'publickeyv1_FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z';

const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
export const privateKey = (seed: Uint8Array = RFC_SEED): KeyObject =>
  createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
export function base58(bytes: Uint8Array): string {
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
  let digits = '';
  for (; number > 0n; number /= 58n) digits = ALPHABET[Number(number % 58n)] + digits;
  const zeros = [...bytes].findIndex(byte => byte !== 0);
  return '1'.repeat(zeros < 0 ? bytes.length : zeros) + digits;
}

export function identityOf(key: KeyObject): string {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return `publickeyv1_${base58(Buffer.from(x ?? '', 'base64url'))}`;
}

export interface Token {
  readonly header?: object;
  readonly claims?: object;
  readonly key?: KeyObject;
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Valid for a minute at `nowMs`, but for what `token` says. */
export function signed(audience: string, nowMs: number, { header, claims, key }: Token = {}): string {
  const second = Math.floor(nowMs / 1000);
  const content = [
    part({ typ: 'JWT', alg: 'EdDSA', kid: RFC_IDENTITY, ...header }),
    part({ aud: audience, iat: second, nbf: second - 60, exp: second + 60, ...claims }),
  ].join('.');
  return `${content}.${sign(null, Buffer.from(content), key ?? privateKey()).toString('base64url')}`;
}

export const headersOf = (token: string) => ({
  'x-restate-signature-scheme': 'v1',
  'x-restate-jwt-v1': token,
});
