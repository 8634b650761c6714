/**
 * C6 for an invocation that is run once more: its journal is a prefix of the earlier one's commands, each with the
 * results it had, under the same random seed if there is anything to replay.
 */

import { decodeFrame, decodeFrames } from '@holdfast/protocol';
import type { Report } from '../violation.ts';
import { type Appended, digestOf } from './life-checker.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';

interface Recorded {
  readonly digest: number;
  readonly kind: 'input' | 'command' | 'completion' | 'signal';
  /** Completions that a command claims, or the one that it is. */
  readonly ids: readonly number[];
}

export class RestartChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  readonly #journals = new Map<Life, Recorded[]>();

  constructor(report: Report, lives: Lives) {
    this.#report = report;
    this.#lives = lives;
  }

  entry({ life, entry }: Appended): void {
    const journal = this.#journals.get(life) ?? [];
    this.#journals.set(life, journal);
    const ids =
      entry.kind === 'command'
        ? claimed(entry.frame)
        : entry.kind === 'completion'
          ? [entry.completionId]
          : [];
    journal.push({ digest: digestOf(entry), kind: entry.kind, ids });
  }

  fact({ record: { command }, outcome, position }: Fact): void {
    if (command.type !== 'restartAsNew' || outcome !== 'applied') return;
    const life = this.#lives.get(command.minted.id);
    const earlier = this.#lives.get(command.id);
    if (life === undefined || earlier?.result === undefined) {
      this.#report('C3', `record ${position} restarts ${command.id}, which has not ended`);
      return;
    }
    if (earlier.kind === 'run')
      this.#report('W2', `record ${position} runs workflow ${command.id} once more`);
    const is = this.#journals.get(life) ?? [];
    const was = this.#journals.get(earlier) ?? [];
    const commands = is.filter(({ kind }) => kind === 'input' || kind === 'command').length;
    if (commands > 1 && life.randomSeed !== earlier.randomSeed) {
      this.#report('C6', `${nameOf(life)} replays ${command.id} with another random seed`);
    }
    const should = prefix(was, commands);
    for (const { digest } of is) {
      // Signals that came with the prefix may be there as well.
      while (should.length > 0 && should[0]?.digest !== digest && should[0]?.kind === 'signal')
        should.shift();
      if (should.shift()?.digest === digest) continue;
      this.#report('C6', `${nameOf(life)} begins with an entry that ${command.id} did not have there`);
      return;
    }
    const left = should.find(({ kind }) => kind !== 'signal');
    if (left !== undefined) {
      this.#report(
        'C6',
        `${nameOf(life)} begins without a ${left.kind} of the ${commands} commands it repeats`,
      );
    }
  }
}

/** So many commands, their completions wherever those are, and all signals. */
function prefix(journal: readonly Recorded[], commands: number): Recorded[] {
  const ids = new Set<number>();
  let left = commands;
  return journal.filter(entry => {
    if (entry.kind === 'completion') return entry.ids.some(id => ids.has(id));
    if (entry.kind === 'signal') return true;
    left -= 1;
    if (left < 0) return false;
    for (const id of entry.ids) ids.add(id);
    return true;
  });
}

function claimed(bytes: Uint8Array): readonly number[] {
  const [frame] = decodeFrames(bytes);
  if (frame === undefined) return [];
  const message = decodeFrame(frame).message as {
    readonly resultCompletionId?: number;
    readonly invocationIdNotificationIdx?: number;
  };
  return [message.resultCompletionId, message.invocationIdNotificationIdx].filter(
    id => id !== undefined && id > 0,
  ) as number[];
}
