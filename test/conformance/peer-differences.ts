/** Where the Restate server 1.7.12 behaves differently from ours, whatever the SDK, and why that is so. */
import type { Setting } from '../e2e/behaviours/dimensions.ts';
import type { Cell } from './matrix.ts';
import { withFlowControl } from './peer-system.ts';

interface Difference {
  readonly rows: readonly string[];
  readonly because: string;
  /** @default in all settings */
  readonly in?: (setting: Setting) => boolean;
}

const answered = ({ transport }: Setting): boolean => transport !== 'http2';

const DIFFERENCES: readonly Difference[] = [
  {
    rows: ['a journal of 9 MiB', 'an answer of 7 MiB'],
    because: 'it has no way around the limit of a Lambda payload',
    in: ({ transport }) => transport === 'lambda',
  },
  {
    rows: ['cancelled before it starts', 'what ended in the queue is remembered'],
    because: 'it forgets what has ended before it started',
  },
  {
    rows: ['state is replaced when its holder has ended'],
    because: 'a change of state is lost in it when the holder of the key reads its state again',
  },
  {
    rows: ['an idempotency key is forgotten after its retention', 'the retention of a workflow ends'],
    because: 'it removes what is over at intervals of its own, far apart',
  },
  {
    rows: [
      'cancelled again while it compensates',
      'compensates when it is cancelled while it waits for sleep',
      'compensates when it is cancelled while it waits for awakeable',
      'a handler watches for its cancellation',
      'signals of one name are taken in order',
    ],
    because: 'it resumes at once whatever awaits a signal that has come before, until something else comes',
    in: answered,
  },
  {
    rows: [
      'one idempotency key in two scopes is two invocations',
      'scope and limit key of a client reach the handler',
      'scope and limit key of a call reach the callee',
      'client: a scope',
    ],
    because: 'it has scopes with its experimental flow control only, which is on over HTTP/2 V7',
    in: setting => !withFlowControl(setting),
  },
  {
    rows: [
      'killed while it waits for its retry',
      'paused while it waits for its retry',
      'paused while an attempt is under way',
    ],
    because: 'with its experimental flow control, what waits for a retry has another status',
    in: withFlowControl,
  },
];

/** Undefined: the servers are to do the same. */
export const differenceOf = ({ row, variant }: Cell): string | undefined =>
  DIFFERENCES.find(({ rows, in: isIn }) => rows.includes(row.name) && (isIn?.(variant) ?? true))?.because;
