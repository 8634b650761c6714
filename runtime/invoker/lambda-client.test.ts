import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InvokeCommand, LambdaClient as SdkClient } from '@aws-sdk/client-lambda';
import { afterEach, expect, test } from 'vitest';
import { type CredentialSource, credentialsOf } from '../platform/aws/credentials.ts';
import type { AwsCredentials } from '../platform/aws/sigv4.ts';
import type { Clock, Logger, TimerHandle, Timers } from '../platform/ports.ts';
import {
  createLambdaClient,
  type LambdaClient,
  type LambdaResult,
  PAYLOAD_BYTES_MAX,
} from './lambda-client.ts';

const clock: Clock = { now: () => Date.now(), monotonicMs: () => performance.now() };
const timers: Timers = {
  set: (delayMs, callback) => setTimeout(callback, delayMs) as unknown as TimerHandle,
  clear: handle => clearTimeout(handle as unknown as NodeJS.Timeout),
  soon: callback => void setImmediate(callback),
};
const events: string[] = [];
const note = (event: string) => void events.push(event);
const logger: Logger = { debug: note, info: note, warn: note, error: note };
const KEYS: AwsCredentials = { accessKeyId: 'AKID', secretAccessKey: 'secret' };
const ARN = 'arn:aws:lambda:eu-west-1:123456789012:function:checkout:7';

type Script = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
  events.length = 0;
});

async function serve(script: Script): Promise<{ server: Server; url: string; requests: number }> {
  const served = { server: createServer(), url: '', requests: 0 };
  served.server.on('request', (request, response) => {
    served.requests++;
    const chunks: Buffer[] = [];
    request.on('data', chunk => chunks.push(chunk));
    request.on('end', () => script(request, response, Buffer.concat(chunks)));
  });
  await new Promise<void>(resolve => served.server.listen(0, '127.0.0.1', resolve));
  served.url = `http://127.0.0.1:${(served.server.address() as AddressInfo).port}`;
  open.push(async () => {
    served.server.closeAllConnections();
    await new Promise(resolve => served.server.close(resolve));
  });
  return served;
}

function connect(
  url: string,
  options: { credentials?: CredentialSource; maxConnections?: number; clock?: Clock } = {},
): LambdaClient {
  const env = { AWS_ENDPOINT_URL_LAMBDA: url };
  const credentials = async () => KEYS;
  const client = createLambdaClient({ clock, timers, logger, env, credentials, tickMs: 20, ...options });
  open.unshift(() => client.close());
  return client;
}

function invoke(client: LambdaClient, payload: string | Uint8Array = '{}', timeoutMs = 5000) {
  return new Promise<LambdaResult>(resolve => client.invoke({ arn: ARN, payload, timeoutMs }, resolve));
}

