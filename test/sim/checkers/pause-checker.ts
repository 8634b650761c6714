/**
 * O2: a paused invocation starts no attempt until it is resumed or cancelled. One that runs when it is paused ends its
 * attempt first.
 */

import { CANCEL } from '../../../runtime/core/model.ts';
import type { Report } from '../violation.ts';
import { signalsOf } from './facts.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';

export class PauseChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  /** `asked`: as soon as its attempt has ended. */
  readonly #paused = new Map<Life, 'asked' | 'paused'>();

  constructor(report: Report, lives: Lives) {
    this.#report = report;
    this.#lives = lives;
  }

  /** After the lives have heard of it; `wasOpen`: whether the invocation of the command had an attempt before it. */
  fact(fact: Fact, wasOpen: boolean): void {
    this.#command(fact, wasOpen);
    for (const { signal, id } of signalsOf(fact)) {
      const life = this.#lives.get(id);
      // It has to run in order to unwind.
      if (signal === CANCEL && life !== undefined) this.#paused.delete(life);
    }
    for (const effect of fact.effects) {
      if (effect.type !== 'startAttempt') continue;
      const life = this.#lives.get(effect.id);
      if (life === undefined || this.#paused.get(life) !== 'paused') continue;
      this.#report(
        'O2',
        `record ${fact.position} starts attempt ${effect.attempt} of ${nameOf(life)}, which is paused`,
      );
    }
  }

  #command({ record: { command }, outcome, writes }: Fact, wasOpen: boolean): void {
    if (outcome !== 'applied') return;
    if (command.type !== 'pause' && command.type !== 'resume' && command.type !== 'attempt') return;
    const life = this.#lives.get(command.id);
    if (life === undefined) return;
    if (command.type === 'resume' || life.result !== undefined) this.#paused.delete(life);
    else if (command.type === 'pause') this.#paused.set(life, wasOpen ? 'asked' : 'paused');
    else {
      const row = writes.find(({ table, key }) => table === 'invocation' && key === command.id)?.row;
      const gaveUp = row !== undefined && 'state' in row && row.state.status === 'paused';
      const ends = command.end.kind !== 'goesOn';
      if (gaveUp || (ends && this.#paused.has(life))) this.#paused.set(life, 'paused');
    }
  }
}
