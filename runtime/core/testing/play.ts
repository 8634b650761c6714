/** A random life: moves are turned into commands that make sense in the state that they find. */
import { apply } from '../apply.ts';
import type { Command, Op } from '../command.ts';
import type { Invocation, InvocationId } from '../model.ts';
import { instanceKey } from '../table.ts';
import * as commands from './commands.ts';
import { deployment, MemoryView } from './memory-view.ts';

const { id, ops, success } = commands;

export const OPERATIONS = [
  ...['call', 'send', 'later', 'keyedCall', 'keyedSend', 'sleep', 'attach', 'run', 'cancel', 'signal'],
  ...['setState', 'clearState', 'clearAllState', 'getState'],
  ...['getPromise', 'getPromise', 'getPromise', 'peekPromise', 'completePromise', 'completePromise'],
] as const;
export const ENDS = [
  'completed',
  'completed',
  'suspended',
  'suspended',
  'suspended',
  'retry',
  'pause',
  'kill',
] as const;
export const WHATS = [
  ...['invoke', 'invoke', 'keyed', 'attempt', 'attempt', 'attempt', 'attempt', 'cancel', 'kill', 'signal'],
  ...['pause', 'resume', 'restart', 'purge', 'purgeJournal', 'patch', 'fire'],
] as const;

export interface Move {
  readonly what: string;
  readonly pick: number;
  readonly ops: readonly { readonly op: string; readonly to: number }[];
  readonly end: (typeof ENDS)[number];
}

/** What ends with `Lost` is kept for no time at all. */
const TARGETS = [
  ...['Obj/p/set', 'Obj/p/set', 'Obj/q/set', 'ObjLost/p/set', 'Obj/p/get', 'Svc/a', 'Lost/a'],
  ...['Wf/p/run', 'WfLost/p/run', 'Wf/p/ask', 'Wf/p/ask', 'WfLost/p/ask'],
];
/** Targets of the idempotent requests `k0` to `k3`. */
const KEYED = ['Svc/a', 'Lost/a', 'Obj/p/set', 'ObjLost/p/set'];
const KEYS = ['Obj/p', 'Obj/q', 'ObjLost/p', 'Wf/p', 'WfLost/p'];

const at = <T>(list: readonly T[], index: number): T => {
  if (list.length === 0) throw new Error('nothing to choose from');
  return list[index % list.length] as T;
};

/** Ids of keyed requests and of the runs of workflows repeat, all others are new. */
export class Play {
  readonly view = new MemoryView();
  /** Of each key, who has come for it and has not ended, in the order of their coming. */
  readonly lines = new Map<string, InvocationId[]>();
  private now = 0;
  private minted = 0;

  constructor() {
    this.apply(commands.register(deployment('one', { kept: true, services: ['Svc', 'Obj', 'Wf'] })));
    this.apply(commands.register(deployment('lost', { services: ['Lost', 'ObjLost', 'WfLost'] })));
    this.apply(commands.register(deployment('next', { kept: true, revision: 2, services: ['Svc', 'Obj'] })));
  }

  do(move: Move): void {
    this.now += 100;
    if (move.what === 'fire') this.fire(this.now);
    else {
      const command = this.choose(move);
      if (command !== undefined) this.apply(command);
    }
  }

  fire(now: number): void {
    this.now = Math.max(this.now, now);
    for (const timer of this.view.keys('timer')) {
      if (Number(timer.slice(0, 16)) <= this.now) this.apply({ type: 'timerFired', timer });
    }
  }

  apply(command: Command): void {
    const { writes } = apply(this.view, { at: this.now, command });
    const before = new Map(this.view.scan('invocation', ''));
    this.view.commit(writes);
    const created = command.type === 'attempt' ? command.ops.flatMap(calleeOf) : [];
    this.lineUp(before, created);
  }

  private choose(move: Move): Command | undefined {
    const { what, pick } = move;
    const name = this.active(pick);
    switch (what) {
      case 'invoke':
        return this.invoke(at(TARGETS, pick), pick % 3 === 0 ? this.now + 250 : 0);
      case 'keyed':
        return commands.invoke(`k${pick % 4}`, at(KEYED, pick), { key: 'k' });
      case 'attempt':
        return this.attempt(this.running(pick), move);
      case 'signal':
        return commands.signalTo(name, 17, success('s'));
      case 'resume':
        return commands.resume(name, at([undefined, undefined, 'one', 'next', 'lost'], pick));
      case 'restart':
        return this.restart(pick);
      case 'purge':
        return commands.purge(this.completed(pick));
      case 'purgeJournal':
        return commands.purgeJournal(this.completed(pick));
      case 'patch':
        return this.patch(at(KEYS, pick), pick);
      case 'cancel':
        return commands.cancel(name);
      case 'kill':
        return commands.kill(name);
      default:
        return commands.pause(name);
    }
  }