/** What the AWS SDK makes of the same answer, in our terms. */
async function invokeBySdk(url: string, payload: string): Promise<object> {
  const { accessKeyId, secretAccessKey } = KEYS;
  const client = new SdkClient({
    region: 'eu-west-1',
    endpoint: url,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });
  try {
    const answer = await client.send(new InvokeCommand({ FunctionName: ARN, Payload: Buffer.from(payload) }));
    return {
      kind: 'response',
      payload: Buffer.from(answer.Payload ?? []).toString(),
      functionError: answer.FunctionError,
      requestId: answer.$metadata.requestId,
      executedVersion: answer.ExecutedVersion,
    };
  } catch (error) {
    const { name, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    return { kind: $metadata?.httpStatusCode === 429 ? 'throttled' : 'failed', name };
  } finally {
    client.destroy();
  }
}

/** The result with its payload as text, and members that are absent as undefined. */
function shown(result: LambdaResult): object {
  if (result.kind !== 'response') return result;
  return { functionError: undefined, ...result, payload: Buffer.from(result.payload).toString() };
}

const IDS = { 'x-amzn-requestid': 'r-1', 'x-amz-executed-version': '7' };

test.each<[string, Script, object]>([
  ['a result', (_q, r) => r.writeHead(200, IDS).end('{"statusCode":200}'), { kind: 'response' }],
  ['an empty result', (_q, r) => r.writeHead(200, IDS).end(), { kind: 'response', payload: '' }],
  [
    'a result in chunks',
    (_q, r) => {
      r.writeHead(200, IDS);
      r.write('{"a":');
      setTimeout(() => r.end('1}'), 20);
    },
    { kind: 'response', payload: '{"a":1}' },
  ],
  [
    'a function error',
    (_q, r) => r.writeHead(200, { ...IDS, 'x-amz-function-error': 'Unhandled' }).end('{"errorType":"E"}'),
    { kind: 'response', functionError: 'Unhandled' },
  ],
  [
    'a throttle',
    (_q, r) =>
      r
        .writeHead(429, { 'x-amzn-errortype': 'TooManyRequestsException:http://x/' })
        .end('{"message":"Rate Exceeded."}'),
    { kind: 'throttled', message: expect.stringContaining('TooManyRequestsException: Rate Exceeded.') },
  ],
  [
    'a throttle that says when',
    (_q, r) => r.writeHead(429, { 'retry-after': '3' }).end('{}'),
    { kind: 'throttled', retryAfterMs: 3000 },
  ],
  [
    'an unavailable service',
    (_q, r) => r.writeHead(503, { 'retry-after': '2' }).end('<html>no</html>'),
    { kind: 'failed', code: 'RT0010', retryAfterMs: 2000 },
  ],
  [
    'a missing function',
    (_q, r) => r.writeHead(404).end('{"__type":"a#ResourceNotFoundException","Message":"gone"}'),
    {
      kind: 'failed',
      code: 'RT0010',
      message: expect.stringMatching(/ResourceNotFoundException: gone .*Reg/),
    },
  ],
  [
    'a request it finds too large',
    (_q, r) => r.writeHead(413).end('{"__type":"RequestEntityTooLargeException"}'),
    { kind: 'failed', code: 'RT0003', deterministic: true },
  ],
  ['a redirect', (_q, r) => r.writeHead(302, { location: '/x' }).end(), { kind: 'failed', code: 'RT0010' }],
  ['a reset', q => q.socket.resetAndDestroy(), { kind: 'failed', code: 'RT0010' }],
  [
    'a truncated result',
    (_q, r) => {
      r.writeHead(200, { 'content-length': '100' });
      r.write('{"statusCode"');
      setTimeout(() => r.destroy(), 20);
    },
    { kind: 'failed', code: 'RT0010' },
  ],
  ['no HTTP', q => q.socket.end('garbage\r\n\r\n'), { kind: 'failed', code: 'RT0010' }],
])('reads what the AWS SDK reads: %s', async (_name, script, expected) => {
  const { url } = await serve(script);
  const result = shown(await invoke(connect(url)));
  expect(result).toMatchObject(expected);
  const theirs = await invokeBySdk(url, '{}');
  expect(theirs).toMatchObject({ kind: (result as { kind: string }).kind });
  if ('payload' in theirs) expect(result).toEqual(theirs);
});

test('sends what the AWS SDK sends', async () => {
  const seen: object[] = [];
  const { url } = await serve((request, response, body) => {
    const { host, 'content-type': type, 'content-length': length } = request.headers;
    seen.push({ method: request.method, url: request.url, host, type, length, body: body.toString() });
    response.end();
  });
  await invoke(connect(url), '{"key":"ä"}');
  await invokeBySdk(url, '{"key":"ä"}');
  expect(seen[0]).toEqual(seen[1]);
});

test('says timeout after the time and not before, and cuts the connection', async () => {
  let cut = false;
  const { url } = await serve(request => void request.socket.on('close', () => (cut = true)));
  const client = connect(url);
  const startedMs = performance.now();
  const result = await invoke(client, '{}', 120);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(120);
  expect(result).toMatchObject({ kind: 'failed', code: 'RT0001' });
  await expect.poll(() => cut).toBe(true);
  expect(client.stats).toEqual({ connections: 0, active: 0, waiting: 0 });
});

test.each<[string, Script]>([
  ['announced', (_q, r) => void r.writeHead(200, { 'content-length': '7000000' }).write('x')],
  ['in chunks', (_q, r) => void r.writeHead(200).end(Buffer.alloc(7_000_000, 120))],
])('refuses an answer that is too large: %s', async (_name, script) => {
  const { url } = await serve(script);
  expect(await invoke(connect(url))).toMatchObject({ kind: 'failed', code: 'RT0019', deterministic: true });
});

test('takes an answer of the largest size, and refuses to send more than that', async () => {
  const served = await serve((_request, response, body) => void response.end(body));
  const client = connect(served.url);
  const largest = Buffer.alloc(PAYLOAD_BYTES_MAX, 7);
  const result = await invoke(client, largest);
  expect(result.kind === 'response' && largest.equals(result.payload)).toBe(true);
  const refused = await invoke(client, Buffer.alloc(PAYLOAD_BYTES_MAX + 1));
  expect(refused).toMatchObject({ kind: 'failed', code: 'RT0003', deterministic: true });
  expect(served.requests).toBe(1);
});

test('codes what keeps it from connecting', async () => {
  const { server, url } = await serve(() => undefined);
  await new Promise(resolve => server.close(resolve));
  const refused = await invoke(connect(url));
  expect(refused).toMatchObject({ code: 'RT0010', message: expect.stringContaining('ECONNREFUSED') });
  const unknown = await invoke(connect('http://no-such-host.invalid'));
  expect(unknown).toMatchObject({ code: 'RT0010', message: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) });
});

