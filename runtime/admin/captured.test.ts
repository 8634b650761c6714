import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Outcome } from '../core/effect.ts';
import type { InvocationId } from '../core/model.ts';
import { serviceMetadata } from '../ingress/testing/scripted-engine.ts';
import { CodedError } from '../platform/error.ts';
import { deploymentOf, serviceOf } from './testing/captured.ts';
import { ask, DP, type Script, setUp } from './testing/setup.ts';

interface Row {
  readonly label: string;
  readonly request: { method: string; url: string; headers: Record<string, string>; body: string | null };
  readonly response: { status: number; headers: Record<string, string>; body: string };
}
const rows: Row[] = JSON.parse(readFileSync(new URL('vectors/admin.json', import.meta.url), 'utf8'));

/** Status codes that this version deliberately gives in place of the Restate server's. */
const DIFFERENT: Readonly<Record<string, number>> = {
  'dp relative uri': 400, // with a code
  'dp delete no force': 202, // removes what nothing uses
};
/** What the engine answers, where the row does not follow from the request. */
const OUTCOMES: Readonly<Record<string, Outcome>> = {
  'kill again': 'alreadyCompleted',
  'pause again': 'alreadyPaused',
  'batch kill': 'alreadyCompleted',
  'cancel unknown': 'unknown',
  'cancel scheduled': 'ended',
  'dp delete again': 'unknown',
};

const REFUSED: Readonly<Record<string, CodedError>> = {
  'dp unreachable': new CodedError('META0003', 'connection refused'),
  'dp relative uri': new CodedError('HF_ENDPOINT_URI', 'it does not start with http'),
};

const full = rows.find(row => row.label === 'services');

function script(engine: Script, { label, response }: Row): void {
  engine.outcome = OUTCOMES[label];
  const json = response.body.startsWith('{') ? JSON.parse(response.body) : {};
  if (label === 'dp dry run') engine.registered = 'dryRun';
  else if (REFUSED[label] !== undefined) engine.registered = REFUSED[label];
  else engine.registered = response.status === 409 || response.status === 200 ? 'unchanged' : 'created';
  if (json.deployments !== undefined) engine.all = json.deployments.map(deploymentOf);
  else if (json.services !== undefined) engine.all = [deploymentOf(json)];
  else engine.all = [deploymentOf({ id: DP, services: [] })];
  if (full === undefined) throw new Error('no capture of a service');
  const service = serviceOf(JSON.parse(full.response.body));
  engine.found = [service, serviceMetadata('Svc', []), serviceMetadata('Obj', [], { type: 'virtualObject' })];
  if (label.startsWith('patch service') && json.name !== undefined) engine.changed = serviceOf(json);
  if (label.startsWith('restart-as-new')) {
    const id = json.new_invocation_id as InvocationId | undefined;
    engine.restarted =
      id === undefined ? { kind: 'refused', outcome: 'journalGone' } : { kind: 'restarted', id };
  }
  if (!label.startsWith('dp') && label !== 'deployments') {
    engine.all = [
      { ...deploymentOf({ id: 'dp_14EXOUgE2OQl8ItVToQQOCB', services: [] }), services: [service] },
    ];
  }
}

/** Texts are our own; `compression` and the server's own version are not ours to claim. */
function comparable(body: string): unknown {
  if (!body.startsWith('{')) return body === '' ? '' : 'text';
  return JSON.parse(body, (key, member) => {
    if (
      key === 'message' ||
      key === 'error' ||
      key === 'cluster_name' ||
      key === 'version' ||
      key === 'ingress_endpoint' ||
      key === 'features'
    )
      return 'any';
    return key === 'compression' ? undefined : member;
  });
}

test.each(rows.map(row => [row.label, row] as const))('as the Restate server: %s', async (label, row) => {
  const { engine, admin } = setUp();
  script(engine, row);
  const { method, url, headers, body } = row.request;
  const sent = await ask(admin, method, url, body ?? '', Object.entries(headers));
  expect(sent.status).toBe(DIFFERENT[label] ?? row.response.status);
  const { 'content-length': _, ...sentHeaders } = sent.headers;
  if (label in DIFFERENT) return;
  // Texts as long as theirs are compressed in one case and not in the other.
  expect({ vary: 'any', ...sentHeaders }).toEqual({
    ...row.response.headers,
    vary: sentHeaders['vary'] ?? 'any',
  });
  const captured = row.response as { body: string; text?: true };
  expect(comparable(sent.body)).toEqual(captured.text ? 'text' : comparable(captured.body));
});
