/**
 * The people and programs outside: clients that invoke and, as real ones do, try again when the connection breaks;
 * whoever completes awakeables and promises and sends signals.
 */

import { decodeAwakeableId, encodeInvocationId } from '@holdfast/protocol';
import type { InvocationId, Result, SignalId } from '../../runtime/core/model.ts';
import type { InvokeRequest } from '../../runtime/partition/engine.ts';
import type { LocalEngine } from '../../runtime/partition/local-engine.ts';
import type { Checkers } from './checkers/index.ts';
import { type Life, nameOf } from './checkers/lives.ts';
import type { Faults } from './faults.ts';
import type { Settlement } from './handlers.ts';
import type { Offer, Offered } from './leaves.ts';
import type { Node } from './node.ts';
import type { SimRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import { randomCrowd, randomTask, requestOf, sagaTask, type Task } from './tasks.ts';
import type { Trace } from './trace.ts';
import type { Report } from './violation.ts';

export type ServingNode = Node & { readonly engine: LocalEngine };

export interface ClientsParts {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly trace: Trace;
  readonly faults: Faults;
  readonly checkers: Checkers;
  readonly report: Report;
  /** The node that serves, if one does. */
  readonly node: () => ServingNode | undefined;
}

const encoder = new TextEncoder();

interface Connection {
  readonly engine: LocalEngine;
  readonly done: () => void;
  readonly retry: () => void;
}

export class Clients {
  /** Tasks that are not done; an accepted one is done when its reply has come. */
  pending = 0;
  /** Everything that was ever accepted from here. */
  readonly accepted = new Set<InvocationId>();
  readonly #parts: ClientsParts;
  readonly #offered = new Set<string>();

  constructor(parts: ClientsParts) {
    this.#parts = parts;
  }

  /** Schedules the whole workload of a run. */
  begin(durationMs: number): void {
    const { random } = this.#parts;
    const tasks = random.int(3, 14);
    for (let i = 0; i < tasks; i++) {
      const task = randomTask(random);
      this.#schedule(task, random.float() * durationMs * 0.7, 'client begins');
      if (task.kind === 'invoke' && task.isSafe && random.chance(0.4)) this.#repeat(task, durationMs);
    }
    if (!random.chance(0.5)) return;
    const atMs = random.float() * durationMs * 0.6;
    for (const task of randomCrowd(random)) {
      this.#schedule(task, atMs + random.float() * 1000, 'client begins');
    }
  }

  /** Programs over shared counters, and nothing else. */
  beginPrograms(durationMs: number, programs: number, stepsMax: number): void {
    const { random } = this.#parts;
    for (let i = 0; i < programs; i++) {
      const task = sagaTask(random, random.chance(0.3), stepsMax);
      this.#schedule(task, random.float() * durationMs * 0.6, 'client begins');
    }
  }

  /** The same request again: at once, while it runs, or when its result is retained or gone. */
  #repeat(task: Task, durationMs: number): void {
    const { random, faults } = this.#parts;
    const delayMs = random.pick([0, random.int(0, 20), random.int(0, 60_000)]);
    const atMs = random.float() * durationMs * 0.5;
    if (delayMs < 20) faults.count('concurrentDuplicate');
    else if (delayMs > 45_000) faults.count('expiredReplay');
    this.#schedule(task, atMs, 'client begins');
    this.#schedule(task, atMs + delayMs, 'client repeats');
  }

  #schedule(task: Task, delayMs: number, name: string): void {
    this.pending += 1;
    this.#parts.scheduler.after(delayMs, name, () => this.#run(task));
  }

  /** A handler waits for somebody outside; told at every attempt, done once. */
  offer(life: Life, offered: Offered, values: readonly Offer[]): void {
    const name = `${nameOf(life)}/${offered.kind}/${offered.kind === 'awakeable' ? offered.id : offered.path}`;
    if (this.#offered.has(name)) return;
    this.#offered.add(name);
    const { scheduler, faults } = this.#parts;
    if (values.length > 1) faults.count('signalTwice');
    for (const [index, value] of values.entries()) {
      if (value.delayMs === 0) faults.count('signalBeforeAwait');
      this.pending += 1;
      scheduler.after(value.delayMs, `${offered.kind} is completed`, () => {
        if (offered.kind === 'promise') {
          this.#settle(offered.key, { ...value, name: offered.name }, `${name}/${index}`);
        } else if (offered.kind === 'signal') this.#signal(life.id, offered.name, resultOf(value));
        else {
          const { invocationId, signalIndex } = decodeAwakeableId(offered.id);
          this.#signal(encodeInvocationId(invocationId) as InvocationId, signalIndex, resultOf(value));
        }
      });
    }
  }

  /** Somebody notices in the end what is still waited for. */
  settleAll(): void {
    const { model } = this.#parts.checkers;
    for (const [key, { result }] of model.scan('promise', '')) {
      if (result !== undefined) continue;
      const [, workflowKey, name] = key.split('/').map(part => decodeURIComponent(part.slice(1)));
      this.pending += 1;
      this.#settle(workflowKey ?? '', { name: name ?? '', value: 'late', reject: false }, undefined);
    }
    for (const { id, state } of model.rows('invocation')) {
      if (state.status !== 'suspended') continue;
      for (const signal of state.awaiting.signals) {
        if (typeof signal !== 'string') continue;
        this.pending += 1;
        this.#signal(id, signal, resultOf({ value: 'late', reject: false }));
      }
    }
  }

  #settle(key: string, settlement: Settlement, idempotencyKey: string | undefined): void {
    const options = idempotencyKey === undefined ? {} : { idempotencyKey };
    const request = requestOf({ service: 'flow', handler: 'settle', key }, settlement, options);
    this.#run({ kind: 'invoke', request, awaits: false, isSafe: true });
  }

  /** Tries until it is through, if it is safe to repeat; else once. */
  #run(task: Task): void {
    const isSafe = task.kind === 'attach' || task.isSafe;
    this.#connect(
      () => {
        if (isSafe) this.#parts.faults.count('clientRetry');
        return isSafe;
      },
      connection => {
        if (task.kind === 'attach') this.#await(task.id(connection.engine), connection, false);
        else this.#invoke(task.request, task.awaits, connection);
      },
    );
  }

  #invoke(request: InvokeRequest, awaits: boolean, connection: Connection): void {
    connection.engine.invoke(request, outcome => {
      if (!('id' in outcome)) return connection.retry();
      this.accepted.add(outcome.id);
      if (this.#parts.checkers.lives.lives.get(outcome.id) === undefined) {
        this.#parts.report('P1', `${outcome.id} was accepted and is not in the log`);
      }
      if (!awaits) return connection.done();
      this.#await(outcome.id, connection, outcome.kind === 'accepted');
    });
  }

  /** `isNew`: it was accepted right now, so it has to be there; else its retention may have ended between two turns. */
  #await(id: InvocationId, { engine, done }: Connection, isNew: boolean): void {
    const { checkers, report } = this.#parts;
    const waiting = engine.awaitResult(id, reply => {
      checkers.lives.told(reply.id, reply.result, 'a reply');
      done();
    });
    if (waiting !== undefined) return;
    if (isNew) report('P1', `${id} was accepted and cannot be waited for`);
    done();
  }

  #signal(id: InvocationId, signal: SignalId, result: Result): void {
    this.#connect(
      () => true,
      ({ engine, done }) => engine.signal(id, signal, result, () => done()),
    );
  }

  /** One connection to the node after the other until `done`; `again`: whether to try again when one breaks. */
  #connect(again: () => boolean, act: (connection: Connection) => void): void {
    const { scheduler, random, node } = this.#parts;
    const later = () =>
      scheduler.after(random.int(20, 1500), 'client tries again', () => this.#connect(again, act));
    const serving = node();
    if (serving === undefined) {
      // Refused: nothing was sent.
      later();
      return;
    }
    let isOver = false;
    const over = (then: () => void) => () => {
      if (isOver) return;
      isOver = true;
      hangUp();
      then();
    };
    const hangUp = serving.onDown(
      over(() => {
        if (again()) later();
        else this.pending -= 1;
      }),
    );
    const done = over(() => {
      this.pending -= 1;
    });
    act({ engine: serving.engine, done, retry: over(() => void later()) });
  }
}

const resultOf = ({ value, reject }: { readonly value: string; readonly reject: boolean }): Result =>
  reject
    ? { kind: 'failure', failure: { code: 500, message: value } }
    : { kind: 'success', value: encoder.encode(JSON.stringify(value)) };
