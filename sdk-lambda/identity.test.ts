/** Who a request is from: what the server signs is taken, and nothing else. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readVector } from '../protocol/vectors.testkit.ts';
import {
  base58,
  headersOf,
  identityOf,
  privateKey,
  RFC_IDENTITY,
  signed,
  type Token,
} from './identity.testkit.ts';
import { verifierOf } from './identity.ts';
import { createEndpointHandler, type LambdaEvent, service } from './index.ts';
import { NOW_MS } from './journal.testkit.ts';

const AUDIENCE = '/invoke/S/h';
const other = privateKey(new Uint8Array(32).fill(3));
const verify = verifierOf([identityOf(other), RFC_IDENTITY]);
const second = Math.floor(NOW_MS / 1000);

test('the key of the recorded exchanges is that of the RFC', () => {
  expect(identityOf(privateKey())).toBe(RFC_IDENTITY);
});

test('recorded discoveries are verified at the time when they were made', async () => {
  const { path = '', headers = {} } = readVector('lambda-discovery.json')['lambda_event'] as LambdaEvent;
  const signedAtMs = 1_795_195_256_000;
  expect(await verify(headers, path, signedAtMs)).toBeUndefined();
  expect(await verify(headers, path, signedAtMs + 60_000)).toMatch(/is for/);
  expect(await verify(headers, AUDIENCE, signedAtMs)).toMatch(/is for \/discover/);
});

test.each<[string, Token, RegExp | undefined]>([
  ['any of the keys', { key: other }, undefined],
  ['more claims', { claims: { sub: 'a key' } }, undefined],
  ['an unknown key', { key: privateKey(new Uint8Array(32).fill(4)) }, /signed by no key/],
  ['another path', { claims: { aud: '/invoke/S/other' } }, /is for/],
  ['this path among others', { claims: { aud: [AUDIENCE] } }, /malformed/],
  ['expiry this second', { claims: { exp: second } }, /is for/],
  ['expiry in the next', { claims: { exp: second + 1 } }, undefined],
  ['validity from this second', { claims: { nbf: second } }, undefined],
  ['validity from the next', { claims: { nbf: second + 1 } }, /is for/],
  ['no audience', { claims: { aud: undefined } }, /malformed/],
  ['no expiry', { claims: { exp: undefined } }, /malformed/],
  ['no time of issue', { claims: { iat: undefined } }, /malformed/],
  ['no beginning', { claims: { nbf: undefined } }, /malformed/],
  ['an expiry that is text', { claims: { exp: String(second + 60) } }, /malformed/],
  ['no algorithm', { header: { alg: 'none' } }, /malformed/],
  ['another algorithm', { header: { alg: 'HS256' } }, /malformed/],
  ['an extension that must be understood', { header: { crit: ['b64'], b64: false } }, /malformed/],
])('a token with %s', async (_what, token, expected) => {
  const headers = headersOf(signed(AUDIENCE, NOW_MS, token));
  // The second time from the cache, if at all.
  for (let i = 0; i < 2; i++) {
    const refusal = await verify(headers, AUDIENCE, NOW_MS);
    if (expected === undefined) expect(refusal).toBeUndefined();
    else expect(refusal).toMatch(expected);
  }
});

test('a token that was verified is still bound to its path and time', async () => {
  const headers = headersOf(signed(AUDIENCE, NOW_MS));
  expect(await verify(headers, AUDIENCE, NOW_MS)).toBeUndefined();
  expect(await verify(headers, '/discover', NOW_MS)).toMatch(/is for/);
  expect(await verify(headers, AUDIENCE, NOW_MS + 60_000)).toMatch(/is for/);
  expect(await verify(headers, AUDIENCE, NOW_MS - 61_000)).toMatch(/is for/);
});

const good = signed(AUDIENCE, NOW_MS);
test.each<[string, Record<string, string | string[]>]>([
  ['no headers', {}],
  ['no token', { 'x-restate-signature-scheme': 'v1' }],
  ['no scheme', { 'x-restate-jwt-v1': good }],
  ['the scheme for unsigned', { ...headersOf(good), 'x-restate-signature-scheme': 'unsigned' }],
  ['two tokens in one header', headersOf(`${good}, ${good}`)],
  ['two headers', { ...headersOf(good), 'x-restate-jwt-v1': [good, good] }],
  ['a signature cut off', headersOf(good.slice(0, -2))],
  ['no signature', headersOf(good.slice(0, good.lastIndexOf('.') + 1))],
  ['another payload', headersOf([good.split('.')[0], btoa('{}'), good.split('.')[2]].join('.'))],
  ['a part more', headersOf(`${good}.`)],
  ['a header that is null', headersOf(`${btoa('null')}.e30.${good.split('.')[2]}`)],
])('%s: refused', async (_what, headers) => {
  expect(await verify(headers, AUDIENCE, NOW_MS)).toMatch(/./);
});

test('no change to a token leaves it valid, and none makes it throw', async () => {
  const changed = fc
    .tuple(fc.nat(good.length - 1), fc.constantFrom(...'.-_=+/aZ0 \n\u0000é'), fc.boolean())
    .map(([at, char, insert]) => good.slice(0, at) + char + good.slice(at + (insert ? 0 : 1)));
  await fc.assert(
    fc.asyncProperty(fc.oneof(changed, fc.string()), async token => {
      // Bits at the end of a signature mean nothing.
      const [content, signature = ''] = [token.slice(0, token.lastIndexOf('.')), token.split('.')[2]];
      const same = `${content}.` === good.slice(0, good.lastIndexOf('.') + 1);
      fc.pre(
        !same || !Buffer.from(signature, 'base64').equals(Buffer.from(good.split('.')[2] ?? '', 'base64')),
      );
      expect(await verify(headersOf(token), AUDIENCE, NOW_MS)).toMatch(/./);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['nothing', ''],
  ['another prefix', RFC_IDENTITY.replace('v1', 'v2')],
  ['a digit that base58 has not', `${RFC_IDENTITY.slice(0, -1)}0`],
  ['a byte less', `publickeyv1_${base58(new Uint8Array(31).fill(9))}`],
  ['a byte more', `publickeyv1_${base58(new Uint8Array(33).fill(9))}`],
  ['zeros only up to a byte less', `publickeyv1_${base58(new Uint8Array(32).fill(9, 2)).slice(1)}`],
  ['a megabyte', `publickeyv1_${'z'.repeat(1_000_000)}`],
])('a configured key with %s is refused at once', (_what, key) => {
  expect(() => verifierOf([RFC_IDENTITY, key])).toThrow(
    expect.objectContaining({ code: 'HF_SDK_IDENTITY_KEY' }),
  );
});

test('no keys at all are a mistake, and keys that begin with zeros are none', () => {
  expect(() => verifierOf([])).toThrow(expect.objectContaining({ code: 'HF_SDK_IDENTITY_KEY' }));
  verifierOf([`publickeyv1_${base58(new Uint8Array(32).fill(9, 2))}`]);
});

test('everything but health checks is verified, before it is looked at', async () => {
  const handler = createEndpointHandler({
    services: [service({ name: 'S', handlers: { h: async () => {} } })],
    identityKeys: [RFC_IDENTITY],
  });
  const statusOf = async (path: string, headers = {}) => (await handler({ path, headers }, {})).statusCode;
  for (const path of ['/discover', '/invoke/S/h', '/invoke/No/one', '/stage/invoke/S/h'])
    expect([path, await statusOf(path)]).toEqual([path, 401]);
  expect(await statusOf('/health')).toBe(200);
  // The path ends like the one that was signed. What follows is about a content type.
  expect(await statusOf('/stage/invoke/S/h', headersOf(signed(AUDIENCE, Date.now())))).toBe(415);
});
