/** What a live attempt refuses, and what it holds at most. */
import { expect, test } from 'vitest';
import { completed, end, large, output, run } from './testing/frames.ts';
import { Live } from './testing/live.ts';
import type { TransportFailure } from './transport.ts';

const ENDED = { kind: 'ended' } as const;
const BROKEN: TransportFailure = { kind: 'failed', code: 'RT0010', message: 'reset by peer' };
const JSON_TYPE = { 'content-type': 'application/json' };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
test.each<
  readonly [status: number, headers: Readonly<Record<string, string>>, body: Uint8Array[], outcome: string]
>([
  [
    415,
    JSON_TYPE,
    [text('{"mess'), text('age":"V7 is new to me"}')],
    'failed RT0015: the handler answered with status 415: its SDK does not speak the protocol version found at ' +
      'discovery (any more); register it again: V7 is new to me',
  ],
  [
    503,
    { ...JSON_TYPE, 'retry-after': '7' },
    [],
    'failed RT0023 in 7000 ms: the handler answered with status 503: it is rate limited',
  ],
  [
    502,
    {},
    [text('<html>')],
    'failed RT0010: the handler answered with status 502: a gateway found it unavailable',
  ],
  [
    404,
    JSON_TYPE,
    [text('{"message":"no Svc"}')],
    'failed RT0012: the handler answered with status 404: no Svc',
  ],
  [
    200,
    { 'content-type': 'text/html' },
    [text('<html>'), end()],
    "failed RT0012: the handler answered with 'text/html' in place of 'application/vnd.restate.invocation.v7'",
  ],
])('a head that is refused: %i %j', (status, headers, body, outcome) => {
  const live = new Live();
  live.head(status, headers);
  for (const chunk of body) live.data(chunk);
  expect(live.lines).toEqual([]);
  live.events.onEnd(ENDED);
  expect(live.lines).toEqual(['> reset', `${outcome}; seen 1`]);
});

test('of a refusal that does not end so much is read and no more', () => {
  const live = new Live();
  live.head(500, JSON_TYPE);
  live.data(text('x'.repeat(60_000)));
  expect(live.lines).toEqual([]);
  live.data(text('x'.repeat(60_000)));
  expect(live.lines).toEqual(['> reset', 'failed RT0012: the handler answered with status 500; seen 1']);
});

test('a handler that writes faster than its parts are recorded is slowed down', () => {
  const live = new Live();
  live.head();
  live.data(run(1));
  expect(live.lines).toEqual(['part: run 1']);
  const chunk = large(1024 * 1024);
  for (let n = 0; n < 3; n++) live.data(chunk);
  expect(live.lines).toEqual([]);
  live.data(chunk);
  expect(live.lines).toEqual(['> reads no more']);
  // What was under way already.
  live.data(chunk);
  expect(live.lines).toEqual([]);
  live.recorded();
  expect(live.lines).toEqual(['> reads again', 'part: output, output, output, output, output']);
  live.data(chunk);
  expect(live.lines).toEqual([]);
  live.recorded();
  expect(live.lines).toEqual(['part: output']);
});

test('a handler that does not take what it is sent is given up, one that is slow is not', () => {
  const entry = (index: number) => {
    const value = new Uint8Array(8 * 1024 * 1024);
    return [index, [{ ...completed('call', index), result: { kind: 'success', value } }]] as const;
  };
  const live = new Live();
  live.head();
  live.takes = false;
  // The first write is what blocks it; the peer takes all that was written now and then.
  for (let n = 1; n <= 4; n++) live.attempt.journaled(...entry(n));
  live.events.onDrain();
  for (let n = 5; n <= 8; n++) live.attempt.journaled(...entry(n));
  expect(live.lines.every(line => line.startsWith('> CallCompletion'))).toBe(true);
  live.attempt.journaled(...entry(9));
  expect(live.lines).toEqual(['> reset', 'failed RT0010: the handler does not read what it is sent; seen 1']);
  live.attempt.journaled(...entry(10));
  expect(live.lines).toEqual([]);
});

test('no timer is left when it is over', () => {
  for (const finish of [
    (live: Live) => live.attempt.abort(),
    (live: Live) => live.events.onEnd(BROKEN),
    (live: Live) => {
      live.data(output(), end());
      live.events.onEnd(ENDED);
    },
    (live: Live) => live.events.onEnd(ENDED),
  ]) {
    const live = new Live();
    live.head();
    finish(live);
    expect(live.time.waiting).toBe(0);
  }
});
