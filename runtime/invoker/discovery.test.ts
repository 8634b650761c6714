import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Endpoint } from '../core/model.ts';
import {
  DISCOVERY_ACCEPT,
  type Discovery,
  discover,
  pickProtocolVersion,
  readDiscovery,
} from './discovery.ts';
import type { LambdaClient, LambdaRequest, LambdaResult } from './lambda-client.ts';
import { createLambdaTransport } from './lambda-transport.ts';
import { ManualTime } from './testing/manual-time.ts';
import type { ExchangeResult, HandlerRequest, Transport } from './transport.ts';

interface Vector {
  readonly lambda_event: { readonly headers: { readonly accept: string } };
  readonly lambda_response: { readonly body: string };
}
const VECTOR_URL = new URL('../../protocol/vectors/lambda-discovery.json', import.meta.url);
const vector: Vector = JSON.parse(readFileSync(VECTOR_URL, 'utf8'));

const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:h7fn:1';
const V4 = 'application/vnd.restate.endpointmanifest.v4+json';
const OURS = { min: 5, max: 7 };

function answering(result: LambdaResult): LambdaClient & { readonly requests: LambdaRequest[] } {
  const requests: LambdaRequest[] = [];
  return {
    requests,
    invoke(request, done) {
      requests.push(request);
      queueMicrotask(() => done(result));
      return { abort: () => undefined };
    },
    stats: { connections: 0, active: 0, waiting: 0 },
    close: async () => undefined,
  };
}

function respond(body: unknown, head: object = {}): LambdaResult {
  const response = { statusCode: 200, headers: { 'content-type': V4 }, body: JSON.stringify(body), ...head };
  return { kind: 'response', payload: Buffer.from(JSON.stringify(response)) };
}

const LAMBDA: Discovery & { readonly address: { readonly kind: 'lambda' } } = {
  address: { kind: 'lambda', arn: ARN },
  headers: {},
  protocol: OURS,
};
const transportOf = (client: LambdaClient): Transport =>
  createLambdaTransport({ client, timers: new ManualTime() }).of(LAMBDA.address);
const read = (result: LambdaResult) => discover(transportOf(answering(result)), LAMBDA);

test('asks as recorded and reads the recorded manifest', async () => {
  const client = answering({
    kind: 'response',
    payload: Buffer.from(JSON.stringify(vector.lambda_response)),
  });
  const manifest = await discover(transportOf(client), { ...LAMBDA, headers: { 'x-a': 'b' } });
  expect(DISCOVERY_ACCEPT).toBe(vector.lambda_event.headers.accept);
  expect(JSON.parse(Buffer.from(client.requests[0]?.payload ?? '').toString())).toEqual({
    path: '/discover',
    httpMethod: 'GET',
    headers: { accept: vector.lambda_event.headers.accept, 'x-a': 'b' },
    body: '',
    isBase64Encoded: true,
  });
  const { services, ...top } = manifest;
  expect(top).toEqual({
    protocolMode: 'REQUEST_RESPONSE',
    minProtocolVersion: 5,
    maxProtocolVersion: 7,
    lambdaCompression: 'zstd',
    sdkVersion: 'restate-sdk-typescript/1.17.2',
  });
  const json = { required: false, contentType: 'application/json' };
  const output = { setContentTypeIfEmpty: false, contentType: 'application/json' };
  const byName = new Map(services.map(service => [service.name, service]));
  expect(services.map(({ name, type }) => [name, type])).toContainEqual(['Obj', 'virtualObject']);
  expect(byName.get('Svc')?.handlers[0]).toEqual({ name: 'echo', input: json, output, options: {} });
  expect(byName.get('Wf')?.handlers.map(({ name, type }) => [name, type])).toContainEqual([
    'run',
    'workflow',
  ]);
  expect(byName.get('Lazy')?.options).toEqual({ enableLazyState: true });
  const full = byName.get('Full');
  expect({ ...full, metadata: { ...full?.metadata }, handlers: full?.handlers.length }).toEqual({
    name: 'Full',
    type: 'service',
    documentation: 'doc',
    metadata: { team: 'x' },
    handlers: 1,
    options: {
      journalRetentionMs: 7_200_000,
      idempotencyRetentionMs: 10_800_000,
      inactivityTimeoutMs: 60_000,
      abortTimeoutMs: 120_000,
      ingressPrivate: false,
      retryPolicy: {
        factor: 2,
        initialIntervalMs: 100,
        maxIntervalMs: 5000,
        maxAttempts: 7,
        onMaxAttempts: 'pause',
      },
    },
  });
  expect(full?.handlers[0]?.options).toEqual({
    journalRetentionMs: 0,
    retryPolicy: { maxAttempts: 3, onMaxAttempts: 'kill' },
  });
});

