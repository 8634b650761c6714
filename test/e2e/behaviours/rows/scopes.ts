/** Scopes and limit keys: part of what is addressed, carried to the handler. */
import { connect } from '@restatedev/restate-sdk-clients';
import { expect } from 'vitest';
import { since } from '../dimensions.ts';
import type { Seen } from '../handlers/special.ts';
import { only, type Play, type Row, story } from '../play.ts';

const CARRIED = since(7, 'handlers are told their scope since V7');

const inScope = (t: Play, scope: string, handler: string, headers: Record<string, string> = {}) =>
  fetch(`${t.stack.ingress.url}/restate/scope/${scope}/call/${t.target(handler)}`, {
    method: 'POST',
    headers,
  });

export const SCOPES: readonly Row[] = [
  only(
    CARRIED,
    story('scope and limit key of a client reach the handler', async t => {
      const headers = { 'x-restate-limit-key': 'a/b', 'idempotency-key': t.key() };
      const answer = await inScope(t, 'tenant-1', 'Scoped/seen', headers);
      expect([answer.status, await answer.json()]).toEqual([
        200,
        { scope: 'tenant-1', limitKey: 'a/b', idempotencyKey: t.key() },
      ]);
      const path = `restate/scope/tenant-1/send/${t.target('Scoped/seen')}?limit-key=q`;
      const sent = await t.ingress('POST', path);
      expect(sent.status).toBe(202);
      const run = t.run((sent.body as { invocationId: string }).invocationId);
      await t.expect(run, { result: expect.objectContaining({ scope: 'tenant-1', limitKey: 'q' }) });
    }),
  ),
  only(
    CARRIED,
    story('scope and limit key of a call reach the callee', async t => {
      const input = { scope: 'tenant-1', limitKey: 'a', key: t.key() };
      const seen: Seen = { scope: 'tenant-1', limitKey: 'a', idempotencyKey: t.key() };
      await t.call('Scoped/callInScope', input, { result: seen });
      await t.call('Scoped/sendInScope', { scope: 'tenant-2' }, { result: { scope: 'tenant-2' } });
    }),
  ),
  story('one idempotency key in two scopes is two invocations', async t => {
    const headers = { 'idempotency-key': t.key(), 'content-type': 'application/json' };
    const call = async (scope: string | undefined) => {
      const prefix = scope === undefined ? 'restate' : `restate/scope/${scope}`;
      const url = `${t.stack.ingress.url}/${prefix}/call/${t.target('counted')}`;
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(t.key()) });
      return { id: answer.headers.get('x-restate-id'), count: await answer.json() };
    };
    const [none, one, two] = [await call(undefined), await call('one'), await call('two')];
    expect([none.count, one.count, two.count]).toEqual([1, 2, 3]);
    expect(new Set([none.id, one.id, two.id]).size).toBe(3);
    expect(await call('one')).toEqual(one);
    const target = { target: 'idempotentInvocation', service: t.services, handler: 'counted' };
    const of = (scope: string) => ({ ...target, idempotencyKey: t.key(), scope });
    expect((await t.ingress('POST', 'restate/lookup', of('two'))).body).toEqual({ invocationId: two.id });
    expect(await t.ingress('POST', 'restate/output', of('two'))).toEqual({ status: 200, body: 3 });
  }),
  story('a scope or limit key that is none is refused', async t => {
    const status = async (scope: string, limitKey?: string) =>
      (await inScope(t, scope, 'echo', limitKey === undefined ? {} : { 'x-restate-limit-key': limitKey }))
        .status;
    expect(await status('bad%20scope')).toBe(400);
    expect(await status('tenant-1', 'a/b/c')).toBe(400);
    const unscoped = `${t.stack.ingress.url}/restate/call/${t.target('echo')}?limit-key=a`;
    expect((await fetch(unscoped, { method: 'POST' })).status).toBe(400);
  }),
  only(
    CARRIED,
    story('client: a scope', async t => {
      const ingress = connect({ url: t.stack.ingress.url }).scope('tenant-3');
      const client = ingress.serviceClient<{ seen(ctx: unknown): Promise<Seen> }>({
        name: `${t.services}Scoped`,
      });
      expect(await client.seen()).toMatchObject({ scope: 'tenant-3' });
    }),
  ),
];
