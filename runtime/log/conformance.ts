/**
 * What every Log must do. Ships with the port: an implementation's test calls `logConformance` with a harness.
 */

import { expect, test } from 'vitest';
import type { Log, LogOptions, Position } from './log.ts';

/** One log's storage and the instances opened over it. */
export interface LogHarness {
  open(options?: Partial<LogOptions>): Promise<Log>;
  /** The instances opened so far end without a `close`; what is durable survives. */
  crash(): Promise<void>;
  /** Whether a second instance can be opened while the first lives (it fences it), or is refused. */
  readonly secondOpening: 'fences' | 'refused';
  dispose(): Promise<void>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytesOf = (text: string): Uint8Array => encoder.encode(text);

/** Appends and resolves with the position of the first record. */
export const appendDurably = (log: Log, ...texts: string[]): Promise<Position> =>
  new Promise(resolve => log.append(texts.map(bytesOf), resolve));

const contentOf = (log: Log, from = 1): string[] =>
  [...log.read(from)].map(({ position, bytes }) => `${position} ${decoder.decode(bytes)}`);

const errorCode = (act: () => unknown): unknown => {
  try {
    act();
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
  return undefined;
};

export function logConformance(name: string, create: () => Promise<LogHarness>): void {
  const story = (title: string, tell: (harness: LogHarness) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const harness = await create();
      try {
        await tell(harness);
      } finally {
        await harness.dispose();
      }
    });

  story('a new log is empty and begins at position 1', async harness => {
    const log = await harness.open();
    expect(log.durable).toBe(0);
    expect(contentOf(log)).toEqual([]);
    expect(await appendDurably(log, 'a')).toBe(1);
    expect(log.durable).toBe(1);
  });

  story('appends are acknowledged in order, in a later turn, with dense positions', async harness => {
    const log = await harness.open();
    const acknowledged: Position[] = [];
    let turn = 'append';
    await new Promise<void>(resolve => {
      log.append([bytesOf('a'), bytesOf('b')], first => acknowledged.push(first));
      log.append([bytesOf('c')], first => acknowledged.push(first));
      log.append([bytesOf('d')], first => {
        acknowledged.push(first);
        turn += ', acknowledgement';
        resolve();
      });
      turn += ', end of turn';
    });
    expect(turn).toBe('append, end of turn, acknowledgement');
    expect(acknowledged).toEqual([1, 3, 4]);
    expect(contentOf(log)).toEqual(['1 a', '2 b', '3 c', '4 d']);
    expect(contentOf(log, 3)).toEqual(['3 c', '4 d']);
    expect(contentOf(log, 5)).toEqual([]);
  });

  story('an acknowledgement may append', async harness => {
    const log = await harness.open();
    const second = await new Promise<Position>(resolve => {
      log.append([bytesOf('a')], () => log.append([bytesOf('b')], resolve));
    });
    expect(second).toBe(2);
    expect(contentOf(log)).toEqual(['1 a', '2 b']);
  });

  story('what was acknowledged survives a close and a crash, each under a higher epoch', async harness => {
    const first = await harness.open();
    await appendDurably(first, 'a', 'b');
    await first.close();
    const second = await harness.open();
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(second.durable).toBe(2);
    expect(await appendDurably(second, 'c')).toBe(3);
    await harness.crash();
    const third = await harness.open();
    expect(third.epoch).toBeGreaterThan(second.epoch);
    expect(contentOf(third)).toEqual(['1 a', '2 b', '3 c']);
    await harness.crash();
    const fourth = await harness.open();
    expect(fourth.epoch).toBeGreaterThan(third.epoch);
    expect(contentOf(fourth)).toEqual(['1 a', '2 b', '3 c']);
  });

  story('closing writes what is queued and acknowledges it', async harness => {
    const log = await harness.open();
    const acknowledged: Position[] = [];
    for (const text of ['a', 'b', 'c']) log.append([bytesOf(text)], first => acknowledged.push(first));
    await log.close();
    expect(acknowledged).toEqual([1, 2, 3]);
    expect(contentOf(await harness.open())).toEqual(['1 a', '2 b', '3 c']);
  });

  story('empty, odd and large records come back as they were, through many segments', async harness => {
    const sizes = [0, 1, 7, 8, 9, 511, 513, 4096, 70_000, 300_000, 1_100_000, 3, 0];
    const content = (size: number, index: number) =>
      new Uint8Array(size).map((_, at) => (at * 7 + index * 13 + (at >> 8)) & 0xff);
    const log = await harness.open();
    await Promise.all(
      sizes.map((size, index) => new Promise(resolve => log.append([content(size, index)], resolve))),
    );
    await harness.crash();
    const records = [...(await harness.open()).read(1)];
    expect(records.map(record => record.bytes.length)).toEqual(sizes);
    for (const [index, { bytes }] of records.entries()) {
      expect(Buffer.compare(bytes, content(bytes.length, index)), `record ${index}`).toBe(0);
    }
  });

  story('a large record of the protocol (32 MiB) fits', async harness => {
    const log = await harness.open();
    const record = new Uint8Array(32 * 1024 * 1024 + 4096).fill(7);
    const length = record.length;
    await new Promise(resolve => log.append([record, bytesOf('after')], resolve));
    await harness.crash();
    const sizes = [...(await harness.open()).read(1)].map(({ bytes }) => bytes.length);
    expect(sizes).toEqual([length, 5]);
  });

  story('an older opening cannot append beside a newer one', async harness => {
    const old = await harness.open();
    await appendDurably(old, 'a');
    if (harness.secondOpening === 'refused') {
      await expect(harness.open()).rejects.toMatchObject({ code: 'HF_LOG_LOCKED' });
      return;
    }
    const queued = new Error('acknowledged after the fence');
    const failures: unknown[] = [];
    await old.close();
    const stale = await harness.open({ onFailure: error => failures.push(error) });
    stale.append([bytesOf('lost')], () => {
      throw queued;
    });
    const newer = await harness.open();
    expect(errorCode(() => stale.append([bytesOf('x')], () => undefined))).toBe('HF_LOG_FENCED');
    expect(await appendDurably(newer, 'b')).toBe(2);
    expect(contentOf(newer)).toEqual(['1 a', '2 b']);
    expect(failures).toMatchObject([{ code: 'HF_LOG_FENCED' }]);
  });
}
