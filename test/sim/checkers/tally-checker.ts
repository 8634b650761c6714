/**
 * O1 for the counters of tally.ts: at the end each one holds the sum of the additions that were recorded, each of
 * them once. An `add` that succeeded has added once, one that failed and was not killed nothing; a saga that was
 * taken back has left nothing behind, unless something of it was killed.
 */

import { MessageType } from '@holdfast/protocol';
import { type Add, COUNTER } from '../tally.ts';
import type { Report } from '../violation.ts';
import { opsOf } from './facts.ts';
import type { Appended } from './life-checker.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';
import type { ObjectChecker } from './object-checker.ts';

export class TallyChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  readonly #sums = new Map<string, number>();
  readonly #amounts = new Map<Life, number>();
  readonly #added = new Map<Life, number>();
  /** What was called and waited for. */
  readonly #calls = new Map<Life, Life[]>();

  constructor(report: Report, lives: Lives) {
    this.#report = report;
    this.#lives = lives;
  }

  entry({ life, entry, fact }: Appended): void {
    if (life.target.service !== 'tally' || life.target.handler !== 'add') return;
    if (entry.kind === 'input') {
      this.#amounts.set(life, (JSON.parse(Buffer.from(entry.body).toString()) as Add).amount);
    }
    const isWrite = entry.kind === 'command' && entry.type === MessageType.SetStateCommand;
    if (!isWrite || fact.record.command.type === 'restartAsNew') return;
    const { key } = life.target;
    this.#added.set(life, (this.#added.get(life) ?? 0) + 1);
    this.#sums.set(key, (this.#sums.get(key) ?? 0) + (this.#amounts.get(life) ?? 0));
  }

  fact(fact: Fact): void {
    const { command } = fact.record;
    for (const op of opsOf(fact)) {
      const caller = command.type === 'attempt' ? this.#lives.get(command.id) : undefined;
      const callee = op.op === 'call' ? this.#lives.get(op.callee.id) : undefined;
      if (caller === undefined || callee?.target.service !== 'tally') continue;
      this.#calls.set(caller, [...(this.#calls.get(caller) ?? []), callee]);
    }
    for (const effect of fact.effects) {
      const life = effect.type === 'completed' ? this.#lives.get(effect.id) : undefined;
      if (life !== undefined) this.#ended(life);
    }
  }

  /** When all is over. */
  check(objects: ObjectChecker): void {
    for (const [key, sum] of this.#sums) {
      const is = objects.content({ service: 'tally', key }).get(COUNTER);
      if (Number(is ?? 0) !== sum) this.#report('O1', `counter ${key} is ${is}, its additions sum to ${sum}`);
    }
  }

  #ended(life: Life): void {
    const { service, handler } = life.target;
    const succeeded = life.result?.kind === 'success';
    if (service === 'tally' && handler === 'add') {
      const times = this.#added.get(life) ?? 0;
      if (life.isKilled ? times > 1 : times !== (succeeded ? 1 : 0)) {
        this.#report(
          'O1',
          `${nameOf(life)} ${succeeded ? 'succeeded' : 'failed'} and has added ${times} times`,
        );
      }
    }
    if (succeeded || (service !== 'saga' && service !== 'tally')) return;
    const all = [...this.#below(life)];
    if (life.isKilled || all.some(({ isKilled }) => isKilled)) return;
    const left = new Map<string, number>();
    for (const one of all) {
      const added = (this.#added.get(one) ?? 0) * (this.#amounts.get(one) ?? 0);
      left.set(one.target.key, (left.get(one.target.key) ?? 0) + added);
    }
    for (const [key, sum] of left) {
      if (sum !== 0) this.#report('O1', `${nameOf(life)} failed and has left ${sum} in counter ${key}`);
    }
  }

  *#below(life: Life): Iterable<Life> {
    for (const callee of this.#calls.get(life) ?? []) {
      yield callee;
      yield* this.#below(callee);
    }
  }
}
