/** Test support: servers on real sockets, and clients that send exactly what a test says. */
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { HttpHandler, HttpReply, HttpRequest } from '../http-handler.ts';
import { type HttpLimits, type HttpServer, listen } from '../http-server.ts';

const servers: HttpServer[] = [];
export const sockets: Socket[] = [];
/** Ends all that a test has started. */
export async function stopAll(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map(server => server.close(0)));
}

type Handle = (request: HttpRequest, reply: HttpReply) => void;

/** Answers `METHOD path ?query body` unless told otherwise. */
export const echo: Handle = (request, reply) => {
  const body = Buffer.from(request.takeBody()).toString('latin1');
  reply.send(
    200,
    ['x-first', request.headers[0]?.join('=') ?? ''],
    `${request.method} ${request.path} ?${request.query} ${body}`,
  );
};

export async function start(handle: Handle = echo, limits: HttpLimits = {}): Promise<HttpServer> {
  const handler: HttpHandler = {
    bodyBytesMax: 1000,
    handle,
    refuse: (status, message) => ({ status, headers: ['x-refused', 'yes'], body: message }),
  };
  const server = await listen({ host: '127.0.0.1', port: 0, handler, limits });
  servers.push(server);
  return server;
}

/** Everything the server sends on a raw connection until it closes it, or until `until` has been seen. */
export function raw(
  server: HttpServer,
  pieces: readonly (string | number)[],
  until?: string,
): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(server.port, server.host);
    sockets.push(socket);
    let text = '';
    socket.on('data', chunk => {
      text += chunk.toString('latin1');
      if (until !== undefined && text.includes(until)) resolve(text);
    });
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
    const write = (rest: readonly (string | number)[]): void => {
      const [piece, ...more] = rest;
      if (piece === undefined) return;
      if (typeof piece === 'string') {
        socket.write(piece, 'latin1');
        write(more);
      } else {
        setTimeout(() => write(more), piece);
      }
    };
    write(pieces);
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}
export function h2(
  server: HttpServer,
  headers: Record<string, string>,
  body?: readonly string[],
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${server.host}:${server.port}`);
    session.on('error', reject);
    const stream = session.request(headers, { endStream: body === undefined });
    let head: Record<string, unknown> = {};
    let text = '';
    stream.on('response', found => {
      head = found;
    });
    stream.on('data', chunk => {
      text += String(chunk);
    });
    stream.on('error', reject);
    stream.on('close', () => {
      session.destroy();
      resolve({ status: Number(head[':status']), headers: head, body: text });
    });
    for (const piece of body ?? []) stream.write(piece);
    if (body !== undefined) stream.end();
  });
}
