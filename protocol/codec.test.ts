import { expect, test } from 'vitest';
import { decodeFrames, type Frame, FrameDecoder, REQUESTED_ACK } from './codec.ts';
import { MAX_ELEMENTS } from './decode.ts';
import { MAX_NESTING } from './encode.ts';
import { ProtocolError } from './error.ts';
import { BYTES, MESSAGE, TIME, UINT64, VALUE, VOID } from './kinds.ts';
import {
  decodeFrame,
  decodeMessage,
  encodeFrame,
  type MessageName,
  messages,
  NamedFrameWriter,
  nameOfType,
} from './named.ts';
import { type Plan, planOf } from './plan.ts';
import { CombinatorType, ErrorBehavior, type Future } from './schema.ts';
import { capturedBodies, capturedFrames } from './vectors.testkit.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/[ |]/g, ''), 'hex'));

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 'none';
}

/** A decoded message as the captures print it: defaults left out, times as text, bytes in hex. */
function printed({ fields }: Plan, message: { readonly [name: string]: unknown }): object {
  const lines: [string, unknown][] = [];
  for (const field of fields) {
    const { name } = field;
    const value = message[name];
    if (value === undefined) continue;
    const isList = Array.isArray(value);
    const empty = isList || value instanceof Uint8Array ? value.length === 0 : !value;
    if (empty && (field.repeated || !field.explicit)) continue;
    const one = (each: unknown): unknown => {
      if (name === 'combinatorType') return keyOf(CombinatorType, each);
      if (name === 'behavior') return keyOf(ErrorBehavior, each);
      if (field.kind === MESSAGE) return printed(field.nested as Plan, each as typeof message);
      if (field.kind === BYTES) return { hex: hex(each as Uint8Array) };
      if (field.kind === VALUE) {
        return (each as Uint8Array).length === 0 ? {} : { content: { hex: hex(each as Uint8Array) } };
      }
      if (field.kind === VOID) return {};
      return field.kind === TIME || field.kind === UINT64 ? String(each) : each;
    };
    lines.push([snake(name), isList ? value.map(one) : one(value)]);
  }
  return Object.fromEntries(lines);
}

const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
const keyOf = (table: object, value: unknown): string | undefined =>
  Object.entries(table)
    .find(([, each]) => each === value)?.[0]
    .replace(/(?<=[a-z])(?=[A-Z])/g, '_')
    .toUpperCase();

/** What the capture printed, with all bytes in hex and without the remarks in its field names. */
function expectedOf(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(expectedOf);
  const entries = Object.entries(json);
  if (entries.length === 1 && entries[0]?.[0] === 'utf8')
    return { hex: hex(Buffer.from(String(entries[0][1]))) };
  return Object.fromEntries(entries.map(([key, value]) => [key.replace('(V<=6)', ''), expectedOf(value)]));
}

test('the captured frames cover the protocol', () => {
  expect(capturedFrames.length).toBe(1618);
  expect(new Set(capturedFrames.map(frame => frame.type)).size).toBe(39);
  expect(capturedBodies.length).toBeGreaterThan(350);
});

test('every captured frame decodes to what the capture shows, and encodes to its bytes', () => {
  for (const captured of capturedFrames) {
    const [frame] = decodeFrames(captured.bytes);
    if (frame === undefined) throw new Error('no frame');
    const { name, message } = decodeFrame(frame);
    const where = `${captured.file} ${captured.name} ${hex(captured.bytes)}`;
    expect(name, where).toBe(captured.name.replace(/(?<=Completion)Notification$/, ''));
    expect([frame.type, frame.flags], where).toEqual([Number(captured.type), Number(captured.flags)]);
    expect(printed(planOf(messages[name].fields), message), where).toEqual(expectedOf(captured.message));
    expect(hex(encodeFrame(name, message, frame.flags)), where).toBe(hex(captured.bytes));
  }
});

const shape = (frames: readonly Frame[]) =>
  frames.map(({ type, flags, payload, bytes }) => `${type} ${flags} ${hex(payload)} ${hex(bytes)}`);

