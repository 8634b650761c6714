/**
 * The tables of the state. A key is a string, ordered by UTF-16 code units (all keys are ASCII, so this is the
 * byte order of the store as well). `id` is the first byte of a stored key and never changes (F1).
 */
import type {
  CompletedInvocation,
  Deployment,
  DurablePromise,
  Instance,
  Invocation,
  InvocationId,
  JournalChunk,
  Keyed,
  ServicePointer,
  Timer,
} from './model.ts';

export interface Rows {
  /** One row, key `partition`. */
  readonly meta: { readonly idSecret: Uint8Array };
  /** By id; invocations that have not ended. */
  readonly invocation: Invocation;
  /** By id; ended ones within their retention. */
  readonly completed: CompletedInvocation;
  /** By `<id>/<first index>`. */
  readonly journal: JournalChunk;
  /** By `<due time>/<id>/<kind>`: in the order in which they fire. */
  readonly timer: Timer;
  readonly deployment: Deployment;
  /** By service name. */
  readonly service: ServicePointer;
  /** By `<service>/<key>`; a key has its scope before it. */
  readonly instance: Instance;
  /** By `<service>/<key>/<state key>`. */
  readonly state: { readonly key: string; readonly value: Uint8Array };
  /** By `<service>/<key>/<name>`. */
  readonly promise: DurablePromise;
}
export type TableName = keyof Rows;

export const TABLE_IDS: { readonly [N in TableName]: number } = {
  meta: 1,
  invocation: 2,
  completed: 3,
  journal: 4,
  timer: 5,
  deployment: 6,
  service: 7,
  instance: 8,
  state: 9,
  promise: 10,
};
export const TABLE_NAMES = Object.keys(TABLE_IDS) as readonly TableName[];

/** Read access to the state as of the last applied record. */
export interface View {
  get<N extends TableName>(table: N, key: string): Rows[N] | undefined;
  /** Rows whose key starts with `prefix`, ascending by key. */
  scan<N extends TableName>(table: N, prefix: string): Iterable<readonly [key: string, row: Rows[N]]>;
}

export type TableWrite = {
  [N in TableName]: {
    readonly table: N;
    readonly key: string;
    /** Absent: the row is deleted. */
    readonly row: Rows[N] | undefined;
    /** The key is known not to have existed; a delete before it is ever stored then leaves nothing behind. */
    readonly fresh: boolean;
  };
}[TableName];

export const META_KEY = 'partition';

/** Ten decimal digits hold every u32 index, sixteen every time up to 2^53. */
export const journalKey = (id: InvocationId, first: number): string =>
  `${id}/${String(first).padStart(10, '0')}`;
export const journalPrefix = (id: InvocationId): string => `${id}/`;
export const timerKey = (timer: Timer): string =>
  `${String(timer.at).padStart(16, '0')}/${timer.invocation}/${timer.kind}${'completionId' in timer ? timer.completionId : ''}`;

/** Any text as a part of a key: ASCII, without `/`, and never empty, so that a prefix is a whole part. */
const part = (text: string): string => `-${encodeURIComponent(text.toWellFormed())}`;

/** Names of services and scopes have no `/` and no `@` and are ASCII. */
export const instanceKey = ({ service, key, scope }: Keyed): string =>
  scope === undefined ? `${service}/${part(key)}` : `${service}/@${scope}@${part(key)}`;
export const statePrefix = (of: Keyed): string => `${instanceKey(of)}/`;
export const stateKey = (of: Keyed, key: string): string => `${instanceKey(of)}/${part(key)}`;
export const promisePrefix = statePrefix;
export const promiseKey = stateKey;
