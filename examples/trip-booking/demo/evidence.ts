/** What the demo knows when it is over: from the journals, from the providers' ledger, and what it did itself. */
import type { AdminClient, JournalEntry } from '../../../test/e2e/harness/index.ts';
import type { Booking } from '../handler.ts';
import type { LedgerRequest } from './providers.ts';

/** A `run` of some invocation, as its journal has it. */
export interface RecordedStep {
  readonly traveller: string;
  /** `service/handler` of the invocation. */
  readonly target: string;
  readonly invocation: string;
  readonly name: string;
  /** Results that the journal holds for it. */
  readonly results: number;
}

/** One thing that a journal says about a trip, in the journal's order. */
export interface JournalEvent {
  readonly what: string;
  /** The invocation that did it, where that is another one. */
  readonly key: string | undefined;
  readonly failed: boolean;
}

export interface TripEvidence {
  readonly traveller: string;
  readonly expected: Booking['status'];
  /** What the caller was told; undefined if it got no result. */
  readonly outcome: Booking | undefined;
  readonly events: readonly JournalEvent[];
}

export interface Kill {
  readonly atMs: number;
  /** When nothing was left of what was under way; requests that it had begun may arrive until then. */
  readonly overMs: number;
  readonly what: string;
  /** Idempotency key of the step in whose middle it was. */
  readonly key: string;
}

export interface Evidence {
  readonly trips: readonly TripEvidence[];
  readonly steps: readonly RecordedStep[];
  readonly requests: readonly LedgerRequest[];
  readonly kills: readonly Kill[];
  /** `traveller provider` of what is still reserved when all is over. */
  readonly reserved: readonly string[];
  readonly charged: readonly string[];
  readonly reminded: readonly string[];
}

/** The key that a step sends along with its request. */
export const stepKey = ({ invocation, name }: Pick<RecordedStep, 'invocation' | 'name'>): string =>
  `${invocation}/${name}`;

export interface TripJournals {
  readonly events: readonly JournalEvent[];
  readonly steps: readonly RecordedStep[];
}

/** Reads the journal of a trip and of the invocations it called. */
export async function readJournals(
  admin: AdminClient,
  traveller: string,
  invocation: string,
): Promise<TripJournals> {
  const journal = await admin.journal(invocation);
  const steps = [...stepsOf(journal, traveller, 'trips/book', invocation)];
  const children = childrenOf(journal);
  for (const [id, command] of children) {
    const target = `${command.service_name}/${command.handler_name}`;
    steps.push(...stepsOf(await admin.journal(id), traveller, target, id));
  }
  return { events: eventsOf(journal, invocation, children), steps };
}

/** Ids of called invocations, with the entry that called them. */
export function childrenOf(journal: readonly JournalEntry[]): ReadonlyMap<string, JournalEntry> {
  const children = new Map<string, JournalEntry>();
  for (const entry of journal) {
    if (entry.entry_type !== 'Notification: CallInvocationId' || entry.invocation_id === undefined) continue;
    const command = journal.find(one => one.invocation_id_completion_id === entry.completion_id);
    if (command !== undefined) children.set(entry.invocation_id, command);
  }
  return children;
}

function* stepsOf(
  journal: readonly JournalEntry[],
  traveller: string,
  target: string,
  invocation: string,
): Generator<RecordedStep> {
  for (const { entry_type, name, completion_id } of journal) {
    if (entry_type !== 'Command: Run') continue;
    const results = journal.filter(
      one => one.entry_type === 'Notification: Run' && one.completion_id === completion_id,
    ).length;
    yield { traveller, target, invocation, name: name ?? '', results };
  }
}

const VERBS: Readonly<Record<string, string>> = {
  'flights/reserve': 'flight',
  'hotels/reserve': 'hotel',
  'cars/reserve': 'car',
  'flights/cancel': 'undo flight',
  'hotels/cancel': 'undo hotel',
  'cars/cancel': 'undo car',
  'reminders/send': 'reminder',
  ask: 'asked',
  charge: 'charged',
};

function eventsOf(
  journal: readonly JournalEntry[],
  invocation: string,
  children: ReadonlyMap<string, JournalEntry>,
): JournalEvent[] {
  const failed = (entry: JournalEntry): boolean =>
    journal.some(
      one =>
        one.entry_type.startsWith('Notification:') &&
        one.completion_id === entry.completion_id &&
        one.failure !== undefined,
    );
  const childOf = (entry: JournalEntry): string | undefined =>
    [...children].find(([, command]) => command === entry)?.[0];
  const events: JournalEvent[] = [];
  for (const entry of journal) {
    const { entry_type, name = '' } = entry;
    if (entry_type === 'Command: Run') {
      events.push({ what: VERBS[name] ?? name, key: `${invocation}/${name}`, failed: failed(entry) });
    } else if (entry_type === 'Command: Call' || entry_type === 'Command: OneWayCall') {
      const step = STEP_OF[entry.handler_name ?? ''] ?? '';
      const what = VERBS[`${entry.service_name}/${entry.handler_name}`] ?? '';
      events.push({ what, key: `${childOf(entry)}/${step}`, failed: failed(entry) });
    } else if (entry_type === 'Notification: Signal') {
      events.push({ what: 'approved', key: undefined, failed: false });
    } else if (entry_type === 'Notification: Sleep') {
      events.push({ what: 'deadline', key: undefined, failed: true });
    }
  }
  return events;
}

/** The one step of each handler that a trip calls. */
const STEP_OF: Readonly<Record<string, string>> = { reserve: 'reserve', cancel: 'cancel', send: 'remind' };
