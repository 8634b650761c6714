/**
 * C7 for signals: one that reaches an invocation that has begun and has not ended is journaled by the same record,
 * once; one that was journaled is not taken back.
 */

import { isDeepStrictEqual } from 'node:util';
import type { NotificationResult, SignalId } from '../../../runtime/core/model.ts';
import type { Report } from '../violation.ts';
import { signalsOf } from './facts.ts';
import type { Appended } from './life-checker.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';

interface Journaled {
  readonly life: Life;
  readonly signal: SignalId;
  readonly result: NotificationResult;
}

export class SignalChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  #journaled: Journaled[] = [];

  constructor(report: Report, lives: Lives) {
    this.#report = report;
    this.#lives = lives;
  }

  entry({ life, entry, fact }: Appended): void {
    if (entry.kind !== 'signal' || fact.record.command.type === 'restartAsNew') return;
    this.#journaled.push({ life, signal: entry.signal, result: entry.result });
  }

  fact(fact: Fact): void {
    const journaled = this.#journaled;
    this.#journaled = [];
    for (const { id, signal, result } of signalsOf(fact)) {
      const life = this.#lives.get(id);
      const at = journaled.findIndex(one => {
        return one.life === life && one.signal === signal && isDeepStrictEqual(one.result, result);
      });
      if (at >= 0) journaled.splice(at, 1);
      // One that ends with this record may keep no journal, one that begins with it may have begun after the signal.
      else if (life !== undefined && life.result === undefined && life.attempt > 0 && before(life, fact)) {
        this.#report('C7', `signal ${signal} to ${nameOf(life)}, record ${fact.position}, is lost`);
      }
    }
    for (const { life, signal } of journaled) {
      this.#report('C7', `signal ${signal} of ${nameOf(life)}, record ${fact.position}, was sent by nobody`);
    }
  }
}

const before = (life: Life, { position }: Fact): boolean => life.bornAt < position;
