/**
 * The tables of the state. A key is a string, ordered by UTF-16 code units (all keys are ASCII, so this is the
 * byte order of the store as well). `id` is the first byte of a stored key and never changes (F1).
 */
import type {
  CompletedInvocation,
  Deployment,
  Invocation,
  InvocationId,
  JournalChunk,
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
  `${String(timer.at).padStart(16, '0')}/${timer.invocation}/${timer.kind}${timer.kind === 'sleep' ? timer.completionId : ''}`;
