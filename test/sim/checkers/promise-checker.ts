/**
 * C7 for durable promises: of the completions of one the first in the log wins and the others are told so; whoever
 * waits is told in the same record, whoever asks later gets the same. C8: a result is there as long as its workflow's
 * run is known, and, where there is no run, until its timer fires.
 */

import { isDeepStrictEqual } from 'node:util';
import { decodeFrame, decodeFrames } from '@holdfast/protocol';
import type { Entry, NotificationResult, Result } from '../../../runtime/core/model.ts';
import { instanceKey, promiseKey } from '../../../runtime/core/table.ts';
import type { Report } from '../violation.ts';
import type { Appended } from './life-checker.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';
import type { ModelState } from './model-state.ts';

interface Asked {
  readonly life: Life;
  readonly kind: 'get' | 'peek' | 'complete';
  readonly promise: string;
  /** What it has to be told in the same record; undefined: it may have to wait. */
  readonly expected: NotificationResult | undefined;
}

const ALREADY: NotificationResult = {
  kind: 'failure',
  failure: { code: 409, message: 'promise was already completed' },
};

export class PromiseChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  readonly #results = new Map<string, Result>();
  /** Not answered yet, by life and completion id. */
  readonly #asked = new Map<string, Asked>();
  /** Id of the run by workflow key. */
  readonly #runs = new Map<string, string>();

  constructor(report: Report, lives: Lives) {
    this.#report = report;
    this.#lives = lives;
  }

  entry({ life, entry, fact }: Appended): void {
    if (life.kind !== 'run' && life.kind !== 'workflowShared') return;
    // The journal of one that was restarted: its answers are copied with its questions.
    if (fact.record.command.type === 'restartAsNew') return;
    if (entry.kind === 'command') this.#command(life, entry.frame);
    else if (entry.kind === 'completion') this.#answer(life, entry);
  }

  fact(fact: Fact): void {
    for (const { table, key, row } of fact.writes) {
      if (table === 'invocation' && row !== undefined && this.#lives.get(key)?.kind === 'run')
        this.#runs.set(instanceKey(row.target), key);
      if (table === 'promise' && row?.result === undefined) this.#gone(key, fact);
    }
    for (const [name, { life, kind, promise }] of this.#asked) {
      if (life.result !== undefined) this.#asked.delete(name);
      else if (kind !== 'get') this.#report('C7', `${kind} ${name} of promise ${promise} has no answer`);
      else if (this.#results.has(promise))
        this.#report('C7', `${name} waits for ${promise}, which has a result`);
    }
  }

  /** The rows against what the facts say. */
  check(model: ModelState): void {
    for (const [name, { result, listeners, timer }] of model.scan('promise', '')) {
      const first = this.#results.get(name);
      if (!isDeepStrictEqual(result, first))
        this.#report('C7', `promise ${name} has another result than its first`);
      const waiting = [...this.#asked].filter(([, { promise }]) => promise === name);
      if (listeners.length !== waiting.length) {
        this.#report('C8', `${waiting.length} wait for promise ${name}, which knows ${listeners.length}`);
      }
      if (result === undefined && listeners.length === 0)
        this.#report('C8', `promise ${name} is kept for nobody`);
      const isKept = timer === undefined ? this.#hasRun(name) : model.get('timer', timer) !== undefined;
      if (result !== undefined && !isKept) this.#report('C8', `promise ${name} is kept for ever`);
    }
    for (const name of this.#results.keys()) {
      if (model.get('promise', name) === undefined)
        this.#report('C7', `the result of promise ${name} is gone`);
    }
  }

  #command(life: Life, bytes: Uint8Array): void {
    const [frame] = decodeFrames(bytes);
    if (frame === undefined) return;
    const decoded = decodeFrame(frame);
    const ask = (
      kind: Asked['kind'],
      key: string,
      id: number,
      expected: (first?: Result) => Asked['expected'],
    ) => {
      const promise = promiseKey(life.target, key);
      const first = this.#results.get(promise);
      this.#asked.set(`${nameOf(life)}/${id}`, { life, kind, promise, expected: expected(first) });
      return { promise, first };
    };
    switch (decoded.name) {
      case 'GetPromiseCommand': {
        const { key, resultCompletionId } = decoded.message;
        ask('get', key, resultCompletionId, first => first);
        return;
      }
      case 'PeekPromiseCommand': {
        const { key, resultCompletionId } = decoded.message;
        ask('peek', key, resultCompletionId, first => first ?? { kind: 'void' });
        return;
      }
      case 'CompletePromiseCommand': {
        const { key, resultCompletionId, completionValue: value, completionFailure } = decoded.message;
        const { promise, first } = ask('complete', key, resultCompletionId, before => {
          return before === undefined ? { kind: 'void' } : ALREADY;
        });
        if (first !== undefined) return;
        if (value !== undefined) this.#results.set(promise, { kind: 'success', value });
        else {
          const { code = 0, message = '' } = completionFailure ?? {};
          this.#results.set(promise, { kind: 'failure', failure: { code, message } });
        }
        return;
      }
      default:
    }
  }

  #answer(life: Life, { of, completionId, result }: Entry & { kind: 'completion' }): void {
    if (of !== 'getPromise' && of !== 'peekPromise' && of !== 'completePromise') return;
    const name = `${nameOf(life)}/${completionId}`;
    const asked = this.#asked.get(name);
    this.#asked.delete(name);
    if (asked === undefined) {
      this.#report('C7', `${name} is told of a promise and did not ask`);
      return;
    }
    const expected = asked.expected ?? this.#results.get(asked.promise);
    if (expected !== undefined && same(expected, result)) return;
    this.#report(
      'C7',
      `${asked.kind} ${name} of promise ${asked.promise} is told ${show(result)}, not ${show(expected)}`,
    );
  }

  /** Its row is deleted, or has lost its result. */
  #gone(promise: string, { record: { command }, position }: Fact): void {
    if (!this.#results.has(promise)) return;
    const byTimer = command.type === 'timerFired' && command.timer.includes('/dropPromise');
    if (this.#hasRun(promise)) {
      this.#report(
        'C7',
        `record ${position}, ${command.type}, drops promise ${promise} while its run is known`,
      );
    } else if (!byTimer && !this.#runs.has(instanceOf(promise))) {
      this.#report('C7', `record ${position}, ${command.type}, drops promise ${promise}, which had no run`);
    }
    this.#results.delete(promise);
  }

  #hasRun(promise: string): boolean {
    const run = this.#runs.get(instanceOf(promise));
    return run !== undefined && this.#lives.isKnown(run);
  }
}

const instanceOf = (promise: string): string => promise.slice(0, promise.lastIndexOf('/'));

function same(a: NotificationResult, b: NotificationResult): boolean {
  if (a.kind === 'failure' && b.kind === 'failure') {
    return a.failure.code === b.failure.code && a.failure.message === b.failure.message;
  }
  return isDeepStrictEqual(a, b);
}

function show(result: NotificationResult | undefined): string {
  if (result?.kind === 'success') return `'${Buffer.from(result.value).toString()}'`;
  if (result?.kind === 'failure') return `failure '${result.failure.message}'`;
  return result?.kind ?? 'nothing';
}
