/**
 * The one table of every message of the service protocol V5, V6 and V7: type code, fields, field numbers.
 * The codec is driven by it and the TypeScript types are derived from it, so a message exists in one place.
 *
 * Shapes: a field with implicit presence is always there after decoding (with its default) and may be left
 * out when encoding. A field marked `optional` (proto3 `optional`, or a member of a `oneof`) is absent or
 * set, and an encoded empty one stays distinguishable from an absent one. `Value{content}` is flattened to its
 * bytes and `Void` to `true`: both have one canonical encoding, so nothing is lost.
 *
 * Source: the MIT-licensed Restate service protocol; names and numbers are wire facts.
 */

export type FieldKind =
  | 'bool'
  | 'bytes'
  | 'string'
  | 'uint32'
  /** u64 as a number of milliseconds; above 2^53-1 it decodes to 2^53-1 ("practically never"). */
  | 'time'
  /** u64 as a bigint, exact. */
  | 'uint64'
  /** `Value{content:bytes=1}` as its content. */
  | 'value'
  /** `Void{}` as `true`. */
  | 'void'
  | 'message';

export interface FieldSpec<T, Kind extends FieldKind = FieldKind> {
  readonly number: number;
  readonly kind: Kind;
  readonly repeated: boolean;
  readonly optional: boolean;
  /** The nested message of a `message` field; a function because `Future` contains itself. */
  readonly nested?: () => Fields;
  /** The `oneof` this optional field is a member of: at most one member of a group is ever set. */
  readonly oneof?: string;
  /** Type carrier only, never set. */
  readonly type?: T;
}

// biome-ignore lint/suspicious/noExplicitAny: the table holds fields of every type
export type Fields = { readonly [name: string]: FieldSpec<any> };

type FieldType<F> = F extends FieldSpec<infer T> ? T : never;
type OptionalNames<F extends Fields> = {
  [K in keyof F]: undefined extends FieldType<F[K]> ? K : never;
}[keyof F];
type Shape<F extends Fields> = {
  [K in Exclude<keyof F, OptionalNames<F>>]: FieldType<F[K]>;
} & { [K in OptionalNames<F>]?: Exclude<FieldType<F[K]>, undefined> };

function field<T>(kind: FieldKind, number: number): FieldSpec<T> {
  return { number, kind, repeated: false, optional: false };
}
const bool = (number: number) => field<boolean>('bool', number);
const bytes = (number: number) => field<Uint8Array>('bytes', number);
const string = (number: number) => field<string>('string', number);
const uint32 = (number: number) => field<number>('uint32', number);
const time = (number: number) => field<number>('time', number);
const uint64 = (number: number) => field<bigint>('uint64', number);
const value = (number: number) => field<Uint8Array>('value', number);
const nothing = (number: number) => field<true>('void', number);
function message<F extends Fields>(nested: () => F, number: number): FieldSpec<Shape<F>> {
  return { ...field<Shape<F>>('message', number), nested };
}
function repeated<T>(spec: FieldSpec<T>): FieldSpec<readonly T[]> {
  return { ...(spec as FieldSpec<never>), repeated: true };
}
function optional<T>(spec: FieldSpec<T>): FieldSpec<T | undefined> {
  return { ...spec, optional: true };
}
function oneof<T>(group: string, spec: FieldSpec<T>): FieldSpec<T | undefined> {
  return { ...optional(spec), oneof: group };
}

export const CombinatorType = {
  Unknown: 0,
  FirstCompleted: 1,
  AllCompleted: 2,
  FirstSucceededOrAllFailed: 3,
  AllSucceededOrFirstFailed: 4,
} as const;

export const ErrorBehavior = { Retry: 0, Pause: 1, Fail: 2 } as const;

/** Signal 1 of every invocation is its cancellation; awakeables count up from 17. */
export const CANCEL_SIGNAL = 1;
export const FIRST_AWAKEABLE_SIGNAL = 17;

const failureMetadata = { key: string(1), value: string(2) };
const failure = {
  code: uint32(1),
  message: string(2),
  metadata: repeated(message(() => failureMetadata, 3)),
};
const header = { key: string(1), value: string(2) };
const stateEntry = { key: bytes(1), value: bytes(2) };
const stateKeys = { keys: repeated(bytes(1)) };
const workflowTarget = { workflowName: string(1), workflowKey: string(2), scope: optional(string(3)) };
const idempotentRequestTarget = {
  serviceName: string(1),
  serviceKey: optional(string(2)),
  handlerName: string(3),
  idempotencyKey: string(4),
  scope: optional(string(5)),
};

