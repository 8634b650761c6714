/** The transports of a node: the real one for Lambda over a simulated client, simulated HTTP beside it. */

import type { Endpoint } from '../../runtime/core/model.ts';
import type { LambdaClient, LambdaRequest, LambdaResult } from '../../runtime/invoker/lambda-client.ts';
import { createLambdaTransport } from '../../runtime/invoker/lambda-transport.ts';
import type {
  ExchangeResult,
  HandlerRequest,
  HandlerResponse,
  Transport,
  Transports,
} from '../../runtime/invoker/transport.ts';
import type { Timers } from '../../runtime/platform/ports.ts';
import { Call, type Reply } from './call.ts';
import type { Caller, FunctionHost } from './function-host.ts';
import type { SimRandom } from './random.ts';
import { type Site, type Sites, siteOf } from './sites.ts';
import { SimStream } from './stream.ts';

export interface TransportsParts {
  readonly host: FunctionHost;
  readonly sites: Sites;
  readonly caller: Caller;
  readonly timers: Timers;
}

export function simTransports({ host, sites, caller, timers }: TransportsParts): Transports {
  const lambda = (site: Site) => createLambdaTransport({ client: lambdaClient(host, site, caller), timers });
  return {
    of: (endpoint: Endpoint): Transport => {
      const site = siteOf(sites, endpoint);
      if (endpoint.kind === 'lambda') return lambda(site).of(endpoint);
      const http: Transport = {
        exchange: (request, { timeoutMs }, done) => {
          const tell = (reply: Reply) => done(overHttp(reply, host.options.random));
          return new Call({ host, site, caller, request, timeoutMs, tell }).begin();
        },
      };
      if (!endpoint.bidirectional) return http;
      const stream: Transport['stream'] = (request, events) =>
        new SimStream({ host, site, caller, request, events });
      return { ...http, stream };
    },
  };
}

// ---- Lambda

function lambdaClient(host: FunctionHost, site: Site, caller: Caller): Pick<LambdaClient, 'invoke'> {
  return {
    invoke: (request, done) => {
      const tell = (reply: Reply) => done(overLambda(reply, host.options.random));
      const { timeoutMs } = request;
      return new Call({ host, site, caller, request: requestIn(request), timeoutMs, tell }).begin();
    },
  };
}

interface Event {
  readonly path: string;
  readonly httpMethod: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function requestIn({ payload }: LambdaRequest): HandlerRequest {
  const { path, httpMethod: method, headers, body } = JSON.parse(Buffer.from(payload).toString()) as Event;
  return { method, path, headers, body: Buffer.from(body, 'base64') };
}

const envelope = ({ status, headers, body }: HandlerResponse): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      statusCode: status,
      headers,
      isBase64Encoded: true,
      body: Buffer.from(body).toString('base64'),
    }),
  );

function overLambda(reply: Reply, random: SimRandom): LambdaResult {
  switch (reply.kind) {
    case 'answer': {
      const payload = envelope(reply.response);
      if (reply.damage === undefined) return { kind: 'response', payload };
      return {
        kind: 'response',
        payload: reply.damage === 'truncated' ? cut(payload, random) : garble(payload, random),
      };
    }
    case 'functionError':
      return {
        kind: 'response',
        payload: Buffer.from(random.pick(FUNCTION_ERRORS)),
        functionError: 'Unhandled',
      };
    case 'throttled':
      return { ...reply, message: 'simulated' };
    case 'failed':
      return reply;
    default:
      return reply satisfies never;
  }
}

const FUNCTION_ERRORS = [
  '{"errorMessage":"simulated","errorType":"Error","trace":[]}',
  '{"errorMessage":"RequestId: x Error: Runtime exited with error: signal: killed","errorType":"Runtime.ExitError"}',
  '{"errorMessage":"x Task timed out after 3.00 seconds"}',
];

const cut = (bytes: Uint8Array, random: SimRandom): Uint8Array =>
  bytes.subarray(0, random.int(0, Math.max(0, bytes.length - 1)));

function garble(answer: Uint8Array, random: SimRandom): Uint8Array {
  const text = Buffer.from(answer).toString();
  const shapes = [
    'null',
    '{}',
    '[]',
    '{"statusCode":200}',
    text.replace('"body":"', '"body":"*'),
    `${text}}`,
  ];
  return random.chance(0.5) ? random.bytes(random.int(0, 200)) : Buffer.from(random.pick(shapes));
}

// ---- HTTP

function overHttp(reply: Reply, random: SimRandom): ExchangeResult {
  switch (reply.kind) {
    case 'answer': {
      if (reply.damage === 'truncated') return broken('the connection was closed in the middle of a body');
      const response = { kind: 'response', ...reply.response } as const;
      if (reply.damage === undefined) return response;
      if (random.chance(0.3)) return { ...response, headers: { 'content-type': 'text/html' } };
      return { ...response, body: random.bytes(random.int(0, 200)) };
    }
    case 'functionError':
      return { kind: 'response', status: 500, headers: {}, body: Buffer.from('simulated') };
    case 'throttled': {
      const headers: Record<string, string> =
        reply.retryAfterMs === undefined
          ? {}
          : { 'retry-after': String(Math.ceil(reply.retryAfterMs / 1000)) };
      return { kind: 'response', status: 429, headers, body: Buffer.from('{"message":"simulated"}') };
    }
    case 'failed':
      return reply;
    default:
      return reply satisfies never;
  }
}

const broken = (message: string): ExchangeResult => ({ kind: 'failed', code: 'RT0010', message });
