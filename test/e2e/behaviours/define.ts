/** What is served: the same for every SDK and transport but for the SDK and the services' names. */
import { type AnyHandler, counted, countedAll, type Handler } from './counted.ts';
import { basic } from './handlers/basic.ts';
import { calls } from './handlers/calls.ts';
import { explicit } from './handlers/explicit.ts';
import { large } from './handlers/large.ts';
import { mismatches } from './handlers/mismatches.ts';
import { counter, list, type ObjectHandlers } from './handlers/objects.ts';
import { proxies } from './handlers/proxies.ts';
import { brief, scoped, stopping } from './handlers/special.ts';
import { steps } from './handlers/steps.ts';
import { waiting } from './handlers/waiting.ts';
import { type FlowHandlers, flow } from './handlers/workflows.ts';
import { functionNotes, type Notes } from './notes.ts';
import {
  type Context,
  KILLED_PAUSE_MS,
  type Names,
  privateServiceOf,
  type Sdk,
  type Services,
} from './sdk.ts';

type Options = Parameters<Sdk['handlers']['handler']>[0];

const FAST = { initialInterval: 10, maxAttempts: 2 };
/** On a stream: how long nothing is sent until it is asked to suspend, and then until it is given up. */
const INACTIVITY_MS = 200;
const ABORT_MS = 1500;
const PAUSING = { retryPolicy: { ...FAST, onMaxAttempts: 'pause' } } as const;

const bytes = ({ serde: { binary } }: Sdk): Options =>
  ({ accept: '*/*', input: binary, output: binary }) as Options;

/** Plain services. */
export function plainServices(sdk: Sdk, names: Names): Services {
  const notes = functionNotes();
  const options: Record<string, Options> = {
    bytes: bytes(sdk),
    flakySlowly: {
      retryPolicy: {
        initialInterval: KILLED_PAUSE_MS,
        maxInterval: KILLED_PAUSE_MS,
        exponentiationFactor: 1,
      },
    },
    countedBriefly: { idempotencyRetention: 1000, journalRetention: 500 },
    pausing: PAUSING,
    killing: { retryPolicy: { ...FAST, onMaxAttempts: 'kill' } },
  };
  const all: Record<string, Handler> = {
    ...basic(sdk),
    ...steps(sdk, notes),
    ...calls(sdk, notes, names),
    ...waiting(sdk, notes, names),
    ...large(notes),
  };
  return [
    sdk.service({ name: names.own, handlers: withOptions(sdk, notes, all, options) }),
    sdk.service({
      name: privateServiceOf(names.own),
      handlers: { secret: async (_ctx: Context): Promise<string> => 'secret' },
      options: { ingressPrivate: true },
    }),
    sdk.service({
      name: `${names.own}Brief`,
      handlers: withOptions(sdk, notes, brief(notes), {}),
      options: { inactivityTimeout: INACTIVITY_MS, abortTimeout: ABORT_MS },
    }),
    sdk.service({ name: `${names.own}Scoped`, handlers: withOptions(sdk, notes, scoped(sdk, names), {}) }),
    ...(['pause', 'fail'] as const).map(how =>
      sdk.service({
        name: `${names.own}${how === 'pause' ? 'Pausing' : 'Failing'}`,
        handlers: withOptions(sdk, notes, stopping(sdk, notes), {}),
        options: { onJournalMismatchErrors: how },
      }),
    ),
  ];
}

/** Objects, workflows, and the plain handlers that use them. */
export function keyedServices(sdk: Sdk, names: Names, enableLazyState: boolean): Services {
  const notes = functionNotes();
  const { own } = names;
  const wrong = mismatches(notes, names);
  const pausing = Object.fromEntries(Object.keys(wrong.service).map(name => [name, PAUSING]));
  const object = (name: string, handlers: ObjectHandlers, options = {}) =>
    sdk.object({
      name: `${own}${name}`,
      handlers: ofObject(sdk, notes, handlers) as never,
      options: { enableLazyState, ...options },
    });
  const workflow = (name: string, options = {}) =>
    sdk.workflow({
      name: `${own}${name}`,
      handlers: ofWorkflow(sdk, notes, flow(sdk, notes)) as never,
      options: { enableLazyState, ...options },
    });
  return [
    object('Counter', counter(sdk, notes, names, `${own}Counter`)),
    object('List', list()),
    object('Wrong', { exclusive: wrong.object, shared: counter(sdk, notes, names, '').shared }, PAUSING),
    workflow('Flow'),
    workflow('BriefFlow', { workflowRetention: 2000 }),
    sdk.service({
      name: `${own}Keyed`,
      handlers: withOptions(sdk, notes, { ...proxies(sdk, notes, names), ...wrong.service }, pausing),
    }),
    sdk.service({
      name: `${own}Explicit`,
      handlers: withOptions(sdk, notes, explicit(sdk, notes, names), {}),
      options: { explicitCancellation: true },
    }),
    ...['Settings', 'SettingsKilled', 'Retries'].map(name =>
      sdk.service({ name: `${own}${name}`, handlers: withOptions(sdk, notes, settled(notes), {}) }),
    ),
  ];
}

/** A service whose settings are changed by operators. */
const settled = (notes: Notes): Record<string, Handler> => ({
  counted: async (_ctx: Context, key: string): Promise<number> => notes.mark(key, 'counted'),
  flaky: async (ctx: Context): Promise<string> => {
    throw new Error(`try ${notes.mark(ctx.request().id, 'try')}`);
  },
});

function withOptions(
  sdk: Sdk,
  notes: Notes,
  handlers: Readonly<Record<string, Handler>>,
  options: Readonly<Record<string, Options>>,
): Record<string, AnyHandler> {
  return countedAll(notes, handlers, (fn, name) => {
    const given = options[name];
    return given === undefined ? fn : (sdk.handlers.handler(given, fn as never) as AnyHandler);
  });
}

const ofObject = (sdk: Sdk, notes: Notes, { exclusive, shared }: ObjectHandlers): object => ({
  ...countedAll(notes, exclusive, (fn, name) =>
    name === 'store' ? (sdk.handlers.object.exclusive(bytes(sdk), fn as never) as AnyHandler) : fn,
  ),
  ...countedAll(
    notes,
    shared,
    (fn, name) => sdk.handlers.object.shared(name === 'load' ? bytes(sdk) : {}, fn as never) as AnyHandler,
  ),
});

const ofWorkflow = (sdk: Sdk, notes: Notes, { run, shared }: FlowHandlers): object => ({
  run: counted(notes, run),
  ...countedAll(notes, shared, fn => sdk.handlers.workflow.shared(fn as never) as AnyHandler),
});
