/** The client of the ingress against a real orchestrator, which is killed under it. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, HttpCallError, type Ingress, rpc } from '../../sdk-lambda/clients/index.ts';
import type { counter, shop, signup } from './clients-test-function.ts';
import { type Stack, startStack, until } from './harness/index.ts';

let stack: Stack;
let ingress: Ingress;

beforeAll(async () => {
  const entry = join(import.meta.dirname, 'clients-test-function.ts');
  stack = await startStack({ functions: [{ name: 'clients', entry }] });
  ingress = connect({ url: `${stack.ingress.url}/`, headers: { 'x-tenant': 'acme' } });
});
afterAll(() => stack.stop());

const SHOP: typeof shop = { name: 'shop' };
const keys = (function* () {
  for (let n = 1; ; n++) yield `key ${n} /% ☕`;
})();
const newKey = () => keys.next().value as string;
const newIdempotencyKey = () => encodeURIComponent(newKey());
const failure = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    value => expect.fail(`resolved to ${value}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof HttpCallError)) throw error;
  return error;
};

test('calls', async () => {
  const client = ingress.serviceClient(SHOP);
  expect(await client.price(250)).toEqual({ cents: 250, shown: '2.5 €' });
  expect(await client.nothing()).toBeUndefined();
  expect(await client.tenant(rpc.opts({ timeout: { seconds: 20 } }))).toBe('acme');
  expect(await client.bytes(new Uint8Array([1, 2, 255]))).toEqual(new Uint8Array([255, 2, 1]));
  const parameter = new Uint8Array([1, 2]);
  expect(await ingress.call({ service: 'shop', handler: 'bytes', parameter })).toEqual(
    new Uint8Array([2, 1]),
  );
});

test('an object by its key, in order', async () => {
  const key = newKey();
  const adds = ingress.objectSendClient<typeof counter>({ name: 'counter' }, key);
  const idempotencyKey = newIdempotencyKey();
  const first = await adds.add(2, rpc.sendOpts({ idempotencyKey }));
  expect(await adds.add(2, rpc.sendOpts({ idempotencyKey }))).toEqual({
    ...first,
    status: 'PreviouslyAccepted',
  });
  expect(await ingress.objectClient<typeof counter>({ name: 'counter' }, key).add(3)).toBe(5);
  expect(await ingress.result(first)).toBe(2);
});

test('a delayed send', async () => {
  const startedAt = Date.now();
  const options = rpc.sendOpts({ delay: { milliseconds: 300 }, idempotencyKey: newIdempotencyKey() });
  const sent = await ingress.serviceSendClient(SHOP).price(1, options);
  expect(await ingress.result(sent)).toMatchObject({ cents: 1 });
  expect(Date.now() - startedAt).toBeGreaterThanOrEqual(300);
});

test.for([undefined, 'acme'])('a workflow in the scope %s', async scope => {
  const workflow = (scope === undefined ? ingress : ingress.scope(scope)).workflowClient<typeof signup>(
    { name: 'signup' },
    'k/1',
  );
  expect(await failure(workflow.workflowAttach())).toMatchObject({ status: 404 });
  const submitted = await workflow.workflowSubmit(`a@${scope}`);
  expect(submitted).toMatchObject({ status: 'Accepted', attachable: true });
  expect(await workflow.workflowSubmit('again')).toEqual({ ...submitted, status: 'PreviouslyAccepted' });
  expect((await workflow.workflowOutput()).ready).toBe(false);
  const attached = workflow.workflowAttach();
  await workflow.click('s');
  const result = `a@${scope}: s`;
  expect(await attached).toBe(result);
  expect(await workflow.workflowOutput()).toEqual({ ready: true, result });
  expect(await ingress.result(submitted)).toBe(result);
});

test('awakeables', async () => {
  const asked = async (settle: (id: string) => Promise<void>) => {
    const key = newKey();
    const answer = ingress.serviceClient(SHOP).ask(key, rpc.opts({ idempotencyKey: newIdempotencyKey() }));
    const remembered = () => ingress.objectClient<typeof counter>({ name: 'counter' }, key).remembered();
    await settle(await until('its id', async () => (await remembered()) ?? undefined));
    return answer;
  };
  expect(await asked(id => ingress.resolveAwakeable(id, { ok: true }))).toEqual({ ok: true });
  expect(await failure(asked(id => ingress.rejectAwakeable(id, 'too late')))).toMatchObject({
    terminal: true,
    code: 500,
    message: expect.stringMatching(/: too late$/),
  });
});

test('a terminal error is not retried, whatever its code, and is the same again', async () => {
  const opts = rpc.opts<string, never>({ idempotencyKey: newIdempotencyKey() });
  const refused = () => failure(ingress.serviceClient(SHOP).refuse('sold', opts));
  const first = await refused();
  expect(first).toMatchObject({
    status: 503,
    code: 503,
    source: 'invocation',
    terminal: true,
    metadata: { why: 'sold out' },
    invocationId: expect.stringMatching(/^inv_/),
    message: expect.stringMatching(/^POST http:\S+\/shop\/refuse was answered 503: sold$/),
  });
  expect((await refused()).invocationId).toBe(first.invocationId);
});

test('a refusal of the server', async () => {
  const unknown = ingress.serviceClient<{ missing(ctx: unknown): Promise<void> }>({ name: 'shop' });
  expect(await failure(unknown.missing())).toMatchObject({ status: 404, source: 'ingress', terminal: false });
});

test('a timeout leaves the invocation running', async () => {
  const opts = { idempotencyKey: newIdempotencyKey() };
  const client = ingress.serviceClient(SHOP);
  await expect(client.slow(500, rpc.opts({ ...opts, timeout: 100 }))).rejects.toMatchObject({
    name: 'TimeoutError',
  });
  expect(await client.slow(500, rpc.opts(opts))).toBe('at last');
});

test('the orchestrator is killed under what waits: it is asked again, and answers', async () => {
  const workflow = ingress.workflowClient<typeof signup>({ name: 'signup' }, newKey());
  const submitted = await workflow.workflowSubmit('a');
  const sent = await ingress
    .serviceSendClient(SHOP)
    .slow(1500, rpc.sendOpts({ idempotencyKey: newIdempotencyKey() }));
  const waiting = [
    ingress.serviceClient(SHOP).slow(1500, rpc.opts({ idempotencyKey: newIdempotencyKey() })),
    ingress.result(sent),
    workflow.workflowAttach(),
    ingress.result(submitted),
  ];
  const keyless = ingress.serviceClient(SHOP).slow(1500);
  const told = expect(keyless).rejects.toThrow(TypeError);
  // All of them are accepted.
  await new Promise(done => setTimeout(done, 300));
  await stack.killOrchestrator();
  await told;
  const submittedMeanwhile = ingress
    .workflowClient<typeof signup>({ name: 'signup' }, newKey())
    .workflowSubmit('meanwhile');
  await stack.restartOrchestrator();
  await workflow.click('s');
  expect(await Promise.all(waiting)).toEqual(['at last', 'at last', 'a: s', 'a: s']);
  expect(await submittedMeanwhile).toMatchObject({ status: 'Accepted' });
});
