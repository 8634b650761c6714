/**
 * C5: at most one exclusive invocation of a key has begun and not ended; they begin in the order in which they became
 * ready; while one is ready, one has the key. Handlers of other kinds begin when they are ready, whoever has it. The
 * rows say the same: each key's holder and the links of its queue.
 */

import type { InvocationId, Target } from '../../../runtime/core/model.ts';
import { instanceKey } from '../../../runtime/core/table.ts';
import { isAlone } from '../targets.ts';
import type { Report } from '../violation.ts';
import { readied } from './facts.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';
import type { ModelState } from './model-state.ts';

interface Key {
  holder: Life | undefined;
  readonly queue: Life[];
}

export class KeyChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  readonly #keys = new Map<string, Key>();

  constructor(report: Report, lives: Lives) {
    this.#report = report;
    this.#lives = lives;
  }

  holder(of: Pick<Target, 'service' | 'key'>): Life | undefined {
    return this.#keys.get(instanceKey(of))?.holder;
  }

  /** After the lives have heard of it; `onReleased` is told of each key whose holder has ended. */
  fact(fact: Fact, onReleased: (life: Life) => void): void {
    const touched = new Set<Key>();
    for (const id of readied(fact, this.#lives)) this.#ready(id, fact, touched);
    for (const effect of fact.effects) {
      if (effect.type !== 'startAttempt' && effect.type !== 'completed') continue;
      const life = this.#lives.get(effect.id);
      if (life === undefined || !isAlone(life.kind)) continue;
      const key = this.#key(life);
      touched.add(key);
      if (effect.type === 'startAttempt') this.#begins(key, life, effect.attempt, fact);
      else if (key.holder === life) {
        key.holder = undefined;
        onReleased(life);
      } else remove(key.queue, life);
    }
    for (const { holder, queue } of touched) {
      const [next] = queue;
      if (holder === undefined && next !== undefined) {
        this.#report('C5', `after record ${fact.position} nobody has the key that ${nameOf(next)} waits for`);
      }
    }
  }

  #ready(id: InvocationId, fact: Fact, touched: Set<Key>): void {
    const life = this.#lives.get(id);
    // One that has ended before its time came.
    if (life === undefined || (life.result !== undefined && life.bornAt !== fact.position)) return;
    if (isAlone(life.kind)) {
      const key = this.#key(life);
      key.queue.push(life);
      touched.add(key);
    } else if (!fact.effects.some(effect => effect.type === 'startAttempt' && effect.id === id)) {
      this.#report(
        'C5',
        `${nameOf(life)}, which is ${life.kind}, does not begin with record ${fact.position}`,
      );
    }
  }

  #begins(key: Key, life: Life, attempt: number, { position }: Fact): void {
    if (attempt > 1) {
      if (key.holder === life) return;
      this.#report('C5', `record ${position} starts attempt ${attempt} of ${nameOf(life)} without its key`);
      return;
    }
    const [first] = key.queue;
    if (key.holder !== undefined) {
      const holder = nameOf(key.holder);
      this.#report('C5', `record ${position} begins ${nameOf(life)} while ${holder} has its key`);
    } else if (first !== life) {
      const before = first === undefined ? 'which is not ready' : `before ${nameOf(first)}`;
      this.#report('C5', `record ${position} begins ${nameOf(life)}, ${before}`);
    }
    remove(key.queue, life);
    key.holder = life;
  }

  /** The rows against what the facts say; only when nothing is on its way. */
  check(model: ModelState): void {
    for (const [name, { holder, first, last, run, patches }] of model.scan('instance', '')) {
      const key = this.#keys.get(name);
      if (holder !== key?.holder?.id) {
        this.#report('C5', `the row of ${name} says that ${holder} has it, which ${key?.holder?.id} has`);
      }
      const linked = [...queueOf(model, first)];
      const waiting = key?.queue.map(({ id }) => id) ?? [];
      if (linked.join() !== waiting.join() || last !== linked.at(-1)) {
        this.#report('C8', `${linked.join()} are linked behind ${name}, ${waiting.join()} wait for it`);
      }
      if (run !== undefined && !this.#lives.isKnown(run))
        this.#report('C8', `${name} still knows its run ${run}`);
      if (holder === undefined && run === undefined) this.#report('C8', `${name} has a row for nothing`);
      if (holder === undefined && patches.length > 0) this.#report('C8', `${name} keeps patches for nobody`);
    }
    for (const [name, { holder }] of this.#keys) {
      if (holder !== undefined && model.get('instance', name) === undefined) {
        this.#report('C5', `${nameOf(holder)} has ${name}, which has no row`);
      }
    }
  }

  #key({ target }: Life): Key {
    const name = instanceKey(target);
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = { holder: undefined, queue: [] };
      this.#keys.set(name, key);
    }
    return key;
  }
}

function remove(queue: Life[], life: Life): void {
  const at = queue.indexOf(life);
  if (at >= 0) queue.splice(at, 1);
}

/** Along the links, as long as they agree with each other. */
function* queueOf(model: ModelState, first: InvocationId | undefined): Iterable<InvocationId> {
  let previous: InvocationId | undefined;
  const seen = new Set<InvocationId>();
  for (let id = first; id !== undefined && !seen.has(id); ) {
    seen.add(id);
    yield id;
    const state = model.get('invocation', id)?.state;
    if (state?.status !== 'queued' || state.previous !== previous) return;
    previous = id;
    id = state.next;
  }
}
