/**
 * Messages a second through the codec, beside @bufbuild/protobuf in the same run:
 * `node test/bench/codec.bench.ts`. The message is a call as a handler makes it: two headers, 200 bytes of
 * parameter. One operation is one frame, header included.
 */
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import {
  decodeFrame,
  decodeFrames,
  decodeInvocationId,
  encodeFrame,
  encodeInvocationId,
  FrameWriter,
} from '../../protocol/index.ts';

const ROUND_MS = 100;

type Header = { readonly key: string; readonly value: string };
const call = {
  serviceName: 'checkout',
  handlerName: 'placeOrder',
  parameter: new TextEncoder().encode(JSON.stringify({ order: 'o-12345', note: 'x'.repeat(170) })),
  headers: [
    { key: 'content-type', value: 'application/json' },
    { key: 'x-request-id', value: '4c1f29d0-7f0e-4a55' },
  ],
  key: 'customer-42',
  idempotencyKey: 'order-12345',
  invocationIdNotificationIdx: 1,
  resultCompletionId: 2,
  name: 'place',
};
// Keys and ids differ from call to call, names do not.
const calls = Array.from({ length: 4096 }, (_, i) => ({
  ...call,
  key: `customer-${i * 7919}`,
  idempotencyKey: `order-${i * 104729}`,
  headers: [call.headers[0] as Header, { key: 'x-request-id', value: `4c1f${i * 611953}-7f0e-4a55` }],
  resultCompletionId: i,
}));
const frames = calls.map(each => encodeFrame('CallCommand', each));
const frame = frames[0] as Uint8Array;
let turn = 0;
const nextCall = () => calls[turn++ & 4095] as (typeof calls)[number];
const nextFrame = () => frames[turn++ & 4095] as Uint8Array;

let sink = 0;

/** The best of three rounds after one to warm up, in operations a second. */
function measure(operation: () => number): number {
  let best = 0;
  for (let round = 0; round < 4; round++) {
    const start = performance.now();
    let count = 0;
    let elapsed = 0;
    while (elapsed < ROUND_MS) {
      for (let i = 0; i < 1000; i++) sink += operation();
      count += 1000;
      elapsed = performance.now() - start;
    }
    if (round > 0) best = Math.max(best, (count / elapsed) * 1000);
  }
  return best;
}

function report(what: string, operation: () => number): void {
  const rate = measure(operation);
  console.log(
    `${what.padEnd(44)} ${Math.round(rate).toLocaleString('en').padStart(12)}/s ${(1e9 / rate).toFixed(0).padStart(7)} ns`,
  );
}

const decodeOne = (bytes: Uint8Array): number => {
  let read = 0;
  for (const each of decodeFrames(bytes)) {
    const decoded = decodeFrame(each);
    if (decoded.name === 'CallCommand') read += decoded.message.parameter.length;
  }
  return read;
};

/** The same message described to @bufbuild/protobuf. */
function peer() {
  const field = (name: string, number: number, type: Type, more: object = {}) => ({
    name,
    number,
    type,
    label: Label.OPTIONAL,
    ...more,
  });
  const file = create(FileDescriptorProtoSchema, {
    name: 'bench.proto',
    syntax: 'proto3',
    messageType: [
      { name: 'Header', field: [field('key', 1, Type.STRING), field('value', 2, Type.STRING)] },
      {
        name: 'Call',
        oneofDecl: [{ name: '_idempotency_key' }],
        field: [
          field('service_name', 1, Type.STRING),
          field('handler_name', 2, Type.STRING),
          field('parameter', 3, Type.BYTES),
          field('headers', 4, Type.MESSAGE, { label: Label.REPEATED, typeName: '.Header' }),
          field('key', 5, Type.STRING),
          field('idempotency_key', 6, Type.STRING, { proto3Optional: true, oneofIndex: 0 }),
          field('invocation_id_notification_idx', 10, Type.UINT32),
          field('result_completion_id', 11, Type.UINT32),
          field('name', 12, Type.STRING),
        ],
      },
    ],
  });
  const registry = createFileRegistry(file, () => undefined);
  const schema = registry.getMessage('Call');
  const header = registry.getMessage('Header');
  if (schema === undefined || header === undefined) throw new Error('the descriptors are incomplete');
  const message = (of: typeof call) =>
    create(schema, { ...of, headers: of.headers.map(each => create(header, each)) });
  return { schema, theirs: calls.map(message) };
}

const { schema, theirs } = peer();
const nextTheirs = () => theirs[turn++ & 4095] as (typeof theirs)[number];
const nextPayload = () => nextFrame().subarray(8);
for (const [i, each] of theirs.entries()) {
  if (Buffer.compare(toBinary(schema, each), frames[i]?.subarray(8) ?? frame) !== 0) {
    throw new Error('the two encodings differ');
  }
}

const batch = 100;
const journal = (): Uint8Array => {
  const writer = new FrameWriter();
  for (let i = 0; i < batch; i++) writer.frame('CallCommand', nextCall());
  return writer.finish();
};
const body = journal();

console.log(`CallCommand, ${frame.length} bytes, node ${process.version}`);
report('encode', () => encodeFrame('CallCommand', nextCall()).length);
report('decode', () => decodeOne(nextFrame()));
report('encode and decode', () => decodeOne(encodeFrame('CallCommand', nextCall())));
report(`encode, ${batch} frames in one body (per body)`, () => journal().length);
report(`decode, ${batch} frames in one body (per body)`, () => decodeOne(body));
report('@bufbuild/protobuf encode', () => toBinary(schema, nextTheirs()).length);
report('@bufbuild/protobuf decode', () => fromBinary(schema, nextPayload()).$typeName.length);
report(
  '@bufbuild/protobuf encode and decode',
  () => fromBinary(schema, toBinary(schema, nextTheirs())).$typeName.length,
);
const raw = Uint8Array.from({ length: 24 }, (_, i) => i * 37 + 11);
const text = encodeInvocationId(raw);
report('invocation id to text', () => encodeInvocationId(raw).length);
report('invocation id from text', () => decodeInvocationId(text).length);
if (sink === 0) throw new Error('nothing was measured');
