/**
 * C3: a result never changes. C4: only the current attempt extends or ends a journal, and ends it once. C6: a journal index has
 * one value for ever, an attempt's entries are all applied or none. C7: a completion comes once. W2: while an
 * idempotent invocation runs or is retained, its key creates no other.
 */

import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import { FrameWriter } from '@holdfast/protocol';
import type { CommandOf } from '../../../runtime/core/command.ts';
import type {
  Entry,
  Invocation,
  InvocationId,
  NotificationResult,
  Result,
} from '../../../runtime/core/model.ts';
import { writeEntry } from '../../../runtime/format/entries.ts';
import { kindOf } from '../targets.ts';
import type { Report } from '../violation.ts';
import { type Life, Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';
import type { ModelState } from './model-state.ts';

export interface Appended {
  readonly life: Life;
  readonly index: number;
  readonly entry: Entry;
  readonly fact: Fact;
}

export function digestOf(entry: Entry): number {
  const frames = new FrameWriter();
  writeEntry(frames, entry);
  return crc32(frames.finish());
}

export class LifeChecker {
  readonly lives = new Lives();
  readonly #report: Report;
  readonly #nowMs: () => number;
  readonly #onEntry: (appended: Appended) => void;
  readonly #onAttempt: (life: Life, command: CommandOf<'attempt'>, isRefused: boolean, fact: Fact) => void;
  /** Completions that were delivered, by life and completion id. */
  readonly #completed = new Set<string>();
  /** Whose result a call or attach awaits. */
  readonly #targets = new Map<string, InvocationId>();
  /** Calls of a workflow that had been run. */
  readonly #ranBefore = new Set<string>();
  readonly #cut = new Set<string>();
  readonly #idempotent = new Map<string, InvocationId>();

  constructor(
    report: Report,
    nowMs: () => number,
    onEntry: (appended: Appended) => void,
    onAttempt: (life: Life, command: CommandOf<'attempt'>, isRefused: boolean, fact: Fact) => void,
  ) {
    this.#report = report;
    this.#nowMs = nowMs;
    this.#onEntry = onEntry;
    this.#onAttempt = onAttempt;
  }

  fact(fact: Fact, before: ModelState): void {
    const { command } = fact.record;
    for (const write of fact.writes) {
      // A row may be written as it was.
      if (fact.outcome === 'stale' && !isDeepStrictEqual(before.get(write.table, write.key), write.row)) {
        this.#report(
          'C4',
          `record ${fact.position}, ${command.type}, is stale but writes ${write.table} ${write.key}`,
        );
      }
      if (write.table !== 'invocation' || write.row === undefined) continue;
      if (write.fresh) this.#begin(write.row, before, fact);
    }
    if (command.type === 'attempt' && fact.outcome === 'applied') this.#attemptEnded(command, fact, before);
    for (const effect of fact.effects) {
      if (effect.type === 'completed') this.#end(effect.id, effect.result, fact);
    }
    this.#unkept(fact);
    this.#journals(fact);
    for (const [index, effect] of fact.effects.entries()) {
      if (effect.type !== 'startAttempt') continue;
      // One that was handed its key by a kill, which then reached it too, never runs.
      const rest = fact.effects.slice(index);
      if (rest.some(later => later.type === 'completed' && later.id === effect.id)) continue;
      this.#attemptStarted(effect.id, effect.attempt, fact);
    }
    this.#kept(fact);
  }

  /** The attempt is answered with a part of its frames: nothing of it may be applied. */
  cut(life: Life, attempt: number): void {
    this.#cut.add(`${nameOf(life)}/${attempt}`);
  }

  /** The node is gone: the same attempts are sent again. */
  restarted(): void {
    this.#cut.clear();
  }

  /** A result was told to somebody outside. */
  told(id: InvocationId, result: Result, how: string): void {
    const lives = this.lives.of(id).filter(life => life.result !== undefined);
    if (lives.length === 0) this.#report('P1', `${how} told a result of ${id}, which has none in the log`);
    else if (!lives.some(life => isDeepStrictEqual(life.result, result))) {
      this.#report(
        'C3',
        `${how} told ${show(result)} for ${id}, its result is ${show(lives.at(-1)?.result)}`,
      );
    }
  }

  #begin(inv: Invocation, before: ModelState, fact: Fact): void {
    const { id, target, idempotencyKey, limitKey, randomSeed } = inv;
    const previous = this.lives.get(id);
    if (before.get('invocation', id) !== undefined) {
      this.#report('W2', `${id} is created again by record ${fact.position} while it runs`);
    } else if (previous?.expiresAt !== undefined) {
      this.#report('W2', `${id} is created again by record ${fact.position} while its result is retained`);
    }
    if (idempotencyKey !== undefined || kindOf(target) === 'run') {
      const name = JSON.stringify([target, idempotencyKey ?? null]);
      const known = this.#idempotent.get(name) ?? id;
      this.#idempotent.set(name, id);
      if (known !== id) this.#report('W2', `${name} has two ids, ${known} and ${id}`);
    }
    const startAt = inv.state.status === 'scheduled' ? inv.state.startAt : 0;
    const bornAt = fact.position;
    const createdMs = this.#nowMs();
    this.lives.begin({ id, target, bornAt, randomSeed, idempotencyKey, limitKey, startAt, createdMs });
  }

  #attemptEnded(command: CommandOf<'attempt'>, fact: Fact, before: ModelState): void {
    const life = this.lives.get(command.id);
    const isCurrent = life?.attempt === command.attempt && life.randomSeed === command.randomSeed;
    if (life === undefined || life.result !== undefined || !life.open || !isCurrent) {
      const current = life === undefined ? 'unknown' : `at ${life.attempt}, ${life.open ? 'open' : 'closed'}`;
      this.#report('C4', `attempt ${command.attempt} of ${command.id} was accepted, which is ${current}`);
      return;
    }
    const after = fact.writes.find(write => write.table === 'invocation' && write.key === command.id);
    const inv = after?.row as Invocation | undefined;
    const was = before.get('invocation', command.id);
    // A part that is refused ends its attempt.
    const isRefused =
      inv !== undefined && inv.lastFailure !== was?.lastFailure && command.end.kind !== 'failed';
    life.open = command.end.kind === 'goesOn' && !isRefused;
    this.#onAttempt(life, command, isRefused, fact);
    if (command.ops.length > 0 && this.#cut.has(`${nameOf(life)}/${command.attempt}`)) {
      this.#report(
        'C6',
        `a part of attempt ${command.attempt} of ${command.id}, whose answer was cut, is applied`,
      );
    }
    const named = new Set<InvocationId>();
    for (const op of command.ops) {
      const name = (completionId: number) => `${nameOf(life)}/${completionId}`;
      if (op.op === 'call' || op.op === 'send') {
        const { id } = op.callee;
        if (op.op === 'call') this.#call(name(op.completionId), id, fact, named);
        named.add(id);
      } else if (op.op === 'attach' || op.op === 'getOutput')
        this.#targets.set(name(op.completionId), op.target);
    }
    if (inv === undefined || was === undefined) return;
    const all = command.ops.filter(op => op.op !== 'runCompletion').length;
    const grown = inv.commands - was.commands;
    if (grown !== (isRefused ? 0 : all)) {
      this.#report(
        'C6',
        `${grown} of ${all} commands of attempt ${command.attempt} of ${command.id} are applied`,
      );
    }
  }

  /** The run of a workflow is called once. */
  #call(name: string, callee: InvocationId, { position }: Fact, named: ReadonlySet<InvocationId>): void {
    this.#targets.set(name, callee);
    const life = this.lives.get(callee);
    if (life?.kind === 'run' && (life.bornAt !== position || named.has(callee))) this.#ranBefore.add(name);
  }

  #attemptStarted(id: InvocationId, attempt: number, fact: Fact): void {
    const life = this.lives.get(id);
    if (life === undefined || life.result !== undefined) {
      this.#report('C3', `record ${fact.position} starts an attempt of ${id}, which has ended`);
    } else if (attempt !== life.attempt + 1 || life.open) {
      this.#report(
        'C4',
        `attempt ${attempt} of ${id} starts after ${life.attempt}${life.open ? ', still open' : ''}`,
      );
    } else {
      life.attempt = attempt;
      life.attemptMs = this.#nowMs();
      life.attemptAt = fact.position;
      life.open = true;
    }
  }

  #end(id: InvocationId, result: Result, fact: Fact): void {
    const life = this.lives.get(id);
    // One that is created and cancelled by one record never had a row.
    if (life === undefined) return;
    if (life.result !== undefined) this.#report('C3', `${id} ends again with record ${fact.position}`);
    life.result = result;
    life.open = false;
    const { command } = fact.record;
    const isGivenUp =
      command.type === 'attempt' && command.end.kind === 'failed' && command.end.after.kind === 'kill';
    life.isKilled = command.type === 'kill' || isGivenUp;
  }

  /** The last commands of one whose journal is dropped with its end had their effect all the same. */
  #unkept(fact: Fact): void {
    const { command } = fact.record;
    if (command.type !== 'attempt' || fact.outcome !== 'applied') return;
    const life = this.lives.get(command.id);
    const isKept = fact.writes.some(({ table, key, row }) => {
      return table === 'journal' && row !== undefined && key.startsWith(`${command.id}/`);
    });
    if (life?.result === undefined || isKept) return;
    for (const op of command.ops) {
      if (op.op === 'runCompletion') continue;
      const entry = { kind: 'command', type: op.type, frame: op.frame } as const;
      this.#onEntry({ life, index: life.journal.length, entry, fact });
    }
  }

  #journals(fact: Fact): void {
    for (const write of fact.writes) {
      if (write.table !== 'journal') continue;
      const id = write.key.slice(0, write.key.indexOf('/'));
      const life = this.lives.get(id);
      if (life === undefined) {
        this.#report('C6', `a journal of ${id}, which does not exist, is written by record ${fact.position}`);
      } else if (write.row === undefined) {
        if (life.result === undefined) this.#report('C6', `the journal of ${id} is cut while it runs`);
      } else if (write.row.first !== life.journal.length) {
        const has = `has ${life.journal.length} entries`;
        this.#report(
          'C6',
          `entry ${write.row.first} of ${id}, which ${has}, is written by record ${fact.position}`,
        );
      } else {
        for (const entry of write.row.entries) this.#append(life, entry, fact);
      }
    }
  }

  #append(life: Life, entry: Entry, fact: Fact): void {
    const index = life.journal.push(digestOf(entry)) - 1;
    if (entry.kind === 'completion') {
      const name = `${nameOf(life)}/${entry.completionId}`;
      if (this.#completed.has(name)) this.#report('C7', `completion ${name} is delivered twice`);
      this.#completed.add(name);
      const isCopied = fact.record.command.type === 'restartAsNew';
      if (!isCopied && (entry.of === 'call' || entry.of === 'attach' || entry.of === 'getOutput')) {
        this.#checkCallee(life, name, entry.result);
      }
    }
    this.#onEntry({ life, index, entry, fact });
  }

  /** What a caller is told is what the callee ended with. */
  #checkCallee(life: Life, name: string, result: NotificationResult): void {
    const target = this.#targets.get(name);
    if (target === undefined) {
      this.#report('C7', `${name} is completed, which is no call of attempt ${life.attempt}`);
      return;
    }
    if (this.#ranBefore.has(name)) {
      if (result.kind === 'failure' && result.failure.code === 409) return;
      this.#report('W2', `call ${name} of a workflow that was run before is not refused`);
      return;
    }
    const callee = this.lives.get(target);
    if (result.kind === 'void' && (callee === undefined || callee.result !== undefined)) {
      this.#report('C7', `${name} asked for the output of ${target}, which has ended, and got none`);
    }
    if (result.kind === 'failure' && result.failure.code === 404) {
      if (!this.lives.isKnown(target)) return;
      this.#report('C7', `${name} does not find ${target}, which is there`);
      return;
    }
    if (result.kind === 'success' || result.kind === 'failure') this.told(target, result, `call ${name}`);
  }

  #kept({ writes, record }: Fact): void {
    for (const write of writes) {
      if (write.table !== 'completed') continue;
      const life = this.lives.get(write.key);
      if (life === undefined) {
        this.#report('C3', `${write.key}, which never ran, has a completed row`);
      } else if (write.row !== undefined) {
        life.expiresAt = write.row.expiresAt;
        if (isDeepStrictEqual(life.result, write.row.result)) continue;
        this.#report('C3', `${write.key} is kept with ${show(write.row.result)}, not ${show(life.result)}`);
      } else {
        const early = (life.expiresAt ?? 0) - record.at;
        const { command } = record;
        const isPurged = command.type === 'purge' && command.id === write.key;
        if (early > 0 && !isPurged)
          this.#report('W2', `the result of ${write.key} is dropped ${early} ms before its time`);
        life.expiresAt = undefined;
      }
    }
  }
}

export function show(result: Result | undefined): string {
  if (result === undefined) return 'nothing';
  if (result.kind === 'success') return `'${Buffer.from(result.value).toString()}'`;
  return `failure ${result.failure.code} '${result.failure.message}'`;
}
