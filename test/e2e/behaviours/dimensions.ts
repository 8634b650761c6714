/** What a row of the table is played over: the dimensions of the matrix, and which of their combinations exist. */

/** Prefix of the names of the services that an SDK serves. */
export const SDK_NAMES = ['Official', 'Holdfast'] as const;
export type SdkName = (typeof SDK_NAMES)[number];

/** Request and response over Lambda and HTTP/1.1; a stream both ways over HTTP/2. */
export const TRANSPORTS = ['lambda', 'http1', 'http2'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export const VERSIONS = [5, 6, 7] as const;
export type Version = (typeof VERSIONS)[number];

/** Whether an attempt is given the state of its object, or asks for what it reads. */
export const STATES = ['eager', 'lazy'] as const;
export type StateKind = (typeof STATES)[number];

/** What an orchestrator is started for. */
export interface Setting {
  readonly transport: Transport;
  readonly version: Version;
}

/** One way to play a row. */
export interface Variant extends Setting {
  readonly sdk: SdkName;
  readonly state: StateKind;
  /** Whether the orchestrator is killed in the middle and started again. */
  readonly killed: boolean;
}

/** Where a row exists; elsewhere `because` says what is missing. */
export interface Condition {
  readonly holds: (variant: Variant) => boolean;
  readonly because: string;
}

export const on = (because: string, ...transports: readonly Transport[]): Condition => ({
  holds: ({ transport }) => transports.includes(transport),
  because,
});

export const since = (version: Version, because: string): Condition => ({
  holds: variant => variant.version >= version,
  because,
});

export const REPLAYED = on('a stream lasts, so that there is no second attempt', 'lambda', 'http1');
export const SUSPENDED = on('on a stream it waits connected', 'lambda', 'http1');
export const STREAMED = on('only a stream stays connected', 'http2');
export const BATCHING: Condition = {
  holds: ({ sdk }) => sdk === 'Holdfast',
  because: 'only our SDK has batched runs',
};
export const METADATA = since(6, 'failures have metadata since V6');

/** What decides whether a combination exists, of a row. */
export interface Playable {
  readonly killable: boolean;
  readonly usesState?: boolean;
  readonly conditions?: readonly Condition[];
}

/** Why there is no such combination; undefined if there is. */
export function missing(row: Playable, variant: Variant): string | undefined {
  if (variant.killed && !row.killable) return 'it does not wait for anything';
  if (variant.state === 'lazy' && row.usesState !== true) return 'no state';
  return row.conditions?.find(({ holds }) => !holds(variant))?.because;
}

/** Prefix of the names of the services that are called in a variant. */
export const servicesOf = ({ sdk, state }: Pick<Variant, 'sdk' | 'state'>): string =>
  state === 'lazy' ? `${sdk}Lazy` : sdk;
