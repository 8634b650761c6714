/**
 * The codec with messages by their names, for the side that has to do with all of them. A handler, which has to be
 * small, uses the messages themselves.
 */
import { type Frame, FrameWriter, readMessage, SCRATCH_BYTES_MAX, scratchFrame } from './codec.ts';
import { refuse } from './encode.ts';
import { ProtocolError } from './error.ts';
import { type FieldPlan, planOf } from './plan.ts';
import * as wire from './schema.ts';
import { knownText } from './texts.ts';

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
  const shared = scratchFrame(specFor(name, message), message, flags);
  // Of that size it has its buffer for itself.
  if (shared.length > SCRATCH_BYTES_MAX) return shared;
  const frame = allocate(shared.length);
  frame.set(shared);
  return frame;
}

/**
 * Uninitialised memory: who asks for it hands out only what it has written. Node's pool makes small buffers about
 * seven times cheaper than `new Uint8Array`, whose memory is outside the heap; a plain `Uint8Array` over it,
 * because `slice` of a `Buffer` does not copy.
 */
function allocate(length: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafe(length);
  return new Uint8Array(buffer, byteOffset, length);
}

/** `bytes` and `value` fields of the message are views into `payload`. */
export function decodeMessage<N extends MessageName>(name: N, payload: Uint8Array): Message<N> {
  return readMessage(specOf(name), payload, knownText) as Message<N>;
}

export function decodeFrame({ type, payload }: Frame): DecodedFrame {
  const name = byType.get(type);
  if (name === undefined) unknown(`0x${type.toString(16).padStart(4, '0')}`);
  return { name, message: readMessage(messages[name], payload, knownText) } as DecodedFrame;
}

/** Many frames into one buffer, by name. */
export class NamedFrameWriter extends FrameWriter {
  override bytes = allocate(1024);

  frame<N extends MessageName>(name: N, message: MessageInput<N>, flags?: number): void {
    this.write(specFor(name, message), message, flags);
  }
}

// By its name alone: the type of one spec for all of them is more than the compiler can do with.
const specOf = (name: MessageName): wire.MessageSpec<wire.Fields> => byName.get(name) ?? unknown(name);

/** Of a message to be written. Two members of a oneof are refused; what handlers write has types that rule it out. */
function specFor(name: MessageName, message: { readonly [field: string]: unknown }) {
  const spec = specOf(name);
  const members = membersOf.get(spec) ?? findMembers(spec);
  let seen = 0;
  for (let i = 0; i < members.length; i++) {
    const { name, oneof } = members[i] as FieldPlan;
    if (message[name] === undefined) continue;
    if ((seen & oneof) !== 0) refuse(name, 'another of its oneof is set as well');
    seen |= oneof;
  }
  return spec;
}

const membersOf = new Map<object, readonly FieldPlan[]>();
function findMembers(spec: wire.MessageSpec<wire.Fields>): readonly FieldPlan[] {
  const members = planOf(spec.fields).fields.filter(({ oneof }) => oneof !== 0);
  membersOf.set(spec, members);
  return members;
}

function unknown(what: string): never {
  throw new ProtocolError(
    'HF_PROTOCOL_UNKNOWN_TYPE',
    `Unknown message type ${what}. Upgrade the side that reports this.`,
  );
}
