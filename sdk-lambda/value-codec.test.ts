/** Where a codec is applied, what it is told of each value, and what becomes of attempts when it fails. */
import { contentTypeOf, type DecodedFrame, decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { aesGcmCodec } from './aes-gcm.ts';
import {
  createEndpointHandler,
  type InvocationId,
  type JournalValueCodec,
  serde,
  type ValuePlace,
  type WorkflowContext,
  workflow,
} from './index.ts';
import {
  type AttemptResult,
  attempt,
  childId,
  type JournalSpec,
  json,
  liveAttempt,
  ran,
  requestBody,
  runCommand,
  slept,
  text,
  utf8,
} from './journal.testkit.ts';

const SECRET = 'a secret of somebody';
const ME = 'inv_1test';
const start = { key: 'k' };
type Handler = (ctx: WorkflowContext, input: unknown) => unknown;
const of = (h: Handler) =>
  workflow({ name: 'W', handlers: { run: async (ctx: WorkflowContext, input: unknown) => h(ctx, input) } });
const INPUT: ValuePlace = ['input', 'W', 'run', 'k'];
const run = (h: Handler, journal: JournalSpec & { readonly codec: JournalValueCodec }) =>
  attempt(of(h), 'run', { start, input: journal.codec.encode(new Uint8Array(), INPUT), ...journal });

const KEYS = { k1: new Uint8Array(32).fill(1), k2: new Uint8Array(32).fill(2) };
const aes = aesGcmCodec({ keys: KEYS, current: 'k1' });
const reversed = (bytes: Uint8Array) => bytes.slice().reverse();
const turned = (place: ValuePlace, bytes: Uint8Array) => Buffer.concat([json(place), reversed(bytes)]);
/** Whose `decode` takes its time, and which is another one at each place. */
const slow: JournalValueCodec = {
  encode: (value, place) => turned(place, value),
  decode: async (value, place) => {
    await new Promise(resolve => setImmediate(resolve));
    const head = json(place);
    if (text(value.subarray(0, head.length)) !== text(head)) throw new Error('another place');
    return reversed(value.subarray(head.length));
  },
};

interface Kind {
  readonly write: Handler;
  readonly place: ValuePlace;
  readonly read: Handler;
  /** What the server has for the reader, given what the writer wrote. */
  readonly journal: (value: Uint8Array) => {
    readonly start?: NonNullable<JournalSpec['start']>;
    readonly input?: Uint8Array;
    readonly notifications?: readonly Uint8Array[];
  };
}

const W = (ctx: WorkflowContext) =>
  ctx.workflowClient<{ run: (ctx: never, input: unknown) => Promise<unknown> }>({ name: 'W' }, 'k');
const stateOf = (value: Uint8Array) => ({ stateMap: [{ key: utf8('a'), value }] });
const signal = (id: object) => (value: Uint8Array) => ({
  notifications: [encodeFrame('SignalNotification', { ...id, value })],
});
const AWAKEABLE = `sign_1${Buffer.from([...new Uint8Array(24).fill(7), 0, 0, 0, 17]).toString('base64url')}`;

const KINDS: Readonly<Record<string, Kind>> = {
  'a run': {
    write: ctx => ctx.run('r', () => SECRET),
    place: ['run', ME, 1],
    read: ctx => ctx.run('r', () => SECRET),
    journal: value => ({ notifications: [encodeFrame('RunCompletion', { completionId: 1, value })] }),
  },
  'another run': {
    write: async ctx => {
      void ctx.sleep(1);
      return ctx.run('r', () => SECRET);
    },
    place: ['run', ME, 2],
    read: async ctx => {
      void ctx.sleep(1);
      return ctx.run('r', () => SECRET);
    },
    journal: value => ({ notifications: [encodeFrame('RunCompletion', { completionId: 2, value })] }),
  },
  'state that came along': {
    write: ctx => ctx.set('a', SECRET),
    place: ['state', 'W', 'k', 'a'],
    read: ctx => ctx.get('a'),
    journal: value => ({ start: { ...start, partialState: false, ...stateOf(value) } }),
  },
  'state that is fetched': {
    write: ctx => ctx.set('b', SECRET),
    place: ['state', 'W', 'k', 'b'],
    read: ctx => ctx.get('b'),
    journal: value => ({
      notifications: [encodeFrame('GetLazyStateCompletion', { completionId: 1, value })],
    }),
  },
  'an awakeable': {
    write: ctx => ctx.resolveAwakeable(AWAKEABLE, SECRET),
    place: ['awakeable', AWAKEABLE],
    read: ctx => ctx.awakeable().promise,
    journal: signal({ signalId: 17 }),
  },
  'a signal': {
    write: ctx =>
      ctx
        .invocation(ME as InvocationId)
        .signal('s')
        .resolve(SECRET),
    place: ['signal', ME, 's'],
    read: ctx => ctx.signal('s'),
    journal: signal({ signalName: 's' }),
  },
  'a promise': {
    write: ctx => ctx.promise('p').resolve(SECRET),
    place: ['promise', 'W', 'k', 'p'],
    read: ctx => ctx.promise('p'),
    journal: value => ({ notifications: [encodeFrame('GetPromiseCompletion', { completionId: 1, value })] }),
  },
  'a promise that is looked at': {
    write: ctx => ctx.promise('q').resolve(SECRET),
    place: ['promise', 'W', 'k', 'q'],
    read: ctx => ctx.promise('q').peek(),
    journal: value => ({ notifications: [encodeFrame('PeekPromiseCompletion', { completionId: 1, value })] }),
  },
  'the input of a call': {
    write: ctx => W(ctx).run(SECRET),
    place: INPUT,
    read: (_ctx, input) => input,
    journal: input => ({ input }),
  },
  'the input of a generic send': {
    write: ctx => ctx.genericSend({ service: 'W', method: 'run', key: 'k', parameter: json(SECRET) }),
    place: INPUT,
    read: (_ctx, input) => input,
    journal: input => ({ input }),
  },
  'the output, called': {
    write: async () => SECRET,
    place: ['output', ME],
    read: ctx => W(ctx).run(1),
    journal: value => ({
      notifications: [childId(1, ME), encodeFrame('CallCompletion', { completionId: 2, value })],
    }),
  },
  'the output, attached to': {
    write: async () => SECRET,
    place: ['output', ME],
    read: ctx => ctx.attach(ME as InvocationId, serde.json),
    journal: value => ({
      notifications: [encodeFrame('AttachInvocationCompletion', { completionId: 1, value })],
    }),
  },
};

/** The value in what an attempt wrote that is not its answer. */
function writtenValue({ frames }: AttemptResult): Uint8Array {
  const values = frames.flatMap(({ message }) => {
    const { value, parameter, completionValue } = message as Record<string, unknown>;
    return [value, parameter, completionValue].filter(each => each instanceof Uint8Array);
  });
  const [first] = values;
  if (first === undefined) throw new Error('nothing was written');
  return first;
}

async function readBack({ read, journal }: Kind, codec: JournalValueCodec, value: Uint8Array) {
  const { notifications = [], ...rest } = journal(value);
  const first = await run(read, { codec, ...rest });
  return notifications.length === 0
    ? first
    : run(read, { codec, ...rest, entries: [...first.commands, ...notifications] });
}

function resultOf(frames: readonly DecodedFrame[], decode: (value: Uint8Array) => unknown): unknown {
  for (const { name, message } of frames) {
    if (name === 'OutputCommand') return decode(message.value ?? new Uint8Array());
    if (name === 'Error') return `${message.code} ${message.message}`;
  }
  return undefined;
}

test.each(Object.entries(KINDS))('%s is coded, at its place', async (_name, kind) => {
  const written = writtenValue(await run(kind.write, { codec: aes }));
  expect(text(aes.decode(written, kind.place) as Uint8Array)).toBe(JSON.stringify(SECRET));
  const read = await readBack(kind, aes, written);
  expect(text(resultOf(read.frames, value => aes.decode(value, ['output', ME])) as Uint8Array)).toBe(
    JSON.stringify(SECRET),
  );
  const slowly = await readBack(kind, slow, turned(kind.place, json(SECRET)));
  expect(resultOf(slowly.frames, text)).toBe(text(turned(['output', ME], json(SECRET))));
});

test('a value of another place is refused, the attempt is retried, and user code cannot go on', async () => {
  for (const [from, { write, place }] of Object.entries(KINDS)) {
    for (const [to, kind] of Object.entries(KINDS)) {
      if (String(kind.place) === String(place)) continue;
      for (const [codec, value] of [
        [aes, writtenValue(await run(write, { codec: aes }))],
        [slow, turned(place, json(SECRET))],
      ] as const) {
        const read = async (ctx: WorkflowContext, input: unknown) => {
          try {
            return await kind.read(ctx, input);
          } catch {
            ctx.clear('a');
            return 'compensated';
          }
        };
        const { frames, terminator } = await readBack({ ...kind, read }, codec, value);
        expect(resultOf(frames, text), `${from} as ${to}`).toMatch(
          new RegExp(`^500 The codec failed at ${kind.place.join(' ')}: .*HF_SDK_CODEC`),
        );
        expect(terminator.name === 'Error' && terminator.message.behavior).toBe(0);
      }
    }
  }
});

test.each<[string, JournalValueCodec['decode'], string]>([
  ['nothing', () => undefined as never, 'Error 500'],
  [
    'a promise of another kind',
    // biome-ignore lint/suspicious/noThenProperty: such promises exist
    value => ({ then: (done: (value: Uint8Array) => void) => done(value) }) as never,
    'End',
  ],
])('a codec that decodes to %s', async (_name, decode, end) => {
  const read = async (ctx: WorkflowContext) => ctx.run('r', () => 0).catch(() => 'caught');
  const codec: JournalValueCodec = { encode: value => value, decode };
  const { terminator } = await run(read, { codec, entries: [runCommand(1, 'r'), ran(1, 1)] });
  expect([terminator.name, terminator.name === 'Error' && terminator.message.code].join(' ')).toMatch(end);
});

// ---- replay

const steps = (what: unknown) => async (ctx: WorkflowContext) => {
  ctx.set('a', what);
  void ctx.promise('p').resolve(what);
  void W(ctx).run(what);
  ctx.resolveAwakeable(AWAKEABLE, what);
  ctx
    .invocation('inv_1other' as InvocationId)
    .signal('s')
    .resolve(what);
  await ctx.sleep(1);
  return what;
};
let salt = 0;
const salted: JournalValueCodec = {
  encode: value => Buffer.concat([Uint8Array.of(++salt), value]),
  decode: value => value.subarray(1),
};
const COMPARED = 'Error 570';

test.each<[string, JournalValueCodec, JournalValueCodec, unknown, string]>([
  ['the same', aes, aes, 1, 'End'],
  ['another value', aes, aes, 2, COMPARED],
  ['the same after a rotation', aes, aesGcmCodec({ keys: KEYS, current: 'k2' }), 1, 'End'],
  ['another value after a rotation', aes, aesGcmCodec({ keys: KEYS, current: 'k2' }), 2, 'End'],
  ['the same, of a codec that does not compare', salted, salted, 1, 'End'],
  ['another value, of a codec that does not compare', salted, salted, 2, 'End'],
  ['a codec that was switched on', salted, aes, 1, 'End'],
])('replay of %s', async (_name, before, now, what, end) => {
  const { commands } = await run(steps(1), { codec: before });
  const { terminator } = await run(steps(what), { codec: now, entries: [...commands, slept(4)] });
  expect([terminator.name, terminator.name === 'Error' && terminator.message.code].join(' ')).toMatch(end);
});

test('what is not a value is compared with any codec', async () => {
  const { commands } = await run(ctx => ctx.set('a', 1), { codec: salted });
  const { terminator } = await run(ctx => ctx.set('b', 1), { codec: salted, entries: commands });
  expect(terminator).toMatchObject({ name: 'Error', message: { code: 570 } });
});

// ---- decoding that takes its time

test('values are handed over in the order of the journal, however long each takes to decode', async () => {
  const delays = [9, 1, 5, 0, 3];
  const codec: JournalValueCodec = {
    encode: value => value,
    decode: async value => {
      for (let tick = delays[value.at(-1) ?? 0] ?? 0; tick > 0; tick--) await null;
      return value;
    },
  };
  const ids = [1, 2, 3, 4];
  const program: Handler = async ctx => {
    const trace: unknown[] = [];
    const runs = ids.map(id => ctx.run(`${id}`, () => new Uint8Array([id]), { serde: serde.binary }));
    await Promise.all(
      runs.map(async each => {
        trace.push(...(await each));
        if (trace.length === 1) await ctx.sleep(1);
        trace.push('then', ...(await each));
      }),
    );
    return trace;
  };
  const { commands } = await run(program, { codec });
  const done = [3, 1, 4, 2].map(id =>
    encodeFrame('RunCompletion', { completionId: id, value: new Uint8Array([id]) }),
  );
  // The sleep is the first step after the first result.
  const sleep = encodeFrame('SleepCommand', { wakeUpTime: 1, resultCompletionId: 5 });
  const all = [...done, slept(5)];
  const whole = await run(program, { codec, entries: [...commands, sleep, ...all] });
  const live = await liveAttempt(
    of(program),
    'run',
    { codec, start },
    all.map(frame => ({ drains: 2, frames: [frame] })),
  );
  for (const { frames } of [whole, live])
    expect(resultOf(frames, value => JSON.parse(text(value)))).toEqual([
      3,
      1,
      'then',
      1,
      4,
      'then',
      4,
      2,
      'then',
      2,
      'then',
      3,
    ]);
});

// ---- the provider

const event = {
  path: '/invoke/W/run',
  headers: { 'content-type': contentTypeOf(6) },
  body: Buffer.from(requestBody({ start, input: aes.encode(json(1), INPUT) })).toString('base64'),
  isBase64Encoded: true,
};

test('the provider is asked before the first attempt, once; and again after it has failed', async () => {
  let asked = 0;
  const handler = createEndpointHandler({
    services: [of((_ctx, input) => input)],
    journalValueCodecProvider: async () => {
      if (++asked === 1) throw new Error('no key today');
      return aes;
    },
  });
  expect((await handler({ ...event, path: '/discover' }, {})).statusCode).toBe(415);
  expect(asked).toBe(0);
  const failed = await handler(event, {});
  const [frame] = decodeFrames(Buffer.from(failed.body, 'base64')).map(decodeFrame);
  expect(frame).toMatchObject({
    name: 'Error',
    message: { message: expect.stringMatching(/no key today.*HF_SDK_CODEC/), behavior: 0 },
  });
  for (const { body } of await Promise.all([handler(event, {}), handler(event, {})])) {
    const frames = decodeFrames(Buffer.from(body, 'base64')).map(decodeFrame);
    expect(text(resultOf(frames, value => aes.decode(value, ['output', ME])) as Uint8Array)).toBe('1');
  }
  expect(asked).toBe(2);
});

test.each<[string, Handler]>([
  ['of a run', ctx => ctx.run('r', () => SECRET, { maxRetryAttempts: 1 })],
  ['of state', ctx => ctx.set('a', 1)],
  ['of a call', ctx => W(ctx).run(1)],
  ['of the output', async () => 1],
])('an encoder that fails fails the attempt: %s', async (_name, h) => {
  let isBroken = false;
  const codec: JournalValueCodec = {
    encode(value) {
      if (isBroken) throw new Error('no');
      isBroken = true;
      return value;
    },
    decode: value => value,
  };
  const { frames } = await run(h, { codec });
  expect(resultOf(frames, text)).toMatch(/^500 The codec failed at .*: no\. .*HF_SDK_CODEC/);
  expect(frames.map(({ name }) => name)).not.toContain('ProposeRunCompletion');
});