test('bounds its connections, serves waiting calls in order and reuses connections', async () => {
  const order: string[] = [];
  let busiest = 0;
  let busy = 0;
  const { url } = await serve((_request, response, body) => {
    order.push(body.toString());
    busiest = Math.max(busiest, ++busy);
    setTimeout(() => {
      busy--;
      response.end(body);
    }, 5);
  });
  const client = connect(url, { maxConnections: 2 });
  const payloads = Array.from({ length: 12 }, (_, i) => String(i));
  await Promise.all(payloads.map(payload => invoke(client, payload)));
  expect(busiest).toBe(2);
  expect(order.map(Number)).toEqual([...order].map(Number).sort((a, b) => a - b));
  expect(client.stats).toEqual({ connections: 2, active: 0, waiting: 0 });
});

test('goes on when the server closes the connection after every answer', async () => {
  const { url } = await serve((_request, response, body) => {
    response.writeHead(200, { connection: 'close' }).end(body);
  });
  const client = connect(url, { maxConnections: 2 });
  const results = await Promise.all(Array.from({ length: 20 }, (_, i) => invoke(client, String(i))));
  expect(results.map(result => (shown(result) as { payload: string }).payload)).toEqual(
    Array.from({ length: 20 }, (_, i) => String(i)),
  );
});

test('an aborted call never calls back, wherever it is', async () => {
  const held: ServerResponse[] = [];
  const { url } = await serve((_request, response) => void held.push(response));
  const client = connect(url, { maxConnections: 1 });
  const called: string[] = [];
  const start = (name: string, arn = ARN) =>
    client.invoke({ arn, payload: '{}', timeoutMs: 5000 }, () => called.push(name));
  start('beforeCredentials').abort();
  await new Promise(resolve => setImmediate(resolve));
  start('beforeConnecting').abort();
  const sent = start('sent');
  const waiting = start('waiting');
  await expect.poll(() => held.length).toBe(1);
  waiting.abort();
  const last = new Promise<void>(resolve => {
    client.invoke({ arn: ARN, payload: '{}', timeoutMs: 5000 }, () => resolve());
  });
  sent.abort();
  await expect.poll(() => held.length).toBe(2);
  held[1]?.end();
  await last;
  expect(called).toEqual([]);
  start('closed');
  await client.close();
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(called).toEqual([]);
});

test('renews credentials before they expire without keeping a call waiting, and at once when AWS refuses them', async () => {
  const startMs = Date.now();
  let nowMs = startMs;
  const settings = { now: () => nowMs, monotonicMs: () => performance.now() + nowMs - startMs };
  const used: (string | undefined)[] = [];
  let refuse = false;
  const { url } = await serve((request, response) => {
    used.push(/Credential=(\w+)/.exec(request.headers.authorization ?? '')?.[1]);
    if (!refuse) response.end();
    else response.writeHead(403, { 'x-amzn-errortype': 'ExpiredTokenException' }).end('{}');
  });
  let loads = 0;
  let release: (() => void) | undefined;
  const credentials: CredentialSource = async () => {
    loads++;
    if (loads === 2) await new Promise<void>(resolve => (release = resolve));
    return { accessKeyId: `key${loads}`, secretAccessKey: 's', expiresAtMs: nowMs + 3600_000 };
  };
  const client = connect(url, { credentials, clock: settings });
  await Promise.all([invoke(client), invoke(client)]);
  expect(loads).toBe(1);
  nowMs += 56 * 60_000;
  await invoke(client);
  await invoke(client);
  expect({ loads, used: used.slice(2) }).toEqual({ loads: 2, used: ['key1', 'key1'] });
  release?.();
  await new Promise(resolve => setImmediate(resolve));
  refuse = true;
  expect(await invoke(client)).toMatchObject({ kind: 'failed', code: 'RT0010' });
  refuse = false;
  await invoke(client);
  expect({ loads, used: used.slice(4) }).toEqual({ loads: 3, used: ['key2', 'key3'] });
});

test('says so when there are no credentials, and does not ask again at once', async () => {
  let loads = 0;
  const credentials = async () => {
    loads++;
    throw new Error('no metadata service');
  };
  const client = connect('http://127.0.0.1:9', { credentials });
  for (let i = 0; i < 3; i++) {
    expect(await invoke(client)).toMatchObject({ kind: 'failed', code: 'HF_AWS_CREDENTIALS' });
  }
  expect({ loads, events }).toEqual({ loads: 1, events: ['aws credentials not loaded'] });
});

test('credentials of the environment that is handed over are used, not those of the process', async () => {
  const env = { AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'token' };
  expect(await credentialsOf(env)()).toEqual({
    accessKeyId: 'AKIDENV',
    secretAccessKey: 'secret',
    sessionToken: 'token',
  });
});
