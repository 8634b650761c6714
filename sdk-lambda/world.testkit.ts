/** Test helper: a server for one invocation of a workflow, whose answers come in an order that the caller rolls. */
import { CANCEL_SIGNAL, type DecodedFrame, decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';
import { type AttemptResult, json, text, utf8 } from './journal.testkit.ts';

/** How cancellations are told, and how much of the state comes with an attempt. */
export interface Mode {
  readonly explicit: boolean;
  readonly state: 'full' | 'partial' | 'lazy';
  /** Values take their time to decode, each time another one. */
  readonly decodesSlowly: boolean;
}

/** What can happen next, given what the program has asked for. `roll` decides. */
export class World {
  readonly commands: Uint8Array[] = [];
  readonly notifications: Uint8Array[] = [];
  /** Number of commands known when so many notifications had been delivered. */
  readonly commandsBy: number[] = [];
  readonly ends: DecodedFrame[] = [];
  readonly #outstanding = new Map<string, Uint8Array>();
  readonly #delivered = new Set<string>();
  readonly #roll: (bound: number) => number;
  readonly #mode: Mode;
  #cancelsLeft: number;

  constructor(roll: (bound: number) => number, cancels: number, mode: Mode) {
    this.#roll = roll;
    this.#cancelsLeft = cancels;
    this.#mode = mode;
    // Signals may come before anybody waits for them.
    this.#signal(17);
    this.#signal(18);
    this.#named('a');
  }

  /** What an attempt that knows so many commands is started with. */
  startOf(commands: number) {
    const state = stateAfter(this.commands.slice(0, commands));
    const sent = [...state].filter(
      ([key]) => this.#mode.state === 'full' || (this.#mode.state === 'partial' && key === 'x'),
    );
    return {
      stateMap: sent.map(([key, value]) => ({ key: utf8(key), value })),
      partialState: this.#mode.state !== 'full',
    };
  }

  take({ commands, proposals, terminator }: AttemptResult): void {
    for (const command of commands) this.#command(command);
    for (const { resultCompletionId, value, failure } of proposals) {
      const result = failure === undefined ? { value: value ?? new Uint8Array() } : { failure };
      this.#expect(
        `run ${resultCompletionId}`,
        encodeFrame('RunCompletion', { completionId: resultCompletionId, ...result }),
      );
    }
    if (terminator.name === 'Suspension') {
      for (const signal of terminator.message.waitingSignals)
        if (signal !== CANCEL_SIGNAL) this.#signal(signal);
        else if (this.#mode.explicit) this.#cancelsLeft = Math.max(1, this.#cancelsLeft);
      for (const name of terminator.message.waitingNamedSignals) this.#named(name);
    }
    this.commandsBy.push(this.commands.length);
    this.ends.push(terminator);
  }

  #command(bytes: Uint8Array): void {
    const before = stateAfter(this.commands);
    this.commands.push(bytes);
    for (const frame of answersTo(bytes, before))
      this.#expect(Buffer.from(frame.slice(0, 16)).toString('hex'), frame);
  }

  #signal(signalId: number): void {
    const result =
      signalId % 3 === 0
        ? { failure: { code: 500, message: 'no', metadata: [] } }
        : { value: json(signalId) };
    this.#expect(`signal ${signalId}`, encodeFrame('SignalNotification', { signalId, ...result }));
  }

  /** One more of those that may come many times. */
  #named(signalName: string): void {
    let count = 1;
    while (this.#delivered.has(`signal ${signalName} ${count}`)) count++;
    const what = `signal ${signalName} ${count}`;
    this.#expect(what, encodeFrame('SignalNotification', { signalName, value: json(what) }));
  }

  #expect(what: string, frame: Uint8Array): void {
    if (!this.#delivered.has(what)) this.#outstanding.set(what, frame);
  }

  deliverOne(): void {
    const candidates = [...this.#outstanding];
    if (this.#cancelsLeft > 0 && (candidates.length === 0 || this.#roll(4) === 0)) {
      this.#cancelsLeft--;
      this.notifications.push(encodeFrame('SignalNotification', { signalId: CANCEL_SIGNAL, void: true }));
      return;
    }
    const chosen = candidates[this.#roll(candidates.length)];
    if (chosen === undefined) throw new Error('assertion: suspended on something that can happen');
    this.#outstanding.delete(chosen[0]);
    this.#delivered.add(chosen[0]);
    this.notifications.push(chosen[1]);
    const [name] = /signal [ab]/.exec(chosen[0]) ?? [];
    // Now and then one more of a kind, whether somebody waits for it or not.
    if (name !== undefined && this.#roll(3) === 0) this.#named(name.slice(-1));
  }
}

const INITIAL_STATE: readonly (readonly [string, Uint8Array])[] = [
  ['x', json('x')],
  ['y', json('y')],
];

function stateAfter(commands: readonly Uint8Array[]): Map<string, Uint8Array> {
  const state = new Map(INITIAL_STATE);
  for (const frame of commands.flatMap(bytes => decodeFrames(bytes))) {
    const { name, message } = decodeFrame(frame);
    if (name === 'SetStateCommand') state.set(text(message.key), message.value ?? new Uint8Array());
    else if (name === 'ClearStateCommand') state.delete(text(message.key));
    else if (name === 'ClearAllStateCommand') state.clear();
  }
  return state;
}

/** The notifications that a command leads to, sooner or later. */
function answersTo(bytes: Uint8Array, state: ReadonlyMap<string, Uint8Array>): Uint8Array[] {
  const [frame] = decodeFrames(bytes);
  if (frame === undefined) throw new Error('assertion: a command');
  const { name, message } = decodeFrame(frame);
  if (!('resultCompletionId' in message)) return [];
  const completionId = message.resultCompletionId;
  const failure = { code: 409, message: 'no', metadata: [] };
  const settled = completionId % 3 === 0 ? { failure } : { value: json(completionId) };
  switch (name) {
    case 'SleepCommand':
      return [encodeFrame('SleepCompletion', { completionId, void: true })];
    case 'GetLazyStateCommand': {
      const value = state.get(text(message.key));
      const found = value === undefined ? { void: true as const } : { value };
      return [encodeFrame('GetLazyStateCompletion', { completionId, ...found })];
    }
    case 'GetLazyStateKeysCommand': {
      const keys = [...state.keys()].sort().map(utf8);
      return [encodeFrame('GetLazyStateKeysCompletion', { completionId, stateKeys: { keys } })];
    }
    case 'GetPromiseCommand':
      return [encodeFrame('GetPromiseCompletion', { completionId, ...settled })];
    case 'PeekPromiseCommand':
      return [
        encodeFrame('PeekPromiseCompletion', {
          completionId,
          ...(completionId % 2 === 0 ? { void: true as const } : settled),
        }),
      ];
    case 'CompletePromiseCommand':
      return [
        encodeFrame('CompletePromiseCompletion', {
          completionId,
          ...(completionId % 3 === 0 ? { failure } : { void: true as const }),
        }),
      ];
    case 'CallCommand': {
      const idCompletion = message.invocationIdNotificationIdx;
      const invocationId = `inv_1child${idCompletion}`;
      return [
        encodeFrame('CallInvocationIdCompletion', { completionId: idCompletion, invocationId }),
        encodeFrame('CallCompletion', { completionId, value: json(idCompletion) }),
      ];
    }
    default:
      return [];
  }
}
