/** What the ingress makes of requests before anything is invoked. */
import { request } from 'node:http';
import { expect } from 'vitest';
import { type Play, type Row, refusal, story } from '../play.ts';

const post = (t: Play, handler: string, body: string | undefined, headers: Record<string, string>) =>
  fetch(`${t.stack.ingress.url}/${t.target(handler)}`, {
    method: 'POST',
    headers,
    ...(body === undefined ? {} : { body }),
  });

const MIB = 1024 * 1024;

/** The answer to a request that only announces its body, or sends it without an end. */
function announced(url: string, headers: Record<string, string | number>, body?: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers }, response => {
      resolve(response.statusCode ?? 0);
      sent.destroy();
    });
    sent.on('error', reject);
    sent.flushHeaders();
    if (body !== undefined) sent.write(body);
  });
}

export const INGRESS: readonly Row[] = [
  story('input of another content type is refused', async t => {
    for (const type of ['text/plain', 'application/xml']) {
      const response = await post(t, 'echo', '1', { 'content-type': type });
      expect({ type, status: response.status, body: await response.json() }).toMatchObject({
        type,
        status: 400,
        body: { source: 'ingress' },
      });
    }
    for (const type of ['application/json', 'application/json; charset=utf-8']) {
      const response = await post(t, 'echo', '1', { 'content-type': type });
      expect({ type, status: response.status, body: await response.json() }).toEqual({
        type,
        status: 200,
        body: 1,
      });
    }
    expect((await post(t, 'bytes', 'any', { 'content-type': 'image/png' })).status).toBe(200);
  }),
  story('a page of another origin may ask', async t => {
    const url = `${t.stack.ingress.url}/${t.target('echo')}`;
    const origin = 'https://shop.example';
    const asked = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,idempotency-key',
      },
    });
    expect(asked.status).toBe(200);
    expect(Object.fromEntries(asked.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'content-type,idempotency-key',
    });
    const answered = await post(t, 'echo', '1', { origin, 'content-type': 'application/json' });
    expect(answered.headers.get('access-control-allow-origin')).toBe(origin);
  }),
  story('headers of every kind reach the handler', async t => {
    const headers = { 'X-Custom': 'a, b;c="d"', 'Idempotency-Key': t.key() };
    const response = await post(t, 'about', undefined, headers);
    expect(await response.json()).toMatchObject({
      custom: 'a, b;c="d"',
      ingressPath: `/${t.target('about')}`,
    });
  }),
  story('a body past the limit is refused', async t => {
    const url = `${t.stack.ingress.url}/${t.target('bytes')}`;
    expect(await announced(url, { 'content-length': 33 * MIB })).toBe(413);
    const chunk = Buffer.alloc(33 * MIB, 'x');
    expect(await announced(url, { 'transfer-encoding': 'chunked' }, chunk)).toBe(413);
  }),
  story('what does not exist', async t => {
    const status = async (method: string, path: string) => (await t.ingress(method, path)).status;
    expect(await status('POST', `${t.services}Nothing/handler`)).toBe(404);
    expect(await status('POST', `${t.services}/missing`)).toBe(404);
    expect(await status('POST', `${t.services}Counter/key/missing`)).toBe(404);
    expect(await status('PUT', `${t.services}/echo`)).toBe(405);
    expect(await status('GET', 'restate/workflow/Nothing/key/output')).toBe(404);
    expect(await status('GET', 'restate/output/inv_nonsense')).toBe(400);
    expect(await status('POST', 'restate/awakeables/sign_nonsense/resolve')).toBe(400);
    expect(await refusal(t.stack.ingress.send(`${t.services}/missing`))).toMatchObject({ status: 404 });
  }),
  story('a GET calls too, and delays are for sends', async t => {
    expect(await t.ingress('GET', t.target('nothing'))).toEqual({ status: 200, body: '' });
    expect(await t.ingress('GET', `${t.target('nothing')}/send`)).toMatchObject({ status: 202 });
    expect((await t.ingress('POST', `${t.target('nothing')}?delay=1s`)).status).toBe(400);
    expect((await t.ingress('POST', `${t.target('nothing')}/send?delay=soon`)).status).toBe(400);
    const sent = await t.ingress('POST', `${t.target('nothing')}/send?delay=PT0.01S`);
    expect(sent).toMatchObject({ status: 202, body: { executionTime: expect.any(String) } });
  }),
];