test('every captured body splits into its frames, however it is cut, and is written in one piece', () => {
  for (const { body, frames } of capturedBodies) {
    const whole = decodeFrames(body);
    expect(whole.map(frame => hex(frame.bytes))).toEqual(frames.map(frame => hex(frame.bytes)));

    const writer = new NamedFrameWriter();
    for (const frame of whole) {
      const { name, message } = decodeFrame(frame);
      writer.frame(name, message, frame.flags);
    }
    expect(hex(writer.finish())).toBe(hex(body));
  }
  const sample = capturedBodies.filter(({ body }) => body.length < 700).slice(0, 40);
  for (const { body } of sample) {
    const expected = shape(decodeFrames(body));
    for (let cut = 0; cut <= body.length; cut++) {
      const decoder = new FrameDecoder();
      const frames = [...decoder.push(body.subarray(0, cut)), ...decoder.push(body.subarray(cut))];
      decoder.end();
      if (shape(frames).join() !== expected.join()) throw new Error(`cut at ${cut}: ${hex(body)}`);
    }
    for (const size of [1, 3, 8, 100]) {
      const decoder = new FrameDecoder();
      const frames: Frame[] = [];
      for (let at = 0; at < body.length; at += size)
        frames.push(...decoder.push(body.subarray(at, at + size)));
      decoder.end();
      expect(shape(frames)).toEqual(expected);
    }
  }
});

/** Bytes that protobuf allows although no peer was seen to send them. */
const tolerated: readonly [
  what: string,
  name: MessageName,
  payload: string,
  field: string,
  value: unknown,
][] = [
  ['packed list', 'Suspension', '0a03 01 8001', 'waitingCompletions', [1, 128]],
  ['list one by one', 'Suspension', '0801 088001', 'waitingCompletions', [1, 128]],
  ['both', 'Suspension', '0a0101 0802', 'waitingCompletions', [1, 2]],
  ['empty packed list', 'Suspension', '0a00', 'waitingCompletions', []],
  ['uint32 modulo 2^32', 'CommandAck', '08 8180808010', 'commandIndex', 1],
  ['longest varint', 'CommandAck', '08 ffffffffffffffffff01', 'commandIndex', 0xffffffff],
  ['varint longer than needed', 'CommandAck', '08 818000', 'commandIndex', 1],
  ['tag longer than needed', 'CommandAck', '8800 07', 'commandIndex', 7],
  ['bool above 1', 'Start', '28 8080808010', 'partialState', true],
  ['time at 2^53-1', 'SleepCommand', '08 ffffffffffffff0f', 'wakeUpTime', Number.MAX_SAFE_INTEGER],
  ['time above it', 'SleepCommand', '08 8080808080808010', 'wakeUpTime', Number.MAX_SAFE_INTEGER],
  ['largest time', 'SleepCommand', '08 ffffffffffffffffff01', 'wakeUpTime', Number.MAX_SAFE_INTEGER],
  ['u64 exact', 'Start', '48 ffffffffffffffffff01', 'randomSeed', 0xffffffffffffffffn],
  ['last scalar stays', 'RunCommand', '5801 5802', 'resultCompletionId', 2],
  ['oneof: last stays', 'OutputCommand', '7a00 72030a0141', 'value', Buffer.from('A')],
  ['oneof: first is gone', 'OutputCommand', '7a00 72030a0141', 'failure', undefined],
  ['two oneofs are two', 'SleepCompletion', '0801 2200', 'completionId', 1],
  ['value merges', 'OutputCommand', '72030a0141 7200', 'value', Buffer.from('A')],
  ['value is emptied', 'OutputCommand', '72030a0141 72020a00', 'value', Buffer.from('')],
  ['unknown varint', 'RunCommand', 'f80601 5801', 'resultCompletionId', 1],
  ['unknown fixed', 'RunCommand', 'f9060000000000000000 fd0600000000 5801', 'resultCompletionId', 1],
  ['unknown bytes', 'RunCommand', 'fa06020000 5801', 'resultCompletionId', 1],
  ['unknown field in Void', 'SleepCompletion', '2202 0801', 'void', true],
  ['byte order mark is text', 'RunCommand', '6203efbbbf', 'name', '\ufeff'],
];

test.each(tolerated)('accepted: %s', (_, name, payload, field, value) => {
  const message = decodeMessage(name, fromHex(payload)) as { [field: string]: unknown };
  const got = message[field];
  expect(got instanceof Uint8Array ? hex(got) : got).toEqual(
    value instanceof Uint8Array ? hex(value) : value,
  );
});

