/** Types that are better than the official ones. That official code compiles is shown by parity.test.ts. */
import { iface } from '@restatedev/restate-sdk-core';
import * as v from 'valibot';
import { expectTypeOf, test } from 'vitest';
import * as restate from '../index.ts';
import type { greeter, signup, sweep } from './handlers.testkit.ts';
import { HttpCallError, type Ingress, rpc, type Send, type WorkflowSubmission } from './index.ts';

const checked = restate.service({
  name: 'Checked',
  handlers: {
    order: restate.handlers.handler(
      {
        input: v.object({ id: v.string(), cents: v.optional(v.number(), 0) }),
        output: v.object({ paid: v.boolean() }),
      },
      async (_ctx, { id, cents }) => ({ paid: id === '' && cents > 0 }),
    ),
  },
});

const described = iface.object('Described', {
  add: iface.json<number, string>(),
  clear: iface.json<void, void>(),
});

async function calls(ingress: Ingress, signal: AbortSignal) {
  const client = ingress.serviceClient<typeof greeter>({ name: 'Greeter' });
  expectTypeOf(client.greet('x')).toEqualTypeOf<Promise<string>>();
  expectTypeOf(client.order({ id: 'a', cents: 1 })).toEqualTypeOf<
    Promise<{ paid: boolean; id: string; cents: number }>
  >();
  expectTypeOf(client.tick()).toEqualTypeOf<Promise<void>>();
  expectTypeOf(client.bytes(new Uint8Array())).toEqualTypeOf<Promise<Uint8Array>>();
  // @ts-expect-error another service has another type
  ingress.serviceClient<typeof greeter>({ name: 'Other' });
  client.greet('x', rpc.opts({ timeout: { seconds: 5 }, signal, idempotencyKey: undefined }));
  const anyCall = rpc.opts({ idempotencyKey: 'k' });
  client.greet('x', anyCall);
  client.tick(anyCall);
  // @ts-expect-error a serde of numbers for a string
  client.greet('x', rpc.opts({ input: restate.serde.schema(v.number()) }));

  // What a caller sends, and not what the handler gets; and no schema in its bundle.
  const orders = ingress.serviceClient<typeof checked>({ name: 'Checked' });
  expectTypeOf(orders.order({ id: 'a' })).toEqualTypeOf<Promise<{ paid: boolean }>>();
  // @ts-expect-error the id is missing
  orders.order({});
}

async function results(ingress: Ingress) {
  const workflow = ingress.workflowClient<typeof signup>({ name: 'Signup' }, 'k');
  const submitted = await workflow.workflowSubmit('a@b');
  expectTypeOf(submitted).toEqualTypeOf<WorkflowSubmission<number>>();
  expectTypeOf(await ingress.result(submitted)).toEqualTypeOf<number>();
  expectTypeOf(await workflow.status()).toEqualTypeOf<'open'>();
  expectTypeOf(
    await ingress.workflowClient<typeof sweep>({ name: 'Sweep' }, 'k').workflowAttach(),
  ).toEqualTypeOf<number>();

  const sends = ingress.serviceSendClient<typeof greeter>({ name: 'Greeter' });
  expectTypeOf(sends.greet('x', rpc.sendOpts({ delay: 5 }))).toEqualTypeOf<Promise<Send<string>>>();
  expectTypeOf(await ingress.result(await sends.greet('x'))).toEqualTypeOf<string>();
  // Kept somewhere, with or without its type.
  const kept: Send = await sends.greet('x');
  expectTypeOf(await ingress.result<string>(kept)).toEqualTypeOf<string>();
  expectTypeOf(
    await ingress.result({ invocationId: 'inv_1', status: 'Accepted', attachable: true }),
  ).toEqualTypeOf<unknown>();
  await ingress.result(kept, undefined, { timeout: 5 });
  await ingress.resolveAwakeable('id', 1, undefined, { timeout: 5 });
}

async function byName(ingress: Ingress) {
  const target = { service: 's', handler: 'h' };
  expectTypeOf(await ingress.call({ ...target, parameter: new Uint8Array() })).toEqualTypeOf<Uint8Array>();
  expectTypeOf(await ingress.call({ ...target, parameter: { a: 1 } })).toEqualTypeOf<unknown>();
  expectTypeOf(await ingress.call<string, number>({ ...target, parameter: 'p' })).toEqualTypeOf<number>();
}

async function descriptions(ingress: Ingress) {
  const client = ingress.client(described, 'k');
  expectTypeOf(client.add(1)).toEqualTypeOf<Promise<string>>();
  expectTypeOf(client.clear()).toEqualTypeOf<Promise<void>>();
  expectTypeOf(ingress.sendClient(described, 'k').add(1)).toEqualTypeOf<Promise<Send<string>>>();
  // @ts-expect-error an object has a key
  ingress.client(described);
}

function errors(error: unknown) {
  if (!(error instanceof HttpCallError)) return;
  expectTypeOf(error.source).toEqualTypeOf<'invocation' | 'ingress' | undefined>();
  expectTypeOf(error.metadata?.['why']).toEqualTypeOf<string | undefined>();
}

test('compiles', () => {
  expectTypeOf([calls, results, byName, descriptions, errors]).toBeArray();
});
