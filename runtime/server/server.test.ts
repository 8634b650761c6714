/** The composed server over real files and sockets; what runs in Lambda is the end-to-end tests' business. */
import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { encodeAwakeableId, encodeFrame } from '@holdfast/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Logger } from '../platform/ports.ts';
import { type Server, startServer } from './server.ts';
import { loadSettings } from './settings.ts';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

let root = '';
let failures: Error[] = [];
let running: Server[] = [];
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-server-'));
  failures = [];
  running = [];
});
afterEach(async () => {
  for (const server of running) await server.stop();
  fs.rmSync(root, { recursive: true });
  expect(failures).toEqual([]);
});

async function start(directory = root, env: Readonly<Record<string, string>> = {}): Promise<Server> {
  const settings = loadSettings({
    env: {
      HOLDFAST_DATA_DIR: directory,
      HOLDFAST_INGRESS_PORT: '0',
      HOLDFAST_ADMIN_PORT: '0',
      HOLDFAST_STOP_TIMEOUT: '1s',
      ...env,
    },
  });
  const onFailure = (error: Error) => void failures.push(error);
  const server = await startServer({ settings, env: {}, logger: silent, onFailure });
  running.push(server);
  return server;
}

async function stop(server: Server): Promise<void> {
  running = running.filter(other => other !== server);
  await server.stop();
}

test('a directory has one server at a time, and the next one goes on where it stopped', async () => {
  const first = await start();
  await expect(start()).rejects.toMatchObject({ code: 'HF_LOG_LOCKED' });
  const { position } = first.partition.state.stored;
  await stop(first);
  const second = await start();
  expect(second.partition.state.stored.position).toBeGreaterThan(position);
  const health = await fetch(`${second.ingressUrl}/restate/health`);
  expect(health.status).toBe(200);
});

test('a data directory that cannot be made says so', async () => {
  fs.writeFileSync(path.join(root, 'file'), '');
  await expect(start(path.join(root, 'file', 'data'))).rejects.toMatchObject({
    code: 'HF_LOG_UNAVAILABLE',
    message: expect.stringContaining(path.join(root, 'file', 'data')),
  });
});

test('a start that fails half way lets go of the directory', async () => {
  const first = await start();
  const taken = new URL(first.adminUrl).port;
  const other = path.join(root, 'other');
  await expect(start(other, { HOLDFAST_ADMIN_PORT: taken })).rejects.toMatchObject({
    code: 'HF_LISTEN_FAILED',
  });
  await start(other);
});

test('no body, however large, ends the server', async () => {
  const server = await start();
  const awakeable = encodeAwakeableId(new Uint8Array(24).fill(7), 17);
  // Bytes that are no text become three times as many.
  const body = new Uint8Array(32 * 1024 * 1024).fill(0xff);
  for (const [how, status] of [
    ['resolve', 202],
    ['reject', 413],
  ] as const) {
    const url = `${server.ingressUrl}/restate/awakeables/${awakeable}/${how}`;
    expect((await fetch(url, { method: 'POST', body })).status).toBe(status);
  }
});

const MANIFEST = {
  protocolMode: 'REQUEST_RESPONSE',
  minProtocolVersion: 5,
  maxProtocolVersion: 7,
  services: [{ name: 'Svc', ty: 'SERVICE', handlers: [{ name: 'a' }] }],
};

/** A handler over HTTP/1.1 that returns a constant, and the requests that it got. */
async function handler() {
  const requests: http.IncomingMessage[] = [];
  const peer = http.createServer((request, response) => {
    requests.push(request);
    request.resume();
    if (request.url === '/x/discover') {
      response.setHeader('content-type', 'application/vnd.restate.endpointmanifest.v4+json');
      response.end(JSON.stringify(MANIFEST));
      return;
    }
    response.setHeader('content-type', request.headers['content-type'] ?? '');
    response.write(encodeFrame('OutputCommand', { value: new TextEncoder().encode('"done"') }));
    response.end(encodeFrame('End', {}));
  });
  await new Promise<void>(resolve => peer.listen(0, '127.0.0.1', resolve));
  const { port } = peer.address() as AddressInfo;
  const close = () => {
    peer.closeAllConnections();
    return new Promise(resolve => peer.close(resolve));
  };
  return { requests, uri: `http://127.0.0.1:${port}/x`, close };
}

const register = (server: Server, uri: string): Promise<Response> =>
  fetch(`${server.adminUrl}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ uri, use_http_11: true }),
  });

test('an HTTP endpoint on the list is registered and called, signed, at the version that is agreed on', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const file = path.join(root, 'key.pem');
  fs.writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const { requests, uri, close } = await handler();
  try {
    const server = await start(path.join(root, 'data'), {
      HOLDFAST_HTTP_ENDPOINTS: 'localhost',
      HOLDFAST_REQUEST_IDENTITY_KEY_FILE: file,
      HOLDFAST_PROTOCOL_VERSION_MAX: '6',
    });
    expect((await register(server, uri)).status).toBe(201);
    const answer = await fetch(`${server.ingressUrl}/restate/scope/s-1/call/Svc/a`, { method: 'POST' });
    expect([answer.status, await answer.text()]).toEqual([200, '"done"']);
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /x/discover',
      'POST /x/invoke/Svc/a',
    ]);
    for (const { headers } of requests) expect(headers['x-restate-signature-scheme']).toBe('v1');
    expect(requests[1]?.headers['content-type']).toBe('application/vnd.restate.invocation.v6');
  } finally {
    await close();
  }
});

test('an HTTP endpoint that is not on the list is not even connected to', async () => {
  const { requests, uri, close } = await handler();
  try {
    const server = await start();
    const refused = await register(server, uri);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ restate_code: 'HF_ENDPOINT_NOT_ALLOWED' });
    expect(requests).toEqual([]);
  } finally {
    await close();
  }
});

test.each([
  ['is not there', undefined, 'HF_SETTINGS_INVALID'],
  ['holds no key', 'not a key', 'HF_REQUEST_IDENTITY_KEY'],
])('a key file that %s ends the start', async (_name, content, code) => {
  const file = path.join(root, 'key.pem');
  if (content !== undefined) fs.writeFileSync(file, content);
  const data = path.join(root, 'data');
  await expect(start(data, { HOLDFAST_REQUEST_IDENTITY_KEY_FILE: file })).rejects.toMatchObject({ code });
  // Nothing holds on to the directory.
  await start(data);
});
