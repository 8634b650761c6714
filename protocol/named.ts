/**
 * The codec with messages by their names, for the side that has to do with all of them. A handler, which has to be
 * small, uses the messages themselves.
 */
import { type Frame, FrameWriter, readMessage, SCRATCH_BYTES_MAX, scratchFrame } from './codec.ts';
import { allocate } from './encode.ts';
import { ProtocolError } from './error.ts';
import * as wire from './schema.ts';

export const messages = {
  Start: wire.StartMessage,
  Suspension: wire.SuspensionMessage,
  Error: wire.ErrorMessage,
  End: wire.EndMessage,
  CommandAck: wire.CommandAckMessage,
  ProposeRunCompletion: wire.ProposeRunCompletionMessage,
  AwaitingOn: wire.AwaitingOnMessage,
  ProposeRunCompletionAck: wire.ProposeRunCompletionAckMessage,
  InputCommand: wire.InputCommand,
  OutputCommand: wire.OutputCommand,
  GetLazyStateCommand: wire.GetLazyStateCommand,
  SetStateCommand: wire.SetStateCommand,
  ClearStateCommand: wire.ClearStateCommand,
  ClearAllStateCommand: wire.ClearAllStateCommand,
  GetLazyStateKeysCommand: wire.GetLazyStateKeysCommand,
  GetEagerStateCommand: wire.GetEagerStateCommand,
  GetEagerStateKeysCommand: wire.GetEagerStateKeysCommand,
  GetPromiseCommand: wire.GetPromiseCommand,
  PeekPromiseCommand: wire.PeekPromiseCommand,
  CompletePromiseCommand: wire.CompletePromiseCommand,
  SleepCommand: wire.SleepCommand,
  CallCommand: wire.CallCommand,
  OneWayCallCommand: wire.OneWayCallCommand,
  SendSignalCommand: wire.SendSignalCommand,
  RunCommand: wire.RunCommand,
  AttachInvocationCommand: wire.AttachInvocationCommand,
  GetInvocationOutputCommand: wire.GetInvocationOutputCommand,
  CompleteAwakeableCommand: wire.CompleteAwakeableCommand,
  GetLazyStateCompletion: wire.GetLazyStateCompletion,
  GetLazyStateKeysCompletion: wire.GetLazyStateKeysCompletion,
  GetPromiseCompletion: wire.GetPromiseCompletion,
  PeekPromiseCompletion: wire.PeekPromiseCompletion,
  CompletePromiseCompletion: wire.CompletePromiseCompletion,
  SleepCompletion: wire.SleepCompletion,
  CallCompletion: wire.CallCompletion,
  CallInvocationIdCompletion: wire.CallInvocationIdCompletion,
  RunCompletion: wire.RunCompletion,
  AttachInvocationCompletion: wire.AttachInvocationCompletion,
  GetInvocationOutputCompletion: wire.GetInvocationOutputCompletion,
  SignalNotification: wire.SignalNotification,
} as const;

export type MessageName = keyof typeof messages;
/** A decoded message. */
export type Message<N extends MessageName> = wire.Decoded<(typeof messages)[N]['fields']>;
/** What the encoder takes. */
export type MessageInput<N extends MessageName> = wire.Encodable<(typeof messages)[N]['fields']>;

export type DecodedFrame = {
  readonly [N in MessageName]: { readonly name: N; readonly message: Message<N> };
}[MessageName];

const names = Object.keys(messages) as MessageName[];
const byName = new Map<string, wire.MessageSpec<wire.Fields>>(Object.entries(messages));
const byType = new Map<number, MessageName>(names.map(name => [messages[name].type, name]));

/** Message name to u16 type code. */
export const MessageType = Object.fromEntries(names.map(name => [name, messages[name].type])) as {
  readonly [N in MessageName]: (typeof messages)[N]['type'];
};

export const nameOfType = (type: number): MessageName | undefined => byType.get(type);

/** One whole frame. Small ones share memory with others of their time: `slice()` one that is kept for long. */
export function encodeFrame<N extends MessageName>(name: N, message: MessageInput<N>, flags = 0): Uint8Array {
  const shared = scratchFrame(specOf(name), message, flags);
  // Of that size it has its buffer for itself.
  if (shared.length > SCRATCH_BYTES_MAX) return shared;
  const frame = allocate(shared.length);
  frame.set(shared);
  return frame;
}

/** `bytes` and `value` fields of the message are views into `payload`. */
export function decodeMessage<N extends MessageName>(name: N, payload: Uint8Array): Message<N> {
  return readMessage(specOf(name), payload) as Message<N>;
}

export function decodeFrame({ type, payload }: Frame): DecodedFrame {
  const name = byType.get(type);
  if (name === undefined) unknown(`0x${type.toString(16).padStart(4, '0')}`);
  return { name, message: readMessage(messages[name], payload) } as DecodedFrame;
}

/** Many frames into one buffer, by name. */
export class NamedFrameWriter extends FrameWriter {
  frame<N extends MessageName>(name: N, message: MessageInput<N>, flags = 0): void {
    this.write(specOf(name), message, flags);
  }
}

// By its name alone: the type of one spec for all of them is more than the compiler can do with.
const specOf = (name: MessageName): wire.MessageSpec<wire.Fields> => byName.get(name) ?? unknown(name);

function unknown(what: string): never {
  throw new ProtocolError(
    'HF_PROTOCOL_UNKNOWN_TYPE',
    `Unknown message type ${what}. Upgrade the side that reports this.`,
  );
}
