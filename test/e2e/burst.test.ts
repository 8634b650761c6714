/**
 * A burst at the ingress of a real orchestrator, before a Lambda with less room than the orchestrator is told it
 * has: 20,000 invocations as fast as they are accepted, a function that is throttled from its 31st concurrent call
 * on. What waits, waits in the orchestrator: connections stay within the deployment's limit, a throttle costs no
 * retry and makes no storm, and everything accepted completes.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeFrames, decodeMessage, encodeFrame } from '@holdfast/protocol';
import { Pool } from 'undici';
import { expect, test } from 'vitest';
import { AdminClient, Orchestrator, tempDir, until } from './harness/index.ts';

/** Sends are answered when they are accepted; a call waits for its turn in what has gathered before it. */
const SENDS = { path: '/Burst/run/send', count: 19_500, clients: 200, status: 202 };
const CALLS = { path: '/Burst/run', count: 500, clients: 50, status: 200 };
const BURST = SENDS.count + CALLS.count;
const CONNECTION_LIMIT = 50;
/** What Lambda has room for. */
const ROOM = 30;
const RUN_MS = 15;
/** Invoke requests for each invocation. */
const REQUESTS_MAX = 1.5;
const RESIDENT_MIB_MAX = 600;
/** Ten seconds on two cores; the rest is for a machine that is busy with other things. */
const TIMEOUT_MS = 60_000;
const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:burst:1';

const reply = (contentType: string, body: Uint8Array): string =>
  JSON.stringify({
    statusCode: 200,
    headers: { 'content-type': contentType },
    isBase64Encoded: true,
    body: Buffer.from(body).toString('base64'),
  });
const MANIFEST = reply(
  'application/vnd.restate.endpointmanifest.v4+json',
  Buffer.from(
    JSON.stringify({
      protocolMode: 'REQUEST_RESPONSE',
      minProtocolVersion: 5,
      maxProtocolVersion: 6,
      services: [{ name: 'Burst', ty: 'SERVICE', handlers: [{ name: 'run' }] }],
    }),
  ),
);
const ANSWER = reply(
  'application/vnd.restate.invocation.v6',
  Buffer.concat([encodeFrame('OutputCommand', { value: Buffer.from('"ok"') }), encodeFrame('End', {})]),
);

/** Lambda's Invoke for one function with little room; counts what a real one would suffer from. */
class CrampedLambda {
  /** Invocations by how often they were answered. */
  readonly answered = new Map<string, number>();
  readonly retried = new Set<string>();
  requests = 0;
  throttles = 0;
  connectionsMax = 0;
  private connections = 0;
  private running = 0;
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => this.receive(request, response));
    this.server.on('connection', socket => {
      this.connections += 1;
      this.connectionsMax = Math.max(this.connectionsMax, this.connections);
      socket.once('close', () => {
        this.connections -= 1;
      });
    });
  }

  async open(): Promise<string> {
    await new Promise<void>(done => this.server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      const event = JSON.parse(Buffer.concat(chunks).toString()) as { path: string; body: string };
      if (event.path === '/discover') response.end(MANIFEST);
      else this.invoke(Buffer.from(event.body, 'base64'), response);
    });
  }

  private invoke(body: Uint8Array, response: ServerResponse): void {
    this.requests += 1;
    if (this.running >= ROOM) {
      this.throttles += 1;
      response.writeHead(429, { 'x-amzn-errortype': 'TooManyRequestsException' });
      response.end('{"Type":"User","message":"Rate Exceeded.","Reason":"ConcurrentInvocationLimitExceeded"}');
      return;
    }
    this.running += 1;
    const [start] = decodeFrames(body);
    const { debugId, retryCountSinceLastStoredEntry } = decodeMessage('Start', start?.payload ?? body);
    if (retryCountSinceLastStoredEntry > 0) this.retried.add(debugId);
    setTimeout(() => {
      this.running -= 1;
      this.answered.set(debugId, (this.answered.get(debugId) ?? 0) + 1);
      response.end(ANSWER);
    }, RUN_MS);
  }
}

/** What the callers were told. */
class Burst {
  readonly accepted: string[] = [];
  readonly wrong: string[] = [];
  refused = 0;

  async run(url: string, { path, count, clients, status }: typeof SENDS): Promise<void> {
    const pool = new Pool(url, { connections: clients });
    let left = count;
    const client = async (): Promise<void> => {
      while (left-- > 0) {
        const { statusCode, headers, body } = await pool.request({ method: 'POST', path });
        const text = await body.text();
        const id = headers['x-restate-id'];
        if (statusCode === status && typeof id === 'string') this.accepted.push(id);
        else if (statusCode !== 429 && statusCode !== 503) this.wrong.push(`${path}: ${statusCode} ${text}`);
        else {
          this.refused += 1;
          if (headers['retry-after'] === undefined) this.wrong.push(`${statusCode} without Retry-After`);
        }
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    await pool.close();
  }
}

const residentMiBMax = (pid: number): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;

test(
  `${BURST} invocations at once: connections within the limit, no storm of retries, all complete`,
  async () => {
    const lambda = new CrampedLambda();
    const data = tempDir('holdfast-burst');
    const orchestrator = new Orchestrator({
      dataDir: data.path,
      lambdaUrl: await lambda.open(),
      settings: { lambdaConcurrency: CONNECTION_LIMIT },
    });
    try {
      const { ingressUrl, adminUrl } = await orchestrator.start();
      const admin = new AdminClient(adminUrl);
      await admin.register(ARN);
      const startedAt = performance.now();
      const burst = new Burst();
      const calls = burst.run(ingressUrl, CALLS);
      await burst.run(ingressUrl, SENDS);
      const acceptedMs = performance.now() - startedAt;
      const ranByThen = lambda.answered.size;
      await calls;
      await until('all have run', () => lambda.answered.size >= burst.accepted.length, TIMEOUT_MS);
      const drainedMs = performance.now() - startedAt;
      const last = burst.accepted.slice(-SENDS.clients);
      await until('the last have completed', async () => {
        const views = await Promise.all(last.map(id => admin.invocation(id)));
        return views.every(view => view?.status === 'completed' && view.attempt === 1);
      });

      const residentMiB = residentMiBMax(orchestrator.pid);
      console.log(
        `${SENDS.count} sends accepted in ${acceptedMs.toFixed(0)} ms, when ${ranByThen} had run, ` +
          `refused ${burst.refused}, all run after ${drainedMs.toFixed(0)} ms; at most ${lambda.connectionsMax} connections, ` +
          `${lambda.throttles} throttles of ${lambda.requests} requests; at most ${residentMiB.toFixed(0)} MiB`,
      );
      expect(burst.wrong).toEqual([]);
      expect(burst.accepted.length + burst.refused).toBe(BURST);
      expect(new Set(burst.accepted).size).toBe(burst.accepted.length);
      expect(burst.accepted.filter(id => lambda.answered.get(id) !== 1)).toEqual([]);

      expect(lambda.connectionsMax).toBeLessThanOrEqual(CONNECTION_LIMIT);
      // Otherwise the room was never used up, and the rest says nothing.
      expect(lambda.throttles).toBeGreaterThan(0);
      expect(lambda.retried.size).toBe(0);
      expect(lambda.requests / burst.accepted.length).toBeLessThanOrEqual(REQUESTS_MAX);
      expect(residentMiB).toBeLessThan(RESIDENT_MIB_MAX);
    } finally {
      if (orchestrator.running) await orchestrator.kill();
      lambda.close();
      data.remove();
    }
  },
  TIMEOUT_MS,
);
