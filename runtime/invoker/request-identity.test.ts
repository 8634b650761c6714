import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { service } from '@restatedev/restate-sdk';
import { createEndpointHandler } from '@restatedev/restate-sdk/lambda';
import { expect, test } from 'vitest';
import { readVector } from '../../protocol/vectors.testkit.ts';
import type { CodedError } from '../platform/error.ts';
import { createRequestIdentity } from './request-identity.ts';

const pem = (lines: string, label = 'PRIVATE KEY') =>
  `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
/** The key of RFC 8032, section 7.1, test 1, which the captures were made with. */
const SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
const KEY = pem(Buffer.from(`302e020100300506032b657004220420${SEED}`, 'hex').toString('base64'));
const PUBLIC_KEY = 'publickeyv1_FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z';
const JWT = 'x-restate-jwt-v1';

const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());

/** Every signed request anywhere in a capture. */
function signedIn(json: unknown): string[] {
  if (typeof json !== 'object' || json === null) return [];
  const jwt = (json as Record<string, unknown>)[JWT];
  return [...(typeof jwt === 'string' ? [jwt] : []), ...Object.values(json).flatMap(signedIn)];
}

test('signs what the captured requests carry, byte for byte', () => {
  const folder = new URL('../../protocol/vectors/', import.meta.url);
  const files = readdirSync(folder).filter(file => file.endsWith('.json'));
  const captured = files.flatMap(file => signedIn(readVector(file)));
  expect(captured.map(claimsOf)).toContainEqual(expect.objectContaining({ aud: '/discover' }));
  expect(createRequestIdentity(KEY, { now: () => 0 }).publicKey).toBe(PUBLIC_KEY);
  for (const jwt of captured) {
    const { aud, iat, sub } = claimsOf(jwt);
    const headers = createRequestIdentity(KEY, { now: () => iat * 1000 + 999 }).headersFor(aud, sub);
    expect(headers).toEqual({ 'x-restate-signature-scheme': 'v1', [JWT]: jwt });
  }
});

test('Node verifies it, for a key of any bytes', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const text = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const identity = createRequestIdentity(`# comment\n${text}`, { now: () => 1_700_000_000_000 });
  const [head = '', claims = '', signature = ''] = (
    identity.headersFor('/invoke/Obj/add', 'ä "key"\n')[JWT] ?? ''
  ).split('.');
  const signed = Buffer.from(`${head}.${claims}`);
  expect(verify(null, signed, publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
  expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual({
    typ: 'JWT',
    alg: 'EdDSA',
    kid: identity.publicKey,
  });
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toEqual({
    aud: '/invoke/Obj/add',
    exp: 1_700_000_060,
    iat: 1_700_000_000,
    nbf: 1_699_999_940,
    sub: 'ä "key"\n',
  });
});

test('a Restate SDK takes it on its path and on no other', async () => {
  const { headersFor, publicKey } = createRequestIdentity(KEY, { now: () => Date.now() });
  const services = [service({ name: 'Svc', handlers: { echo: async () => 1 } })];
  const logger = () => undefined;
  const handler = createEndpointHandler({ services, identityKeys: [publicKey], logger });
  const discover = async (headers: object) => {
    const accept = 'application/vnd.restate.endpointmanifest.v4+json';
    const event = { path: '/discover', httpMethod: 'GET', headers: { accept, ...headers }, body: '' };
    const answer = await handler(
      { ...event, isBase64Encoded: true } as never,
      { awsRequestId: 'r' } as never,
    );
    return (answer as { statusCode: number }).statusCode;
  };
  expect(await discover(headersFor('/discover'))).toBe(200);
  expect(await discover(headersFor('/invoke/Svc/echo'))).toBe(401);
  expect(await discover({})).toBe(401);
});

test('a token is sent again for 20 s, for its path and key only', () => {
  let nowMs = 1_700_000_000_000;
  const identity = createRequestIdentity(KEY, { now: () => nowMs });
  const first = identity.headersFor('/invoke/Obj/add', 'a');
  expect(identity.headersFor('/invoke/Obj/add', 'a')).toBe(first);
  for (const [path, key] of [
    ['/invoke/Obj/add', 'b'],
    ['/invoke/Obj/get', 'a'],
    ['/invoke/Obj/add', undefined],
    ['/invoke/Obj/add', ''],
  ] as const) {
    const { aud, sub } = claimsOf(identity.headersFor(path, key)[JWT] ?? '');
    expect([aud, sub]).toEqual([path, key]);
  }
  nowMs += 20_000;
  expect(identity.headersFor('/invoke/Obj/add', 'a')).toBe(first);
  nowMs += 1;
  const second = identity.headersFor('/invoke/Obj/add', 'a');
  expect(claimsOf(second[JWT] ?? '').iat).toBe(1_700_000_020);
  // The clock was set back: the token would not be valid yet.
  nowMs -= 60_000;
  expect(claimsOf(identity.headersFor('/invoke/Obj/add', 'a')[JWT] ?? '').iat).toBe(1_699_999_960);
});

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ED = createPrivateKey(KEY);

test.each<[string, string, RegExp]>([
  ['nothing', '', /0 PEM blocks/],
  ['two keys', KEY + KEY, /2 PEM blocks/],
  ['a public key', String(createPublicKey(ED).export({ type: 'spki', format: 'pem' })), /BEGIN PUBLIC KEY/],
  ['a certificate', pem('MIIB', 'CERTIFICATE'), /BEGIN CERTIFICATE/],
  ['an RSA key', String(RSA.export({ type: 'pkcs8', format: 'pem' })), /type rsa/],
  [
    'an RSA key of another form',
    String(RSA.export({ type: 'pkcs1', format: 'pem' })),
    /BEGIN RSA PRIVATE KEY/,
  ],
  [
    'an encrypted key',
    String(ED.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })),
    /BEGIN ENCRYPTED PRIVATE KEY/,
  ],
  ['a damaged key', KEY.replace('MC4', 'XXX'), /cannot be used/],
])('refuses %s and does not show it', (_name, text, reason) => {
  const refuse = () => createRequestIdentity(text, { now: () => 0 });
  expect(refuse).toThrow(reason);
  expect(refuse).toThrow(
    expect.objectContaining({ code: 'HF_REQUEST_IDENTITY_KEY' } satisfies Partial<CodedError>),
  );
  expect(refuse).not.toThrow(/nWGxne/);
});
