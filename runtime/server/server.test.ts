/** The composed server over real files and sockets; what runs in Lambda is the end-to-end tests' business. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { encodeAwakeableId } from '@holdfast/protocol';
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