const future = (depth: number): Future => {
  const leaf = { waitingCompletions: [], waitingSignals: [1], waitingNamedSignals: [], nestedFutures: [] };
  let tree: Future = { ...leaf, combinatorType: 1 };
  for (let i = 1; i < depth; i++) tree = { ...tree, waitingSignals: [], nestedFutures: [tree] };
  return tree;
};

/** A future of any depth inside a suspension, by hand: the encoder would refuse it. */
function futureBytes(depth: number): Uint8Array {
  let inner: number[] = [];
  for (let i = 0; i < depth; i++) {
    const { length } = inner;
    const size = length < 0x80 ? [length] : [(length & 0x7f) | 0x80, (length >> 7) & 0x7f];
    if (length >= 0x4000) throw new Error('too deep for two bytes of length');
    inner = [0x22, ...size, ...inner];
  }
  return Uint8Array.from(inner);
}

const huge = (length: number) =>
  Uint8Array.from([0x0a, 0xff, 0xff, 0xff, 0x0f, ...new Array(length).fill(1)]);

/** Field 1 of `Suspension`, packed: `count` elements of one byte. */
function packed(count: number): Uint8Array {
  const bytes = new Uint8Array(5 + count).fill(1);
  bytes.set([
    0x0a,
    (count & 0x7f) | 0x80,
    ((count >> 7) & 0x7f) | 0x80,
    ((count >> 14) & 0x7f) | 0x80,
    count >> 21,
  ]);
  return bytes;
}

const refused: readonly [what: string, code: string, name: MessageName, payload: Uint8Array][] = [
  ['a length of 4 GiB', 'HF_PROTOCOL_MALFORMED', 'Suspension', huge(3)],
  ['a length of 2^32', 'HF_PROTOCOL_MALFORMED', 'RunCommand', fromHex('62 8080808010')],
  ['a length one too long', 'HF_PROTOCOL_MALFORMED', 'RunCommand', fromHex('6201')],
  ['an inner length beyond the outer', 'HF_PROTOCOL_MALFORMED', 'OutputCommand', fromHex('72020a01 6200')],
  ['an inner varint beyond the outer', 'HF_PROTOCOL_MALFORMED', 'Suspension', fromHex('0a0180 0801')],
  ['a tag without a value', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('08')],
  ['a varint cut short', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('0880')],
  ['a varint of 65 bits', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('08ffffffffffffffffff02')],
  ['a varint of 11 bytes', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('088080808080808080808000')],
  ['a tag of 33 bits', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('888080801001')],
  ['a tag of 6 bytes', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('88808080800001')],
  ['field number 0', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('0001')],
  ['another wire type', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('0a0101')],
  ['text for a list', 'HF_PROTOCOL_MALFORMED', 'Suspension', fromHex('1801')],
  ['wire type 6', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('fe06')],
  ['an unknown group', 'HF_PROTOCOL_MALFORMED', 'RunCommand', fromHex('fb06 0801 fc06 5801')],
  ['an end without group', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('fc06')],
  ['an unknown fixed cut short', 'HF_PROTOCOL_MALFORMED', 'CommandAck', fromHex('fd06000000')],
  ['text that is not UTF-8', 'HF_PROTOCOL_MALFORMED', 'RunCommand', fromHex('6202c3 28')],
  ['a surrogate in UTF-8', 'HF_PROTOCOL_MALFORMED', 'RunCommand', fromHex('6203eda080')],
  ['long text that is not UTF-8', 'HF_PROTOCOL_MALFORMED', 'RunCommand', fromHex(`6228${'41'.repeat(39)}ff`)],
  ['a future too deep', 'HF_PROTOCOL_NESTING', 'Suspension', futureBytes(MAX_NESTING + 1)],
  ['a future far too deep', 'HF_PROTOCOL_NESTING', 'Suspension', futureBytes(5000)],
  ['nothing but groups', 'HF_PROTOCOL_MALFORMED', 'End', new Uint8Array(100_000).fill(0x0b)],
  ['too many packed elements', 'HF_PROTOCOL_TOO_LARGE', 'Suspension', packed(MAX_ELEMENTS + 1)],
  [
    'too many empty headers',
    'HF_PROTOCOL_TOO_LARGE',
    'InputCommand',
    new Uint8Array(2 * (MAX_ELEMENTS + 1)).map((_, i) => (i % 2 === 0 ? 0x0a : 0)),
  ],
];

