/** The observer at the seams, which tells the checkers. */

import type { Log } from '../../../runtime/log/log.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Report } from '../violation.ts';
import { DeploymentChecker } from './deployment-checker.ts';
import { HandlerChecker } from './handler-checker.ts';
import { KeyChecker } from './key-checker.ts';
import { type Appended, LifeChecker } from './life-checker.ts';
import { LiveChecker } from './live-checker.ts';
import { type Fact, LogChecker } from './log-checker.ts';
import type { ModelState } from './model-state.ts';
import { ObjectChecker } from './object-checker.ts';
import { PauseChecker } from './pause-checker.ts';
import { PromiseChecker } from './promise-checker.ts';
import { RestartChecker } from './restart-checker.ts';
import { SignalChecker } from './signal-checker.ts';
import { TallyChecker } from './tally-checker.ts';
import { TimerChecker } from './timer-checker.ts';
import { WakeChecker } from './wake-checker.ts';

export class Checkers {
  readonly log: LogChecker;
  readonly lives: LifeChecker;
  readonly timers: TimerChecker;
  readonly handlers: HandlerChecker;
  readonly keys: KeyChecker;
  readonly objects: ObjectChecker;
  readonly promises: PromiseChecker;
  readonly deployments: DeploymentChecker;
  readonly live: LiveChecker;
  readonly #wakes: WakeChecker;
  readonly #signals: SignalChecker;
  readonly #pauses: PauseChecker;
  readonly #restarts: RestartChecker;
  readonly #tallies: TallyChecker;

  constructor(
    report: Report,
    scheduler: Scheduler,
    count: (kind: string, times?: number) => void,
    onFact: (fact: Fact) => void,
  ) {
    const clock = { nowMs: () => scheduler.nowMs, wallMs: () => scheduler.wallMs() };
    this.live = new LiveChecker(report, count, clock.nowMs);
    this.lives = new LifeChecker(
      report,
      clock.nowMs,
      appended => this.#appended(appended),
      (life, command, isRefused, fact) => this.live.recorded(life, command, isRefused, fact),
    );
    const { lives } = this.lives;
    this.timers = new TimerChecker(report, clock, lives);
    this.handlers = new HandlerChecker(report, lives);
    this.keys = new KeyChecker(report, lives);
    this.objects = new ObjectChecker(report, lives, this.keys);
    this.promises = new PromiseChecker(report, lives);
    this.deployments = new DeploymentChecker(report, lives);
    this.#signals = new SignalChecker(report, lives);
    this.#pauses = new PauseChecker(report, lives);
    this.#restarts = new RestartChecker(report, lives);
    this.#tallies = new TallyChecker(report, lives);
    this.#wakes = new WakeChecker(report, count, lives);
    this.log = new LogChecker(report, (fact, before) => {
      onFact(fact);
      this.#fact(fact, before);
    });
  }

  get model(): ModelState {
    return this.log.model;
  }

  /** When nothing is on its way to the log: the rows against what the facts say. */
  checkRows(): void {
    this.keys.check(this.model);
    this.objects.check(this.model);
    this.promises.check(this.model);
  }

  checkEnd(): void {
    this.checkRows();
    this.#tallies.check(this.objects);
  }

  /** An entry of a journal, before the record that brought it is looked at as a whole. */
  #appended(appended: Appended): void {
    this.timers.entry(appended);
    this.handlers.entry(appended);
    this.objects.entry(appended);
    this.promises.entry(appended);
    this.#signals.entry(appended);
    this.#restarts.entry(appended);
    this.#tallies.entry(appended);
    this.live.entry(appended);
    this.#wakes.entry(appended);
  }

  #fact(fact: Fact, before: ModelState): void {
    const { command } = fact.record;
    const wasOpen = 'id' in command && this.lives.lives.get(command.id)?.open === true;
    this.lives.fact(fact, before);
    this.keys.fact(fact, life => this.objects.released(life, fact));
    this.objects.fact(fact);
    this.promises.fact(fact);
    this.deployments.fact(fact);
    this.#signals.fact(fact);
    this.#pauses.fact(fact, wasOpen);
    this.#restarts.fact(fact);
    this.#tallies.fact(fact);
    this.#wakes.fact(fact);
    this.timers.fact(fact);
  }

  /** A Log that reports what is acknowledged. `inFlight` counts appends that are not durable. */
  spy(log: Log): Log & { readonly inFlight: number } {
    const { log: checker } = this;
    let inFlight = 0;
    return {
      get inFlight() {
        return inFlight;
      },
      get epoch() {
        return log.epoch;
      },
      get durable() {
        return log.durable;
      },
      append(records, onDurable) {
        const copies = records.map(record => record.slice());
        inFlight += 1;
        log.append(records, first => {
          inFlight -= 1;
          checker.acknowledged(first, copies);
          onDurable(first);
        });
      },
      read: from => log.read(from),
      close: () => log.close(),
    };
  }
}
