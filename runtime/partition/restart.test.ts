import { encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type { Entry } from '../core/model.ts';
import { keptPrefix } from './restart.ts';

const input: Entry = { kind: 'input', headers: [], body: new Uint8Array() };
const command = (type: number, frame: Uint8Array): Entry => ({ kind: 'command', type, frame });
const run = (id: number) => command(0x0411, encodeFrame('RunCommand', { resultCompletionId: id }));
const call = (id: number) =>
  command(
    0x040d,
    encodeFrame('CallCommand', {
      serviceName: 'S',
      handlerName: 'h',
      invocationIdNotificationIdx: id,
      resultCompletionId: id + 1,
    }),
  );
const set = command(
  0x0403,
  encodeFrame('SetStateCommand', { key: new Uint8Array([1]), value: new Uint8Array() }),
);
const output = command(0x0401, encodeFrame('OutputCommand', { value: new Uint8Array() }));
const done = (completionId: number): Entry => ({
  kind: 'completion',
  of: 'run',
  completionId,
  result: { kind: 'void' },
});
const signal: Entry = { kind: 'signal', signal: 17, result: { kind: 'void' } };

const get = command(0x0407, encodeFrame('GetEagerStateCommand', { key: new Uint8Array([1]), void: true }));
const JOURNAL = [input, run(1), done(1), get, call(2), run(4), done(2), signal, done(4), done(3), output];

test.each<[name: string, journal: readonly Entry[], from: number, kept: number[], ids: number[]]>([
  ['the input alone', JOURNAL, 0, [0], []],
  ['a command takes its result along', JOURNAL, 1, [0, 1, 2], [1, 1]],
  ['a command without one is nothing special', JOURNAL, 3, [0, 1, 2, 3], [1, 1]],
  ['results that came later, but not what else did', JOURNAL, 4, [0, 1, 2, 3, 4, 6, 9], [1, 3]],
  ['two at once', JOURNAL, 5, [0, 1, 2, 3, 4, 5, 6, 8, 9], [1, 4]],
  ['a signal that had come', JOURNAL, 7, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 4]],
])('%s', (_name, journal, from, entries, completionIds) => {
  expect(keptPrefix(journal, from)).toEqual({ entries, completionIds });
});

test.each<[journal: readonly Entry[], from: number, why: RegExp]>([
  [JOURNAL, 10, /entry 10 is the output/],
  [JOURNAL, 11, /entry 10 is the output/],
  [[input, run(1), done(1), set], 3, /entry 3 writes state/],
  [JOURNAL.slice(0, 9), 9, /has 9 entries, so the last one is 8/],
  [JOURNAL.slice(0, 9), 5, /command at entry 4 has no result/],
])('a prefix that cannot be kept', (journal, from, why) => {
  expect(keptPrefix(journal, from)).toMatch(why);
});
