/** An attempt over a body in pieces: where it is cut makes no difference, and nothing that can come breaks it. */
import { decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_PROTOCOL, MIN_PROTOCOL } from './discovery.ts';
import { createEndpoint } from './endpoint.ts';
import { handleInvocation, type Opened } from './http.ts';
import { drainMicrotasks } from './invocation.ts';
import {
  concat,
  json,
  NOW_MS,
  ran,
  requestBody,
  runCommand,
  serviceOf,
  sleep,
  slept,
} from './journal.testkit.ts';
import { StreamedAttempt } from './streamed-attempt.ts';

const definition = serviceOf(async ctx => {
  const a = await ctx.run('a', () => 'A');
  await ctx.sleep(5);
  return a + (await ctx.run('b', () => 'B'));
});
const endpoint = createEndpoint([definition]);
const service = endpoint.service('S');
const handler = service?.handler('h');
if (service === undefined || handler === undefined) throw new Error('assertion: it is bound');
const opened = (version: number): Opened => ({ service, handler, version });

/** What each kind of mode makes of a body that comes in these chunks. */
async function run(version: number, chunks: readonly Uint8Array[], isLive: boolean, full = false) {
  const out: Uint8Array[] = [];
  let ends = 0;
  await new Promise<void>(resolve => {
    const attempt: StreamedAttempt = new StreamedAttempt(
      opened(version),
      { now: () => NOW_MS, ...(isLive ? { atEndOfTurn: callback => void setImmediate(callback) } : {}) },
      {
        write(frames) {
          out.push(frames);
          if (full) setImmediate(() => attempt.drained());
          return !full;
        },
        end(frames) {
          out.push(frames);
          ends++;
          resolve();
        },
      },
    );
    void (async () => {
      for (const chunk of chunks) {
        attempt.push(chunk);
        if (isLive) await new Promise<void>(drainMicrotasks);
      }
      attempt.inputClosed();
      attempt.inputClosed();
    })();
  });
  expect(ends).toBe(1);
  return decodeFrames(concat(out));
}

/** `body` cut at these places, in percent. */
const cut = (body: Uint8Array, at: readonly number[]): Uint8Array[] => {
  const ends = [...at.map(percent => Math.floor((body.length * percent) / 100)), body.length].sort(
    (a, b) => a - b,
  );
  return ends.map((end, i) => body.subarray(ends[i - 1] ?? 0, end));
};
const cuts = fc.array(fc.nat(100), { maxLength: 6 });
const versions = fc.integer({ min: MIN_PROTOCOL, max: MAX_PROTOCOL });
/** Journals of the program, from the beginning to the last wait. */
const journal = [runCommand(1, 'a'), ran(1, 'A'), sleep(2), slept(2), runCommand(3, 'b'), ran(3, 'B')];
const journals = fc.nat(journal.length).map(length => requestBody({ entries: journal.slice(0, length) }));

test('request and response over pieces is the same as over the whole', async () => {
  await fc.assert(
    fc.asyncProperty(versions, journals, cuts, async (version, body, at) => {
      const whole = await handleInvocation(endpoint, {
        service: 'S',
        handler: 'h',
        version,
        body,
        now: () => NOW_MS,
      });
      expect(await run(version, cut(body, at), false)).toEqual(decodeFrames(whole.body));
    }),
    { numRuns: 100 },
  );
});

test('a live channel writes the same commands, wherever it is cut and however full the sink is', async () => {
  const commands = async (frames: Promise<ReturnType<typeof decodeFrames>>) =>
    (await frames).map(decodeFrame).filter(({ name }) => name.endsWith('Command'));
  await fc.assert(
    fc.asyncProperty(versions, journals, cuts, fc.boolean(), async (version, body, at, full) => {
      expect(await commands(run(version, cut(body, at), true, full))).toEqual(
        await commands(run(version, [body], false)),
      );
    }),
    { numRuns: 100 },
  );
});

test('whatever comes, the attempt ends with one terminator and nothing is thrown', async () => {
  const late = fc.constantFrom(
    encodeFrame('Start', { knownEntries: 1 }),
    encodeFrame('End', {}),
    encodeFrame('SleepCompletion', { completionId: 9 }),
    encodeFrame('ProposeRunCompletionAck', { completionId: 9 }),
    encodeFrame('SignalNotification', { signalId: 1, void: true }),
    encodeFrame('SignalNotification', { signalName: 'x', value: json(1) }),
  );
  const damaged = fc
    .tuple(
      journals,
      fc.array(late, { maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
    )
    .map(([body, more, changes]) => {
      const bytes = Uint8Array.from(concat([body, ...more]));
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes;
    });
  const bodies = fc.oneof({ weight: 5, arbitrary: damaged }, fc.uint8Array({ maxLength: 200 }));
  await fc.assert(
    fc.asyncProperty(versions, bodies, cuts, fc.boolean(), async (version, body, at, isLive) => {
      const names = (await run(version, cut(body, at), isLive)).map(frame => decodeFrame(frame).name);
      expect(names.filter(name => ['End', 'Suspension', 'Error'].includes(name))).toEqual([names.at(-1)]);
    }),
    { numRuns: 1000 },
  );
});
