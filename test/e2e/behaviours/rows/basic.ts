import { expect } from 'vitest';
import { type Json, type Row, simple, story } from '../play.ts';

const ONE = { attempts: 1, journal: 'Input Output' };
const MEGABYTE = 1024 * 1024;

const echo = (name: string, input: Json): Row =>
  simple({ name: `echo ${name}`, handler: 'echo', input, expected: { ...ONE, result: input } });

export const BASIC: readonly Row[] = [
  echo('JSON', { a: [1, 'x', null, true], b: { c: 1.5 } }),
  echo('text beyond ASCII', '🜚 é \u0000 \u2028 "\\ 漢字'),
  echo('null', null),
  echo('an empty string', ''),
  echo('a megabyte', 'x'.repeat(MEGABYTE)),
  simple({ name: 'no input', handler: 'echo', expected: { ...ONE, result: undefined } }),
  simple({ name: 'no output', handler: 'nothing', expected: { ...ONE, result: undefined } }),

  story('bytes, a megabyte of them', async t => {
    const bytes = Uint8Array.from({ length: MEGABYTE }, (_, i) => (i * 31) ^ (i >> 8));
    const headers = { 'content-type': 'application/octet-stream' };
    const url = `${t.stack.ingress.url}/restate/call/${t.target('bytes')}`;
    const response = await fetch(url, { method: 'POST', headers, body: bytes });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(Buffer.compare(Buffer.from(await response.arrayBuffer()), bytes)).toBe(0);
  }),

  story('a request knows its id, target and headers', async t => {
    const answer = await t.stack.ingress.call(t.target('about'), undefined, {
      headers: { 'X-Custom': 'from a caller' },
    });
    expect(answer.body).toEqual({
      id: answer.id,
      target: t.target('about'),
      custom: 'from a caller',
      ingressPath: `/restate/call/${t.target('about')}`,
      bodyBytes: 0,
    });
  }),

  simple({
    name: 'random values are the same at every attempt',
    handler: 'random',
    input: t => t.pauseMs,
    waits: 'suspended',
    expected: {
      attempts: 3,
      journal: 'Input Run +Run Sleep +Sleep Output',
      result: ({ now, recorded }: { now: unknown[]; recorded: unknown[] }) => {
        expect(now).toEqual(recorded);
        expect(new Set(now).size).toBe(3);
      },
    },
  }),

  story('random values differ between invocations', async t => {
    const read = async () => (await t.stack.ingress.call<{ now: unknown[] }>(t.target('random'), 0)).body.now;
    expect(await read()).not.toEqual(await read());
  }),

  simple({
    name: 'the date is a recorded step',
    handler: 'date',
    input: t => t.pauseMs,
    waits: 'suspended',
    expected: t => ({
      attempts: 4,
      journal: 'Input Run +Run Sleep +Sleep Run +Run Output',
      result: ({ before, json }: { before: number; json: string }) => {
        expect(Date.parse(json) - before).toBeGreaterThanOrEqual(t.pauseMs);
      },
    }),
  }),
];
