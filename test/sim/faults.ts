/**
 * Which faults strike in a run and how often. Each seed turns a random half of them on: a fault that is always on
 * hides what happens without it. Every strike is counted; a kind that never strikes over all seeds is not tested.
 */

import type { Command, Op } from '../../runtime/core/command.ts';
import type { SimRandom } from './random.ts';

export const LAMBDA_FAULTS = [
  'throttle',
  'errorBefore',
  'errorAfter',
  'neverRuns',
  'lateAnswer',
  'resetAfter',
  'ranTwice',
  'truncatedAnswer',
  'garbageAnswer',
  'cutFrames',
  'refused',
] as const;
export type LambdaFault = (typeof LAMBDA_FAULTS)[number];

export const STREAM_FAULTS = [
  'openReset',
  'streamRefused',
  /** The connection is lost at any byte. */
  'streamCut',
  /** The handler's host closes the stream in order at any byte. */
  'breaksOff',
  'halfFrame',
  'garbageFrame',
  'neverReads',
  'slowStream',
  /** The handler learns late that it is cut off. */
  'lateData',
  /** It has said its last word and does not close. */
  'lingers',
] as const;
export type StreamFault = (typeof STREAM_FAULTS)[number];

export const NODE_FAULTS = [
  'powerLoss',
  'processExit',
  'frozenLeader',
  'cleanStop',
  'crashInRecovery',
  'crashInDiskOperation',
  'logWriteError',
  'diskFull',
  'shortWrite',
  'storeFailure',
  'clockForward',
  'clockBack',
  'zombieAnswer',
] as const;
export type NodeFault = (typeof NODE_FAULTS)[number];

/** What a client or operator does that is hard on the engine; counted like faults. */
export const DEEDS = [
  'clientRetry',
  'concurrentDuplicate',
  'cancel',
  'kill',
  'resume',
  'resumeElsewhere',
  'operatorPause',
  'operatorSignal',
  'restart',
  'restartFromPrefix',
  'purge',
  'purgeJournal',
  'patch',
  'patchUnderHolder',
  'stalePatch',
  'update',
  'deploy',
  'promote',
  'remove',
  'signalTwice',
  'signalBeforeAwait',
  'expiredReplay',
  'pause',
  /** A function ends an attempt because its time runs out. */
  'timeUp',
] as const;
export type Deed = (typeof DEEDS)[number];

/** What the disk counts by itself when one of the node's faults is on. */
const DISK_COUNTED: Readonly<Partial<Record<NodeFault, string>>> = {
  crashInDiskOperation: 'disk.crashInOperation',
  logWriteError: 'disk.writeError',
  diskFull: 'disk.noSpace',
  shortWrite: 'disk.shortWrite',
};

/** A new command or operation does not compile until it has a line here, and is not tested until it was applied. */
const COMMANDS: { readonly [T in Command['type']]: `command ${T}` } = {
  initialize: 'command initialize',
  invoke: 'command invoke',
  attempt: 'command attempt',
  timerFired: 'command timerFired',
  signal: 'command signal',
  cancel: 'command cancel',
  kill: 'command kill',
  pause: 'command pause',
  resume: 'command resume',
  restartAsNew: 'command restartAsNew',
  purge: 'command purge',
  purgeJournal: 'command purgeJournal',
  patchState: 'command patchState',
  registerDeployment: 'command registerDeployment',
  promoteDeployment: 'command promoteDeployment',
  removeDeployment: 'command removeDeployment',
  updateService: 'command updateService',
};
const OPS: { readonly [K in Op['op']]: `op ${K}` } = {
  output: 'op output',
  sleep: 'op sleep',
  call: 'op call',
  send: 'op send',
  run: 'op run',
  runCompletion: 'op runCompletion',
  signal: 'op signal',
  attach: 'op attach',
  getOutput: 'op getOutput',
  getState: 'op getState',
  getStateKeys: 'op getStateKeys',
  readState: 'op readState',
  setState: 'op setState',
  clearState: 'op clearState',
  clearAllState: 'op clearAllState',
  getPromise: 'op getPromise',
  peekPromise: 'op peekPromise',
  completePromise: 'op completePromise',
};

/** What becomes of live attempts and of the trees that they wait for. */
const LIVE = [
  'part',
  'refusedPart',
  'push',
  'ack',
  'halfClose',
  'wake',
  'wakes saved',
  'streamBlocked',
  'handlerBlocked',
  'cutBeforeDurable',
  'cutAfterDurable',
  'crashWhileLive',
  'zombiePart',
  'cancel while live',
  'kill while live',
  'pause while live',
  'resume while live',
  'lanesFull',
] as const;

/** All that must have happened in a run of many seeds. */
export const KINDS: readonly string[] = [
  ...LAMBDA_FAULTS,
  ...STREAM_FAULTS,
  ...LIVE,
  ...NODE_FAULTS.map(fault => DISK_COUNTED[fault] ?? fault),
  'disk.lostSector',
  'disk.tornSector',
  'disk.lostName',
  'zombieOfEarlierLife',
  ...DEEDS,
  ...Object.values(COMMANDS),
  ...Object.values(OPS),
];
export type Counts = Partial<Record<string, number>>;

export class Faults {
  readonly counts: Record<string, number> = {};
  readonly #rates = new Map<string, number>();
  readonly #random: SimRandom;
  #isOn = true;

  constructor(random: SimRandom) {
    this.#random = random;
    if (random.chance(0.08)) return; // A run without any.
    for (const fault of LAMBDA_FAULTS) {
      if (random.chance(0.5)) this.#rates.set(fault, random.pick([0.01, 0.04, 0.12]));
    }
    for (const fault of STREAM_FAULTS) {
      if (random.chance(0.5)) this.#rates.set(fault, random.pick([0.01, 0.04, 0.12]));
    }
    for (const fault of NODE_FAULTS) {
      if (random.chance(0.5)) this.#rates.set(fault, random.pick([0.3, 0.6, 1]));
    }
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  off(): void {
    this.#isOn = false;
  }

  /** Whether the fault strikes now; not counted, because it may find nothing to strike. */
  draw(fault: LambdaFault | StreamFault | NodeFault): boolean {
    const rate = this.#rates.get(fault);
    return this.#isOn && rate !== undefined && this.#random.chance(rate);
  }

  /** At most one fault for a call; lambda faults exclude each other. */
  drawForCall(): LambdaFault | undefined {
    return LAMBDA_FAULTS.find(fault => this.draw(fault));
  }

  drawForStream(): StreamFault | undefined {
    return STREAM_FAULTS.find(fault => this.draw(fault));
  }

  count(kind: string, times = 1): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + times;
  }
}