/** What a V7 attempt waits for: a tree of combinators over completions and signals. */
export interface Future {
  readonly waitingCompletions: readonly number[];
  readonly waitingSignals: readonly number[];
  readonly waitingNamedSignals: readonly string[];
  readonly nestedFutures: readonly Future[];
  /** One of `CombinatorType`. */
  readonly combinatorType: number;
}
const future: Fields = {
  waitingCompletions: repeated(uint32(1)),
  waitingSignals: repeated(uint32(2)),
  waitingNamedSignals: repeated(string(3)),
  nestedFutures: repeated(message(() => future, 4)),
  combinatorType: uint32(5),
};
const futureField = (number: number) =>
  optional(message(() => future, number)) as FieldSpec<Future | undefined>;

const name = string(12);
const resultCompletionId = uint32(11);
const invocationTarget = {
  invocationId: oneof('target', string(1)),
  idempotentRequestTarget: oneof(
    'target',
    message(() => idempotentRequestTarget, 3),
  ),
  workflowTarget: oneof(
    'target',
    message(() => workflowTarget, 4),
  ),
};
/** The members of every `oneof result`; their numbers differ from message to message. */
const resultVoid = (number: number) => oneof('result', nothing(number));
const resultValue = (number: number) => oneof('result', value(number));
const resultFailure = (number: number) =>
  oneof(
    'result',
    message(() => failure, number),
  );

/** Every notification is decoded with this one template: one id, one result. */
const notification = {
  completionId: oneof('id', uint32(1)),
  signalId: oneof('id', uint32(2)),
  signalName: oneof('id', string(3)),
  void: resultVoid(4),
  value: resultValue(5),
  failure: resultFailure(6),
  invocationId: oneof('result', string(16)),
  stateKeys: oneof(
    'result',
    message(() => stateKeys, 17),
  ),
};

interface MessageSpec<F extends Fields> {
  /** The u16 type code of the frame header. */
  readonly type: number;
  readonly fields: F;
}
const spec = <F extends Fields>(type: number, fields: F): MessageSpec<F> => ({ type, fields });

