/**
 * Every message of the service protocol V5, V6 and V7, once: type code, fields, field numbers. The codec is driven by
 * it and the TypeScript types are derived from it. Each message is a constant of its own and nothing here has side
 * effects, so that a bundle has those it uses; `named.ts` has the table of all.
 *
 * Shapes: a field with implicit presence is always there after decoding (with its default) and may be left
 * out when encoding. A field marked `optional` (proto3 `optional`, or a member of a `oneof`) is absent or
 * set, and an encoded empty one stays distinguishable from an absent one. `Value{content}` is flattened to its
 * bytes and `Void` to `true`: both have one canonical encoding, so nothing is lost.
 *
 * Source: the MIT-licensed Restate service protocol; names and numbers are wire facts.
 */

import { BOOL, BYTES, type FieldKind, MESSAGE, STRING, TIME, UINT32, UINT64, VALUE, VOID } from './kinds.ts';

export interface FieldSpec<T> {
  readonly number: number;
  readonly kind: FieldKind;
  readonly repeated: boolean;
  /** Written whenever set, even if it equals its default. */
  readonly explicit: boolean;
  /** The bit of the `oneof` this optional field is a member of, or 0: at most one member of a group is ever set. */
  readonly oneof: number;
  /** The nested message of a `message` field; a function because `Future` contains itself. */
  readonly nested: (() => Fields) | undefined;
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

export interface MessageSpec<F extends Fields> {
  /** The u16 type code of the frame header. */
  readonly type: number;
  readonly fields: F;
}
/** A decoded message. */
export type Decoded<F extends Fields> = Shape<F>;
/** What the encoder takes: every field may be left out, or undefined, and then has its default. */
export type Encodable<F extends Fields> = { [K in keyof Shape<F>]?: Shape<F>[K] | undefined };

const field = <T>(kind: FieldKind, number: number, nested?: () => Fields): FieldSpec<T> => ({
  number,
  kind,
  repeated: false,
  explicit: false,
  oneof: 0,
  nested,
});
/* @__NO_SIDE_EFFECTS__ */ const bool = (number: number) => field<boolean>(BOOL, number);
/* @__NO_SIDE_EFFECTS__ */ const bytes = (number: number) => field<Uint8Array>(BYTES, number);
/* @__NO_SIDE_EFFECTS__ */ const string = (number: number) => field<string>(STRING, number);
/* @__NO_SIDE_EFFECTS__ */ const uint32 = (number: number) => field<number>(UINT32, number);
/* @__NO_SIDE_EFFECTS__ */ const time = (number: number) => field<number>(TIME, number);
/* @__NO_SIDE_EFFECTS__ */ const uint64 = (number: number) => field<bigint>(UINT64, number);
/* @__NO_SIDE_EFFECTS__ */ const value = (number: number) => field<Uint8Array>(VALUE, number);
/* @__NO_SIDE_EFFECTS__ */ const nothing = (number: number) => field<true>(VOID, number);
/* @__NO_SIDE_EFFECTS__ */ function message<F extends Fields>(
  nested: () => F,
  number: number,
): FieldSpec<Shape<F>> {
  return field<Shape<F>>(MESSAGE, number, nested);
}
/* @__NO_SIDE_EFFECTS__ */ function repeated<T>(spec: FieldSpec<T>): FieldSpec<readonly T[]> {
  return { ...(spec as FieldSpec<never>), repeated: true, explicit: true };
}
/* @__NO_SIDE_EFFECTS__ */ function optional<T>(spec: FieldSpec<T>): FieldSpec<T | undefined> {
  return { ...spec, explicit: true };
}
// The groups, each a bit.
const RESULT = 1;
const ID = 2;
const TARGET = 4;
const SIGNAL = 8;
/* @__NO_SIDE_EFFECTS__ */ function oneof<T>(group: number, spec: FieldSpec<T>): FieldSpec<T | undefined> {
  return { ...optional(spec), oneof: group };
}

/** The fields of two. (A spread in the table itself would be a side effect to a bundler.) */
/* @__NO_SIDE_EFFECTS__ */ function both<F extends Fields, G extends Fields>(some: F, others: G): F & G {
  return { ...some, ...others };
}

// Apart as well, so that a bundle has the numbers and not their names.
export const UNKNOWN = 0;
export const FIRST_COMPLETED = 1;
export const ALL_COMPLETED = 2;
export const FIRST_SUCCEEDED_OR_ALL_FAILED = 3;
export const ALL_SUCCEEDED_OR_FIRST_FAILED = 4;
export const CombinatorType = {
  Unknown: UNKNOWN,
  FirstCompleted: FIRST_COMPLETED,
  AllCompleted: ALL_COMPLETED,
  FirstSucceededOrAllFailed: FIRST_SUCCEEDED_OR_ALL_FAILED,
  AllSucceededOrFirstFailed: ALL_SUCCEEDED_OR_FIRST_FAILED,
} as const;

export const ErrorBehavior = { Retry: 0, Pause: 1, Fail: 2 } as const;

/** Signal 1 of every invocation is its cancellation; awakeables count up from 17. */
export const CANCEL_SIGNAL = 1;
export const FIRST_AWAKEABLE_SIGNAL = 17;

/** Headers, and the metadata of a failure. */
const pair = { key: string(1), value: string(2) };
const failure = {
  code: uint32(1),
  message: string(2),
  metadata: repeated(message(() => pair, 3)),
};
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
const leaves = {
  waitingCompletions: repeated(uint32(1)),
  waitingSignals: repeated(uint32(2)),
  waitingNamedSignals: repeated(string(3)),
};
const future: Fields = both(leaves, {
  nestedFutures: repeated(message(() => future, 4)),
  combinatorType: uint32(5),
});
/* @__NO_SIDE_EFFECTS__ */ const futureField = (number: number) =>
  optional(message(() => future, number)) as FieldSpec<Future | undefined>;

/** The members of every `oneof result`; their numbers differ from message to message. */
/* @__NO_SIDE_EFFECTS__ */ const resultVoid = (number: number) => oneof(RESULT, nothing(number));
/* @__NO_SIDE_EFFECTS__ */ const resultValue = (number: number) => oneof(RESULT, value(number));
/* @__NO_SIDE_EFFECTS__ */ const resultFailure = (number: number) =>
  oneof(
    RESULT,
    message(() => failure, number),
  );
/** Value or failure, side by side. */
/* @__NO_SIDE_EFFECTS__ */ const result = (number: number) => ({
  value: resultValue(number),
  failure: resultFailure(number + 1),
});

/* @__NO_SIDE_EFFECTS__ */ const spec = <F extends Fields>(type: number, fields: F): MessageSpec<F> => ({
  type,
  fields,
});
const named = { name: string(12) };
/** A command, with the name that the user has given it. */
/* @__NO_SIDE_EFFECTS__ */ const command = <F extends Fields>(type: number, fields: F) =>
  spec(type, both(fields, named));
const completed = { resultCompletionId: uint32(11) };
/** One that has a result, later. */
/* @__NO_SIDE_EFFECTS__ */ const asking = <F extends Fields>(type: number, fields: F) =>
  command(type, both(fields, completed));

/** `Value` and `Void`, which the codec flattens to their one content. */
export const flattened: { readonly [kind: number]: Fields } = {
  [VALUE]: { content: bytes(1) },
  [VOID]: {},
};

// ---- control

export const StartMessage = spec(0x0000, {
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
});
export const SuspensionMessage = spec(0x0001, both(leaves, { awaitingOn: futureField(4) }));
export const ErrorMessage = spec(0x0002, {
  code: uint32(1),
  message: string(2),
  stacktrace: string(3),
  relatedCommandIndex: optional(uint32(4)),
  relatedCommandName: optional(string(5)),
  relatedCommandType: optional(uint32(6)),
  nextRetryDelay: optional(time(8)),
  behavior: uint32(9),
});
export const EndMessage = spec(0x0003, {});
export const CommandAckMessage = spec(0x0004, { commandIndex: uint32(1) });
export const ProposeRunCompletionMessage = spec(0x0005, {
  resultCompletionId: uint32(1),
  /** Raw bytes, unlike every other `value`, which is a `Value` message. */
  value: oneof(RESULT, bytes(14)),
  failure: resultFailure(15),
});
export const AwaitingOnMessage = spec(0x0006, { awaitingOn: futureField(1), executingSideEffects: bool(2) });
export const ProposeRunCompletionAckMessage = spec(0x0007, { completionId: uint32(1) });

// ---- commands

/** Calls and sends have these in common, from different numbers on. */
/* @__NO_SIDE_EFFECTS__ */ const callTo = (from: number) => ({
  serviceName: string(1),
  handlerName: string(2),
  parameter: bytes(3),
  headers: repeated(message(() => pair, from)),
  key: string(from + 1),
  idempotencyKey: optional(string(from + 2)),
  scope: optional(string(from + 3)),
  limitKey: optional(string(from + 4)),
  invocationIdNotificationIdx: uint32(10),
});
const stateKey = { key: bytes(1) };
const promiseKey = { key: string(1) };
const invocationId = { invocationId: oneof(TARGET, string(1)) };
const invocationTarget = both(invocationId, {
  idempotentRequestTarget: oneof(
    TARGET,
    message(() => idempotentRequestTarget, 3),
  ),
  workflowTarget: oneof(
    TARGET,
    message(() => workflowTarget, 4),
  ),
});

export const InputCommand = command(0x0400, {
  headers: repeated(message(() => pair, 1)),
  value: optional(value(14)),
});
export const OutputCommand = command(0x0401, result(14));
export const GetLazyStateCommand = asking(0x0402, stateKey);
export const SetStateCommand = command(0x0403, both(stateKey, { value: optional(value(3)) }));
export const ClearStateCommand = command(0x0404, stateKey);
export const ClearAllStateCommand = command(0x0405, {});
export const GetLazyStateKeysCommand = asking(0x0406, {});
export const GetEagerStateCommand = command(
  0x0407,
  both(stateKey, { void: resultVoid(13), value: resultValue(14) }),
);
export const GetEagerStateKeysCommand = command(0x0408, {
  value: optional(message(() => stateKeys, 14)),
});
export const GetPromiseCommand = asking(0x0409, promiseKey);
export const PeekPromiseCommand = asking(0x040a, promiseKey);
export const CompletePromiseCommand = asking(
  0x040b,
  both(promiseKey, { completionValue: resultValue(2), completionFailure: resultFailure(3) }),
);
export const SleepCommand = asking(0x040c, { wakeUpTime: time(1) });
export const CallCommand = asking(0x040d, callTo(4));
export const OneWayCallCommand = command(0x040e, both(callTo(5), { invokeTime: time(4) }));
export const SendSignalCommand = spec(
  0x0410,
  both(result(5), {
    targetInvocationId: string(1),
    idx: oneof(SIGNAL, uint32(2)),
    name: oneof(SIGNAL, string(3)),
    void: resultVoid(4),
    entryName: string(12),
  }),
);
export const RunCommand = asking(0x0411, {});
export const AttachInvocationCommand = asking(0x0412, invocationTarget);
/** The same, as handlers of ours have it. */
export const AttachByIdCommand = asking(0x0412, invocationId);
export const GetInvocationOutputCommand = asking(0x0413, invocationTarget);
export const CompleteAwakeableCommand = command(0x0414, both(result(2), { awakeableId: string(1) }));

// ---- notifications

/** Every notification is decoded with this one template: one id, one result. */
const notification = both(result(5), {
  completionId: oneof(ID, uint32(1)),
  signalId: oneof(ID, uint32(2)),
  signalName: oneof(ID, string(3)),
  void: resultVoid(4),
  invocationId: oneof(RESULT, string(16)),
  stateKeys: oneof(
    RESULT,
    message(() => stateKeys, 17),
  ),
});
export const GetLazyStateCompletion = spec(0x8002, notification);
export const GetLazyStateKeysCompletion = spec(0x8006, notification);
export const GetPromiseCompletion = spec(0x8009, notification);
export const PeekPromiseCompletion = spec(0x800a, notification);
export const CompletePromiseCompletion = spec(0x800b, notification);
export const SleepCompletion = spec(0x800c, notification);
export const CallCompletion = spec(0x800d, notification);
export const CallInvocationIdCompletion = spec(0x800e, notification);
export const RunCompletion = spec(0x8011, notification);
export const AttachInvocationCompletion = spec(0x8012, notification);
export const GetInvocationOutputCompletion = spec(0x8013, notification);
export const SignalNotification = spec(0xfbff, notification);

export type WireFailure = Shape<typeof failure>;
export type WireHeader = Shape<typeof pair>;
export type WireNotification = Shape<typeof notification>;

export const isCommand = (type: number): boolean => type >= 0x0400 && type < 0x8000;
export const isNotification = (type: number): boolean => type >= 0x8000 && type < 0xfc00;

export const MIN_PROTOCOL_VERSION = 5;
export const MAX_PROTOCOL_VERSION = 7;
/** The `content-type` of an invocation in protocol version `version`. */
export const contentTypeOf = (version: number): string => `application/vnd.restate.invocation.v${version}`;
