/**
 * What handlers see. C6: the same await gives the same value at every attempt, whatever the attempts were cut into.
 * W2: a step whose result was in the log when an attempt was sent never runs again. D3: a step that is not batched
 * begins only once the log has what the batched steps before it gave. Where user code goes on before that, what it sees
 * counts for C6 only if the log gets what it rests upon. C7: an awakeable has the first
 * value that was accepted, the waits for a named signal take its values in order. P1: an attempt is sent with nothing that is not in the log.
 */

import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import { decodeFrames, decodeMessage, MessageType } from '@holdfast/protocol';
import type { NotificationResult } from '../../../runtime/core/model.ts';
import type { Report } from '../violation.ts';
import { type Appended, show } from './life-checker.ts';
import { type Life, type Lives, nameOf } from './lives.ts';

/** One execution of a function: of one request, by one environment. */
export interface Execution {
  readonly number: number;
  readonly life: Life;
  /** Records that were durable when its request was sent; 0 when it came from a leader of the past. */
  readonly sentAt: number;
  /** Journal entries that it was given. */
  readonly seenEntries: number;
}

interface Recorded {
  readonly result: NotificationResult;
  readonly position: number;
  /** In the journal. */
  readonly index: number;
}

/** What a batched run gave in one execution: a value or the message of a failure. */
type Gave = { readonly value: string } | { readonly failure: string };
interface Ended {
  readonly run: string;
  readonly gave: Gave;
}

interface Observation {
  readonly key: string;
  readonly value: string;
  readonly by: number;
  /** Batched runs that this execution had executed by then. */
  readonly restsUpon: readonly Ended[];
}