export const messages = {
  // control
  Start: spec(0x0000, {
    id: bytes(1),
    debugId: string(2),
    knownEntries: uint32(3),
    stateMap: repeated(message(() => stateEntry, 4)),
    partialState: bool(5),
    key: string(6),
    retryCountSinceLastStoredEntry: uint32(7),
    durationSinceLastStoredEntry: time(8),
    randomSeed: uint64(9),
    scope: optional(string(10)),
    limitKey: optional(string(11)),
    idempotencyKey: optional(string(12)),
  }),
  Suspension: spec(0x0001, {
    waitingCompletions: repeated(uint32(1)),
    waitingSignals: repeated(uint32(2)),
    waitingNamedSignals: repeated(string(3)),
    awaitingOn: futureField(4),
  }),
  Error: spec(0x0002, {
    code: uint32(1),
    message: string(2),
    stacktrace: string(3),
    relatedCommandIndex: optional(uint32(4)),
    relatedCommandName: optional(string(5)),
    relatedCommandType: optional(uint32(6)),
    nextRetryDelay: optional(time(8)),
    behavior: uint32(9),
  }),
  End: spec(0x0003, {}),
  CommandAck: spec(0x0004, { commandIndex: uint32(1) }),
  ProposeRunCompletion: spec(0x0005, {
    resultCompletionId: uint32(1),
    /** Raw bytes, unlike every other `value`, which is a `Value` message. */
    value: oneof('result', bytes(14)),
    failure: resultFailure(15),
  }),
  AwaitingOn: spec(0x0006, { awaitingOn: futureField(1), executingSideEffects: bool(2) }),
  ProposeRunCompletionAck: spec(0x0007, { completionId: uint32(1) }),

  // commands
  InputCommand: spec(0x0400, {
    headers: repeated(message(() => header, 1)),
    value: optional(value(14)),
    name,
  }),
  OutputCommand: spec(0x0401, { value: resultValue(14), failure: resultFailure(15), name }),
  GetLazyStateCommand: spec(0x0402, { key: bytes(1), resultCompletionId, name }),
  SetStateCommand: spec(0x0403, { key: bytes(1), value: optional(value(3)), name }),
  ClearStateCommand: spec(0x0404, { key: bytes(1), name }),
  ClearAllStateCommand: spec(0x0405, { name }),
  GetLazyStateKeysCommand: spec(0x0406, { resultCompletionId, name }),
  GetEagerStateCommand: spec(0x0407, {
    key: bytes(1),
    void: resultVoid(13),
    value: resultValue(14),
    name,
  }),
  GetEagerStateKeysCommand: spec(0x0408, { value: optional(message(() => stateKeys, 14)), name }),
  GetPromiseCommand: spec(0x0409, { key: string(1), resultCompletionId, name }),
  PeekPromiseCommand: spec(0x040a, { key: string(1), resultCompletionId, name }),
  CompletePromiseCommand: spec(0x040b, {
    key: string(1),
    completionValue: resultValue(2),
    completionFailure: resultFailure(3),
    resultCompletionId,
    name,
  }),
  SleepCommand: spec(0x040c, { wakeUpTime: time(1), resultCompletionId, name }),
  CallCommand: spec(0x040d, {
    serviceName: string(1),
    handlerName: string(2),
    parameter: bytes(3),
    headers: repeated(message(() => header, 4)),
    key: string(5),
    idempotencyKey: optional(string(6)),
    scope: optional(string(7)),
    limitKey: optional(string(8)),
    invocationIdNotificationIdx: uint32(10),
    resultCompletionId,
    name,
  }),
  OneWayCallCommand: spec(0x040e, {
    serviceName: string(1),
    handlerName: string(2),
    parameter: bytes(3),
    invokeTime: time(4),
    headers: repeated(message(() => header, 5)),
    key: string(6),
    idempotencyKey: optional(string(7)),
    scope: optional(string(8)),
    limitKey: optional(string(9)),
    invocationIdNotificationIdx: uint32(10),
    name,
  }),
  SendSignalCommand: spec(0x0410, {
    targetInvocationId: string(1),
    idx: oneof('signal', uint32(2)),
    name: oneof('signal', string(3)),
    void: resultVoid(4),
    value: resultValue(5),
    failure: resultFailure(6),
    entryName: string(12),
  }),
  RunCommand: spec(0x0411, { resultCompletionId, name }),
  AttachInvocationCommand: spec(0x0412, { ...invocationTarget, resultCompletionId, name }),
  GetInvocationOutputCommand: spec(0x0413, { ...invocationTarget, resultCompletionId, name }),
  CompleteAwakeableCommand: spec(0x0414, {
    awakeableId: string(1),
    value: resultValue(2),
    failure: resultFailure(3),
    name,
  }),

  // notifications
  GetLazyStateCompletion: spec(0x8002, notification),
  GetLazyStateKeysCompletion: spec(0x8006, notification),
  GetPromiseCompletion: spec(0x8009, notification),
  PeekPromiseCompletion: spec(0x800a, notification),
  CompletePromiseCompletion: spec(0x800b, notification),
  SleepCompletion: spec(0x800c, notification),
  CallCompletion: spec(0x800d, notification),
  CallInvocationIdCompletion: spec(0x800e, notification),
  RunCompletion: spec(0x8011, notification),
  AttachInvocationCompletion: spec(0x8012, notification),
  GetInvocationOutputCompletion: spec(0x8013, notification),
  SignalNotification: spec(0xfbff, notification),
} as const;

export type MessageName = keyof typeof messages;
/** A decoded message. */
export type Message<N extends MessageName> = Shape<(typeof messages)[N]['fields']>;
/** What the encoder takes: every field may be left out and then has its default. */
export type MessageInput<N extends MessageName> = Partial<Message<N>>;

export type WireFailure = Shape<typeof failure>;
export type WireHeader = Shape<typeof header>;
export type WireNotification = Shape<typeof notification>;

/** Message name to u16 type code. */
export const MessageType = Object.fromEntries(
  Object.entries(messages).map(([messageName, { type }]) => [messageName, type]),
) as { readonly [N in MessageName]: (typeof messages)[N]['type'] };

export const isCommand = (type: number): boolean => type >= 0x0400 && type < 0x8000;
export const isNotification = (type: number): boolean => type >= 0x8000 && type < 0xfc00;

export const MIN_PROTOCOL_VERSION = 5;
/** The `content-type` of an invocation in protocol version `version`. */
export const contentTypeOf = (version: number): string => `application/vnd.restate.invocation.v${version}`;
