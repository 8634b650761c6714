/**
 * Every message of the service protocol V5, V6 and V7, once: type code, fields, field numbers. The codec is driven by
 * it and the TypeScript types are derived from it. Each message is a constant of its own and nothing here has side
 * effects, so that a bundle has those it uses; `named.ts` has the table of all.
 *
 * A field is written as in the protocol's own description: what it is, its number, how it is there. With nothing said
 * about that it has implicit presence: it is always there after decoding (with its default) and may be left out when
 * encoding. An `optional` one, or a member of a `oneof`, is absent or set, and an encoded empty one stays
 * distinguishable from an absent one. `Value{content}` is flattened to its bytes and `Void` to `true`: both have one
 * canonical encoding, so nothing is lost.
 *
 * Source: the MIT-licensed Restate service protocol; names and numbers are wire facts.
 */

/** What is in a field, by the word that the table has for it. */
interface Contents {
  readonly bool: boolean;
  readonly uint32: number;
  /** u64 as a number of milliseconds; above 2^53-1 it decodes to 2^53-1 ("practically never"). */
  readonly time: number;
  /** u64 as a bigint, exact. */
  readonly uint64: bigint;
  readonly string: string;
  readonly bytes: Uint8Array;
  /** `Value{content:bytes=1}` as its content. */
  readonly value: Uint8Array;
  /** `Void{}` as `true`. */
  readonly void: true;
}
/** Of optional fields, at most one of a group is ever set. Only the outermost messages have such groups. */
type Oneof = 'result' | 'id' | 'target' | 'signal';
/** What the field is, its number, and how it is there: implicit, when nothing is said. */
type FieldText<K extends string> = `${K} ${number}${'' | ' repeated' | ' optional' | ` ${Oneof}`}`;
/** With the fields of a message; a function because `Future` contains itself. */
type Field = FieldText<keyof Contents> | readonly [FieldText<'message'>, () => Fields];
export type Fields = { readonly [name: string]: Field };

// The Future, which contains itself, is the one whose fields the compiler does not know.
type Content<F> = F extends readonly [string, () => infer N extends Fields]
  ? string extends keyof N
    ? Future
    : Shape<N>
  : F extends `${infer K extends keyof Contents} ${string}`
    ? Contents[K]
    : never;
type TextOf<F> = F extends readonly [infer S, unknown] ? S : F;
type FieldType<F> =
  TextOf<F> extends `${string} repeated`
    ? readonly Content<F>[]
    : TextOf<F> extends `${string} ${number}`
      ? Content<F>
      : Content<F> | undefined;
type OptionalNames<F extends Fields> = {
  [K in keyof F]: undefined extends FieldType<F[K]> ? K : never;
}[keyof F];
type Shape<F extends Fields> = string extends keyof F
  ? { [name: string]: unknown }
  : { [K in Exclude<keyof F, OptionalNames<F>>]: FieldType<F[K]> } & {
      [K in OptionalNames<F>]?: Exclude<FieldType<F[K]>, undefined>;
    };

export interface MessageSpec<F extends Fields> {
  /** The u16 type code of the frame header. */
  readonly type: number;
  readonly fields: F;
}
/** A decoded message. */
export type Decoded<F extends Fields> = Shape<F>;
/** What the encoder takes: every field may be left out, or undefined, and then has its default. */
export type Encodable<F extends Fields> = { [K in keyof Shape<F>]?: Shape<F>[K] | undefined };

/** The fields of two. (A spread in the table itself would be a side effect to a bundler.) */
/* @__NO_SIDE_EFFECTS__ */ function both<const F extends Fields, const G extends Fields>(
  some: F,
  others: G,
): F & G {
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
const pair = { key: 'string 1', value: 'string 2' } as const;
const failure = {
  code: 'uint32 1',
  message: 'string 2',
  metadata: ['message 3 repeated', () => pair],
} as const;
const stateEntry = { key: 'bytes 1', value: 'bytes 2' } as const;
const stateKeys = { keys: 'bytes 1 repeated' } as const;
const workflowTarget = {
  workflowName: 'string 1',
  workflowKey: 'string 2',
  scope: 'string 3 optional',
} as const;
const idempotentRequestTarget = {
  serviceName: 'string 1',
  serviceKey: 'string 2 optional',
  handlerName: 'string 3',
  idempotencyKey: 'string 4',
  scope: 'string 5 optional',
} as const;

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
  waitingCompletions: 'uint32 1 repeated',
  waitingSignals: 'uint32 2 repeated',
  waitingNamedSignals: 'string 3 repeated',
} as const;
const future: Fields = both(leaves, {
  nestedFutures: ['message 4 repeated', () => future],
  combinatorType: 'uint32 5',
});

/** One member of a `oneof result`; their numbers differ from message to message. */
/* @__NO_SIDE_EFFECTS__ */ const resultFailure = (number: number) =>
  [`message ${number} result`, () => failure] as const;
/** Value or failure, side by side. */
/* @__NO_SIDE_EFFECTS__ */ const result = (number: number) =>
  ({ value: `value ${number} result`, failure: resultFailure(number + 1) }) as const;

/* @__NO_SIDE_EFFECTS__ */ const spec = <const F extends Fields>(
  type: number,
  fields: F,
): MessageSpec<F> => ({
  type,
  fields,
});
const named = { name: 'string 12' } as const;
/** A command, with the name that the user has given it. */
/* @__NO_SIDE_EFFECTS__ */ const command = <const F extends Fields>(type: number, fields: F) =>
  spec(type, both(fields, named));
