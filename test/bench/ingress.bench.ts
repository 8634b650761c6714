/**
 * What the HTTP listener and ingress cost, beside bare `node:http` and `node:http2` in the same run:
 * `node test/bench/ingress.bench.ts [seconds per round]`. Requests go over loopback, 16 clients on keep-alive
 * connections (HTTP/2: 16 streams of one), and the best of three rounds counts. The servers run in a process of
 * their own, so that their CPU time can be read apart from the clients'. The engine behind ingress answers at
 * once.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createServer } from 'node:http';
import { type ClientHttp2Session, connect, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { Pool } from 'undici';
import { createIngress } from '../../runtime/ingress/ingress.ts';
import {
  handlerMetadata,
  ID,
  ScriptedEngine,
  serviceMetadata,
} from '../../runtime/ingress/testing/scripted-engine.ts';
import { silent } from '../../runtime/ingress/testing/setup.ts';
import type { HttpHandler } from '../../runtime/platform/http-handler.ts';
import { listen } from '../../runtime/platform/http-server.ts';
import type { Clock } from '../../runtime/platform/ports.ts';

const CLIENTS = 16;
const ROUNDS = 3;
const PAYLOAD = JSON.stringify({ hello: 'world' });
const ANSWER = new TextEncoder().encode('"ok"');

type Ports = Readonly<Record<'bareHttp1' | 'bareHttp2' | 'listener' | 'ingress', number>>;
type Usage = { readonly cpuMicros: number };

if (process.send === undefined) await main();
else await serve();

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 1);
  const server = fork(new URL(import.meta.url));
  try {
    const ports = (await message(server)) as Ports;
    for (const [name, port, drive] of [
      ['node:http, GET', ports.bareHttp1, http1('GET', '/')],
      ['listener, GET', ports.listener, http1('GET', '/')],
      ['node:http, POST with a body', ports.bareHttp1, http1('POST', '/')],
      ['listener, POST with a body', ports.listener, http1('POST', '/')],
      ['ingress, health', ports.ingress, http1('GET', '/restate/health')],
      ['ingress, call', ports.ingress, http1('POST', '/Svc/echo')],
      ['ingress, send', ports.ingress, http1('POST', '/Svc/echo/send')],
      ['node:http2, GET', ports.bareHttp2, http2],
      ['listener, HTTP/2 GET', ports.listener, http2],
    ] as const) {
      let best = Number.POSITIVE_INFINITY;
      let most = 0;
      for (let round = 0; round <= ROUNDS; round++) {
        const before = await usage(server);
        const count = await drive(port, seconds);
        const micros = (await usage(server)) - before;
        if (round === 0) continue;
        best = Math.min(best, micros / count);
        most = Math.max(most, count / seconds);
      }
      const row = `${best.toFixed(1).padStart(7)} us CPU/request ${most.toFixed(0).padStart(8)}/s`;
      console.log(`${name.padEnd(30)}${row}`);
    }
  } finally {
    server.kill();
  }
}

type Drive = (port: number, seconds: number) => Promise<number>;

function http1(method: 'GET' | 'POST', path: string): Drive {
  return async (port, seconds) => {
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CLIENTS });
    const headers = method === 'POST' ? { 'content-type': 'application/json' } : {};
    const body = method === 'POST' ? PAYLOAD : null;
    const count = await closedLoop(seconds, async () => {
      const answer = await pool.request({ method, path, headers, body });
      await answer.body.text();
    });
    await pool.close();
    return count;
  };
}

async function http2(port: number, seconds: number): Promise<number> {
  const session = connect(`http://127.0.0.1:${port}`);
  const count = await closedLoop(seconds, () => get(session));
  session.close();
  return count;
}

function get(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': '/' });
    stream.on('error', reject);
    stream.on('end', () => resolve());
    stream.resume();
  });
}

async function closedLoop(seconds: number, request: () => Promise<void>): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let count = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < until) {
      await request();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return count;
}

function message(server: ChildProcess): Promise<unknown> {
  return new Promise(resolve => server.once('message', resolve));
}

async function usage(server: ChildProcess): Promise<number> {
  const answer = message(server);
  server.send('usage');
  return ((await answer) as Usage).cpuMicros;
}

async function serve(): Promise<void> {
  const bareHttp1 = createServer((message, response) => {
    const answer = (): void => {
      response.writeHead(200, ['content-type', 'application/json', 'content-length', String(ANSWER.length)]);
      response.end(ANSWER);
    };
    if (message.method === 'GET') answer();
    else message.on('data', () => {}).on('end', answer);
  });
  const bareHttp2 = createHttp2Server();
  bareHttp2.on('stream', stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/json', 'content-length': ANSWER.length });
    stream.end(ANSWER);
  });
  const trivial: HttpHandler = {
    bodyBytesMax: 1_000_000,
    handle: (request, reply) => {
      request.takeBody();
      reply.send(200, ['content-type', 'application/json'], ANSWER);
    },
    refuse: status => ({ status, headers: [], body: '' }),
  };
  const ports: Ports = {
    bareHttp1: await portOf(bareHttp1),
    bareHttp2: await portOf(bareHttp2),
    listener: (await listen({ host: '127.0.0.1', port: 0, handler: trivial })).port,
    ingress: (await listen({ host: '127.0.0.1', port: 0, handler: ingress() })).port,
  };
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMicros: user + system } satisfies Usage);
  });
  process.send?.(ports);
}

function ingress(): HttpHandler {
  const engine = new ScriptedEngine([serviceMetadata('Svc', [handlerMetadata('echo')])]);
  const target = { service: 'Svc', handler: 'echo', key: '' };
  engine.state = { kind: 'done', reply: { id: ID, result: { kind: 'success', value: ANSWER }, target } };
  // It remembers what it was asked, which a benchmark must not.
  engine.invoked.push = () => 0;
  const clock: Clock = { now: () => Date.now(), monotonicMs: () => performance.now() };
  return createIngress({ engine, logger: silent, clock });
}

function portOf(server: Server): Promise<number> {
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