const handler = (change: object = {}) => ({ name: 'h', ...change });
const service = (change: object = {}) => ({ name: 'S', ty: 'SERVICE', handlers: [handler()], ...change });
const manifest = (change: object = {}) => ({
  protocolMode: 'REQUEST_RESPONSE',
  minProtocolVersion: 5,
  maxProtocolVersion: 6,
  services: [service()],
  ...change,
});
const withService = (change: object) => manifest({ services: [service(change)] });
const withHandler = (change: object, ty = 'SERVICE') => withService({ ty, handlers: [handler(change)] });
const nested = (depth: number): object => (depth === 0 ? {} : { a: nested(depth - 1) });

test.each<[string, object, object]>([
  ['a handler of an object is exclusive', withHandler({}, 'VIRTUAL_OBJECT'), { type: 'exclusive' }],
  ['a handler of a workflow is its run', withHandler({}, 'WORKFLOW'), { type: 'workflow' }],
  [
    'no input and output said',
    withHandler({}),
    {
      input: { required: false, contentType: '*/*' },
      output: { contentType: 'application/json', setContentTypeIfEmpty: false },
    },
  ],
  [
    'empty input and output said',
    withHandler({ input: {}, output: {} }),
    { input: { required: false }, output: { setContentTypeIfEmpty: false } },
  ],
  ['nulls are absent', withHandler({ documentation: null, ty: null, input: null }), { options: {} }],
  [
    'unknown fields',
    withHandler({ future: 1, input: { required: true, newer: [] } }),
    { input: { required: true } },
  ],
  [
    'workflow retention',
    withHandler({ ty: 'WORKFLOW', workflowCompletionRetention: 5 }, 'WORKFLOW'),
    { options: { workflowRetentionMs: 5 } },
  ],
  [
    'a schema',
    withHandler({ input: { jsonSchema: { type: 'string' } } }),
    { input: { jsonSchema: { type: 'string' } } },
  ],
])('reads a manifest: %s', async (_name, body, expected) => {
  expect((await read(respond(body))).services[0]?.handlers[0]).toMatchObject(expected);
});

