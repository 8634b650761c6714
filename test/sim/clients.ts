/**
 * The people and programs outside: clients that invoke and, as real ones do, try again when the connection breaks;
 * whoever completes awakeables; operators who cancel, kill and resume.
 */

import { decodeAwakeableId, encodeInvocationId } from '@holdfast/protocol';
import type { InvocationId, Result } from '../../runtime/core/model.ts';
import type { InvokeRequest } from '../../runtime/partition/engine.ts';
import type { LocalEngine } from '../../runtime/partition/local-engine.ts';
import type { Checkers } from './checkers/index.ts';
import { type Life, nameOf } from './checkers/lives.ts';
import type { Faults } from './faults.ts';
import type { Node } from './node.ts';
import { randomProgram, SERVICES } from './programs.ts';
import type { SimRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';
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

interface Task {
  readonly request: InvokeRequest;
  /** Waits for the result; else it is content once it is accepted. */
  readonly awaits: boolean;
}

export class Clients {
  /** Tasks that are not done; an accepted one is done when its reply has come. */
  pending = 0;
  readonly #parts: ClientsParts;
  /** Everything that was ever accepted from here. */
  readonly #accepted = new Set<InvocationId>();
  readonly #offered = new Set<string>();

  constructor(parts: ClientsParts) {
    this.#parts = parts;
  }

  /** Schedules the whole workload of a run. */
  begin(durationMs: number): void {
    const { random, scheduler, faults } = this.#parts;
    const tasks = random.int(3, 14);
    for (let i = 0; i < tasks; i++) {
      const task = this.#randomTask();
      this.pending += 1;
      scheduler.after(random.float() * durationMs * 0.7, 'client begins', () => this.#run(task));
      if (task.request.idempotencyKey === undefined || !random.chance(0.4)) continue;
      this.pending += 2;
      // The same request again: at once, while it runs, or when its result is retained or gone.
      const delayMs = random.pick([0, random.int(0, 20), random.int(0, 60_000)]);
      const atMs = random.float() * durationMs * 0.5;
      if (delayMs < 20) faults.count('concurrentDuplicate');
      else if (delayMs > 45_000) faults.count('expiredReplay');
      scheduler.after(atMs, 'client begins', () => this.#run(task));
      scheduler.after(atMs + delayMs, 'client repeats', () => this.#run(task));
    }
    const deeds = random.int(0, 12);
    for (let i = 0; i < deeds; i++) {
      scheduler.after(random.float() * durationMs, 'operator acts', () => this.#operate());
    }
  }

  /** A handler made an awakeable and gave its id away; told at every attempt, done once. */
  offer(
    life: Life,
    id: string,
    values: readonly { delayMs: number; value: string; reject: boolean }[],
  ): void {
    const name = `${nameOf(life)}/${id}`;
    if (this.#offered.has(name)) return;
    this.#offered.add(name);
    const { scheduler, faults } = this.#parts;
    if (values.length > 1) faults.count('signalTwice');
    for (const { delayMs, value, reject } of values) {
      if (delayMs === 0) faults.count('signalBeforeAwait');
      this.pending += 1;
      const result: Result = reject
        ? { kind: 'failure', failure: { code: 500, message: value } }
        : { kind: 'success', value: encoder.encode(JSON.stringify(value)) };
      scheduler.after(delayMs, 'awakeable is completed', () => this.#signal(id, result));
    }
  }

  /** Resumes all that is paused, as an operator would. */
  resumeAll(): void {
    const { checkers } = this.#parts;
    for (const { id, state } of checkers.model.rows('invocation'))
      if (state.status === 'paused') this.#do('resume', id);
  }

  #randomTask(): Task {
    const { random } = this.#parts;
    const program = randomProgram(random, random.int(0, 2));
    const request: InvokeRequest = {
      target: { service: random.pick(SERVICES), handler: 'program', key: '' },
      headers: [['content-type', 'application/json']],
      body: encoder.encode(JSON.stringify(program)),
      ...(random.chance(0.6) ? { idempotencyKey: `c${random.int(1, 3)}` } : {}),
      ...(random.chance(0.2) ? { delayMs: random.int(0, 5000) } : {}),
    };
    return { request, awaits: random.chance(0.7) };
  }

  /** Tries until it is through, if the request is safe to repeat; else once. */
  #run(task: Task): void {
    const { faults } = this.#parts;
    const isSafe = task.request.idempotencyKey !== undefined;
    this.#connect(
      () => {
        if (isSafe) faults.count('clientRetry');
        return isSafe;
      },
      ({ engine, done, retry }) => {
        engine.invoke(task.request, outcome => {
          if (outcome.kind === 'unknownTarget' || outcome.kind === 'unavailable') return retry();
          this.#accepted.add(outcome.id);
          if (this.#parts.checkers.lives.lives.get(outcome.id) === undefined) {
            this.#parts.report('P1', `${outcome.id} was accepted and is not in the log`);
          }
          if (!task.awaits) return done();
          const waiting = engine.awaitResult(outcome.id, reply => {
            this.#parts.checkers.lives.told(reply.id, reply.result, 'a reply');
            done();
          });
          // Its retention ended between two turns.
          if (waiting === undefined) {
            if (outcome.kind === 'accepted') {
              this.#parts.report('P1', `${outcome.id} was accepted and cannot be waited for`);
            }
            done();
          }
        });
      },
    );
  }

  #signal(awakeableId: string, result: Result): void {
    const { invocationId, signalIndex } = decodeAwakeableId(awakeableId);
    const id = encodeInvocationId(invocationId) as InvocationId;
    this.#connect(
      () => true,
      ({ engine, done }) => engine.signal(id, signalIndex, result, () => done()),
    );
  }

  /** One connection to the node after the other until `done`; `again`: whether to try again when one breaks. */
  #connect(
    again: () => boolean,
    act: (connection: { engine: LocalEngine; done: () => void; retry: () => void }) => void,
  ): void {
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

  /** One deed of an operator or of another program. */
  #operate(): void {
    const { random, checkers, node } = this.#parts;
    const ids = [...this.#accepted, ...[...checkers.model.rows('invocation')].map(({ id }) => id)];
    if (ids.length === 0) return;
    const id = random.pick(ids);
    const deed = random.weighted({ cancel: 4, kill: 2, resume: 3, output: 4 });
    if (deed !== 'output') {
      this.#do(deed, id);
      return;
    }
    const output = node()?.engine.output(id);
    if (output?.kind === 'done') checkers.lives.told(id, output.reply.result, 'output');
  }

  #do(deed: 'cancel' | 'kill' | 'resume', id: InvocationId): void {
    const { node, faults, trace, scheduler } = this.#parts;
    trace.add(scheduler.nowMs, `operator: ${deed} ${id}`);
    node()?.engine[deed](id, outcome => {
      if (outcome === 'applied' || outcome === 'ended') faults.count(deed);
    });
  }
}
