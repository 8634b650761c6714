/** Transcripts of an invoker whose attempts are live: places, parts, pauses, drains. */
import { expect, test } from 'vitest';
import {
  command,
  completed,
  end,
  framesText,
  idOf,
  joined,
  opsText,
  outcomeText,
  output,
  result,
  run,
  signal,
  suspension,
} from './testing/frames.ts';
import { invokerOf, request } from './testing/invoker.ts';
import { ManualTime } from './testing/manual-time.ts';
import type { StreamEvents, Transport } from './transport.ts';

/** A stream that the test plays the handler of. */
interface Peer {
  readonly n: number;
  readonly events: StreamEvents;
  send(...frames: readonly Uint8Array[]): void;
}

const INACTIVITY_MS = 60_000;

/** Live attempts; parts are recorded when the test says so. */
function liveWorld(concurrencyLimit: number) {
  const time = new ManualTime();
  const log: string[] = [];
  const peers: Peer[] = [];
  const parts = new Map<number, (goesOn: boolean) => void>();
  const invoker = invokerOf(time, concurrencyLimit);
  const options = { isToEnd: false };
  const transport: Transport = {
    exchange: () => {
      throw new Error('a live attempt is no exchange');
    },
    stream: ({ body: [n = 0] }, events) => {
      log.push(`open ${n}`);
      const head = { 'content-type': 'application/vnd.restate.invocation.v7' };
      let hasHead = false;
      peers.push({
        n,
        events,
        send: (...frames) => {
          if (!hasHead) events.onHead(200, head);
          hasHead = true;
          events.onData(joined(...frames));
        },
      });
      return {
        write: bytes => log.push(`${n} > ${framesText(bytes)}`) > 0,
        end: () => void log.push(`${n} > end of input`),
        abort: () => void log.push(`${n} > reset`),
        pause: () => undefined,
        resume: () => undefined,
      };
    },
  };
  const start = (n: number) =>
    invoker.start({
      id: idOf(n),
      attempt: 1,
      address: 'http://h',
      transport,
      protocolVersion: 7,
      timeoutMs: 600_000,
      flow: 'Svc',
      live: {
        inactivityTimeoutMs: INACTIVITY_MS,
        isToEnd: () => options.isToEnd,
        part: (answer, done) => {
          log.push(`${n} part: ${opsText(answer)}`);
          parts.set(n, done);
        },
      },
      encode: () => ({ request: request(new Uint8Array([n])), seenEntries: 1 }),
      done: (outcome, seen) => log.push(`${n} ${outcomeText(outcome)}; seen ${seen}`),
    });
  const peer = (n: number): Peer => {
    const found = peers.find(candidate => candidate.n === n);
    if (found === undefined) throw new Error(`${n} was not opened`);
    return found;
  };
  const recorded = (n: number, goesOn = true): void => parts.get(n)?.(goesOn);
  /** What happened since it was asked last. */
  const lines = (): string[] => log.splice(0);
  return { invoker, time, start, peer, recorded, lines, options };
}

test('a live attempt is recorded in parts, hears of its journal and leaves its place at its end', () => {
  const { invoker, start, peer, recorded, lines } = liveWorld(1);
  start(1);
  start(2);
  expect(lines()).toEqual(['open 1', '1 > end of input']);
  peer(1).send(run(1), result(1));
  recorded(1);
  invoker.journaled(idOf(1), 1, 1, [command, completed('run', 1)]);
  invoker.journaled(idOf(1), 2, 3, [signal(1)]);
  invoker.journaled(idOf(7), 1, 3, [signal(1)]);
  peer(1).send(suspension(1));
  expect(lines()).toEqual(['1 part: run 1, result 1', '1 suspended; seen 1', 'open 2']);
  peer(2).send(output(), end());
  expect(lines()).toEqual(['2 > end of input', '2 completed with output; seen 1']);
  expect(invoker.active).toBe(0);
});

test('only its own attempt hears of a journal', () => {
  const { invoker, start, lines } = liveWorld(2);
  start(1);
  lines();
  invoker.journaled(idOf(1), 1, 1, [signal(17)]);
  invoker.journaled(idOf(1), 2, 2, [signal(1)]);
  invoker.journaled(idOf(7), 1, 2, [signal(1)]);
  expect(lines()).toEqual(['1 > SignalNotification 17']);
});