test.each<[string, object, string]>([
  ['versions', manifest({ minProtocolVersion: undefined }), '$.minProtocolVersion is missing'],
  ['a version', manifest({ maxProtocolVersion: 0 }), '$.maxProtocolVersion must be an integer'],
  ['a version in text', manifest({ maxProtocolVersion: '6' }), '$.maxProtocolVersion must be an integer'],
  ['range', manifest({ minProtocolVersion: 7, maxProtocolVersion: 6 }), '$.minProtocolVersion exceeds'],
  [
    'mode',
    manifest({ protocolMode: 'DUPLEX' }),
    '$.protocolMode must be one of BIDI_STREAM, REQUEST_RESPONSE',
  ],
  ['no mode', manifest({ protocolMode: undefined }), '$.protocolMode is missing'],
  ['mode of a prototype', manifest({ protocolMode: 'toString' }), '$.protocolMode must be one of'],
  ['compression', manifest({ lambdaCompression: 'gzip' }), '$.lambdaCompression must be one of zstd'],
  ['services', manifest({ services: {} }), '$.services must be an array'],
  ['a service', manifest({ services: [7] }), '$.services[0] must be an object'],
  ['many services', manifest({ services: Array(1001).fill(service()) }), '$.services has 1001 items'],
  ['a service twice', manifest({ services: [service(), service()] }), "$.services holds 'S' twice"],
  ['a service name', withService({ name: '-x' }), '$.services[0].name must match'],
  ['a name with a slash', withService({ name: 'a/b' }), '$.services[0].name must match'],
  ['a name with a line end', withService({ name: 'a\n' }), '$.services[0].name must match'],
  ['a long name', withService({ name: 'a'.repeat(256) }), '$.services[0].name has 256 characters'],
  ['a service type', withService({ ty: 'ACTOR' }), '$.services[0].ty must be one of'],
  ['a handler name', withHandler({ name: 'a.b' }), '$.services[0].handlers[0].name must match'],
  ['a handler twice', withService({ handlers: [handler(), handler()] }), "handlers holds 'h' twice"],
  ['a type for a plain handler', withHandler({ ty: 'SHARED' }), 'handlers[0].ty must be absent'],
  [
    'a type of another service',
    withHandler({ ty: 'WORKFLOW' }, 'VIRTUAL_OBJECT'),
    'ty must be one of EXCLUSIVE, SHARED',
  ],
  ['a workflow without run', withHandler({ ty: 'SHARED' }, 'WORKFLOW'), 'handlers must hold exactly one'],
  ['a duration', withService({ abortTimeout: -1 }), '$.services[0].abortTimeout must be an integer'],
  ['a fraction', withHandler({ journalRetention: 1.5 }), 'journalRetention must be an integer'],
  ['a flag', withService({ ingressPrivate: 'yes' }), 'ingressPrivate must be a boolean'],
  [
    'attempts',
    withService({ retryPolicyMaxAttempts: 0 }),
    'retryPolicyMaxAttempts must be an integer from 1',
  ],
  ['a factor', withService({ retryPolicyExponentiationFactor: 0 }), 'must be a positive number'],
  ['metadata', withService({ metadata: { a: 1 } }), '$.services[0].metadata.a must be a string'],
  ['an input', withHandler({ input: { required: 1 } }), 'handlers[0].input.required must be a boolean'],
  [
    'a deep schema',
    withHandler({ input: { jsonSchema: nested(101) } }),
    'jsonSchema is nested deeper than 100',
  ],
  [
    'idempotency on a run',
    withHandler({ idempotencyRetention: 1 }, 'WORKFLOW'),
    'idempotencyRetention is not valid on the WORKFLOW handler',
  ],
  [
    'workflow retention elsewhere',
    withHandler({ workflowCompletionRetention: 1 }),
    'workflowCompletionRetention is valid on the WORKFLOW handler only',
  ],
  ['an array', [], '$ must be an object'],
])('refuses a manifest and says where: %s', async (_name, body, message) => {
  const error = await read(respond(body)).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'META0013', message: expect.stringContaining(message) });
});

test.each<[string, LambdaResult, string, RegExp]>([
  ['a reserved name', respond(withService({ name: 'RestateThings' })), 'META0005', /RestateThings/],
  ['the other reserved name', respond(withService({ name: 'OpenAPI' })), 'META0005', /OpenAPI/],
  [
    'an SDK too old',
    respond(manifest({ minProtocolVersion: 1, maxProtocolVersion: 4 })),
    'META0012',
    /1 to 4/,
  ],
  [
    'an SDK too new',
    respond(manifest({ minProtocolVersion: 8, maxProtocolVersion: 9 })),
    'META0012',
    /8 to 9/,
  ],
  ['streaming', respond(manifest({ protocolMode: 'BIDI_STREAM' })), 'META0015', /request\/response/],
  [
    'no manifest type',
    respond(manifest(), { headers: { 'content-type': 'application/json' } }),
    'META0013',
    /json/,
  ],
  ['no JSON', respond(null, { body: '{' }), 'META0013', /\$ is not JSON/],
  ['no envelope', { kind: 'response', payload: Buffer.from('"hello"') }, 'META0013', /not a JSON object/],
  [
    'an error status',
    respond({ message: 'no identity' }, { statusCode: 401 }),
    'META0003',
    /401: no identity/,
  ],
  ['a redirect', respond('', { statusCode: 308 }), 'META0003', /308: redirects are not followed/],
  [
    'a crash',
    {
      kind: 'response',
      functionError: 'Unhandled',
      payload: Buffer.from('{"errorType":"E","errorMessage":"boom"}'),
    },
    'META0003',
    /E: boom/,
  ],
  ['a throttle', { kind: 'throttled', message: 'Rate Exceeded.' }, 'META0003', /it is throttled/],
  ['no connection', { kind: 'failed', code: 'RT0010', message: 'ECONNREFUSED' }, 'META0003', /ECONNREFUSED/],
])('codes a failed discovery: %s', async (_name, result, code, message) => {
  const error = await read(result).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
});