  /** The model of who may run: the first in line. `created`: in this order, where a record created several. */
  private lineUp(before: ReadonlyMap<string, Invocation>, created: readonly string[]): void {
    const has = (key: string): boolean => {
      const inv = this.view.get('invocation', key);
      // One that ended and began again in this very record has lost its place.
      return inv !== undefined && inv.createdAt === before.get(key)?.createdAt;
    };
    for (const line of this.lines.values()) line.splice(0, line.length, ...line.filter(has));
    for (const key of [...created, ...this.view.keys('invocation')]) {
      const inv = this.view.get('invocation', key);
      if (inv === undefined || inv.state.status === 'scheduled') continue;
      if (inv.role !== 'exclusive' && inv.role !== 'workflow') continue;
      const instance = instanceKey(inv.target);
      const line = this.lines.get(instance) ?? [];
      if (!line.includes(inv.id)) this.lines.set(instance, [...line, inv.id]);
    }
  }

  private active(pick: number): string {
    return nameOf([...this.view.keys('invocation'), id('none')], pick);
  }

  private running(pick: number): string {
    const isRunning = (key: string) => this.view.get('invocation', key)?.state.status === 'running';
    return nameOf([...this.view.keys('invocation').filter(isRunning), id('none')], pick);
  }

  private completed(pick: number): string {
    return nameOf([...this.view.keys('completed'), this.view.keys('invocation')[0] ?? id('none')], pick);
  }

  private nameFor(target: string): string {
    const [service = '', key = '', handler = ''] = target.split('/');
    if (handler === 'run') return `${service}-${key}`;
    this.minted += 1;
    return `n${this.minted}`;
  }

  private invoke(target: string, startAt: number): Command {
    return commands.invoke(this.nameFor(target), target, { startAt });
  }

  private restart(pick: number): Command {
    const name = this.completed(pick);
    const entries = this.view.get('completed', id(name))?.entries ?? 0;
    const kept = pick % 2 === 0 || entries < 2 ? {} : { entries: [0, 1], completionIds: [1, 100] };
    const on = at([undefined, 'next', 'lost', 'none'], pick);
    this.minted += 1;
    return commands.restart(name, `n${this.minted}`, { ...kept, ...(on === undefined ? {} : { on }) });
  }

  private patch(key: string, pick: number): Command {
    return commands.patch(key, { patched: `${pick}` }, pick % 5 === 0 ? 'an older version' : undefined);
  }

  private attempt(name: string, { ops: wanted, end }: Move): Command | undefined {
    const inv = this.view.get('invocation', id(name));
    if (inv === undefined) return undefined;
    let next = (inv.completionIds.at(-1) ?? 0) + 1;
    const done: Op[] = [];
    for (const { op, to } of wanted) {
      done.push(...this.operation(inv, op, to, next));
      next += 2;
    }
    if (end === 'completed') {
      done.push(ops.output(success('1')));
      return commands.attempt(name, inv.attempt, inv.entries, done, end);
    }
    const awaits = [...inv.pending.map(({ completionId }) => completionId), next - 2].filter(n => n > 0);
    const how =
      end === 'suspended'
        ? { awaits, signals: [1, 17] }
        : { fails: 'kaput', after: end === 'retry' ? 150 : end };
    return commands.attempt(name, inv.attempt, inv.entries, done, how);
  }

  /** None where its role forbids the operation: that would take back all others of the answer. */
  private operation(inv: Invocation, op: string, to: number, next: number): Op[] {
    const promise = at(['p', 'q'], to);
    const plain = inv.role === 'service';
    const writes = inv.role === 'exclusive' || inv.role === 'workflow';
    const promises = inv.role === 'workflow' || inv.role === 'workflowShared';
    const target = at(TARGETS, to);
    switch (op) {
      case 'call':
        return [ops.call(target, this.nameFor(target), next)];
      case 'send':
        return [ops.send(target, this.nameFor(target), next)];
      case 'later':
        return [ops.send(target, this.nameFor(target), next, this.now + 250)];
      case 'keyedCall':
        return [ops.call(at(KEYED, to), `k${to % 4}`, next, 'k')];
      case 'keyedSend':
        return [ops.send(at(KEYED, to), `k${to % 4}`, next, 0, 'k')];
      case 'sleep':
        return [ops.sleep(next, this.now + 50 * to)];
      case 'attach':
        return [ops.attach(next, this.active(to))];
      case 'run':
        return [ops.run(next), ops.proposal(next, success('r'))];
      case 'cancel':
        return [ops.signal(this.active(to), 1, { kind: 'void' })];
      case 'signal':
        return [ops.signal(this.active(to), 17, success('s'))];
      case 'getState':
        return plain ? [] : [ops.getState(next, 'a'), ops.getStateKeys(next + 1)];
      case 'setState':
        return writes ? [ops.setState(`a${to % 3}`, 'v')] : [];
      case 'clearState':
        return writes ? [ops.clearState(`a${to % 3}`)] : [];
      case 'clearAllState':
        return writes ? [ops.clearAllState()] : [];
      case 'getPromise':
        return promises ? [ops.getPromise(next, promise)] : [];
      case 'peekPromise':
        return promises ? [ops.peekPromise(next, promise)] : [];
      default:
        return promises ? [ops.completePromise(next, promise, success('p'))] : [];
    }
  }
}

const nameOf = (ids: readonly string[], pick: number): string => at(ids, pick).slice('inv_'.length);
const calleeOf = (op: Op): readonly string[] => ('callee' in op ? [op.callee.id] : []);
