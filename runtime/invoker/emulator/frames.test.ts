import { expect, test } from 'vitest';
import {
  decodeInvoke,
  encodeAnswer,
  encodeInvokeHead,
  encodeText,
  FrameReader,
  INVOKE,
  LOG,
  RESULT,
} from './frames.ts';

test('frames come out whole and in order, wherever the pipe cuts them', () => {
  const meta = { requestId: 'r', deadlineMs: 5, arn: 'a', traceId: 't' };
  const event = Buffer.from('{"ü":1}');
  const stream = Buffer.concat([
    encodeText(LOG, 'größe\n'),
    encodeAnswer(RESULT, 1234, '"ok"'),
    encodeText(LOG, ''),
    encodeInvokeHead(meta, event.length),
    event,
  ]);
  for (let size = 1; size <= stream.length; size++) {
    const frames: [number, Buffer][] = [];
    const reader = new FrameReader((kind, body) => frames.push([kind, Buffer.from(body)]));
    for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size));
    expect(frames.map(([kind]) => kind)).toEqual([LOG, RESULT, LOG, INVOKE]);
    const [log, answer, empty, invoke] = frames.map(([, body]) => body);
    expect(log?.toString()).toBe('größe\n');
    expect(answer?.readUInt32LE(0)).toBe(1234);
    expect(answer?.toString('utf8', 4)).toBe('"ok"');
    expect(empty).toHaveLength(0);
    expect(invoke && decodeInvoke(invoke)).toEqual({ meta, event });
  }
});
