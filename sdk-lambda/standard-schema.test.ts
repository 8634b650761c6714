/** Handlers whose input and output are checked by schemas, with three libraries, and serdes made of schemas. */
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import * as v from 'valibot';
import { expect, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import * as restate from './index.ts';
import { attempt, json, ran, runCommand, transcript } from './journal.testkit.ts';

/** An order as it is sent; `quantity` becomes a number, `note` gets a default. */
const LIBRARIES = {
  zod: z.object({
    id: z.string(),
    lines: z.array(z.object({ quantity: z.string().transform(Number), note: z.string().default('-') })),
  }),
  valibot: toStandardJsonSchema(
    v.object({
      id: v.string(),
      lines: v.array(
        v.object({ quantity: v.pipe(v.string(), v.transform(Number)), note: v.optional(v.string(), '-') }),
      ),
    }),
  ),
  arktype: type({
    id: 'string',
    lines: type({ quantity: type('string').pipe(text => Number(text)), note: 'string = "-"' }).array(),
  }),
};
interface Sent {
  id: string;
  lines: { quantity: string; note?: string | undefined }[];
}
interface Order {
  id: string;
  lines: { quantity: number; note: string }[];
}

test.each(['zod', 'valibot', 'arktype'] as const)('%s', async library => {
  const input: restate.StandardSchema<Sent, Order> = LIBRARIES[library];
  const orders = restate.service({
    name: 'Orders',
    handlers: {
      place: restate.createServiceHandler({ input }, async (_ctx, order) => {
        expectTypeOf(order).toEqualTypeOf<Order>();
        return order.lines.map(({ quantity, note }) => `${quantity + 1}${note}`);
      }),
    },
  });
  const place = async (sent: unknown) =>
    transcript((await attempt(orders, 'place', { input: json(sent) })).frames).join('\n');

  expect(await place({ id: 'a', lines: [{ quantity: '4' }] })).toBe('OutputCommand ["5-"]\nEnd');
  const refused = await place({ id: 7, lines: [{ quantity: null }] });
  expect(refused).toContain('OutputCommand failure 400 The input of Orders/place is not valid: /id ');
  expect(refused).toContain('; /lines/0/quantity ');

  // What callers send, though what the handler gets has no JSON Schema.
  const { handlers } = await manifestOf(orders);
  const { jsonSchema } = handlers[0].input;
  expect(jsonSchema.properties.lines.items.properties.quantity).toEqual({ type: 'string' });
  expect(handlers[0].input).toMatchObject({ contentType: 'application/json', required: false });
});

// biome-ignore lint/suspicious/noExplicitAny: JSON
async function manifestOf(service: restate.ServiceDefinition<string, unknown>): Promise<any> {
  const answer = await restate.createEndpointHandler({ services: [service] })(
    { path: '/discover', headers: { accept: 'application/vnd.restate.endpointmanifest.v4+json' } },
    {},
  );
  return JSON.parse(Buffer.from(answer.body, 'base64').toString()).services[0];
}

const { handlers } = restate;
const Amount = z.object({ cents: z.number().int() });
/** Adds a default and drops what it does not know, so that it can be seen which value goes on. */
const Receipt = z.object({ paid: z.boolean(), by: z.string().default('card') });

const wallet = restate.object({
  name: 'Wallet',
  handlers: {
    pay: handlers.object.exclusive({ input: Amount, output: Receipt }, async (ctx, { cents }) => {
      await ctx.run('charge', () => 1);
      return cents === 13 ? ({ paid: 'no' } as never) : { paid: true, extra: cents };
    }),
    /** A call through `this` is checked as well, and has the types of callers. */
    async through(ctx: restate.ObjectContext) {
      const receipt = await this.pay(ctx, { cents: 1 });
      expectTypeOf(receipt).toEqualTypeOf<{ paid: boolean; by: string }>();
      return receipt;
    },
    peek: handlers.object.shared({ input: z.string().optional() }, async (_ctx, name) => name ?? 'nobody'),
    many: handlers.object.shared({ input: z.array(z.number()) }, async (_ctx, list) => list.length),
    async: handlers.object.shared({ input: z.string().refine(async () => true) }, async () => 1),
    stored: handlers.object.shared(async ctx => {
      const date = await ctx.get('at', restate.serde.schema(z.coerce.date()));
      expectTypeOf(date).toEqualTypeOf<Date | null>();
      return date?.getTime();
    }),
    read: restate.createObjectSharedHandler(
      { input: restate.serde.schema(Amount) },
      async (_ctx, { cents }) => cents,
    ),
  },
});

const START = { key: 'k', stateMap: [{ key: Buffer.from('at'), value: json('1970-01-01T00:00:01Z') }] };
const PAID = [runCommand(1, 'charge'), ran(1, 1)];
const OVER = Array.from({ length: 12 }, String);

test.each<[string, string, unknown, string]>([
  ['what a schema makes of a result is the result', 'pay', { cents: 5 }, '{"paid":true,"by":"card"}'],
  [
    'a result that does not fit fails the attempt and is no result',
    'pay',
    { cents: 13 },
    'Error 500 Wallet/k/pay returned what its output schema refuses: /paid ',
  ],
  ['through this', 'through', undefined, '{"paid":true,"by":"card"}'],
  ['no input where there may be one', 'peek', undefined, 'OutputCommand "nobody"'],
  ['at the top there is no path', 'many', 'x', 'not valid: Invalid input: expected array'],
  [
    'of many issues ten are told',
    'many',
    OVER,
    '/9 Invalid input: expected number, received string; and 2 more',
  ],
  ['asynchronous schemas are refused', 'async', 'x', 'Error 500 A zod schema checks asynchronously.'],
  ['a serde of a schema transforms what is read', 'stored', undefined, 'OutputCommand 1000'],
  [
    'and refuses an input with the code of one that does not decode',
    'read',
    { cents: 0.5 },
    'failure 400 Failed to deserialize input: The value does not fit its schema: /cents Invalid input: expected int',
  ],
])('%s', async (_name, handler, input, expected) => {
  const bytes = input === undefined ? {} : { input: json(input) };
  // At the attempt after the step, where there is one.
  const entries = ['pay', 'through'].includes(handler) ? PAID : [];
  const { frames } = await attempt(wallet, handler, { start: START, entries, ...bytes });
  expect(transcript(frames).join('\n')).toContain(expected);
});

test('a serde of a schema has its JSON Schema, with the options given for it', async () => {
  const { jsonSchema } = restate.serde.schema(z.object({ at: z.date() }), undefined, {
    unrepresentable: 'any',
  });
  expect(jsonSchema).toMatchObject({ properties: { at: {} } });
  expect(restate.serde.schema(z.object({ at: z.date() })).jsonSchema).toBeUndefined();
  // Without Standard JSON Schema.
  expect(restate.serde.schema(v.string()).jsonSchema).toBeUndefined();
});
