/** W1: a timer fires once; a sleep and a delayed start never end early by the wall clock, and none is forgotten. */

import { decodeFrames, decodeMessage, MessageType } from '@holdfast/protocol';
import type { Report } from '../violation.ts';
import type { Appended } from './life-checker.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';
import type { ModelState } from './model-state.ts';

/** The queue looks at the wall clock at least once a minute; then the record has to become durable. */
const OVERDUE_MS = 70_000;

export class TimerChecker {
  readonly #report: Report;
  readonly #nowMs: () => number;
  readonly #wallMs: () => number;
  readonly #lives: Lives;
  readonly #armed = new Map<string, number>();
  /** When a sleep ends and since when it has been under way, by life and completion id. */
  readonly #sleeps = new Map<string, { readonly wakeAt: number; readonly sinceMs: number }>();
  /** What the wall clock showed just before it was set back, by true time. */
  readonly #peaks: { readonly atMs: number; readonly wallMs: number }[] = [];

  constructor(report: Report, clock: { nowMs: () => number; wallMs: () => number }, lives: Lives) {
    this.#report = report;
    this.#nowMs = clock.nowMs;
    this.#wallMs = clock.wallMs;
    this.#lives = lives;
  }

  /** Just before the wall clock jumps. */
  clockJumps(): void {
    this.#peaks.push({ atMs: this.#nowMs(), wallMs: this.#wallMs() });
  }

  fact(fact: Fact): void {
    const { command } = fact.record;
    if (command.type === 'timerFired' && fact.outcome === 'applied') {
      if (!this.#armed.has(command.timer)) this.#report('W1', `timer ${command.timer} fired twice`);
      this.#armed.delete(command.timer);
    }
    for (const write of fact.writes) {
      if (write.table !== 'timer') continue;
      if (write.row === undefined) this.#armed.delete(write.key);
      else this.#armed.set(write.key, write.row.at);
    }
    for (const effect of fact.effects) {
      const life = effect.type === 'startAttempt' ? this.#lives.get(effect.id) : undefined;
      if (life?.attempt === 1 && this.#highestWallSince(life.createdMs) < life.startAt) {
        this.#report('W1', `${life.id} starts at ${this.#wallMs()}, its start time is ${life.startAt}`);
      }
    }
  }

  entry({ life, entry, fact }: Appended): void {
    if (entry.kind === 'command' && entry.type === MessageType.SleepCommand)
      this.#sleepBegins(life, entry.frame);
    if (entry.kind !== 'completion' || entry.of !== 'sleep') return;
    const sleep = this.#sleeps.get(`${nameOf(life)}/${entry.completionId}`);
    if (sleep === undefined) {
      this.#report(
        'W1',
        `record ${fact.position} ends sleep ${entry.completionId} of ${life.id}, which never began`,
      );
    } else if (this.#highestWallSince(sleep.sinceMs) < sleep.wakeAt) {
      const early = sleep.wakeAt - this.#highestWallSince(sleep.sinceMs);
      this.#report(
        'W1',
        `a sleep of ${life.id} until ${sleep.wakeAt} ends ${early} ms early by the wall clock`,
      );
    }
  }

  /** A timer that is long due while the node has been up and the clock steady all the time since. */
  overdue(model: ModelState, steadySinceMs: number): void {
    if (this.#nowMs() - steadySinceMs < OVERDUE_MS) return;
    for (const { at, kind, invocation } of model.rows('timer')) {
      if (at < this.#wallMs() - OVERDUE_MS) {
        this.#report('W1', `a ${kind} timer of ${invocation} is ${this.#wallMs() - at} ms overdue`);
      }
    }
  }

  #sleepBegins(life: Life, frame: Uint8Array): void {
    const payload = decodeFrames(frame)[0]?.payload ?? frame;
    const { resultCompletionId, wakeUpTime } = decodeMessage('SleepCommand', payload);
    this.#sleeps.set(`${nameOf(life)}/${resultCompletionId}`, {
      wakeAt: wakeUpTime,
      sinceMs: life.attemptMs,
    });
  }

  #highestWallSince(sinceMs: number): number {
    let highest = this.#wallMs();
    for (const { atMs, wallMs } of this.#peaks) if (atMs >= sinceMs) highest = Math.max(highest, wallMs);
    return highest;
  }
}
