/** Test helper: an invocation's journal by hand, and attempts at it, over request/response or fed live. */
import {
  type DecodedFrame,
  decodeFrame,
  decodeFrames,
  encodeFrame,
  type Frame,
  isCommand,
  type Message,
  type MessageInput,
} from '@holdfast/protocol';
import type { AnyDefinition } from './endpoint.ts';
import { createEndpoint } from './endpoint.ts';
import { handleInvocation } from './http.ts';
import * as restate from './index.ts';
import { attemptOf, drainMicrotasks, type InvocationPorts, machineOf, startHandler } from './invocation.ts';

export const NOW_MS = 1_800_000_000_000;
const INVOCATION_ID = new Uint8Array(24).fill(7);

export interface JournalSpec extends Partial<InvocationPorts> {
  readonly input?: Uint8Array;
  /** Commands and notifications after the input, as whole frames. */
  readonly entries?: readonly Uint8Array[];
  readonly version?: number;
  readonly start?: MessageInput<'Start'>;
  /** Of the endpoint. */
  readonly codec?: restate.JournalValueCodec | undefined;
}

export interface AttemptResult {
  /** Commands that were written, as whole frames. */
  readonly commands: readonly Uint8Array[];
  readonly proposals: readonly Message<'ProposeRunCompletion'>[];
  readonly frames: readonly DecodedFrame[];
  readonly terminator: DecodedFrame;
}

export function requestBody({ input, entries = [], start }: JournalSpec): Uint8Array {
  return concat([
    encodeFrame('Start', {
      id: INVOCATION_ID,
      debugId: 'inv_1test',
      knownEntries: entries.length + 1,
      partialState: true,
      randomSeed: 42n,
      ...start,
    }),
    encodeFrame('InputCommand', { value: input ?? new Uint8Array() }),
    ...entries,
  ]);
}

/** One attempt over request/response. */
export async function attempt(
  service: AnyDefinition,
  handler: string,
  journal: JournalSpec,
): Promise<AttemptResult> {
  const endpoint = createEndpoint([service]);
  const { codec } = journal;
  if (codec) endpoint.codec = async () => codec;
  const { status, body } = await handleInvocation(endpoint, {
    service: service.name,
    handler,
    version: journal.version ?? 6,
    body: requestBody(journal),
    now: journal.now ?? (() => NOW_MS),
    timeLimit: journal.timeLimit,
    ...(journal.defer === undefined ? {} : { defer: journal.defer }),
    ...(journal.console === undefined ? {} : { console: journal.console }),
  });
  if (status !== 200) throw new Error(`status ${status}: ${text(body)}`);
  return resultOf(decodeFrames(body));
}

/** Closures may take some turns of the microtask queue before they propose. */
const DRAINS_MAX = 50;

/**
 * One attempt on a live channel: each chunk of notifications comes after so many drained quiescences, and after what it
 * answers. From protocol 7 on the result of a run is acknowledged in place of being sent back.
 */
export async function liveAttempt(
  service: AnyDefinition,
  handler: string,
  journal: JournalSpec,
  chunks: readonly { readonly drains: number; readonly frames: readonly Uint8Array[] }[],
): Promise<AttemptResult> {
  const definition = createEndpoint([service]).service(service.name);
  const found = definition?.handler(handler);
  if (definition === undefined || found === undefined) throw new Error(`no handler ${handler}`);
  const handlerDefinition = { ...found, codec: journal.codec };
  const version = journal.version ?? 6;
  const machine = machineOf(definition, handlerDefinition, version);
  machine.notify(decodeFrames(requestBody(journal)));
  const running = attemptOf(machine, handlerDefinition, () => NOW_MS, drainMicrotasks);
  startHandler(running, definition, handlerDefinition, {});
  const written: Frame[] = [];
  const hasProposed = (id: number): boolean => {
    written.push(...decodeFrames(machine.takeOutput()));
    return written
      .map(decodeFrame)
      .some(({ name, message }) => name === 'ProposeRunCompletion' && message.resultCompletionId === id);
  };
  for (const { drains, frames } of chunks) {
    for (let i = 0; i < drains; i++) await new Promise<void>(drainMicrotasks);
    for (const frame of decodeFrames(concat(frames))) {
      const { name, message } = decodeFrame(frame);
      if (version < 7 || name !== 'RunCompletion') {
        running.notify([frame]);
        continue;
      }
      const completionId = message.completionId ?? 0;
      for (let i = 0; i < DRAINS_MAX && !hasProposed(completionId); i++)
        await new Promise<void>(drainMicrotasks);
      running.notify(decodeFrames(encodeFrame('ProposeRunCompletionAck', { completionId })));
    }
  }
  running.inputClosed();
  await running.done;
  return resultOf([...written, ...decodeFrames(machine.takeOutput())]);
}

