/**
 * A run: one seed's workload and faults against one node that dies and comes back, until the faults stop; then all
 * accepted work has to come to an end, and nothing may be left of it.
 */

import { readAttempt } from '../../runtime/invoker/attempt.ts';
import { Checkers } from './checkers/index.ts';
import type { Fact } from './checkers/log-checker.ts';
import { checkFold, checkNothingLeft, checkObligations } from './checkers/state-checker.ts';
import { Clients } from './clients.ts';
import { SimDisk } from './disk.ts';
import { Faults } from './faults.ts';
import { Handlers } from './handlers.ts';
import { type Orphan, SimLambda } from './lambda.ts';
import { Machine } from './machine.ts';
import type { Node } from './node.ts';
import { SimRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';
import type { Violation } from './violation.ts';

/** Faults strike and clients begin for this long. */
const TURBULENT_MS = 40_000;
/** Then all has to be over within this; the clock may have been set back by most of an hour. */
const DRAIN_MS_MAX = 2 * 3600_000;
/** Retention is at most 40 s, and again the clock. */
const RETENTION_MS_MAX = 2 * 3600_000;
const EVENTS_MAX = 150_000;
const WATCH_MS = 1000;
const ARN = 'arn:aws:lambda:eu-central-1:123456789012:function:simulated:1';

export class World {
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly disk: SimDisk;
  violation: Violation | undefined;
  readonly #seed: number;
  readonly #trace: Trace;
  readonly #random: SimRandom;
  readonly #checkers: Checkers;
  readonly #handlers: Handlers;
  readonly #lambda: SimLambda;
  readonly #clients: Clients;
  readonly #machine: Machine;
  #isRegistered = false;
  /** Since when the wall clock has been steady. */
  #steadySinceMs = 0;
  #phase: 'turbulent' | 'draining' | 'retaining' | 'over' = 'turbulent';
  #phaseEndsMs = TURBULENT_MS;

  constructor(seed: number, trace: Trace) {
    this.#seed = seed;
    this.#trace = trace;
    this.#random = this.#fork('world');
    this.scheduler = new Scheduler(this.#fork('scheduler'), trace);
    this.faults = new Faults(this.#fork('faults'));
    const diskRandom = this.#fork('disk');
    this.disk = new SimDisk(() => diskRandom.float());
    this.#checkers = new Checkers(this.report, this.scheduler, fact => this.#traceFact(fact));
    this.#handlers = new Handlers(
      {
        delay: ms => new Promise(resolve => this.scheduler.after(ms, 'function waited', resolve)),
        offer: (life, id, values) => this.#clients.offer(life, id, values),
      },
      this.#checkers.handlers,
    );
    this.#lambda = new SimLambda({
      scheduler: this.scheduler,
      random: this.#fork('lambda'),
      faults: this.faults,
      checker: this.#checkers.handlers,
      trace,
      handlers: this.#handlers,
      durable: () => this.#checkers.log.durable,
      onCut: (life, attempt) => this.#checkers.lives.cut(life, attempt),
    });
    this.#clients = new Clients({
      scheduler: this.scheduler,
      random: this.#fork('clients'),
      trace,
      faults: this.faults,
      checkers: this.#checkers,
      report: this.report,
      node: () => (this.#isRegistered ? this.#machine.serving : undefined),
    });
    this.#machine = new Machine({
      seed,
      scheduler: this.scheduler,
      trace,
      disk: this.disk,
      faults: this.faults,
      lambda: this.#lambda,
      checkers: this.#checkers,
      report: this.report,
      onReady: node => this.#ready(node),
      onOrphan: orphan => this.#orphaned(orphan),
    });
  }

  readonly report = (invariant: string, message: string): void => {
    if (this.violation !== undefined) return;
    this.violation = { invariant, message };
    this.#trace.add(this.scheduler.nowMs, `VIOLATION ${invariant}: ${message}`);
  };

  /** Thrown in a microtask, which the scheduler does not see. */
  uncaught(error: unknown): void {
    try {
      this.#machine.uncaught(error);
    } catch (bug) {
      this.report('assertion', bug instanceof Error ? (bug.stack ?? bug.message) : String(bug));
    }
  }

  async run(): Promise<void> {
    this.#machine.boot();
    this.#clients.begin(TURBULENT_MS);
    this.#every(WATCH_MS, () => this.#watch());
    this.#scheduleClockFaults();
    try {
      await this.scheduler.run(() => this.#isOver());
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.report(text.includes('hot loop') ? 'liveness' : 'assertion', text);
    }
    for (const [fault, times] of this.disk.counts) this.faults.count(`disk.${fault}`, times);
  }

  #isOver(): boolean {
    if (this.violation !== undefined || this.#phase === 'over') return true;
    if (this.scheduler.executed > EVENTS_MAX) {
      this.report('liveness', `${EVENTS_MAX} events and no end, in phase ${this.#phase}`);
      return true;
    }
    if (this.#phase === 'turbulent') this.#machine.tick();
    return false;
  }

  #ready(node: Node): void {
    if (this.#isRegistered) return;
    const { engine } = node;
    engine?.register({ arn: ARN }).then(
      () => {
        this.#isRegistered = true;
      },
      // A fault struck the discovery; a person tries again.
      () => this.scheduler.after(200, 'registers again', () => !node.isDead && this.#ready(node)),
    );
  }

  // ---- what strikes from outside

  #scheduleClockFaults(): void {
    for (let i = this.#random.int(0, 3); i > 0; i--) {
      const jumpMs = this.#random.pick([50, 2000, 30_000, 900_000]);
      this.scheduler.after(this.#random.int(0, TURBULENT_MS), 'clock', () => {
        const forward = this.faults.draw('clockForward');
        if (!forward && !this.faults.draw('clockBack')) return;
        this.faults.count(forward ? 'clockForward' : 'clockBack');
        this.#checkers.timers.clockJumps();
        this.scheduler.skewMs += forward ? jumpMs : -jumpMs;
        this.#steadySinceMs = this.scheduler.nowMs;
      });
    }
  }

  /** An answer arrives a second time, or long after anybody waited for it, as through a proxy. */
  #orphaned(orphan: Orphan): void {
    if (!this.#random.chance(0.2) || !this.faults.draw('zombieAnswer')) return;
    const delayMs = this.#random.pick([0, this.#random.int(0, 100), this.#random.int(0, 3000)]);
    this.scheduler.after(delayMs, 'zombie answers', () => this.#propose(orphan));
  }

  /** Only the core's guard is between it and the journal, once a later attempt is the current one. */
  #propose({ life, attempt, seenEntries, payload }: Orphan): void {
    const partition = this.#machine.serving?.partition;
    if (partition === undefined || !this.faults.isOn) return;
    if (attempt >= life.attempt || this.#checkers.lives.lives.get(life.id) !== life) return;
    const inv = this.#checkers.model.get('invocation', life.id);
    const version = inv?.pinned?.protocolVersion ?? 6;
    const outcome = readAttempt(
      { kind: 'response', payload },
      ARN,
      version,
      partition.ids,
      this.scheduler.wallMs(),
    );
    if (outcome.kind !== 'answered') return;
    const { ops, end } = outcome.answer;
    if (end.kind !== 'completed' && end.kind !== 'suspended') return;
    this.faults.count('zombieAnswer');
    partition.propose({ type: 'attempt', id: life.id, attempt, seenEntries, ops, end });
  }

  // ---- looking at it

  /** Every second of virtual time: what must hold at all times, and whether the phase is over. */
  #watch(): void {
    const node = this.#machine.serving;
    const partition = node?.partition;
    if (partition !== undefined && node?.isQuiet) {
      const { model } = this.#checkers;
      checkObligations(this.report, partition, model, ARN);
      this.#checkers.timers.overdue(model, Math.max(this.#steadySinceMs, this.#machine.upSinceMs));
      if (this.#random.chance(0.1)) checkFold(this.report, partition, model, 'while running');
    }
    this.#advance();
  }

  #advance(): void {
    const { nowMs } = this.scheduler;
    const isLate = nowMs > this.#phaseEndsMs;
    switch (this.#phase) {
      case 'turbulent':
        if (!isLate) return;
        this.faults.off();
        this.#machine.heal();
        this.#enter('draining', DRAIN_MS_MAX);
        return;
      case 'draining':
        if (nowMs % 5000 < WATCH_MS) this.#clients.resumeAll();
        if (this.#isDrained) {
          this.#enter('retaining', RETENTION_MS_MAX);
        } else if (isLate) this.#reportStuck();
        return;
      case 'retaining':
        if (this.#checkers.model.size('timer') > 0 && !isLate) return;
        this.#phase = 'over';
        this.#checkEnd();
        return;
      case 'over':
        return;
      default:
        this.#phase satisfies never;
    }
  }

  /** A node that went down with nothing left to do still has to come back. */
  get #isDrained(): boolean {
    const serves = this.#machine.serving?.partition !== undefined;
    return serves && this.#clients.pending === 0 && this.#checkers.model.size('invocation') === 0;
  }

  #checkEnd(): void {
    const partition = this.#machine.serving?.partition;
    if (partition === undefined) {
      this.report('liveness', 'no node serves at the end');
      return;
    }
    checkNothingLeft(this.report, partition, this.#checkers.model);
    checkFold(this.report, partition, this.#checkers.model, 'at the end');
  }

  #enter(phase: 'draining' | 'retaining', withinMs: number): void {
    this.#phase = phase;
    this.#phaseEndsMs = this.scheduler.nowMs + withinMs;
    this.#trace.add(this.scheduler.nowMs, `phase ${phase}`);
  }

  #reportStuck(): void {
    const stuck = [...this.#checkers.model.rows('invocation')].map(
      inv => `${inv.id} ${JSON.stringify(inv.state)}`,
    );
    this.report('liveness', `not over: ${this.#clients.pending} clients wait; ${stuck.join('; ')}`);
  }

  #every(periodMs: number, act: () => void): void {
    this.scheduler.after(periodMs, '', () => {
      act();
      this.#every(periodMs, act);
    });
  }

  #traceFact({ position, record, outcome, effects }: Fact): void {
    const { command } = record;
    const id = 'id' in command ? command.id : command.type === 'timerFired' ? command.timer : '';
    if (outcome === 'applied' && command.type === 'attempt' && command.end.kind === 'failed') {
      if (command.end.after.kind === 'pause') this.faults.count('pause');
    }
    const caused = effects.map(effect => effect.type).join();
    this.#trace.add(this.scheduler.nowMs, `durable ${position} ${command.type} ${id} ${outcome} ${caused}`);
  }

  #fork(name: string): SimRandom {
    return new SimRandom(this.#seed, name);
  }
}