export class HandlerChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  /** Names of runs by life and completion id; their results by life and name. */
  readonly #runNames = new Map<string, string>();
  readonly #runResults = new Map<string, Recorded>();
  /** Signals by life and id, in the order of the journal. */
  readonly #signals = new Map<string, NotificationResult[]>();
  /** How many of a name an execution has taken. */
  readonly #taken = new Map<string, number>();
  /** Random numbers by seed and place. */
  readonly #drawn = new Map<string, string>();
  readonly #observed = new Map<string, Observation>();
  /** By execution. */
  readonly #ended = new Map<number, Ended[]>();
  /** Observations that the log may still confirm, by life. */
  readonly #tentative = new Map<string, Observation[]>();

  constructor(report: Report, lives: Lives) {
    this.#report = report;
    this.#lives = lives;
  }

  entry({ life, index, entry, fact }: Appended): void {
    if (entry.kind === 'command' && entry.type === MessageType.RunCommand) {
      const payload = decodeFrames(entry.frame)[0]?.payload ?? entry.frame;
      const { resultCompletionId, name } = decodeMessage('RunCommand', payload);
      this.#runNames.set(`${nameOf(life)}/${resultCompletionId}`, name);
    } else if (entry.kind === 'completion' && entry.of === 'run') {
      const name = this.#runNames.get(`${nameOf(life)}/${entry.completionId}`);
      this.#runResults.set(`${nameOf(life)}/${name}`, {
        result: entry.result,
        position: fact.position,
        index,
      });
      const tentative = this.#tentative.get(nameOf(life)) ?? [];
      this.#tentative.delete(nameOf(life));
      for (const observation of tentative) this.#observe(nameOf(life), observation);
    } else if (entry.kind === 'signal') {
      const name = `${nameOf(life)}/${entry.signal}`;
      this.#signals.set(name, [...(this.#signals.get(name) ?? []), entry.result]);
    }
  }

  /** The body of an attempt's request: its journal is a prefix of what the log has. */
  sent(
    body: Uint8Array,
    version: number,
  ): { readonly life: Life; readonly knownEntries: number } | undefined {
    const [start, ...entries] = decodeFrames(body);
    if (start === undefined) return undefined;
    const message = decodeMessage('Start', start.payload);
    const { debugId, knownEntries, randomSeed } = message;
    const life = this.#lives.get(debugId);
    if (life === undefined || life.journal.length < knownEntries) {
      const durable = life?.journal.length ?? 'none';
      this.#report('P1', `${debugId} is sent with ${knownEntries} entries, of which ${durable} are durable`);
      return undefined;
    }
    if (version >= 6 && randomSeed !== life.randomSeed)
      this.#report('C6', `${debugId} is sent with another random seed`);
    const asCalled = [life.target.scope, life.limitKey, life.idempotencyKey];
    const told = [message.scope, message.limitKey, message.idempotencyKey];
    if (version >= 7 && !isDeepStrictEqual(told, asCalled))
      this.#report('C6', `${debugId} is told ${told}, it was called with ${asCalled}`);
    if (entries.length !== knownEntries) {
      this.#report('C6', `${debugId} is sent with ${entries.length} entries, its row says ${knownEntries}`);
    }
    for (const [index, { bytes }] of entries.entries()) {
      if (crc32(bytes) === life.journal[index]) continue;
      this.#report('C6', `entry ${index} of ${debugId} is sent with another value than it had`);
      break;
    }
    return { life, knownEntries };
  }

  runStarts({ life, sentAt, seenEntries, number }: Execution, name: string, isBatched: boolean): void {
    const recorded = this.#runResults.get(`${nameOf(life)}/${name}`);
    if (recorded !== undefined && (recorded.position <= sentAt || recorded.index < seenEntries)) {
      const { position, index } = recorded;
      const when = `its result is record ${position}, entry ${index}; execution ${number} was sent at ${sentAt}`;
      this.#report('W2', `step ${name} of ${nameOf(life)} runs again: ${when}`);
    }
    const unstored = isBatched
      ? undefined
      : this.#ended.get(number)?.find(ended => this.#isStored(ended) !== true);
    if (unstored !== undefined)
      this.#report('D3', `step ${name} of ${nameOf(life)} begins before ${unstored.run} is stored`);
  }

  batchedRunEnds({ life, number }: Execution, name: string, gave: Gave): void {
    const ended = this.#ended.get(number) ?? [];
    this.#ended.set(number, [...ended, { run: `${nameOf(life)}/${name}`, gave }]);
  }

  /** Undefined while the log has no result; false when it has that of another execution. */
  #isStored({ run, gave }: Ended): boolean | undefined {
    const result = this.#runResults.get(run)?.result;
    if (result === undefined || result.kind === 'void') return undefined;
    return 'value' in gave
      ? result.kind === 'success' && textOf(result.value) === gave.value
      : result.kind === 'failure' && result.failure.message === gave.failure;
  }

  /** User code got `value` (as text) from the await at `path`. */
  observed({ life, number }: Execution, path: string, value: string): void {
    const restsUpon = this.#ended.get(number) ?? [];
    this.#observe(nameOf(life), { key: `${nameOf(life)}/${path}`, value, by: number, restsUpon });
  }

  #observe(life: string, observation: Observation): void {
    const { key, value, by, restsUpon } = observation;
    const stored = restsUpon.map(ended => this.#isStored(ended));
    if (stored.includes(false)) return;
    if (stored.includes(undefined)) {
      this.#tentative.set(life, [...(this.#tentative.get(life) ?? []), observation]);
      return;
    }
    const before = this.#observed.get(key);
    if (before === undefined) this.#observed.set(key, observation);
    else if (before.value !== value) {
      const was = `'${before.value}' in execution ${before.by}`;
      this.#report('C6', `await ${key} gives '${value}' in execution ${by}, ${was}`);
    }
  }

  /** User code got a run's value: the one in the log, or that of a batched run of this execution. */
  gotRun({ life, number }: Execution, name: string, value: string, isBatched: boolean): void {
    const run = `${nameOf(life)}/${name}`;
    const recorded = this.#runResults.get(run)?.result;
    const isOwn = this.#ended
      .get(number)
      ?.some(ended => ended.run === run && 'value' in ended.gave && ended.gave.value === value);
    if (!isBatched || isOwn !== true) this.#sameAs(recorded, value, `run ${name} of ${nameOf(life)}`);
  }

  /** User code got an awakeable's value: the first that was accepted. */
  gotSignal({ life }: Execution, signal: number, value: string): void {
    this.#sameAs(
      this.#signals.get(`${nameOf(life)}/${signal}`)?.[0],
      value,
      `signal ${signal} of ${nameOf(life)}`,
    );
  }

  /** User code took a signal by name: each wait takes the next one. `value`: or the message of its failure. */
  tookSignal({ life, number }: Execution, name: string, value: string | undefined): void {
    const key = `${number}/${name}`;
    const index = this.#taken.get(key) ?? 0;
    this.#taken.set(key, index + 1);
    const recorded = this.#signals.get(`${nameOf(life)}/${name}`)?.[index];
    const should =
      recorded?.kind === 'success'
        ? textOf(recorded.value)
        : recorded?.kind === 'failure'
          ? recorded.failure.message
          : undefined;
    if (value !== should) {
      this.#report(
        'C7',
        `signal ${index} '${name}' of ${nameOf(life)} gave '${value}', the log has '${should}'`,
      );
    }
  }

  /** User code drew a random number: the same for ever under one seed. */
  drew({ life }: Execution, path: string, value: string): void {
    const name = `${life.randomSeed}/${path}`;
    const before = this.#drawn.get(name) ?? value;
    this.#drawn.set(name, before);
    if (before !== value)
      this.#report('C6', `${nameOf(life)} draws ${value} at ${path}, and ${before} before`);
  }

  #sameAs(recorded: NotificationResult | undefined, value: string, what: string): void {
    if (recorded?.kind !== 'success') {
      this.#report('C7', `${what} gave '${value}', the log has ${recorded?.kind ?? 'nothing'}`);
    } else if (textOf(recorded.value) !== value) {
      this.#report('C7', `${what} gave '${value}', the log has ${show(recorded)}`);
    }
  }
}

const textOf = (value: Uint8Array): string => JSON.parse(Buffer.from(value).toString());
