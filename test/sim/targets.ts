/**
 * The services under test and what their handlers are: known here by themselves, so that the checkers need not ask
 * the code that they check.
 */

import type { Target } from '../../runtime/core/model.ts';

/** What a handler is towards its key; `run` is a workflow's. */
export type Kind = 'service' | 'exclusive' | 'shared' | 'run' | 'workflowShared';

const KINDS: Readonly<Record<string, Kind>> = {
  'alpha/program': 'service',
  'beta/program': 'service',
  'alpha/complete': 'service',
  'beta/complete': 'service',
  /** Watches for cancellations by itself. */
  'watchful/program': 'service',
  'watchful/complete': 'service',
  'ledger/program': 'exclusive',
  'ledger/look': 'shared',
  /** Its state is read lazily. */
  'vault/program': 'exclusive',
  'vault/look': 'shared',
  'flow/run': 'run',
  'flow/look': 'workflowShared',
  'flow/settle': 'workflowShared',
  /** Counters that have to be exact, and the programs that count; see tally.ts. */
  'tally/add': 'exclusive',
  'tally/read': 'shared',
  'saga/program': 'service',
  /** Speaks the protocol without an SDK; see raw.ts. */
  'raw/look': 'service',
};

export function kindOf({ service, handler }: Pick<Target, 'service' | 'handler'>): Kind {
  const kind = KINDS[`${service}/${handler}`];
  if (kind === undefined) throw new Error(`there is no handler ${service}/${handler}`);
  return kind;
}

/** One at a time for a key. */
export const isAlone = (kind: Kind): boolean => kind === 'exclusive' || kind === 'run';
export const isWorkflow = (service: string): boolean => service === 'flow';
export const isObject = (service: string): boolean => ['ledger', 'vault', 'tally'].includes(service);
