/** Through the official ingress client. */
import { connect, HttpCallError, Opts, rpc, SendOpts, serde } from '@restatedev/restate-sdk-clients';
import { expect } from 'vitest';
import { METADATA } from '../dimensions.ts';
import type { Callees } from '../handlers/calls.ts';
import type { Counter } from '../handlers/objects.ts';
import type { Flow } from '../handlers/workflows.ts';
import { only, type Play, type Row, story, usesState } from '../play.ts';

interface Handlers extends Callees {
  awaitAwakeable(ctx: unknown): Promise<unknown>;
}

const ingress = (t: Play) => connect({ url: t.stack.ingress.url });
const definition = (t: Play) => ({ name: t.services });

export const CLIENT: readonly Row[] = [
  story('client: call', async t => {
    const client = ingress(t).serviceClient<Handlers>(definition(t));
    expect(await client.echo({ a: 1 })).toEqual({ a: 1 });
    expect(await client.nothing()).toBeUndefined();
    expect(await client.about(rpc.opts({ headers: { 'x-custom': 'hello' } }))).toMatchObject({
      custom: 'hello',
    });
  }),
  only(
    METADATA,
    story('client: a terminal error', async t => {
      const client = ingress(t).serviceClient<Handlers>(definition(t));
      const error = await client.terminal({ message: 'gone', code: 410, metadata: { why: 'sold' } }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(HttpCallError);
      const { status, responseText } = error as HttpCallError;
      expect(status).toBe(410);
      expect(JSON.parse(responseText)).toMatchObject({ message: 'gone', metadata: { why: 'sold' } });
    }),
  ),
  story('client: send, attach to the result', async t => {
    const client = ingress(t).serviceSendClient<Handlers>(definition(t));
    const idempotencyKey = t.key();
    const options = rpc.sendOpts<string>({ idempotencyKey });
    const first = await client.counted(idempotencyKey, options);
    const second = await client.counted(idempotencyKey, options);
    expect(first).toMatchObject({ status: 'Accepted', attachable: true });
    expect(second).toMatchObject({ status: 'PreviouslyAccepted', invocationId: first.invocationId });
    expect(await ingress(t).result(first)).toBe(1);
    expect(await ingress(t).result(second)).toBe(1);
  }),
  story('client: delayed send', async t => {
    const sentAt = Date.now();
    const client = ingress(t).serviceSendClient<Handlers>(definition(t));
    const sent = await client.startedAt(rpc.sendOpts({ delay: t.pauseMs, idempotencyKey: t.key() }));
    expect((await ingress(t).result(sent)) as number).toBeGreaterThanOrEqual(sentAt + t.pauseMs);
  }),
  story('client: generic call and send', async t => {
    const parameter = new TextEncoder().encode('"raw"');
    const target = { service: t.services, handler: 'bytes', parameter };
    // Its types say that bytes are the default; JSON is.
    const opts = Opts.from<Uint8Array, Uint8Array>({ input: serde.binary, output: serde.binary });
    expect(await ingress(t).call({ ...target, opts })).toEqual(parameter);
    const sent = await ingress(t).send({ ...target, opts: SendOpts.from({ input: serde.binary }) });
    expect(sent.status).toBe('Accepted');
  }),
  story('client: awakeables', async t => {
    const [resolved, rejected] = [await t.send('awaitAwakeable'), await t.send('awaitAwakeable')];
    await ingress(t).resolveAwakeable(await resolved.note('awakeable'), { ok: true });
    await ingress(t).rejectAwakeable(await rejected.note('awakeable'), 'refused');
    await t.expect(resolved, { result: { value: { ok: true } } });
    await t.expect(rejected, { result: { name: 'TerminalError', message: 'refused', code: 500 } });
  }),
  usesState(
    story('client: an object', async t => {
      const definition = { name: `${t.services}Counter` };
      // Encoded on its way.
      const key = `${t.key()} /% ☕`;
      const counter = ingress(t).objectClient<Counter>(definition, key);
      expect(await counter.add(2)).toEqual({ old: 0, new: 2 });
      expect(await counter.get()).toBe(2);
      const sender = ingress(t).objectSendClient<Counter>(definition, key);
      const sent = await sender.add(3, rpc.sendOpts({ idempotencyKey: t.key() }));
      expect(await ingress(t).result(sent)).toEqual({ old: 2, new: 5 });
    }),
  ),
  usesState(
    story('client: a workflow', async t => {
      const flow = ingress(t).workflowClient<Pick<Flow, keyof Flow>>({ name: `${t.services}Flow` }, t.key());
      const submitted = await flow.workflowSubmit('begun');
      expect(submitted).toMatchObject({ status: 'Accepted', attachable: true });
      expect(await flow.workflowOutput()).toMatchObject({ ready: false });
      expect(await flow.workflowSubmit('again')).toEqual({ ...submitted, status: 'PreviouslyAccepted' });
      const attached = flow.workflowAttach();
      expect(await flow.peek()).toEqual({ is: 'nothing' });
      expect(await flow.approve('yes')).toBe('given');
      const result = { input: 'begun', approval: 'yes' };
      expect(await attached).toEqual(result);
      expect(await flow.workflowOutput()).toEqual({ ready: true, result });
      expect(await ingress(t).result(submitted)).toEqual(result);
    }),
  ),
];
