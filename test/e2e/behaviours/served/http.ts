/**
 * A server of endpoints over HTTP, each under a path of its own: `/<endpoint>/invoke/...`. An endpoint is built when
 * it is asked for first. Prints `{"url": ...}` when it listens.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { HTTP_TRANSPORT } from './environment.ts';

/** In megabytes, for all streams together. By default 10: beyond it Node refuses streams that have no part in it. */
const SESSION = { maxSessionMemory: 256 };

/** As the SDKs return it. */
type Handler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => unknown;

export function serveEndpoints(build: (endpoint: string) => unknown): void {
  const built = new Map<string, Handler>();
  const handle: Handler = (request, response) => {
    const name = (request.url ?? '').split('/')[1] ?? '';
    let handler = built.get(name);
    if (handler === undefined) {
      handler = build(name) as Handler;
      built.set(name, handler);
    }
    return handler(request, response);
  };
  const server =
    process.env[HTTP_TRANSPORT] === 'http2' ? createHttp2Server(SESSION, handle) : createServer(handle);
  server.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }));
  });
}
