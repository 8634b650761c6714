/** F1: what is written decodes to what was meant, and to the same bytes as the golden files of this version. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCommand, anyRow } from './arbitrary.testkit.ts';
import { commands } from './record.testkit.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { queued, rows } from './row.testkit.ts';
import { decodeKey, decodeRow, encodeKey, encodeRow } from './row.ts';
import { id } from './values.testkit.ts';

const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const samples = Object.entries(commands);
const sampleRows = Object.entries(rows);

test('records decode to the command they were written from', () => {
  for (const [name, command] of samples) {
    const record = { at: 1_795_000_000_123, command };
    expect(decodeRecord(encodeRecord(record)), name).toEqual(record);
  }
  fc.assert(
    fc.property(anyCommand, command => {
      const record = { at: 0, command };
      expect(decodeRecord(encodeRecord(record))).toEqual(record);
    }),
  );
});

test('rows decode to what was written', () => {
  for (const [name, [table, row]] of sampleRows) {
    expect(decodeRow(table, encodeRow(table, row)), name).toEqual(row);
  }
  fc.assert(
    fc.property(anyRow, ([table, row]) => {
      expect(decodeRow(table, encodeRow(table, row))).toEqual(row);
    }),
  );
});

test('bytes written by this version decode for ever', async () => {
  const golden: Record<string, string> = {};
  for (const [name, command] of samples) golden[`record: ${name}`] = hex(encodeRecord({ at: 1, command }));
  for (const [name, [table, row]] of sampleRows) golden[`row: ${name}`] = hex(encodeRow(table, row));
  const file = new URL('golden/v1.json', import.meta.url);
  await expect(`${JSON.stringify(golden, null, 1)}\n`).toMatchFileSnapshot(file.pathname);
  const kept = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  for (const [name, command] of samples) {
    expect(decodeRecord(unhex(kept[`record: ${name}`] ?? '')), name).toEqual({ at: 1, command });
  }
  for (const [name, [table, row]] of sampleRows) {
    expect(decodeRow(table, unhex(kept[`row: ${name}`] ?? '')), name).toEqual(row);
  }
});

const decoders = [
  ...samples.map(([, command]) => [encodeRecord({ at: 1, command }), decodeRecord] as const),
  ...sampleRows.map(
    ([, [table, row]]) =>
      [encodeRow(table, row), (stored: Uint8Array): unknown => decodeRow(table, stored)] as const,
  ),
];

test('damage is a coded error, never a crash of another kind', () => {
  const isDamage = expect.objectContaining({ code: 'HF_FORMAT_DAMAGED' });
  let found = 0;
  const attempt = (decode: (stored: Uint8Array) => unknown, stored: Uint8Array): void => {
    try {
      decode(stored);
    } catch (error) {
      found += 1;
      expect(error).toEqual(isDamage);
    }
  };
  for (const [whole, decode] of decoders) {
    // A prefix is not always damage: a journal that is cut between two of its frames is a shorter one.
    for (let length = 0; length < whole.length; length++) attempt(decode, whole.subarray(0, length));
    for (let at = 0; at < whole.length; at++) {
      for (const bits of [0x01, 0x80, 0xff]) {
        const changed = whole.slice();
        changed[at] = (changed[at] ?? 0) ^ bits;
        attempt(decode, changed);
      }
    }
  }
  expect(found).toBeGreaterThan(10_000);
});

test('an invocation in a queue takes little beside its target and body', () => {
  const { service, handler, key } = queued.target;
  const row = encodeRow('invocation', queued).length - Buffer.byteLength(service + handler + key);
  const journal = encodeRow('journal', {
    first: 0,
    entries: [{ kind: 'input', headers: [], body: new Uint8Array() }],
  });
  const keys = encodeKey('invocation', id(1)).length + encodeKey('journal', `${id(1)}/0000000000`).length;
  expect(row + journal.length + keys).toBeLessThanOrEqual(200);
});

test('keys keep the order of their strings', () => {
  const keys = ['', `${id(1)}/0000000001`, `${id(1)}/0000000002`, `${id(2)}/0000000000`];
  const encoded = keys.map(key => encodeKey('journal', key));
  expect(encoded.map(decodeKey)).toEqual(keys);
  expect([...encoded].sort(Buffer.compare)).toEqual(encoded);
});
