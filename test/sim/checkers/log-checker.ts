/**
 * L1: positions are dense, an acknowledged record is found after every restart with the bytes it had, epochs grow.
 * C1: what a record means follows from its bytes and the state alone. Both states, the production one and the one
 * here, fold the same log, so they must agree (S2, see state-checker.ts).
 */

import { isDeepStrictEqual } from 'node:util';
import { type Applied, apply } from '../../../runtime/core/apply.ts';
import type { Command, CommandRecord } from '../../../runtime/core/command.ts';
import type { Outcome } from '../../../runtime/core/effect.ts';
import { decodeRecord, encodeRecord } from '../../../runtime/format/record.ts';
import type { Log, Position } from '../../../runtime/log/log.ts';
import type { Report } from '../violation.ts';
import { ModelState } from './model-state.ts';

/** A durable record and what it did. */
export interface Fact extends Applied {
  readonly position: Position;
  readonly record: CommandRecord;
}

interface Folded {
  readonly bytes: Uint8Array;
  readonly command: Command;
  readonly at: number;
  readonly outcome: Outcome;
}

export class LogChecker {
  readonly model = new ModelState();
  readonly #report: Report;
  /** Told of every record, before the model takes its writes. */
  readonly #onFact: (fact: Fact, before: ModelState) => void;
  readonly #folded: Folded[] = [];
  #epoch = 0;

  constructor(report: Report, onFact: (fact: Fact, before: ModelState) => void) {
    this.#report = report;
    this.#onFact = onFact;
  }

  /** Position of the last durable record. */
  get durable(): Position {
    return this.#folded.length;
  }

  /** A log was opened after a crash: what was acknowledged is there; what was not may have survived. */
  recovered(log: Log): void {
    if (log.epoch <= this.#epoch) this.#report('L1', `epoch ${log.epoch} was opened after ${this.#epoch}`);
    this.#epoch = log.epoch;
    let expected = 1;
    for (const { position, bytes } of log.read(1)) {
      if (position !== expected++) this.#report('L1', `record ${position} follows ${expected - 2}`);
      const known = this.#folded[position - 1];
      if (known === undefined) this.#fold(bytes.slice());
      else if (Buffer.compare(known.bytes, bytes) !== 0) {
        this.#report('L1', `acknowledged record ${position} has other bytes after the restart`);
      }
    }
    if (expected <= this.durable) {
      this.#report('L1', `acknowledged records ${expected} to ${this.durable} are gone after the restart`);
    }
    if (log.durable !== expected - 1)
      this.#report('L1', `durable is ${log.durable}, ${expected - 1} are there`);
  }

  /** An old leader may hear late of what a new one has found in the log already. */
  acknowledged(first: Position, records: readonly Uint8Array[]): void {
    if (first > this.durable + 1) {
      this.#report('L1', `record ${first} is acknowledged, ${this.durable + 1} is next`);
      return;
    }
    for (const [offset, bytes] of records.entries()) {
      const known = this.#folded[first + offset - 1];
      if (known === undefined) this.#fold(bytes);
      else if (Buffer.compare(known.bytes, bytes) !== 0) {
        this.#report('L1', `record ${first + offset} is acknowledged, another one has that position`);
      }
    }
  }

  /** The production code applied the record at `position` and told its proposer. */
  applied(position: Position, command: Command, outcome: Outcome, at: number): void {
    const folded = this.#folded[position - 1];
    if (folded === undefined) {
      this.#report('P1', `record ${position} is answered before it is durable`);
      return;
    }
    if (!isDeepStrictEqual(folded.command, command)) {
      this.#report('C1', `record ${position}, ${command.type}, does not decode to what was proposed`);
    }
    if (folded.outcome !== outcome || folded.at !== at) {
      this.#report(
        'C1',
        `record ${position}: '${outcome}' at ${at}, but '${folded.outcome}' at ${folded.at}`,
      );
    }
  }

  #fold(bytes: Uint8Array): void {
    const position = this.durable + 1;
    const record = decodeRecord(bytes);
    const applied = apply(this.model, record);
    if (Buffer.compare(encodeRecord(record), bytes) !== 0) {
      this.#report('C1', `record ${position}, ${record.command.type}, is encoded to other bytes again`);
    }
    if (!isDeepStrictEqual(apply(this.model, decodeRecord(bytes)), applied)) {
      this.#report('C1', `record ${position}, ${record.command.type}, gives another result the second time`);
    }
    const { command, at } = record;
    this.#folded.push({ bytes, command, at, outcome: applied.outcome });
    this.#onFact({ position, record, ...applied }, this.model);
    this.model.commit(applied.writes);
  }
}
