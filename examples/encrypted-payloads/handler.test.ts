import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalValueCodec, ValuePlace } from '@holdfast/sdk-lambda';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack, until } from '../../test/e2e/harness/index.ts';
import { codecOf } from './handler.ts';

const KEYS = { '2026-07': randomBytes(32).toString('base64'), '2026-01': randomBytes(32).toString('base64') };
const entry = join(import.meta.dirname, 'handler.ts');
const keyring = (current: keyof typeof KEYS, keys: object = KEYS) => JSON.stringify({ current, keys });
const codec: JournalValueCodec = codecOf(keyring('2026-01'));

const dataDir = mkdtempSync(join(tmpdir(), 'encrypted-payloads-'));
let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    functions: [{ name: 'clinic', entry, env: { PAYLOAD_KEYS: keyring('2026-01') } }],
    dataDir,
  });
});
afterAll(async () => {
  await stack.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** What a caller with the key does. `output` waits for the invocation of that id. */
async function post(
  path: string,
  [service, handler, key]: readonly [string, string, string],
  input?: unknown,
) {
  const place: ValuePlace = ['input', service, handler, key];
  const value = input === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(input));
  return fetch(`${stack.ingress.url}/restate/${path}/${service}/${key}/${handler}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: new Uint8Array(codec.encode(value, place)),
  });
}

async function outputOf(response: Response): Promise<unknown> {
  expect(response.status).toBe(200);
  const body = new Uint8Array(await response.arrayBuffer());
  const plain = await codec.decode(body, ['output', response.headers.get('x-restate-id') ?? '']);
  return plain.length === 0 ? undefined : JSON.parse(Buffer.from(plain).toString());
}
const call = async (...args: Parameters<typeof post> extends [unknown, ...infer Rest] ? Rest : never) =>
  outputOf(await post('call', ...args));

/** All that the orchestrator has stored. */
function stored(): string {
  const files = readdirSync(dataDir, { recursive: true, withFileTypes: true });
  return files
    .filter(file => file.isFile())
    .map(file => readFileSync(join(file.parentPath, file.name), 'latin1'))
    .join('\n');
}

test('everything works, and nothing that is said is stored', async () => {
  const send = await post('send', ['consultation', 'run', 'ada'], 'a-question');
  const { invocationId } = (await send.json()) as { invocationId: string };
  await until(
    'somebody waits',
    async () => (await call(['consultation', 'opine', 'ada'], 'an-opinion')) === true,
  );
  await stack.killOrchestrator();
  await stack.restartOrchestrator();
  await call(['consultation', 'consent', 'ada'], 'a-consent');
  const attached = await fetch(`${stack.ingress.url}/restate/attach/${invocationId}`);
  expect(await outputOf(attached)).toBe('analysis of a-question; a-consent; an-opinion; signed: an-opinion');
  expect(await call(['patient', 'notes', 'ada'])).toEqual(['analysis of a-question']);

  await stack.orchestrator.kill();
  const bytes = stored();
  await stack.restartOrchestrator();
  // What is not a value is there, so this is where values would be.
  for (const name of ['consultation', 'analyse', 'notes', 'consent']) expect(bytes).toContain(name);
  for (const secret of ['a-question', 'a-consent', 'an-opinion', 'analysis of', 'signed:'])
    expect(bytes, secret).not.toContain(secret);
});

test('a caller without the key is refused, and nothing is lost', async () => {
  const { invocationId } = await stack.ingress.send('patient/bob/note', 'in the clear');
  await until('it has failed', async () =>
    JSON.stringify(await stack.admin.invocation(invocationId)).includes('HF_SDK_CODEC'),
  );
  await stack.admin.kill(invocationId);
});
