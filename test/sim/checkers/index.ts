/** The observer at the seams, which tells the checkers. */

import type { Log } from '../../../runtime/log/log.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Report } from '../violation.ts';
import { HandlerChecker } from './handler-checker.ts';
import { LifeChecker } from './life-checker.ts';
import { type Fact, LogChecker } from './log-checker.ts';
import type { ModelState } from './model-state.ts';
import { TimerChecker } from './timer-checker.ts';

export class Checkers {
  readonly log: LogChecker;
  readonly lives: LifeChecker;
  readonly timers: TimerChecker;
  readonly handlers: HandlerChecker;

  constructor(report: Report, scheduler: Scheduler, onFact: (fact: Fact) => void) {
    const clock = { nowMs: () => scheduler.nowMs, wallMs: () => scheduler.wallMs() };
    this.lives = new LifeChecker(report, clock.nowMs, appended => {
      this.timers.entry(appended);
      this.handlers.entry(appended);
    });
    this.timers = new TimerChecker(report, clock, this.lives.lives);
    this.handlers = new HandlerChecker(report, this.lives.lives);
    this.log = new LogChecker(report, (fact, before) => {
      onFact(fact);
      this.lives.fact(fact, before);
      this.timers.fact(fact);
    });
  }

  get model(): ModelState {
    return this.log.model;
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
