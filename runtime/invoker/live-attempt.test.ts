/** Transcripts of one live attempt: what goes over its stream, what is recorded of it, and how it ends. */
import { expect, test } from 'vitest';
import {
  awaitingOn,
  command,
  completed,
  end,
  errorFrame,
  joined,
  output,
  result,
  resultToAck,
  run,
  signal,
  sleep,
  suspension,
} from './testing/frames.ts';
import { ABORT_MS, INACTIVITY_MS, Live } from './testing/live.ts';
import type { TransportFailure } from './transport.ts';

const ENDED = { kind: 'ended' } as const;
const BROKEN: TransportFailure = { kind: 'failed', code: 'RT0010', message: 'reset by peer' };

type Step = readonly [act: (live: Live) => void, ...lines: (string | RegExp)[]];
interface Story {
  readonly version?: number;
  readonly seenEntries?: number;
  readonly steps: readonly Step[];
}

test.each<readonly [name: string, story: Story]>([
  [
    'two steps and a result, in one stream',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1), result(1)), 'part: run 1, result 1'],
        [live => live.recorded()],
        [live => live.attempt.journaled(1, [command, completed('run', 1)]), '> RunCompletion 1'],
        [live => live.data(output(), end()), '> end of input', 'completed with output; seen 1'],
        [live => live.events.onEnd(ENDED)],
        [live => live.time.pass(60_000)],
      ],
    },
  ],
  [
    'one part at a time: what comes meanwhile is the next one',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1)), 'part: run 1'],
        [live => live.data(run(2))],
        [live => live.data(run(3), output(), end())],
        [live => live.recorded(), '> end of input', 'completed with run 2, run 3, output; seen 1'],
      ],
    },
  ],
  [
    'parts that wait without a terminator go together',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1)), 'part: run 1'],
        [live => live.data(run(2))],
        [live => live.data(sleep(3))],
        [live => live.recorded(), 'part: run 2, sleep 3'],
        [live => live.recorded()],
      ],
    },
  ],
  [
    'frames that are cut anywhere',
    {
      steps: [
        [live => live.head()],
        [live => live.events.onData(run(1).subarray(0, 3))],
        [live => live.events.onData(run(1).subarray(3, 9))],
        [live => live.events.onData(joined(run(1).subarray(9), run(2).subarray(0, 5))), 'part: run 1'],
        [live => live.recorded()],
        [live => live.events.onData(run(2).subarray(5)), 'part: run 2'],
      ],
    },
  ],
  [
    'notifications are pushed once, in order, and none that came with the request',
    {
      seenEntries: 4,
      steps: [
        [live => live.attempt.journaled(2, [completed('sleep', 1), signal(17)])],
        [live => live.attempt.journaled(4, [completed('sleep', 2)]), '> SleepCompletion 2'],
        [live => live.attempt.journaled(4, [completed('sleep', 2)])],
        [
          live => live.attempt.journaled(5, [command, completed('call', 4), signal(1)]),
          '> CallCompletion 4, SignalNotification 1',
        ],
        [live => live.attempt.journaled(8, [command])],
      ],
    },
  ],
  [
    'an acknowledgement in place of the result, once, where it was asked for',
    {
      steps: [
        [live => live.head()],
        [
          live => live.data(run(1), resultToAck(1), run(2), result(2)),
          'part: run 1, result 1, run 2, result 2',
        ],
        [live => live.recorded()],
        [
          live => live.attempt.journaled(1, [command, completed('run', 1), command, completed('run', 2)]),
          '> ProposeRunCompletionAck 1, RunCompletion 2',
        ],
      ],
    },
  ],
  [
    'an acknowledgement keeps its place among the notifications',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1), sleep(2)), 'part: run 1, sleep 2'],
        [live => live.data(resultToAck(1))],
        [live => live.attempt.journaled(1, [command, command]) /* nothing to tell */],
        [live => live.recorded(), 'part: result 1'],
        [live => live.attempt.journaled(3, [completed('sleep', 2)]), '> SleepCompletion 2'],
        [live => live.recorded()],
        [live => live.attempt.journaled(4, [completed('run', 1)]), '> ProposeRunCompletionAck 1'],
      ],
    },
  ],
  [
    'below V7 the whole result, whatever the flag says',
    {
      version: 6,
      steps: [
        [live => live.head()],
        [live => live.data(run(1), resultToAck(1)), 'part: run 1, result 1'],
        [live => live.recorded()],
        [live => live.attempt.journaled(1, [command, completed('run', 1)]), '> RunCompletion 1'],
      ],
    },
  ],
  [
    'what it waits on is no part',
    {
      steps: [
        [live => live.head()],
        [live => live.data(awaitingOn(1))],
        [live => live.data(sleep(1), awaitingOn(1)), 'part: sleep 1'],
      ],
    },
  ],
  [
    'a suspension after its input was closed has seen what was pushed before',
    {
      seenEntries: 1,
      steps: [
        [live => live.head()],
        [live => live.data(sleep(1)), 'part: sleep 1'],
        [live => live.recorded()],
        [live => live.attempt.journaled(1, [command])],
        [live => live.attempt.journaled(2, [signal(17)]), '> SignalNotification 17'],
        [live => live.attempt.closeInput(), '> end of input'],
        [live => live.attempt.closeInput()],
        [live => live.attempt.journaled(3, [completed('sleep', 1)])],
        [live => live.data(suspension(1)), 'suspended; seen 3'],
      ],
    },
  ],
  [
    'a result while its input is open may have crossed with what was pushed',
    {
      steps: [
        [live => live.head()],
        [live => live.attempt.journaled(1, [signal(1)]), '> SignalNotification 1'],
        [live => live.data(errorFrame()), '> end of input', 'failed; seen 1'],
      ],
    },
  ],
  [
    'what follows the terminator is ignored',
    {
      steps: [
        [live => live.head()],
        [live => live.data(output(), end(), run(9)), '> end of input', 'completed with output; seen 1'],
        [live => live.data(run(8))],
        [live => live.attempt.journaled(1, [command])],
        [live => live.attempt.closeInput()],
        [live => live.events.onEnd(BROKEN)],
      ],
    },
  ],
  [
    'a handler that has ended and does not close its side is cut off',
    {
      steps: [
        [live => live.head()],
        [live => live.data(output(), end()), '> end of input', 'completed with output; seen 1'],
        [live => live.time.pass(4999)],
        [live => live.time.pass(1), '> reset'],
        [live => live.time.pass(60_000)],
      ],
    },
  ],
  [
    'an end without a terminator; what was whole is recorded',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1)), 'part: run 1'],
        [live => live.data(run(2), run(3).subarray(0, 4))],
        [live => live.events.onEnd(ENDED)],
        [live => live.recorded(), 'part: run 2'],
        [live => live.recorded(), '> reset', 'missing; seen 1'],
      ],
    },
  ],
  [
    'nothing at all',
    { steps: [[live => live.head()], [live => live.events.onEnd(ENDED), '> reset', 'missing; seen 1']] },
  ],
  [
    'a connection that breaks; what was whole is recorded',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1)), 'part: run 1'],
        [live => live.data(run(2))],
        [live => live.events.onEnd(BROKEN)],
        [live => live.recorded(), 'part: run 2'],
        [live => live.recorded(), '> reset', 'failed RT0010: reset by peer; seen 1'],
      ],
    },
  ],
  [
    'no connection, and what its host asks for',
    {
      steps: [
        [
          live => live.events.onEnd({ ...BROKEN, retryAfterMs: 7000, deterministic: true }),
          '> reset',
          'failed RT0010 in 7000 ms for good: reset by peer; seen 1',
        ],
      ],
    },
  ],
  [
    'bytes that are no frames',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1)), 'part: run 1'],
        [
          live => live.events.onData(new Uint8Array(8).fill(0xff)),
          '> reset',
          /^failed RT0003: A frame has 4294967295 bytes.*; seen 1$/,
        ],
        [live => live.recorded()],
      ],
    },
  ],
  [
    'a frame that handlers do not send',
    {
      steps: [
        [live => live.head()],
        [
          live => live.data(run(1), joined(new Uint8Array([0x80, 0x0c, 0, 0, 0, 0, 0, 0]))),
          '> reset',
          'failed RT0012: a handler may not send SleepCompletion; seen 1',
        ],
      ],
    },
  ],
  [
    'a part that no longer counts: the stream is cut, and nobody is told twice',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1)), 'part: run 1'],
        [live => live.data(run(2))],
        [live => live.recorded(false), '> reset'],
        [live => live.data(end())],
        [live => live.events.onEnd(ENDED)],
        [live => live.time.pass(60_000)],
      ],
    },
  ],
  [
    'an abort',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1)), 'part: run 1'],
        [live => live.attempt.abort(), '> reset'],
        [live => live.recorded()],
        [live => live.attempt.journaled(1, [command, completed('run', 1)])],
        [live => live.time.pass(60_000)],
      ],
    },
  ],
  [
    'silence closes the input, more silence ends it',
    {
      steps: [
        [live => live.head()],
        [live => live.time.pass(INACTIVITY_MS - 1)],
        [live => live.time.pass(1), '> end of input'],
        [live => live.time.pass(ABORT_MS - 1)],
        [
          live => live.time.pass(1),
          '> reset',
          'failed RT0001: the handler has sent nothing for 5000 ms (abort timeout); seen 1',
        ],
        [live => live.time.pass(60_000)],
      ],
    },
  ],
  [
    'a word from either side is no silence',
    {
      steps: [
        [live => live.time.pass(900)],
        [live => live.head()],
        [live => live.time.pass(900)],
        [live => live.data(awaitingOn(1))],
        [live => live.time.pass(900)],
        [live => live.attempt.journaled(1, [signal(17)]), '> SignalNotification 17'],
        [live => live.time.pass(999)],
        [live => live.time.pass(1), '> end of input'],
        [live => live.time.pass(4000)],
        [live => live.data(run(1).subarray(0, 4))],
        [live => live.time.pass(4999)],
        [live => live.data(run(1).subarray(4)), 'part: run 1'],
      ],
    },
  ],
  [
    'while a part is recorded nobody is waiting for the handler',
    {
      steps: [
        [live => live.head()],
        [live => live.data(run(1)), 'part: run 1'],
        [live => live.time.pass(60_000)],
        [live => live.recorded()],
        [live => live.time.pass(990)],
        [live => live.time.pass(30), '> end of input'],
      ],
    },
  ],
  [
    'an input that was closed on demand leaves the whole abort timeout',
    {
      steps: [
        [live => live.head()],
        [live => live.time.pass(500)],
        [live => live.attempt.closeInput(), '> end of input'],
        [live => live.time.pass(ABORT_MS - 1)],
        [
          live => live.time.pass(1),
          '> reset',
          'failed RT0001: the handler has sent nothing for 5000 ms (abort timeout); seen 1',
        ],
      ],
    },
  ],
])('%s', (_name, { steps, ...options }) => {
  const live = new Live(options);
  for (const [index, [act, ...lines]] of steps.entries()) {
    act(live);
    const expected = lines.map(line => (typeof line === 'string' ? line : expect.stringMatching(line)));
    expect(live.lines, `step ${index}`).toEqual(expected);
  }
});
