/** Test helper: every verb of the context, as what is made beforehand and what is done then. */
import type * as restate from './index.ts';

export type Context = restate.WorkflowContext & restate.internal.ContextInternal;
type Verb = (ctx: Context) => () => unknown;

const TARGET = { service: 'X', method: 'x', parameter: new Uint8Array() };
const X: { name: string; x?: (ctx: never) => Promise<void> } = { name: 'X' };
type Api = { x: (ctx: never) => Promise<void> };
const ID = 'inv_1x' as restate.InvocationId;

/** Those that are commands. */
export const STEPS: Readonly<Record<string, Verb>> = {
  run: ctx => () => ctx.run('a', () => 1),
  sleep: ctx => () => ctx.sleep(1),
  'a call': ctx => {
    const client = ctx.serviceClient<Api>(X);
    return () => client.x();
  },
  'a send': ctx => {
    const client = ctx.objectSendClient<Api>(X, 'k');
    return () => client.x();
  },
  'a call in a scope': ctx => {
    const client = ctx.scope('s').workflowClient<Api>(X, 'k');
    return () => client.x();
  },
  genericCall: ctx => () => ctx.genericCall(TARGET),
  genericSend: ctx => () => ctx.genericSend(TARGET),
  resolveAwakeable: ctx => () => ctx.resolveAwakeable('sign_1x'),
  rejectAwakeable: ctx => () => ctx.rejectAwakeable('sign_1x', 'no'),
  cancel: ctx => () => ctx.cancel(ID),
  attach: ctx => () => ctx.attach(ID),
  'invocation.cancel': ctx => {
    const reference = ctx.invocation(ID);
    return () => reference.cancel();
  },
  'invocation.attach': ctx => {
    const reference = ctx.invocation(ID);
    return () => reference.attach();
  },
  'invocation.signal.resolve': ctx => {
    const signal = ctx.invocation(ID).signal('a');
    return () => signal.resolve();
  },
  'invocation.signal.reject': ctx => {
    const signal = ctx.invocation(ID).signal('a');
    return () => signal.reject('no');
  },
  get: ctx => () => ctx.get('a'),
  set: ctx => () => ctx.set('a', 1),
  clear: ctx => () => ctx.clear('a'),
  clearAll: ctx => () => ctx.clearAll(),
  stateKeys: ctx => () => ctx.stateKeys(),
  'promise.get': ctx => {
    const promise = ctx.promise('p');
    return () => promise.get();
  },
  'promise.peek': ctx => () => ctx.promise('p').peek(),
  'promise.resolve': ctx => () => ctx.promise('p').resolve(1),
  'promise.reject': ctx => () => ctx.promise('p').reject('no'),
  'date.now': ctx => {
    const { date } = ctx;
    return () => date.now();
  },
  'date.toJSON': ctx => () => ctx.date.toJSON(),
  orTimeout: ctx => {
    const { promise } = ctx.awakeable();
    return () => promise.orTimeout(1);
  },
};

/** Those that leave no command, and must be in the same place of the code in every attempt all the same. */
export const OTHERS: Readonly<Record<string, Verb>> = {
  awakeable: ctx => () => ctx.awakeable(),
  signal: ctx => () => ctx.signal('a'),
  cancelPreviousCalls: ctx => () => ctx.cancelPreviousCalls(),
  'rand.random': ctx => {
    const { rand } = ctx;
    return () => rand.random();
  },
  'rand.uuidv4': ctx => () => ctx.rand.uuidv4(),
  'an await': ctx => {
    const { promise } = ctx.awakeable();
    return async () => await promise;
  },
  'an await of a combination': ctx => {
    const combined = ctx.awakeable().promise.map(() => 1);
    return () => combined.then(() => 1);
  },
  'an await of a promise of the workflow': ctx => {
    const promise = ctx.promise('p');
    return async () => await promise;
  },
};

/** Those that are allowed everywhere. */
export const HARMLESS: Readonly<Record<string, Verb>> = {
  console: ctx => () => ctx.console.debug('still here'),
  request: ctx => () => ctx.request().id,
  key: ctx => () => ctx.key,
  isProcessing: ctx => () => ctx.isProcessing(),
  'an await of what has settled': ctx => {
    const settled = ctx.get('known');
    void settled.then(() => {});
    return async () => await settled;
  },
};
