/**
 * A handler that speaks the protocol by itself, for what the SDK does not offer: attach and output by idempotency key
 * or workflow, signals by number, and what no SDK of ours would do. One command, its answer, the end.
 */

import {
  CombinatorType,
  contentTypeOf,
  type DecodedFrame,
  decodeFrame,
  decodeFrames,
  ErrorBehavior,
  FrameDecoder,
  FrameWriter,
  type MessageInput,
} from '@holdfast/protocol';
import { service } from '@holdfast/sdk-lambda';
import type { HandlerResponse } from '../../runtime/invoker/transport.ts';
import type { AttemptSink } from '../../sdk-lambda/streamed-attempt.ts';
import { callAll, decide, futureOf, resultsOf, type Tree } from './raw-tree.ts';

type Target = Pick<
  MessageInput<'AttachInvocationCommand'>,
  'invocationId' | 'idempotentRequestTarget' | 'workflowTarget'
>;
export type Look =
  | { readonly op: 'attach' | 'output'; readonly target: Target }
  /** `signal`: a number, as awakeables have, or a name. */
  | { readonly op: 'signal'; readonly id: string; readonly signal: number | string; readonly value: string }
  /** At first an operation that no plain service may ask for. */
  | { readonly op: 'forbidden' }
  /** At first an error, with what it wants to become of it (protocol 7). */
  | { readonly op: 'error'; readonly behavior: 'pause' | 'fail' }
  | Tree;

/** Only for its discovery; what it does is below. */
export const rawService = service({
  name: 'raw',
  handlers: {
    look: async () => {
      throw new Error('assertion failed: the simulated function answers for it');
    },
  },
  options: { journalRetention: 10_000, inactivityTimeout: 300, abortTimeout: 2500 },
});

const COMPLETION_ID = 1;
type Future = NonNullable<MessageInput<'Suspension'>['awaitingOn']>;
const ANSWER: Future = {
  combinatorType: CombinatorType.FirstCompleted,
  waitingCompletions: [COMPLETION_ID],
  waitingSignals: [],
  waitingNamedSignals: [],
  nestedFutures: [],
};
const BEHAVIORS = { pause: ErrorBehavior.Pause, fail: ErrorBehavior.Fail } as const;

export interface RawMode {
  readonly version: number;
  /** It has not been executed before. */
  readonly isFirst: boolean;
}

interface Step {
  readonly frames: Uint8Array;
  readonly isOver: boolean;
}

/** What it does next, given all that it was sent. */
function next(
  { version, isFirst }: RawMode,
  received: readonly DecodedFrame[],
  hasWritten: boolean,
  isClosed: boolean,
): Step {
  const frames = new FrameWriter();
  const step = (isOver: boolean): Step => ({ frames: frames.finish(), isOver });
  const [start, ...entries] = received;
  if (start?.name !== 'Start') return step(false);
  if (entries.length < start.message.knownEntries) return step(false);
  const input = entries[0];
  if (input?.name !== 'InputCommand') throw new Error('assertion failed: a journal begins with its input');
  const look = JSON.parse(Buffer.from(input.message.value ?? '').toString()) as Look;
  if (look.op === 'forbidden' && isFirst) {
    if (!hasWritten) frames.frame('SetStateCommand', { key: Buffer.from('x'), value: Buffer.from('1') });
    return step(isClosed);
  }
  if (look.op === 'error' && isFirst) {
    const behavior = version >= 7 ? BEHAVIORS[look.behavior] : 0;
    frames.frame('Error', { code: 500, message: 'simulated', stacktrace: '', behavior });
    return step(true);
  }
  if (look.op === 'tree') {
    const made = entries.filter(({ name }) => name === 'CallCommand').length;
    if (!hasWritten) callAll(frames, look, made);
    const decided = decide(look, entries);
    if (decided === undefined) {
      if (isClosed) suspend(frames, version, futureOf(look.root), resultsOf(look));
      return step(isClosed);
    }
    frames.frame('OutputCommand', { value: Buffer.from(String(decided)) });
    frames.frame('End', {});
    return step(true);
  }
  const isNew = !entries.some(({ name }) => name.endsWith('Command') && name !== 'InputCommand');
  const waits = look.op === 'attach' || look.op === 'output';
  if (isNew && !hasWritten && look.op !== 'forbidden' && look.op !== 'error') command(frames, look);
  const answer = entries.find(({ name }) => name.endsWith('Completion'));
  // A cancellation is not looked at.
  if (answer === undefined && waits) {
    if (isClosed) suspend(frames, version, ANSWER, [COMPLETION_ID]);
    return step(isClosed);
  }
  const { value, failure } = (answer?.message ?? {}) as MessageInput<'AttachInvocationCompletion'>;
  const shown = value ?? Buffer.from(JSON.stringify(failure?.message ?? 'nothing'));
  frames.frame('OutputCommand', { value: shown });
  frames.frame('End', {});
  return step(true);
}

function suspend(
  frames: FrameWriter,
  version: number,
  awaitingOn: Future,
  waitingCompletions: readonly number[],
): void {
  const none = { waitingCompletions: [], waitingSignals: [], waitingNamedSignals: [] };
  frames.frame('Suspension', version < 7 ? { ...none, waitingCompletions } : { ...none, awaitingOn });
}

function command(frames: FrameWriter, look: Extract<Look, { op: 'attach' | 'output' | 'signal' }>): void {
  if (look.op === 'signal') {
    const signal = typeof look.signal === 'number' ? { idx: look.signal } : { name: look.signal };
    frames.frame('SendSignalCommand', {
      targetInvocationId: look.id,
      ...signal,
      value: Buffer.from(JSON.stringify(look.value)),
    });
    return;
  }
  const name = look.op === 'attach' ? 'AttachInvocationCommand' : 'GetInvocationOutputCommand';
  frames.frame(name, { ...look.target, resultCompletionId: COMPLETION_ID });
}

/** A whole request. */
export function answerRaw(request: Uint8Array, mode: RawMode): HandlerResponse {
  const { frames: body } = next(mode, decodeFrames(request).map(decodeFrame), false, true);
  return { status: 200, headers: { 'content-type': contentTypeOf(mode.version) }, body };
}

/** The same over a stream, which it ends as soon as it has nothing more to say. */
export class RawPeer {
  readonly #mode: RawMode;
  readonly #sink: AttemptSink;
  readonly #decoder = new FrameDecoder();
  readonly #received: DecodedFrame[] = [];
  #hasWritten = false;
  #isClosed = false;
  #isOver = false;

  constructor(mode: RawMode, sink: AttemptSink) {
    this.#mode = mode;
    this.#sink = sink;
  }

  push(chunk: Uint8Array): void {
    for (const frame of this.#decoder.push(chunk)) this.#received.push(decodeFrame(frame));
    this.#step();
  }

  inputClosed(): void {
    this.#isClosed = true;
    this.#step();
  }

  /** It writes little and need not wait for room. */
  drained(): void {}

  abort(): void {
    this.#isOver = true;
  }

  #step(): void {
    if (this.#isOver) return;
    const { frames, isOver } = next(this.#mode, this.#received, this.#hasWritten, this.#isClosed);
    if (frames.length > 0) this.#hasWritten = true;
    this.#isOver = isOver;
    if (isOver) this.#sink.end(frames);
    else if (frames.length > 0) this.#sink.write(frames);
  }
}
