/** Handlers, of which the client sees the types. Written for either SDK: only the import differs. */
import * as restate from '../index.ts';

export const greeter = restate.service({
  name: 'Greeter',
  handlers: {
    greet: async (_ctx: restate.Context, name: string) => `Hello ${name}`,
    order: async (_ctx: restate.Context, order: { id: string; cents: number }) => ({ ...order, paid: true }),
    tick: async (_ctx: restate.Context) => {},
    bytes: restate.handlers.handler(
      { input: restate.serde.binary, output: restate.serde.binary },
      async (_ctx: restate.Context, bytes: Uint8Array) => bytes,
    ),
  },
});

export const counter = restate.object({
  name: 'Counter',
  handlers: {
    add: async (_ctx: restate.ObjectContext, amount: number) => amount,
    get: restate.handlers.object.shared(async (_ctx: restate.ObjectSharedContext) => 1),
  },
});

export const signup = restate.workflow({
  name: 'Signup',
  handlers: {
    run: async (_ctx: restate.WorkflowContext, email: string) => email.length,
    click: async (_ctx: restate.WorkflowSharedContext, secret: string) => secret === '',
    status: async (_ctx: restate.WorkflowSharedContext) => 'open' as const,
  },
});

/** A workflow whose run takes nothing. */
export const sweep = restate.workflow({
  name: 'Sweep',
  handlers: { run: async (_ctx: restate.WorkflowContext) => 7 },
});

/** Described by an interface alone. */
export interface Plain {
  twice(ctx: restate.Context, n: number): Promise<number>;
  nothing(ctx: restate.Context): Promise<void>;
}
