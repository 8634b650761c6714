/** Attempts, timeouts and errors. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  broken,
  COUNTER,
  connected,
  cutShort,
  type Fetched,
  failed,
  GREETER,
  hanging,
  KEY,
  ok,
  SIGNUP,
  sent,
  status,
} from './connected.testkit.ts';
import { connect, HttpCallError, type Ingress, rpc } from './index.ts';

const thrownBy = (promise: Promise<unknown>): Promise<HttpCallError> =>
  promise.then(
    value => expect.fail(`resolved to ${value}`),
    (error: HttpCallError) => error,
  );

/** Every request there is, and whether it may be repeated. */
const REQUESTS: readonly (readonly [string, boolean, (ingress: Ingress) => Promise<unknown>])[] = [
  ['a call', false, i => i.serviceClient(GREETER).greet('x')],
  ['a call with a key', true, i => i.serviceClient(GREETER).greet('x', rpc.opts(KEY))],
  ['a send', false, i => i.objectSendClient(COUNTER, 'k').add(1)],
  ['a send with a key', true, i => i.objectSendClient(COUNTER, 'k').add(1, rpc.sendOpts(KEY))],
  ['a shared handler of a workflow', false, i => i.workflowClient(SIGNUP, 'k').click('x')],
  ['workflowSubmit', true, i => i.workflowClient(SIGNUP, 'k').workflowSubmit('x')],
  ['workflowAttach', true, i => i.workflowClient(SIGNUP, 'k').workflowAttach()],
  ['workflowOutput', true, i => i.workflowClient(SIGNUP, 'k').workflowOutput()],
  ['workflowAttach in a scope', true, i => i.scope('s').workflowClient(SIGNUP, 'k').workflowAttach()],
  ['result', true, i => i.result(sent)],
  ['resolveAwakeable', true, i => i.resolveAwakeable('a', 1)],
  ['rejectAwakeable', true, i => i.rejectAwakeable('a', 'why')],
];
const FAILURES: readonly (readonly [string, Fetched])[] = [
  ['no answer', broken],
  ['half an answer', cutShort],
  ['503', status(503)],
];

test.for(REQUESTS.flatMap(([name, repeatable, play]) => FAILURES.map(f => ({ name, repeatable, play, f }))))(
  '$name, $f.0: may be repeated: $repeatable',
  async ({ repeatable, play, f: [, fails] }) => {
    const { ingress, requests } = connected([fails, ok]);
    await Promise.allSettled([play(ingress)]);
    expect(requests).toHaveLength(repeatable ? 2 : 1);
    if (repeatable) expect(requests[1]?.headers.get('x-restateclient-retry-attempt')).toBe('2');
  },
);

test('retries are on, and can be turned off', async () => {
  const play = (ingress: Ingress) => ingress.serviceClient(GREETER).greet('x', rpc.opts(KEY));
  const on = connected([broken, ok], { retry: undefined });
  expect(await play(on.ingress)).toBe('r');
  const off = connected([broken, ok], { retry: false });
  await expect(play(off.ingress)).rejects.toThrow('fetch failed');
});

test('when attempts are used up, the last failure is thrown', async () => {
  const { ingress, requests } = connected([broken, status(503), status(502)], {
    retry: { maxAttempts: 3, initialInterval: 1 },
  });
  await expect(ingress.result(sent)).rejects.toMatchObject({ name: 'HttpCallError', status: 502 });
  expect(requests).toHaveLength(3);
});

test('a header that cannot be is no failure of the network', async () => {
  const { ingress, requests } = connected([ok]);
  await expect(ingress.result(sent, undefined, { headers: { 'x-a': 'a\nb' } })).rejects.toThrow(TypeError);
  expect(requests).toEqual([]);
});

test('a timeout covers all attempts and the pauses between them', async () => {
  const { ingress, requests } = connected([status(503), hanging], { retry: { initialInterval: 1 } });
  await expect(ingress.result(sent, undefined, { timeout: { milliseconds: 30 } })).rejects.toMatchObject({
    name: 'TimeoutError',
    constructor: DOMException,
  });
  expect(requests).toHaveLength(2);
  const pausing = connected([status(503, { 'retry-after': '30' })], { retry: true });
  const startedAt = performance.now();
  await expect(pausing.ingress.result(sent, undefined, { timeout: 30 })).rejects.toMatchObject({
    name: 'TimeoutError',
  });
  expect(performance.now() - startedAt).toBeLessThan(1000);
});

test('timeout and signal together: the first one ends it', async () => {
  const { ingress } = connected([hanging]);
  const greet = (timeout: number, signal: AbortSignal) =>
    ingress.serviceClient(GREETER).greet('x', rpc.opts({ timeout, signal }));
  const late = new AbortController();
  await expect(greet(20, late.signal)).rejects.toMatchObject({ name: 'TimeoutError' });
  await expect(greet(60_000, AbortSignal.timeout(20))).rejects.toMatchObject({ name: 'TimeoutError' });
  const early = new AbortController();
  setTimeout(() => early.abort(), 20);
  await expect(greet(60_000, early.signal)).rejects.toMatchObject({ name: 'AbortError' });
  const reason = new Error('closed');
  await expect(greet(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
});

test('an abort in a pause ends it, with the reason, and is heard once', async () => {
  const { ingress, requests } = connected([status(503, { 'retry-after': '30' })], { retry: true });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('closed')), 20);
  await expect(ingress.result(sent, undefined, { signal: controller.signal })).rejects.toThrow('closed');
  expect(requests).toHaveLength(1);
});