function resultOf(frames: readonly Frame[]): AttemptResult {
  const decoded = frames.map(decodeFrame);
  const terminators = decoded.filter(
    ({ name }) => name === 'End' || name === 'Suspension' || name === 'Error',
  );
  const terminator = terminators[0];
  if (terminator === undefined || terminators.length > 1 || decoded.at(-1) !== terminator) {
    throw new Error(`the attempt must end with exactly one terminator: ${decoded.map(({ name }) => name)}`);
  }
  return {
    frames: decoded,
    commands: frames.filter(({ type }) => isCommand(type)).map(({ bytes }) => bytes),
    proposals: decoded.flatMap(frame => (frame.name === 'ProposeRunCompletion' ? [frame.message] : [])),
    terminator,
  };
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));
export const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

// ---- one service, one handler, short names for frames

export type Handler = (ctx: restate.Context, input: unknown) => Promise<unknown>;
export const serviceOf = (handler: Handler, options: restate.ServiceOptions = {}) =>
  restate.service({ name: 'S', handlers: { h: handler }, options });
export const run = (handler: Handler, journal: JournalSpec = {}, options?: restate.ServiceOptions) =>
  attempt(serviceOf(handler, options), 'h', journal);

export const sleep = (resultCompletionId: number, name = '') =>
  encodeFrame('SleepCommand', { wakeUpTime: 5, resultCompletionId, name });
export const slept = (completionId: number) => encodeFrame('SleepCompletion', { completionId, void: true });
export const runCommand = (resultCompletionId: number, name: string) =>
  encodeFrame('RunCommand', { resultCompletionId, name });
export const ran = (completionId: number, value: unknown) =>
  encodeFrame('RunCompletion', { completionId, value: json(value) });
export const child = (first: number, parameter = '') =>
  encodeFrame('CallCommand', {
    serviceName: 'X',
    handlerName: 'x',
    parameter: utf8(parameter),
    invocationIdNotificationIdx: first,
    resultCompletionId: first + 1,
  });
export const childId = (completionId: number, invocationId: string) =>
  encodeFrame('CallInvocationIdCompletion', { completionId, invocationId });
export const cancel = encodeFrame('SignalNotification', { signalId: 1, void: true });
export const X = (ctx: restate.Context) =>
  ctx.serviceClient<{ x: (ctx: never, input?: unknown) => Promise<void> }>({ name: 'X' });

/** One line per frame, with what matters. */
export function transcript(frames: readonly DecodedFrame[]): string[] {
  return frames.map(({ name, message }) => {
    switch (name) {
      case 'Suspension': {
        const { waitingCompletions, waitingSignals } = message.awaitingOn ?? message;
        return `Suspension c${[...waitingCompletions].sort()} s${[...waitingSignals].sort()}`;
      }
      case 'Error': {
        const related = message.relatedCommandIndex === undefined ? '' : ` at ${message.relatedCommandIndex}`;
        const delay = message.nextRetryDelay === undefined ? '' : ` retry ${message.nextRetryDelay}`;
        return `Error ${message.code} ${message.message}${related}${delay}`;
      }
      case 'OutputCommand':
      case 'ProposeRunCompletion':
        return message.failure === undefined
          ? `${name} ${text(message.value)}`
          : `${name} failure ${message.failure.code} ${message.failure.message}`;
      case 'SendSignalCommand':
        return `SendSignal ${message.targetInvocationId} ${message.idx}`;
      default:
        return name;
    }
  });
}

export const boom = () => {
  throw new Error('boom');
};
