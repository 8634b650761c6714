/**
 * The HTTP edge: collects a request, finds its route, answers. Knows nothing of functions.
 *
 * Invariants:
 * - A request is answered exactly once; an `AwsError` becomes its documented body, anything else crashes.
 * - A body over its route's limit is not kept: it is answered 413 and the rest of it is discarded.
 * - A request that a web page sent is refused: a browser can reach 127.0.0.1 and this server runs code.
 */

import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AwsError } from './aws-errors.ts';

export interface ApiRequest {
  readonly requestId: string;
  readonly method: string;
  /** As received, still URL-encoded, without the query. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: IncomingMessage['headers'];
  readonly chunks: readonly Buffer[];
  readonly bytes: number;
  readonly response: ServerResponse;
}

export type Api = (request: ApiRequest) => void;

/** Lambda's limit for a synchronous request; nothing else that arrives here may be larger. */
export const REQUEST_BYTES_MAX = 6_291_456;

export function tooLarge(bytes: number, limit: number, what: string): AwsError {
  return new AwsError(
    'RequestTooLargeException',
    `${bytes} byte payload is too large for the ${what} invocation type (limit ${limit} bytes)`,
  );
}

export function startHttp(api: Api, host: string, port: number): Promise<Server> {
  const server = createServer((incoming, response) => receive(incoming, response, api));
  // A client's pool keeps connections for as long as it likes; closing one under it costs it a retry.
  server.keepAliveTimeout = 120_000;
  // A cold start and a long function may take their time.
  server.requestTimeout = 0;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: 4096 }, () => resolve(server));
  });
}

export function urlOf(server: Server, host: string): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
}

function receive(incoming: IncomingMessage, response: ServerResponse, api: Api): void {
  const requestId = randomUUID();
  const url = incoming.url ?? '/';
  const mark = url.indexOf('?');
  const chunks: Buffer[] = [];
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= REQUEST_BYTES_MAX) chunks.push(chunk);
    else chunks.length = 0;
  });
  incoming.on('end', () => {
    try {
      if (bytes > REQUEST_BYTES_MAX) throw tooLarge(bytes, REQUEST_BYTES_MAX, 'RequestResponse');
      if (incoming.headers.origin !== undefined) {
        throw new AwsError('AccessDeniedException', 'The Local Lambda does not answer web pages');
      }
      api({
        requestId,
        method: incoming.method ?? 'GET',
        path: mark < 0 ? url : url.slice(0, mark),
        query: mark < 0 ? '' : url.slice(mark + 1),
        headers: incoming.headers,
        chunks,
        bytes,
        response,
      });
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      sendError(response, requestId, error);
    }
  });
  // The caller went away in the middle of its request: there is nobody to answer.
  incoming.on('error', () => response.destroy());
}

export function sendError(response: ServerResponse, requestId: string, error: AwsError): void {
  const body = error.body();
  response.writeHead(error.status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'x-amzn-RequestId': requestId,
    'x-amzn-ErrorType': error.type,
    ...(error.status === 429 ? { 'Retry-After': '1' } : {}),
  });
  response.end(body);
}

export function sendJson(response: ServerResponse, requestId: string, status: number, value: unknown): void {
  const body = value === undefined ? '' : JSON.stringify(value);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    ...(status === 204 ? {} : { 'Content-Length': Buffer.byteLength(body) }),
    'x-amzn-RequestId': requestId,
  });
  response.end(body);
}