test.each(refused)('refused: %s', (_, code, name, payload) => {
  expect(codeOf(() => decodeMessage(name, payload))).toBe(code);
});

test('as many elements and levels as the bounds say are decoded', () => {
  expect(decodeMessage('Suspension', packed(MAX_ELEMENTS)).waitingCompletions.length).toBe(MAX_ELEMENTS);
  const deep = future(MAX_NESTING);
  const frame = encodeFrame('Suspension', { awaitingOn: deep });
  let level: Future | undefined = decodeMessage('Suspension', frame.subarray(8)).awaitingOn;
  let depth = 0;
  for (; level !== undefined; depth++) {
    expect(level.waitingSignals).toEqual(level.nestedFutures.length === 0 ? [1] : []);
    level = level.nestedFutures[0];
  }
  expect(depth).toBe(MAX_NESTING);
});

const unencodable: readonly [what: string, code: string, encode: () => unknown][] = [
  ['a negative index', 'HF_PROTOCOL_VALUE', () => encodeFrame('CommandAck', { commandIndex: -1 })],
  ['a fraction', 'HF_PROTOCOL_VALUE', () => encodeFrame('CommandAck', { commandIndex: 1.5 })],
  ['an index of 2^32', 'HF_PROTOCOL_VALUE', () => encodeFrame('CommandAck', { commandIndex: 2 ** 32 })],
  ['no number at all', 'HF_PROTOCOL_VALUE', () => encodeFrame('SleepCommand', { wakeUpTime: Number.NaN })],
  ['a time before 1970', 'HF_PROTOCOL_VALUE', () => encodeFrame('SleepCommand', { wakeUpTime: -5 })],
  ['a time of 2^53', 'HF_PROTOCOL_VALUE', () => encodeFrame('SleepCommand', { wakeUpTime: 2 ** 53 })],
  ['a seed of 2^64', 'HF_PROTOCOL_VALUE', () => encodeFrame('Start', { randomSeed: 1n << 64n })],
  [
    'text where bytes belong',
    'HF_PROTOCOL_VALUE',
    () => encodeFrame('InputCommand', { value: 'text' as never }),
  ],
  ['a bad list', 'HF_PROTOCOL_VALUE', () => encodeFrame('Suspension', { waitingSignals: [1, -1] })],
  [
    'two results',
    'HF_PROTOCOL_VALUE',
    () =>
      encodeFrame('OutputCommand', {
        value: new Uint8Array(1),
        failure: { code: 1, message: '', metadata: [] },
      }),
  ],
  [
    'a future too deep',
    'HF_PROTOCOL_NESTING',
    () => encodeFrame('Suspension', { awaitingOn: future(MAX_NESTING + 1) }),
  ],
  ['an unknown name', 'HF_PROTOCOL_UNKNOWN_TYPE', () => encodeFrame('Nonsense' as 'End', {})],
];

test.each(unencodable)('not encoded: %s', (_, code, encode) => {
  expect(codeOf(encode)).toBe(code);
});

test('canonical: implicit defaults are left out, optional ones are written even when empty', () => {
  const empty = { serviceName: '', parameter: new Uint8Array(0), headers: [], resultCompletionId: 0 };
  expect(hex(encodeFrame('CallCommand', { ...empty, idempotencyKey: '', scope: undefined as never }))).toBe(
    '040d000000000002 3200'.replace(' ', ''),
  );
  expect(hex(encodeFrame('OutputCommand', { value: new Uint8Array(0) }))).toBe('04010000000000027200');
  expect(hex(encodeFrame('Error', { nextRetryDelay: 0, relatedCommandIndex: 0 }))).toBe(
    '000200000000000420004000',
  );
  expect(hex(encodeFrame('ProposeRunCompletion', { resultCompletionId: 1 }, REQUESTED_ACK))).toBe(
    '00058000000000020801',
  );
});

test('an unpaired surrogate becomes the replacement character instead of failing the report it is in', () => {
  const { message } = decodeMessage('Error', encodeFrame('Error', { message: 'a\ud800b' }).subarray(8));
  expect(message).toBe('a\ufffdb');
});

