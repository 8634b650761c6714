/** The table of behaviours. */
import type { Row } from '../play.ts';
import { BASIC } from './basic.ts';
import { CALLS } from './calls.ts';
import { CLIENT } from './client.ts';
import { DEPLOYMENTS } from './deployments.ts';
import { ENDINGS } from './endings.ts';
import { INGRESS } from './ingress.ts';
import { LARGE } from './large.ts';
import { MISMATCHES } from './mismatches.ts';
import { OPERATIONS } from './operations.ts';
import { OBJECTS } from './queues.ts';
import { SCOPES } from './scopes.ts';
import { SIGNALS } from './signals.ts';
import { STATE } from './state.ts';
import { STEPS } from './steps.ts';
import { STOPPING } from './stopping.ts';
import { STREAMS } from './streams.ts';
import { WAITING } from './waiting.ts';
import { WORKFLOWS } from './workflows.ts';

export const ROWS: readonly Row[] = [
  ...BASIC,
  ...STEPS,
  ...CALLS,
  ...WAITING,
  ...ENDINGS,
  ...STATE,
  ...OBJECTS,
  ...WORKFLOWS,
  ...SIGNALS,
  ...MISMATCHES,
  ...OPERATIONS,
  ...DEPLOYMENTS,
  ...INGRESS,
  ...CLIENT,
  ...LARGE,
  ...STREAMS,
  ...STOPPING,
  ...SCOPES,
];