const completed = { resultCompletionId: 'uint32 11' } as const;
/** One that has a result, later. */
/* @__NO_SIDE_EFFECTS__ */ const asking = <const F extends Fields>(type: number, fields: F) =>
  command(type, both(fields, completed));

// ---- control

export const StartMessage = spec(0x0000, {
  id: 'bytes 1',
  debugId: 'string 2',
  knownEntries: 'uint32 3',
  stateMap: ['message 4 repeated', () => stateEntry],
  partialState: 'bool 5',
  key: 'string 6',
  retryCountSinceLastStoredEntry: 'uint32 7',
  durationSinceLastStoredEntry: 'time 8',
  randomSeed: 'uint64 9',
  scope: 'string 10 optional',
  limitKey: 'string 11 optional',
  idempotencyKey: 'string 12 optional',
});
export const SuspensionMessage = spec(
  0x0001,
  both(leaves, { awaitingOn: ['message 4 optional', () => future] }),
);
export const ErrorMessage = spec(0x0002, {
  code: 'uint32 1',
  message: 'string 2',
  stacktrace: 'string 3',
  relatedCommandIndex: 'uint32 4 optional',
  relatedCommandName: 'string 5 optional',
  relatedCommandType: 'uint32 6 optional',
  nextRetryDelay: 'time 8 optional',
  behavior: 'uint32 9',
});
export const EndMessage = spec(0x0003, {});
export const CommandAckMessage = spec(0x0004, { commandIndex: 'uint32 1' });
export const ProposeRunCompletionMessage = spec(0x0005, {
  resultCompletionId: 'uint32 1',
  /** Raw bytes, unlike every other `value`, which is a `Value` message. */
  value: 'bytes 14 result',
  failure: resultFailure(15),
});
export const AwaitingOnMessage = spec(0x0006, {
  awaitingOn: ['message 1 optional', () => future],
  executingSideEffects: 'bool 2',
});
export const ProposeRunCompletionAckMessage = spec(0x0007, { completionId: 'uint32 1' });

// ---- commands

/** Calls and sends have these in common, from different numbers on. */
/* @__NO_SIDE_EFFECTS__ */ const callTo = (from: number) =>
  ({
    serviceName: 'string 1',
    handlerName: 'string 2',
    parameter: 'bytes 3',
    headers: [`message ${from} repeated`, () => pair],
    key: `string ${from + 1}`,
    idempotencyKey: `string ${from + 2} optional`,
    scope: `string ${from + 3} optional`,
    limitKey: `string ${from + 4} optional`,
    invocationIdNotificationIdx: 'uint32 10',
  }) as const;
const stateKey = { key: 'bytes 1' } as const;
const promiseKey = { key: 'string 1' } as const;
const invocationId = { invocationId: 'string 1 target' } as const;
const invocationTarget = both(invocationId, {
  idempotentRequestTarget: ['message 3 target', () => idempotentRequestTarget],
  workflowTarget: ['message 4 target', () => workflowTarget],
});

export const InputCommand = command(0x0400, {
  headers: ['message 1 repeated', () => pair],
  value: 'value 14 optional',
});
export const OutputCommand = command(0x0401, result(14));
export const GetLazyStateCommand = asking(0x0402, stateKey);
export const SetStateCommand = command(0x0403, both(stateKey, { value: 'value 3 optional' }));
export const ClearStateCommand = command(0x0404, stateKey);
export const ClearAllStateCommand = command(0x0405, {});
export const GetLazyStateKeysCommand = asking(0x0406, {});
export const GetEagerStateCommand = command(
  0x0407,
  both(stateKey, { void: 'void 13 result', value: 'value 14 result' }),
);
export const GetEagerStateKeysCommand = command(0x0408, {
  value: ['message 14 optional', () => stateKeys],
});
export const GetPromiseCommand = asking(0x0409, promiseKey);
export const PeekPromiseCommand = asking(0x040a, promiseKey);
export const CompletePromiseCommand = asking(
  0x040b,
  both(promiseKey, { completionValue: 'value 2 result', completionFailure: resultFailure(3) }),
);
export const SleepCommand = asking(0x040c, { wakeUpTime: 'time 1' });
export const CallCommand = asking(0x040d, callTo(4));
export const OneWayCallCommand = command(0x040e, both(callTo(5), { invokeTime: 'time 4' }));
export const SendSignalCommand = spec(
  0x0410,
  both(result(5), {
    targetInvocationId: 'string 1',
    idx: 'uint32 2 signal',
    name: 'string 3 signal',
    void: 'void 4 result',
    entryName: 'string 12',
  }),
);
export const RunCommand = asking(0x0411, {});
export const AttachInvocationCommand = asking(0x0412, invocationTarget);
/** The same, as handlers of ours have it. */
export const AttachByIdCommand = asking(0x0412, invocationId);
export const GetInvocationOutputCommand = asking(0x0413, invocationTarget);
export const CompleteAwakeableCommand = command(0x0414, both(result(2), { awakeableId: 'string 1' }));

// ---- notifications

/** Every notification is decoded with this one template: one id, one result. */
const notification = both(result(5), {
  completionId: 'uint32 1 id',
  signalId: 'uint32 2 id',
  signalName: 'string 3 id',
  void: 'void 4 result',
  invocationId: 'string 16 result',
  stateKeys: ['message 17 result', () => stateKeys],
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