test('bytes are views, and later frames leave earlier ones alone', () => {
  const parameter = new Uint8Array(3000).fill(7);
  const frames = [1, 2, 3].map(resultCompletionId =>
    encodeFrame('CallCommand', { parameter, resultCompletionId }),
  );
  const big = encodeFrame('CallCommand', { parameter: new Uint8Array(200_000).fill(9) });
  encodeFrame('CallCommand', { parameter: new Uint8Array(200_000) });
  for (const [i, frame] of frames.entries()) {
    const call = decodeMessage('CallCommand', frame.subarray(8));
    expect(call.resultCompletionId).toBe(i + 1);
    expect(call.parameter.buffer).toBe(frame.buffer);
    expect(call.parameter).toEqual(parameter);
  }
  expect(decodeMessage('CallCommand', big.subarray(8)).parameter).toEqual(new Uint8Array(200_000).fill(9));
});

test('a writer grows, takes encoded frames as they are, and forgets a frame that failed', () => {
  const writer = new NamedFrameWriter();
  const expected: Uint8Array[] = [];
  for (let i = 0; i < 300; i++) {
    const output = { value: new Uint8Array(i * 7).fill(i) };
    expected.push(encodeFrame('OutputCommand', output));
    if (i % 2 === 0) writer.frame('OutputCommand', output);
    else writer.raw(encodeFrame('OutputCommand', output));
    expect(codeOf(() => writer.frame('RunCommand', { resultCompletionId: -1 }))).toBe('HF_PROTOCOL_VALUE');
  }
  const first = writer.finish();
  expect(hex(first)).toBe(hex(Buffer.concat(expected)));
  writer.frame('End', {});
  expect(hex(writer.finish())).toBe('0003000000000000');
  expect(hex(first)).toBe(hex(Buffer.concat(expected)));
  expect(writer.finish().length).toBe(0);
});

test('a nested message whose length needs several bytes fits a buffer that its content has filled', () => {
  for (const length of [1000, 100_000]) {
    const stateMap = [{ key: Uint8Array.of(1), value: new Uint8Array(length).fill(length) }];
    const writer = new NamedFrameWriter();
    writer.frame('Start', { stateMap });
    expect(decodeMessage('Start', writer.finish().subarray(8)).stateMap).toEqual(stateMap);
  }
});

test('frame limits: a header that announces too much fails before its payload is awaited', () => {
  const announces = (length: number) => fromHex(`0401 0000 ${length.toString(16).padStart(8, '0')}`);
  const fails = (bytes: Uint8Array) => [
    codeOf(() => decodeFrames(bytes)),
    codeOf(() => new FrameDecoder().push(bytes)),
  ];
  expect(fails(announces(0xffffffff))).toEqual(['HF_PROTOCOL_TOO_LARGE', 'HF_PROTOCOL_TOO_LARGE']);
  expect(fails(announces(32 * 2 ** 20 + 1))).toEqual(['HF_PROTOCOL_TOO_LARGE', 'HF_PROTOCOL_TOO_LARGE']);
  expect(fails(announces(32 * 2 ** 20))).toEqual(['HF_PROTOCOL_INCOMPLETE', 'none']);
});

test('a stream that failed stays failed, and one that ends inside a frame says so', () => {
  const decoder = new FrameDecoder();
  expect(decoder.push(fromHex('0003 0000 0000')).length).toBe(0);
  expect(codeOf(() => decoder.end())).toBe('HF_PROTOCOL_INCOMPLETE');
  expect(decoder.push(fromHex('0000')).map(frame => nameOfType(frame.type))).toEqual(['End']);
  decoder.end();
  decoder.push(fromHex('0401 0000 020000'));
  expect(codeOf(() => decoder.push(fromHex('01')))).toBe('HF_PROTOCOL_TOO_LARGE');
  expect(codeOf(() => decoder.push(fromHex('00')))).toBe('HF_PROTOCOL_TOO_LARGE');
  expect(codeOf(() => decoder.end())).toBe('HF_PROTOCOL_TOO_LARGE');
});

test('an unknown type is an error only when its message is asked for', () => {
  const [frame] = decodeFrames(fromHex('fc01 0000 00000001 ff'));
  expect(nameOfType(0xfc01)).toBeUndefined();
  expect(codeOf(() => decodeFrame(frame as Frame))).toBe('HF_PROTOCOL_UNKNOWN_TYPE');
});
