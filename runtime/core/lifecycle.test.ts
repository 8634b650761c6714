/** Ends and retention where the state is unusual; ordinary lives are in the transcripts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apply } from './apply.ts';
import type { Command, Op } from './command.ts';
import type { Deployment, InvocationId } from './model.ts';
import type { TableName } from './table.ts';
import { attempt, deployment, id, invoke, MemoryView, ops, success } from './testing/memory-view.ts';

const { output, call, send, sleep, attach, proposal, run: step } = ops;

function run(view: MemoryView, at: number, ...commands: Command[]): void {
  for (const command of commands) view.commit(apply(view, { at, command }).writes);
}

const register = (of: Deployment): Command => ({ type: 'registerDeployment', deployment: of });
const returns = (name: string) => attempt(name, 1, 1, [output(success('1'))], 'completed');

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
    { type: 'removeDeployment', id: deployment('one').id },
    returns('x'),
  );
  expect(view.get('completed', id('x'))).toMatchObject({ expiresAt: 3000 });
});

type Move = {
  readonly what: 'invoke' | 'attempt' | 'cancel' | 'kill' | 'resume' | 'signal' | 'fire';
  readonly pick: number;
  readonly ops: readonly { readonly op: string; readonly to: number }[];
  readonly end: 'completed' | 'suspended' | 'retry' | 'pause' | 'kill';
};
const move: fc.Arbitrary<Move> = fc.record({
  what: fc.constantFrom(
    'invoke',
    'attempt',
    'attempt',
    'attempt',
    'cancel',
    'kill',
    'resume',
    'signal',
    'fire',
  ),
  pick: fc.nat(7),
  ops: fc.array(
    fc.record({
      op: fc.constantFrom('call', 'keyed', 'send', 'later', 'sleep', 'attach', 'run'),
      to: fc.nat(7),
    }),
    { maxLength: 4 },
  ),
  end: fc.constantFrom('completed', 'suspended', 'suspended', 'retry', 'pause', 'kill'),
});

/** Plays moves against one view; ids of keyed requests repeat, all others are new. */
class Play {
  readonly view = new MemoryView();
  private now = 0;
  private minted = 0;

  constructor() {
    run(
      this.view,
      0,
      register(deployment('one', { kept: true })),
      register(deployment('two', { services: ['Lost'] })),
    );
  }

  do({ what, pick, ops: wanted, end }: Move): void {
    this.now += 100;
    const active = this.keys('invocation');
    const name = (active[pick % Math.max(active.length, 1)] ?? 'inv_none').slice('inv_'.length);
    if (what === 'invoke')
      this.apply(pick < 4 ? invoke(`k${pick}`, 'Svc/a', { key: 'k' }) : invoke(this.fresh(), 'Lost/a'));
    else if (what === 'fire') this.fire(this.now);
    else if (what === 'attempt') this.attempt(name, wanted, end);
    else if (what === 'signal')
      this.apply({ type: 'signal', id: id(name), signal: 17, result: success('s') });
    else this.apply({ type: what, id: id(name) });
  }

  fire(now: number): void {
    this.now = Math.max(this.now, now);
    for (const timer of this.keys('timer')) {
      if (Number(timer.slice(0, 16)) <= this.now) this.apply({ type: 'timerFired', timer });
    }
  }

  keys(table: TableName): readonly string[] {
    return [...this.view.scan(table, '')].map(([key]) => key);
  }

  apply(command: Command): void {
    run(this.view, this.now, command);
  }

  private fresh(): string {
    this.minted += 1;
    return `n${this.minted}`;
  }

  private attempt(name: string, wanted: Move['ops'], how: Move['end']): void {
    const inv = this.view.get('invocation', id(name));
    if (inv === undefined) return;
    let next = (inv.completionIds.at(-1) ?? 0) + 1;
    const done: Op[] = [];
    for (const { op, to } of wanted) {
      const at = next;
      next += 2;
      const active = this.keys('invocation');
      const other = (active[to % active.length] ?? '').slice('inv_'.length);
      if (op === 'call') done.push(call(to < 4 ? 'Svc/b' : 'Lost/b', this.fresh(), at));
      else if (op === 'keyed') done.push(call('Svc/a', `k${to % 4}`, at, 'k'));
      else if (op === 'send') done.push(send('Svc/a', `k${to % 4}`, at, 0, 'k'));
      else if (op === 'later') done.push(send('Svc/b', this.fresh(), at, this.now + 250));
      else if (op === 'sleep') done.push(sleep(at, this.now + 50 * to));
      else if (op === 'attach') done.push(attach(at, other));
      else done.push(step(at), proposal(at, success('r')));
    }
    const end =
      how === 'completed'
        ? how
        : how === 'suspended'
          ? { awaits: inv.pending.map(({ completionId }) => completionId), signals: [1, 17] }
          : { fails: 'kaput', after: how === 'retry' ? 150 : how };
    if (how === 'completed') done.push(output(success('1')));
    this.apply(attempt(name, inv.attempt, inv.entries, done, end));
  }
}

/** Whatever one row says of another, the other says too. */
function checkReferences({ view }: Play): void {
  const owned = new Set<string>();
  for (const [key, inv] of view.scan('invocation', '')) {
    if (inv.state.status === 'scheduled' || inv.state.status === 'backingOff') owned.add(inv.state.timer);
    for (const pending of inv.pending) {
      if (pending.of === 'sleep') owned.add(pending.timer);
      if (pending.of !== 'call' && pending.of !== 'attach') continue;
      const { completionId } = pending;
      expect(view.get('invocation', pending.target)?.listeners).toContainEqual({
        caller: key,
        completionId,
        of: pending.of,
      });
    }
    for (const { caller, completionId, of } of inv.listeners) {
      expect(view.get('invocation', caller)?.pending).toContainEqual({ of, completionId, target: key });
    }
  }
  for (const [key] of view.scan('completed', '')) expect(view.get('invocation', key)).toBeUndefined();
  for (const key of owned) expect(view.get('timer', key)).toBeDefined();
  for (const [key, timer] of view.scan('timer', '')) {
    if (timer.kind === 'dropJournal' || timer.kind === 'dropCompleted') {
      expect(view.get('completed', timer.invocation)).toBeDefined();
    } else expect(owned).toContain(key);
  }
  for (const [key] of view.scan('journal', '')) {
    const [owner = ''] = key.split('/');
    expect(view.get('invocation', owner) ?? view.get('completed', owner)).toBeDefined();
  }
}

test('rows that refer to each other agree; nothing is left when all has ended and retention is over', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 40 }), moves => {
      const play = new Play();
      for (const each of moves) {
        play.do(each);
        checkReferences(play);
      }
      for (const key of play.keys('invocation')) play.apply({ type: 'kill', id: key as InvocationId });
      for (let round = 1; round <= 3; round++) play.fire(1_000_000 * round);
      const left = (['invocation', 'completed', 'journal', 'timer'] as const).flatMap(table =>
        play.keys(table),
      );
      expect(left).toEqual([]);
    }),
    { numRuns: 500 },
  );
});
