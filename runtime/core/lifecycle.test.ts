/** Ends and retention where the state is unusual; ordinary lives are in the transcripts. */
import { expect, test } from 'vitest';
import { apply } from './apply.ts';
import type { Command } from './command.ts';
import { attempt, id, invoke, register, remove, returns } from './testing/commands.ts';
import { deployment, MemoryView } from './testing/memory-view.ts';

function run(view: MemoryView, at: number, ...commands: Command[]): void {
  for (const command of commands) view.commit(apply(view, { at, command }).writes);
}

/** Every time that is stored has to be read back (F1), and numbers end at 2^53. */
test('a time that would exceed every number is the latest one there is', () => {
  const view = new MemoryView();
  const kept = deployment('one', { kept: true });
  const [service] = kept.services;
  if (service === undefined) throw new Error('no service');
  const forEver = {
    idempotencyRetentionMs: Number.MAX_SAFE_INTEGER,
    journalRetentionMs: Number.MAX_SAFE_INTEGER,
  };
  run(
    view,
    1_000,
    register({ ...kept, services: [{ ...service, ...forEver }] }),
    invoke('x', 'Svc/a', { key: 'k' }),
  );
  run(view, 1_000, returns('x'), invoke('y', 'Svc/a'));
  run(view, 1_000, attempt('y', 1, 1, [], { fails: 'kaput', after: Number.MAX_SAFE_INTEGER }));
  const timers = [...view.scan('timer', '')];
  expect(timers.map(([, { at, kind }]) => [kind, Number.isSafeInteger(at)])).toEqual([
    ['dropCompleted', true],
    ['retry', true],
  ]);
  for (const [key] of timers) expect(key.indexOf('/')).toBe(16);
  expect(Number.isSafeInteger(view.get('completed', id('x'))?.expiresAt)).toBe(true);
});

/** W2: whoever repeats the request within the retention must find its result. */
test('a result is kept although the deployment that ran it is gone', () => {
  const view = new MemoryView();
  run(
    view,
    0,
    register(deployment('one', { kept: true })),
    invoke('x', 'Svc/a', { key: 'k' }),
    register(deployment('two', { kept: true, revision: 2 })),
    remove('one'),
    returns('x'),
  );
  expect(view.get('completed', id('x'))).toMatchObject({ expiresAt: 3000 });
});