test('as many as wait are asked to suspend, the oldest first, and none twice', () => {
  const { start, peer, lines } = liveWorld(3);
  for (const n of [1, 2, 3]) start(n);
  expect(lines()).toEqual(['open 1', 'open 2', 'open 3']);
  start(4);
  expect(lines()).toEqual(['1 > end of input']);
  start(5);
  expect(lines()).toEqual(['2 > end of input']);
  // One that ends by itself makes room as well: 4 gets it, and 5 gets that of one that was asked.
  peer(3).send(output(), end());
  expect(lines()).toEqual(['3 > end of input', '3 completed with output; seen 1', 'open 4']);
  peer(1).send(suspension(1));
  expect(lines()).toEqual(['1 suspended; seen 1', 'open 5']);
  start(6);
  expect(lines()).toEqual([]);
  start(7);
  expect(lines()).toEqual(['4 > end of input']);
});

test('one that has ended is not asked in place of one that runs', () => {
  const { start, peer, lines } = liveWorld(2);
  start(1);
  start(2);
  peer(1).send(output(), end());
  start(3);
  lines();
  start(4);
  expect(lines()).toEqual(['2 > end of input']);
});

test('when more wait than there are places, all are asked', () => {
  const { start, peer, lines } = liveWorld(2);
  for (const n of [1, 2, 3, 4, 5]) start(n);
  expect(lines()).toEqual(['open 1', 'open 2', '1 > end of input', '2 > end of input']);
  peer(2).send(suspension(1));
  expect(lines()).toEqual(['2 suspended; seen 1', 'open 3', '3 > end of input']);
});

test('a part that no longer counts frees the place', () => {
  const { invoker, start, peer, recorded, lines } = liveWorld(1);
  start(1);
  peer(1).send(run(1));
  start(2);
  lines();
  recorded(1, false);
  expect(lines()).toEqual(['1 > reset', 'open 2']);
  peer(1).events.onEnd({ kind: 'ended' });
  recorded(1, false);
  expect([lines(), invoker.active]).toEqual([[], 1]);
});

test('an abort resets the stream and frees the place, once', () => {
  const { invoker, start, peer, recorded, lines } = liveWorld(1);
  start(1);
  start(2);
  peer(1).send(run(1));
  lines();
  invoker.abort(idOf(1), 1);
  invoker.abort(idOf(1), 1);
  expect(lines()).toEqual(['1 > reset', 'open 2']);
  recorded(1, false);
  recorded(1, true);
  peer(1).events.onEnd({ kind: 'ended' });
  expect([lines(), invoker.active]).toEqual([[], 1]);
  start(3);
  expect(lines()).toEqual(['2 > end of input']);
});

test('a pause closes the input of one that runs, and of one that only begins', () => {
  const { invoker, start, lines, options } = liveWorld(5);
  start(1);
  invoker.closeInput(idOf(1), 2);
  invoker.closeInput(idOf(9), 1);
  expect(lines()).toEqual(['open 1']);
  invoker.closeInput(idOf(1), 1);
  invoker.closeInput(idOf(1), 1);
  expect(lines()).toEqual(['1 > end of input']);
  options.isToEnd = true;
  start(2);
  expect(lines()).toEqual(['open 2', '2 > end of input']);
});

test('those that are leaving by themselves count as room that is made', () => {
  const { invoker, start, lines } = liveWorld(2);
  start(1);
  start(2);
  invoker.closeInput(idOf(2), 1);
  lines();
  start(3);
  expect(lines()).toEqual([]);
  start(4);
  expect(lines()).toEqual(['1 > end of input']);
});

test('a drain asks all of them to suspend and waits for them', async () => {
  const { invoker, start, peer, lines } = liveWorld(2);
  for (const n of [1, 2]) start(n);
  lines();
  let isDrained = false;
  const drained = invoker.drain(60_000).then(() => {
    isDrained = true;
  });
  start(3);
  expect(lines()).toEqual(['1 > end of input', '2 > end of input']);
  peer(1).send(suspension(1));
  await Promise.resolve();
  expect(isDrained).toBe(false);
  peer(2).send(suspension(1));
  await drained;
  expect(isDrained).toBe(true);
  expect(lines()).toEqual(['1 suspended; seen 1', '2 suspended; seen 1']);
});

test('a drain that takes too long is over all the same', async () => {
  const { invoker, start, time } = liveWorld(1);
  start(1);
  const drained = invoker.drain(5000);
  time.pass(5000);
  await drained;
  expect(invoker.active).toBe(1);
});

test('a stop resets what is under way', () => {
  const { invoker, start, peer, time, lines } = liveWorld(1);
  start(1);
  start(2);
  lines();
  invoker.stop();
  peer(1).events.onEnd({ kind: 'ended' });
  start(3);
  time.pass(10 * INACTIVITY_MS);
  expect([lines(), invoker.active, time.waiting]).toEqual([['1 > reset'], 0, 0]);
});
