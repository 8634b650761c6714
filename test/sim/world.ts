/**
 * A run: one seed's workload and faults against one node that dies and comes back, until the faults stop; then all
 * accepted work has to come to an end, and nothing may be left of it.
 */

import type { Command } from '../../runtime/core/command.ts';
import type { Outcome as CommandOutcome } from '../../runtime/core/effect.ts';
import type { InvocationId } from '../../runtime/core/model.ts';
import { readAttempt } from '../../runtime/invoker/attempt.ts';
import { Checkers } from './checkers/index.ts';
import type { Fact } from './checkers/log-checker.ts';
import { checkFold, checkLeftovers, checkNothingLeft, checkObligations } from './checkers/state-checker.ts';
import { Clients } from './clients.ts';
import { SimDisk } from './disk.ts';
import { Faults } from './faults.ts';
import { FunctionHost, type Orphan } from './function-host.ts';
import { Handlers } from './handlers.ts';
import { Machine } from './machine.ts';
import type { Node } from './node.ts';
import { Operators } from './operators.ts';
import { SimRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { randomSites, type Sites } from './sites.ts';
import type { Trace } from './trace.ts';
import type { Violation } from './violation.ts';

/** Faults strike and clients begin for this long. */
const TURBULENT_MS = 40_000;
/** Then all has to be over within this, and as long again as the clock was set back. */
const DRAIN_MS_MAX = 20 * 60_000;
/** Retention is at most 60 s, and again the clock. */
const RETENTION_MS_MAX = 5 * 60_000;
/** Ten times what the longest of many runs took. */
const EVENTS_MAX = { mixed: 40_000, programs: 200_000 } as const;
const WATCH_MS = 1000;
const DEEDS_MAX = 24;
const PROGRAM_STEPS_MAX = 20;

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
  readonly #sites: Sites;
  readonly #clients: Clients;
  readonly #operators: Operators;
  readonly #programs: number;
  readonly #machine: Machine;
  /** Answers of invocations whose ids may live again. */
  readonly #orphans = new Map<InvocationId, readonly Orphan[]>();
  #isRegistered = false;
  /** How far the wall clock was set back, all in all: what is due by it may come so much later. */
  #setBackMs = 0;
  /** Since when the wall clock has been steady. */
  #steadySinceMs = 0;
  #phase: 'turbulent' | 'draining' | 'retaining' | 'over' = 'turbulent';
  #phaseEndsMs = TURBULENT_MS;

  /** `programs`: so many programs over shared counters (tally.ts) in place of the mixed workload. */
  constructor(seed: number, trace: Trace, programs = 0) {
    this.#seed = seed;
    this.#programs = programs;
    this.#trace = trace;
    this.#random = this.#fork('world');
    this.scheduler = new Scheduler(this.#fork('scheduler'), trace);
    this.faults = new Faults(this.#fork('faults'));
    const diskRandom = this.#fork('disk');
    this.disk = new SimDisk(() => diskRandom.float());
    this.#checkers = new Checkers(
      this.report,
      this.scheduler,
      (kind, times) => this.faults.count(kind, times),
      fact => this.#traceFact(fact),
    );
    this.#handlers = new Handlers(
      {
        delay: ms => new Promise(resolve => this.scheduler.after(ms, 'function waited', resolve)),
        offer: (life, offered, values) => this.#clients.offer(life, offered, values),
      },
      this.#checkers.handlers,
    );
    this.#sites = randomSites(this.#fork('sites'));
    const host = new FunctionHost({
      scheduler: this.scheduler,
      random: this.#fork('host'),
      faults: this.faults,
      checker: this.#checkers.handlers,
      live: this.#checkers.live,
      trace,
      handlers: this.#handlers,
      queued: address => this.#machine.serving?.partition?.invoker.stats(address)?.queued ?? 0,
      durable: () => this.#checkers.log.durable,
      onSent: (life, address) => this.#checkers.deployments.sent(life, address),
      onCut: (life, attempt) => this.#checkers.lives.cut(life, attempt),
    });
    const outside = {
      scheduler: this.scheduler,
      trace,
      faults: this.faults,
      checkers: this.#checkers,
      report: this.report,
      node: () => (this.#isRegistered ? this.#machine.serving : undefined),
    };
    this.#clients = new Clients({ ...outside, random: this.#fork('clients') });
    this.#operators = new Operators({
      ...outside,
      random: this.#fork('operators'),
      clients: this.#clients,
      sites: this.#sites,
    });
    this.#machine = new Machine({
      seed,
      scheduler: this.scheduler,
      trace,
      disk: this.disk,
      faults: this.faults,
      host,
      sites: this.#sites,
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
    if (this.#programs === 0) this.#clients.begin(TURBULENT_MS);
    else this.#clients.beginPrograms(TURBULENT_MS, this.#programs, PROGRAM_STEPS_MAX);
    this.#operators.begin(TURBULENT_MS, DEEDS_MAX, this.#programs > 0);
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
    const eventsMax = EVENTS_MAX[this.#programs > 0 ? 'programs' : 'mixed'];
    if (this.scheduler.executed > eventsMax) {
      this.report('liveness', `${eventsMax} events and no end, in phase ${this.#phase}`);
      return true;
    }
    if (this.#phase === 'turbulent') this.#machine.tick();
    return false;
  }

  #ready(node: Node): void {
    if (this.#isRegistered) return;
    const { engine } = node;
    engine?.register({ address: this.#sites[0].address }).then(
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
        if (!forward) this.#setBackMs += jumpMs;
        this.#steadySinceMs = this.scheduler.nowMs;
      });
    }
  }

  /** An answer arrives a second time, or long after anybody waited for it, as through a proxy. */
  #orphaned(orphan: Orphan): void {
    const { life } = orphan;
    if (life.idempotencyKey !== undefined || life.kind === 'run') {
      this.#orphans.set(life.id, [...(this.#orphans.get(life.id) ?? []), orphan]);
    }
    if (!this.#random.chance(0.2) || !this.faults.draw('zombieAnswer')) return;
    const delayMs = this.#random.pick([0, this.#random.int(0, 100), this.#random.int(0, 3000)]);
    this.scheduler.after(delayMs, 'zombie answers', () => this.#propose(orphan));
  }

  /** Its id may have had an earlier life, whose answers still come when this one has an attempt of that number. */
  #attemptStarts(id: InvocationId, attempt: number): void {
    for (const orphan of this.#orphans.get(id) ?? []) {
      if (orphan.attempt !== attempt || !this.faults.draw('zombieAnswer')) continue;
      this.scheduler.after(this.#random.int(0, 20), 'zombie of an earlier life', () => {
        if (this.#checkers.lives.lives.get(id) !== orphan.life) this.#propose(orphan);
      });
    }
  }

  /** Only the core's guard is between it and the journal, once a later attempt is the current one. */
  #propose({ life, attempt, seenEntries, version, response, isLive }: Orphan): void {
    const partition = this.#machine.serving?.partition;
    if (partition === undefined || !this.faults.isOn) return;
    // One of an earlier life under the same id comes too late as well.
    const isOver = this.#checkers.lives.lives.get(life.id) !== life;
    if (attempt >= life.attempt && !isOver) return;
    const result = { kind: 'response', ...response } as const;
    const outcome = readAttempt(result, version, partition.ids, this.scheduler.wallMs());
    if (outcome.kind !== 'answered') return;
    const { ops, end: read } = outcome.answer;
    const end = read.kind === 'missing' && isLive ? ({ kind: 'goesOn' } as const) : read;
    if (end.kind === 'missing' || end.kind === 'failed') return;
    this.faults.count(isOver ? 'zombieOfEarlierLife' : 'zombieAnswer');
    if (end.kind === 'goesOn') this.faults.count('zombiePart');
    partition.propose({
      type: 'attempt',
      id: life.id,
      attempt,
      randomSeed: life.randomSeed,
      seenEntries,
      ops,
      end,
    });
  }

  // ---- looking at it

  /** Every second of virtual time: what must hold at all times, and whether the phase is over. */
  #watch(): void {
    const node = this.#machine.serving;
    const partition = node?.partition;
    if (partition !== undefined && node?.isQuiet) {
      const { model } = this.#checkers;
      const addresses = this.#sites.map(({ name }) => name);
      checkObligations(this.report, partition, model, addresses);
      checkLeftovers(this.report, model);
      this.#checkers.checkRows();
      this.#checkers.live.watch(model, this.#machine.upSinceMs);
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
        if (nowMs % 5000 < WATCH_MS) {
          this.#operators.resumeAll();
          this.#clients.settleAll();
        }
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
    this.#checkers.checkEnd();
    checkNothingLeft(this.report, partition, this.#checkers.model);
    checkFold(this.report, partition, this.#checkers.model, 'at the end');
  }

  #enter(phase: 'draining' | 'retaining', withinMs: number): void {
    this.#phase = phase;
    this.#phaseEndsMs = this.scheduler.nowMs + withinMs + this.#setBackMs;
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
    this.#countFact(command, outcome);
    for (const effect of effects) {
      if (effect.type === 'startAttempt') this.#attemptStarts(effect.id, effect.attempt);
    }
    const caused = effects.map(effect => effect.type).join();
    this.#trace.add(this.scheduler.nowMs, `durable ${position} ${command.type} ${id} ${outcome} ${caused}`);
  }

  #countFact(command: Command, outcome: CommandOutcome): void {
    const { faults } = this;
    if (command.type === 'patchState' && outcome === 'stale') faults.count('stalePatch');
    if (outcome !== 'applied' && outcome !== 'ended') return;
    const life = 'id' in command ? this.#checkers.lives.lives.get(command.id) : undefined;
    if (life !== undefined && this.#checkers.live.isLive(life)) faults.count(`${command.type} while live`);
    faults.count(`command ${command.type}`);
    if (command.type !== 'attempt') return;
    for (const { op } of command.ops) faults.count(`op ${op}`);
    if (command.end.kind === 'failed' && command.end.after.kind === 'pause') faults.count('pause');
  }

  #fork(name: string): SimRandom {
    return new SimRandom(this.#seed, name);
  }
}