test('bounds the size of a manifest', () => {
  const body = Buffer.alloc(4 * 1024 * 1024 + 1, ' ');
  const response = { status: 200, headers: { 'content-type': V4 }, body };
  expect(() => readDiscovery(response, OURS)).toThrow(/may have 4194304/);
});

test('never takes an arbitrary answer for a manifest', () => {
  const text = Buffer.from(vector.lambda_response.body, 'base64').toString('latin1');
  for (let i = 0; i < text.length; i += 97) {
    const body = Buffer.from(text.slice(0, i), 'latin1');
    const response = { status: 200, body, headers: { 'content-type': V4 } };
    expect(() => readDiscovery(response, OURS)).toThrow(expect.objectContaining({ code: 'META0013' }));
  }
});

test.each<[number, number, number | undefined]>([
  [5, 7, 7],
  [1, 6, 6],
  [5, 99, 7],
  [7, 7, 7],
  [8, 9, undefined],
  [1, 4, undefined],
])('picks of %i to %i version %s', (minProtocolVersion, maxProtocolVersion, picked) => {
  expect(pickProtocolVersion({ minProtocolVersion, maxProtocolVersion }, OURS)).toBe(picked);
});

const HTTP: Endpoint = { kind: 'http', uri: 'http://h', http: 2, bidirectional: false };

/** A transport that answers with this, and remembers what it was asked. */
function http(result: ExchangeResult): Transport & { readonly requests: HandlerRequest[] } {
  const requests: HandlerRequest[] = [];
  return {
    requests,
    exchange(request, _limits, done) {
      requests.push(request);
      queueMicrotask(() => done(result));
      return { abort: () => undefined };
    },
  };
}
const answered = (headers: object = {}, change: object = {}): ExchangeResult => ({
  kind: 'response',
  status: 200,
  headers: { 'content-type': V4, ...headers },
  body: Buffer.from(JSON.stringify(manifest(change))),
});

test('over HTTP a stream is offered, and the SDK says whether it takes large bodies from elsewhere', async () => {
  const streams = await discover(http(answered({}, { protocolMode: 'BIDI_STREAM' })), {
    ...LAMBDA,
    address: HTTP,
  });
  expect(streams).toMatchObject({ protocolMode: 'BIDI_STREAM' });
  expect(streams).not.toHaveProperty('offload');
  const offloads = await discover(http(answered({ 'x-holdfast-offload': '1' })), LAMBDA);
  expect(offloads).toMatchObject({ offload: true });
});

test('a discovery is signed, and the deployment’s own headers win', async () => {
  const transport = http(answered());
  const asked: unknown[] = [];
  const identity = {
    headersFor: (...args: unknown[]) => {
      asked.push(args);
      return { 'x-restate-signature-scheme': 'v1', 'x-restate-jwt-v1': 'token' };
    },
  };
  await discover(transport, { ...LAMBDA, address: HTTP, headers: { 'x-a': 'b' }, identity });
  expect(asked).toEqual([['/discover']]);
  expect(transport.requests).toEqual([
    {
      method: 'GET',
      path: '/discover',
      headers: {
        accept: DISCOVERY_ACCEPT,
        'x-restate-signature-scheme': 'v1',
        'x-restate-jwt-v1': 'token',
        'x-a': 'b',
      },
      body: new Uint8Array(),
    },
  ]);
});

test.each<readonly [ExchangeResult, code: string]>([
  [{ kind: 'failed', code: 'RT0010', message: 'refused' }, 'META0003'],
  [{ kind: 'failed', code: 'RT0012', message: 'no envelope' }, 'META0013'],
  [{ kind: 'failed', code: 'HF_ENDPOINT_NOT_ALLOWED', message: 'no' }, 'HF_ENDPOINT_NOT_ALLOWED'],
  [{ kind: 'throttled' }, 'META0003'],
])('what the orchestrator refuses keeps its name: %j is %s', async (result, code) => {
  await expect(discover(http(result), { ...LAMBDA, address: HTTP })).rejects.toMatchObject({ code });
});
