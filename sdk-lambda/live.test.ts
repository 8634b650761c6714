/** A live channel: what is told while the input is open, and what the server may answer. */
import { type DecodedFrame, decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Attempt } from './attempt.ts';
import { createEndpoint } from './endpoint.ts';
import { RestatePromise } from './index.ts';
import { drainMicrotasks, startHandler } from './invocation.ts';
import { type Handler, json, ran, requestBody, serviceOf, sleep, slept, text } from './journal.testkit.ts';
import { Machine } from './machine/machine.ts';

/** Frames of the server, or that its side is closed. */
type Chunk = readonly Uint8Array[] | 'closed';

const ack = (completionId: number) => encodeFrame('ProposeRunCompletionAck', { completionId });
const signal = (signalName: string) =>
  encodeFrame('SignalNotification', { signalName, value: json(signalName) });

/** What the handler answers to each chunk; a line of its own per chunk. */
async function conversation(
  version: number,
  handler: Handler,
  chunks: readonly Chunk[],
  entries?: Uint8Array[],
) {
  const service = createEndpoint([serviceOf(handler)]).service('S');
  const defined = service?.handler('h');
  if (service === undefined || defined === undefined) throw new Error('no handler');
  const machine = new Machine(version);
  const attempt = new Attempt(machine, { now: () => 0, defer: drainMicrotasks, options: {} });
  attempt.notify(decodeFrames(requestBody(entries === undefined ? {} : { entries })));
  startHandler(attempt, service, defined, {});
  const lines: string[] = [];
  for (const chunk of [[], ...chunks]) {
    if (chunk === 'closed') attempt.inputClosed();
    else for (const frame of chunk) attempt.notify(decodeFrames(frame));
    for (let i = 0; i < 20; i++) await new Promise<void>(drainMicrotasks);
    lines.push(decodeFrames(machine.takeOutput()).map(decodeFrame).map(show).join(', '));
  }
  if (!machine.over) attempt.inputClosed();
  return lines;
}

function show({ name, message }: DecodedFrame): string {
  switch (name) {
    case 'AwaitingOn':
    case 'Suspension': {
      const { waitingCompletions, nestedFutures } = message.awaitingOn ?? {};
      const nested = nestedFutures?.map(future => `[${future.waitingCompletions}]`).join('') ?? '';
      return `${name} ${waitingCompletions ?? 'flat'}${nested}`;
    }
    case 'OutputCommand':
      return `Output ${text(message.value)}`;
    case 'Error':
      return `Error ${message.code}`;
    case 'ProposeRunCompletion':
      return `Proposal ${message.resultCompletionId}`;
    default:
      return name.replace('Command', '');
  }
}

const run: Handler = async ctx => ctx.run('a', () => 'A');
const two: Handler = async ctx => RestatePromise.race([ctx.run('a', () => 'A'), ctx.run('b', () => 'B')]);

test.each<[string, number, Handler, readonly Chunk[], readonly string[]]>([
  [
    'an acknowledgement is the result',
    7,
    run,
    [[ack(1)]],
    ['Run, Proposal 1, AwaitingOn 1', 'Output "A", End'],
  ],
  ['so is the result itself', 7, run, [[ran(1, 'A')]], ['Run, Proposal 1, AwaitingOn 1', 'Output "A", End']],
  ['and before protocol 7 nothing else', 6, run, [[ran(1, 'A')]], ['Run, Proposal 1', 'Output "A", End']],
  [
    'acknowledgements have their place among the notifications',
    7,
    two,
    [[ack(2), ack(1)]],
    ['Run, Run, Proposal 1, Proposal 2, AwaitingOn [1,2]', 'Output "B", End'],
  ],
  ['an acknowledgement of nothing', 7, run, [[ack(2)]], ['Run, Proposal 1, AwaitingOn 1', 'Error 571']],
  [
    'a second acknowledgement',
    7,
    async ctx => {
      await run(ctx, undefined);
      await ctx.sleep(1);
    },
    [[ack(1)], [ack(1)]],
    ['Run, Proposal 1, AwaitingOn 1', 'Sleep, AwaitingOn 2', 'Error 571'],
  ],
  ['an acknowledgement before protocol 7', 6, run, [[ack(1)]], ['Run, Proposal 1', 'Error 571']],
  [
    'a result that is not acknowledged in time is waited for',
    7,
    run,
    ['closed'],
    ['Run, Proposal 1, AwaitingOn 1', 'Suspension 1'],
  ],
  [
    'what is awaited is told when it changes',
    7,
    async ctx => RestatePromise.all([ctx.sleep(1), ctx.sleep(2)]),
    [[signal('nobody')], [slept(2)], [signal('nobody')], 'closed'],
    ['Sleep, Sleep, AwaitingOn [1,2]', '', 'AwaitingOn [1]', '', 'Suspension [1]'],
  ],
  [
    'and not before protocol 7',
    6,
    async ctx => ctx.sleep(1),
    [[signal('nobody')], 'closed'],
    ['Sleep', '', 'Suspension flat'],
  ],
  [
    'while a closure executes nothing is told',
    7,
    async ctx =>
      ctx.run('a', async () => {
        for (let i = 0; i < 30; i++) await new Promise<void>(drainMicrotasks);
        return 'A';
      }),
    [[], []],
    ['Run', 'Proposal 1, AwaitingOn 1', ''],
  ],
])('%s', async (_name, version, handler, chunks, lines) => {
  expect(await conversation(version, handler, chunks)).toEqual(lines);
});

test('a recorded run without its result is executed once the journal is used up', async () => {
  const entries = [sleep(1), encodeFrame('RunCommand', { resultCompletionId: 2, name: 'a' }), slept(1)];
  const handler: Handler = async ctx => {
    await ctx.sleep(1);
    return ctx.run('a', () => 'A');
  };
  expect(await conversation(7, handler, [[ack(2)]], entries)).toEqual([
    'Proposal 2, AwaitingOn 2',
    'Output "A", End',
  ]);
});

test.each<[string, (sleeps: RestatePromise<void>[]) => Promise<unknown>]>([
  ['together', sleeps => RestatePromise.all(sleeps)],
  ['each', sleeps => Promise.all(sleeps)],
])(
  'of many things awaited %s the server is told once, and again when others are awaited',
  async (_how, all) => {
    const handler: Handler = async ctx => {
      await all(Array.from({ length: 100 }, () => ctx.sleep(1)));
      await ctx.sleep(1);
    };
    const chunks = Array.from({ length: 100 }, (_, i) => [slept(i + 1)]);
    const lines = await conversation(7, handler, chunks);
    expect(lines.map(line => line.match(/AwaitingOn/g)?.length ?? 0)).toEqual([
      1,
      ...chunks.slice(1).map(() => 0),
      1,
    ]);
  },
);
