/** What an attempt needs of its surroundings; apart from these it is deterministic. */
import type { TimeLimit } from './invocation.ts';
import type { ServiceOptions } from './options.ts';
import type { JournalValueCodec } from './value-codec.ts';

/** Calls back once the microtask queue has drained, in the order of the calls. */
export type Defer = (callback: () => void) => void;

export interface AttemptPorts {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly defer: Defer;
  readonly options: Pick<ServiceOptions, 'asTerminalError' | 'explicitCancellation'>;
  /** @default none */
  readonly timeLimit?: Pick<TimeLimit, 'until' | 'totalMs'> | undefined;
  readonly codec?: JournalValueCodec | undefined;
}
