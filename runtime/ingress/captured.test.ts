import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { InvocationId } from '../core/model.ts';
import { Exchange, ID, type ScriptedEngine } from './testing/scripted-engine.ts';
import { setUp, value } from './testing/setup.ts';

interface Row {
  readonly label: string;
  readonly request: {
    method: string;
    url: string;
    headers: Record<string, string>;
    body: string | { data: number[] } | null;
  };
  readonly response: { status: number; headers: Record<string, string>; body: string };
}
const rows: Row[] = JSON.parse(readFileSync(new URL('vectors/ingress.json', import.meta.url), 'utf8'));

/** Puts the engine into the state in which it was when the row was captured. */
function script(engine: ScriptedEngine, { label, response }: Row): void {
  const id = response.headers['x-restate-id'] as InvocationId | undefined;
  const ownBody = JSON.parse(response.headers['content-type'] === undefined ? 'null' : response.body);
  const invocationId = id ?? (ownBody?.invocationId as InvocationId | undefined) ?? ID;
  engine.idIs = invocationId;
  const startAt = ownBody?.executionTime === undefined ? {} : { startAt: Date.parse(ownBody.executionTime) };
  const again = ownBody?.status === 'PreviouslyAccepted' || label === 'workflow: run again';
  const kind = again ? 'alreadyAccepted' : 'accepted';
  engine.outcome = { kind, id: invocationId, ...startAt };
  if (response.status === 404) engine.state = { kind: 'unknown' };
  if (response.status === 470 || id === undefined || ownBody?.message === 'not found') return;
  if (label === 'workflow: run again') return;
  const expires = response.headers['idempotency-expires'];
  const isFailure = response.headers['x-restate-error-source'] === 'invocation';
  engine.state = {
    kind: 'done',
    reply: {
      ...value(response.body),
      id: invocationId,
      ...(isFailure
        ? { result: { kind: 'failure', failure: { code: ownBody.code, message: ownBody.message } } }
        : {}),
      ...(expires === undefined ? {} : { expiresAt: Date.parse(expires) }),
    },
  };
}

/** Our error texts are our own: `*` in the capture stands for any. */
function comparable(headers: Readonly<Record<string, string>>, body: string): unknown {
  if (headers['x-restate-error-source'] !== 'ingress') return { headers, body };
  const { message, ...rest } = JSON.parse(body);
  expect(message).toMatch(/./);
  return { headers: { ...headers, 'content-length': 'any' }, body: rest };
}

test.each(rows.map(row => [row.label, row] as const))('as the Restate server: %s', (_label, row) => {
  const { engine, ingress } = setUp();
  script(engine, row);
  const { method, url, headers, body } = row.request;
  const bytes = typeof body === 'object' && body !== null ? new Uint8Array(body.data) : (body ?? '');
  const { sent } = new Exchange(ingress, method, url, Object.entries(headers), bytes);
  if (sent === undefined) throw new Error('not answered');
  expect(sent.status).toBe(row.response.status);
  if (url === '/restate/health') {
    expect(JSON.parse(sent.body).services).toEqual(JSON.parse(row.response.body).services.sort());
    return;
  }
  const { message } = row.response.body.startsWith('{')
    ? JSON.parse(row.response.body)
    : { message: undefined };
  if (
    message !== undefined &&
    message !== '*' &&
    row.response.headers['x-restate-error-source'] === 'ingress'
  ) {
    if (!message.startsWith('bad path')) expect(JSON.parse(sent.body).message).toBe(message);
  }
  // That server lets no page of another origin read the id of its call.
  const { 'access-control-expose-headers': _, ...told } = sent.headers;
  expect(comparable(told, sent.body)).toEqual(comparable(row.response.headers, row.response.body));
});