test('nothing is left on a signal, and no timer', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const controller = new AbortController();
  const { signal } = controller;
  const added = vi.spyOn(signal, 'addEventListener');
  const removed = vi.spyOn(signal, 'removeEventListener');
  await connected([ok]).ingress.result(sent, undefined, { timeout: 60_000, signal });
  expect(removed.mock.calls[0]).toEqual(added.mock.calls[0]);
  const { ingress } = connected([status(503, { 'retry-after': '30' })], { retry: true });
  const aborted = ingress.result(sent, undefined, { timeout: 60_000, signal });
  const ended = expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
  await vi.advanceTimersByTimeAsync(1);
  expect(vi.getTimerCount()).toBe(2);
  controller.abort();
  await ended;
  expect(removed.mock.calls).toEqual(added.mock.calls);
  expect(vi.getTimerCount()).toBe(0);
});

test('an abort before a pause begins', async () => {
  const controller = new AbortController();
  const shouldRetry = () => {
    controller.abort();
    return true;
  };
  const { ingress } = connected([status(503, { 'retry-after': '30' })], { retry: { shouldRetry } });
  const result = ingress.result(sent, undefined, { signal: controller.signal });
  await expect(result).rejects.toMatchObject({ name: 'AbortError' });
});

test('an abort is told apart from a broken connection, whatever fetch throws', async () => {
  const rude: Fetched = ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted by some library')));
    });
  const { ingress } = connected([rude], { retry: false });
  await expect(ingress.result(sent, undefined, { timeout: 10 })).rejects.toMatchObject({
    name: 'TimeoutError',
  });
});

test.for<[string, Fetched, string]>([
  [
    'no answer',
    broken,
    'GET http://ingress:8080/restate/invocation/inv_1/attach got no answer: fetch failed',
  ],
  ['too late', hanging, 'GET http://ingress:8080/restate/invocation/inv_1/attach took longer than 10 ms'],
  [
    'nothing to read',
    status(404),
    'GET http://ingress:8080/restate/invocation/inv_1/attach was answered 404',
  ],
])('%s: the message says what was asked for, the stack by whom', async ([, answer, message]) => {
  const { ingress } = connected([answer], { retry: false });
  async function userCode() {
    await ingress.result(sent, undefined, { timeout: 10 });
  }
  const error = (await thrownBy(userCode())) as Error;
  expect(error).toMatchObject({ message });
  expect(error.stack).toMatch(/\buserCode\b/);
});

test('why there was no answer is the cause, as it is of what fetch throws', async () => {
  const refused = new Error('connect ECONNREFUSED 127.0.0.1:8080');
  const down: Fetched = () => Promise.reject(new TypeError('fetch failed', { cause: refused }));
  const { ingress } = connected([down], { retry: false });
  expect(await thrownBy(ingress.result(sent))).toMatchObject({ name: 'TypeError', cause: refused });
});

test('a terminal error of the handler', async () => {
  const body = { code: 999, message: 'gone', source: 'invocation', metadata: { why: 'sold' } };
  const { ingress } = connected([failed(body, 500, { 'x-restate-id': 'inv_1' })]);
  const error = await thrownBy(ingress.objectClient(COUNTER, 'a b').add(1));
  expect(error).toBeInstanceOf(HttpCallError);
  expect({ ...error, message: error.message, terminal: error.terminal }).toEqual({
    name: 'HttpCallError',
    message: 'POST http://ingress:8080/Counter/a%20b/add was answered 500: gone',
    status: 500,
    code: 999,
    responseText: JSON.stringify(body),
    body,
    source: 'invocation',
    metadata: { why: 'sold' },
    invocationId: 'inv_1',
    terminal: true,
  });
});

test.for<[string, Fetched, object]>([
  [
    'a refusal',
    failed({ code: 404, message: 'no such handler', source: 'ingress' }, 404),
    { source: 'ingress', terminal: false, message: expect.stringContaining('no such handler') },
  ],
  ['a header alone', status(409, { 'x-restate-error-source': 'invocation' }), { terminal: true, code: 409 }],
  [
    'a page of a proxy',
    () => new Response(`<html>${'x'.repeat(1000)}`, { status: 502 }),
    { source: undefined, terminal: false, body: {}, message: expect.stringMatching(/502: <html>x{194}$/) },
  ],
  ['nothing', status(413), { source: undefined, code: 413, responseText: '' }],
  ['JSON that is no object', failed([] as object, 400), { code: 400, terminal: false }],
])('an error: %s', async ([, answer, expected]) => {
  const { ingress } = connected([answer], { retry: false });
  expect(await thrownBy(ingress.serviceClient(GREETER).greet('x'))).toMatchObject(expected);
});

test('where it was called is in the stack', async () => {
  const { ingress } = connected([failed({ message: 'gone' }, 404)]);
  async function myOwnFunction() {
    return await ingress.serviceClient(GREETER).greet('x');
  }
  expect((await thrownBy(myOwnFunction())).stack).toContain('myOwnFunction');
});

test('a connection that breaks is mended, with the fetch of the runtime', async () => {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    if (requests === 1) return request.socket.destroy();
    if (requests === 2) {
      response.writeHead(200, { 'content-length': '100' });
      response.write('"half');
      return setTimeout(() => request.socket.destroy(), 5);
    }
    return response.end('"whole"');
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ingress = connect({ url, retry: { initialInterval: 1 } });
  expect(await ingress.serviceClient(GREETER).greet('x', rpc.opts(KEY))).toBe('whole');
  server.closeAllConnections();
});
