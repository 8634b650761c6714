/**
 * Random lives of a log on a simulated disk, and the checker of what it promises: the search behind
 * crash.test.ts, where the mutations it must find are planted.
 *
 * A history is a number of lives. Each opens the log, reads it all, appends batches under faults, and ends: by a
 * power loss in some disk operation or between two turns, by the death of the process alone, by a failed write, or
 * by a close. Then the next life checks what it finds.
 */

import { type DiskFault, SimDisk, SimulatedCrash } from '../../../test/sim/disk.ts';
import type { Disk } from '../../platform/disk.ts';
import type { openInlineLog } from '../inline-log.ts';
import type { Log } from '../log.ts';
import { seeded } from './seeded.ts';

/** A promise that was broken; the message says how. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export interface Subject {
  readonly openInlineLog: typeof openInlineLog;
  /** What stands between the log and the disk; the identity but for mutations. */
  readonly wrap: (disk: Disk) => Disk;
}

const DIRECTORY = 'log';
const LIVES = 8;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** By code, not by class: a mutant has classes of its own. */
const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

export class History {
  readonly disk: SimDisk;
  readonly #log: Disk;
  readonly #subject: Subject;
  readonly #random: () => number;
  /** By position - 1: acknowledged, or read by an opening, which acts on what it reads. */
  #promised: string[] = [];
  /** Appended in the life before, after the promised ones, in order. */
  #pending: string[] = [];
  #turns: (() => void)[] = [];
  #openings = 0;
  #epoch = 0;

  constructor(seed: number, subject: Subject) {
    this.#random = seeded(seed);
    this.disk = new SimDisk(this.#random);
    this.#subject = subject;
    this.#log = subject.wrap(this.disk);
  }

  /** Throws a `Violation` when the log breaks a promise. */
  run(): void {
    for (let life = 0; life < LIVES; life++) this.#live(life);
    this.disk.heal();
    this.#open();
  }

  /**
   * Some writes go astray or one byte rots, all below the watermark: the log is left in peace until it has marked
   * it. The log must be whole or say where it is not.
   */
  runDamaged(): void {
    for (let life = 0; life < 3; life++) this.#live(life);
    this.disk.heal();
    const astray = this.#random() < 0.5;
    try {
      const log = this.#open();
      if (astray) this.disk.faults.misdirectedWrite = 0.1;
      this.#appendBatches(log, 'last');
      this.#runTurns();
      this.disk.heal();
      // A write that arrives, so that all before it is below a watermark on disk; idle turns then mark it, too.
      this.#appendBatches(log, 'witness');
      this.#runTurns();
      if (!astray) this.#rotSomewhere();
      this.#open();
    } catch (error) {
      if (codeOf(error) !== 'HF_LOG_DAMAGED') throw error;
      const { message } = error as Error;
      if (!/^log\/\d+\.segment is damaged at byte \d+/.test(message)) throw new Violation(message);
    }
  }

  #live(life: number): void {
    this.#chooseFaults();
    try {
      const log = this.#open();
      this.#appendBatches(log, String(life));
      this.#end(log);
    } catch (error) {
      if (codeOf(error) === 'HF_LOG_FAILED') this.#die();
      else if (!(error instanceof SimulatedCrash)) throw error;
    }
    this.#turns = [];
    this.disk.heal();
  }

  #chooseFaults(): void {
    const { faults } = this.disk;
    const chance = () => this.#random();
    if (chance() < 0.5) faults.shortWrite = 0.2;
    if (chance() < 0.3) faults.writeError = 0.03;
    if (chance() < 0.1) faults.capacityBytes = 40_000 + chance() * 40_000;
    if (chance() < 0.6) faults.crashInOperations = 1 + Math.floor(chance() * 40);
  }

  #open(): Log {
    this.#openings += 1;
    const log = this.#subject.openInlineLog(
      this.#log,
      {
        directory: DIRECTORY,
        partition: 3,
        segmentBytes: 12_000,
        runwayBytes: 6_000,
        opening: new Uint8Array(16).fill(this.#openings),
      },
      {
        defer: callback => this.#turns.push(callback),
        onFailure: error => {
          throw error;
        },
      },
    );
    if (log.epoch <= this.#epoch) throw new Violation(`epoch ${log.epoch} after ${this.#epoch}`);
    this.#epoch = log.epoch;
    this.#check(log);
    return log;
  }

  /** Every promised record, then a prefix of the pending ones, at dense positions. */
  #check(log: Log): void {
    const found: string[] = [];
    for (const { position, bytes } of log.read(1)) {
      if (position !== found.length + 1) throw new Violation(`position ${position} after ${found.length}`);
      found.push(decode(bytes));
    }
    const expected = [...this.#promised, ...this.#pending];
    if (found.length < this.#promised.length) {
      throw new Violation(`${this.#promised.length} records were promised, ${found.length} are there`);
    }
    const wrong = found.findIndex((text, index) => text !== expected[index]);
    if (wrong !== -1) throw new Violation(`record ${wrong + 1} is not what was appended`);
    this.#promised = found;
    this.#pending = [];
  }

  #appendBatches(log: Log, name: string): void {
    const batches = 3 + Math.floor(this.#random() * 12);
    for (let batch = 0; batch < batches; batch++) {
      const size = 1 + Math.floor(this.#random() * 4);
      const texts = Array.from({ length: size }, (_, index) => {
        const padding = '.'.repeat(Math.floor(this.#random() ** 3 * 3000));
        return `${name}/${batch}/${index}${padding}`;
      });
      const first = this.#promised.length + this.#pending.length + 1;
      this.#pending.push(...texts);
      log.append(texts.map(encode), position => {
        if (position !== first) throw new Violation(`acknowledged at ${position}, expected ${first}`);
        this.#promised.push(...this.#pending.splice(0, size));
      });
      if (this.#random() < 0.7) this.#runTurns(Math.floor(this.#random() * 6));
    }
  }

  #runTurns(limit = Number.POSITIVE_INFINITY): void {
    for (let turn = 0; turn < limit; turn++) {
      const next = this.#turns.shift();
      if (next === undefined) return;
      next();
    }
  }

  #end(log: Log): void {
    this.#runTurns(Math.floor(this.#random() * 20));
    if (this.#random() < 0.2) {
      void log.close();
      this.#runTurns();
    }
    this.#die();
  }

  #die(): void {
    if (this.#random() < 0.5) this.disk.crash();
    else this.disk.exit();
  }

  #rotSomewhere(): void {
    const names = this.disk.list(DIRECTORY);
    const path = `${DIRECTORY}/${names[Math.floor(this.#random() * names.length)]}`;
    this.disk.rot(path, Math.floor(this.#random() * this.disk.contentOf(path).length));
  }
}

export const faultCounts = (histories: readonly History[]): ReadonlyMap<DiskFault, number> => {
  const sum = new Map<DiskFault, number>();
  for (const { disk } of histories) {
    for (const [fault, count] of disk.counts) sum.set(fault, (sum.get(fault) ?? 0) + count);
  }
  return sum;
};
