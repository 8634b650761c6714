/**
 * The state of one key of a virtual object or workflow, to look at and to repair.
 *
 * Invariant: a state that is shown can be sent back; both directions have the same bound.
 */
import { KEY_LENGTH_MAX, type Keyed, type StateEntry } from '../core/model.ts';
import { scopeProblem } from '../core/scope.ts';
import type { Operations } from '../partition/engine.ts';
import type { HttpRequest } from '../platform/http-handler.ts';
import { type Answer, badField, empty, failure, json, type Refusal, refuse } from './answers.ts';
import { asObject, fieldOf, onlyFields, readBody, textField, unreadable } from './body.ts';
import { badParameter, queryParameter } from './query.ts';
import { findService } from './services.ts';

type Done = (answer: Answer) => void;

/** Of keys and values. */
export const STATE_BYTES_MAX = 1024 * 1024;
/** A byte takes up to four characters in a list of numbers, and up to six in a key. */
export const STATE_BODY_BYTES_MAX = 6 * STATE_BYTES_MAX + 64 * 1024;

export function describeState(engine: Operations, name: string, request: HttpRequest): Answer {
  if (findService(engine, name).type === 'service') throw hasNoState(name);
  const key = queryParameter(request.query, 'key');
  if (key === undefined)
    throw badParameter('key', 'it is missing; it names the object or the run of the workflow');
  const scope = queryParameter(request.query, 'scope');
  const { version, entries } = engine.state(keyedOf(name, key, scope));
  const size = sizeOf(entries);
  if (size > STATE_BYTES_MAX) {
    return failure(
      413,
      `the state has ${size} bytes, which is more than the ${STATE_BYTES_MAX} that are shown here; ` +
        'read it with a shared handler',
    );
  }
  return { ...json(200, undefined), body: stateText(version, entries) };
}

/** Put together by hand, which takes half the time for a large state and keeps the order of its keys. */
function stateText(version: string, entries: readonly StateEntry[]): string {
  const members = entries.map(([name, value]) => `${JSON.stringify(name)}:[${value.join(',')}]`);
  return `{"version":${JSON.stringify(version)},"state":{${members.join(',')}}}`;
}

/** Answers when it is durable; applied as soon as no exclusive handler holds the key. */
export function patchState(engine: Operations, name: string, request: HttpRequest, done: Done): void {
  const body = readBody(request, STATE_BODY_BYTES_MAX);
  onlyFields(body, ['object_key', 'new_state', 'version', 'scope']);
  const key = textField(body, 'object_key');
  if (key === undefined) throw unreadable('it has no "object_key"');
  checkKey('object_key', key);
  const entries = readEntries(fieldOf(body, 'new_state'));
  for (const [name] of entries) checkKey('new_state', name);
  const version = textField(body, 'version');
  const scope = textField(body, 'scope');
  // What a service that is gone has left behind may be cleared, but not added to.
  const mustExist = entries.length > 0 || engine.services().some(service => service.name === name);
  if (mustExist && findService(engine, name).type === 'service') throw hasNoState(name);
  const patch = { of: keyedOf(name, key, scope), entries, ...(version === undefined ? {} : { version }) };
  engine.patchState(patch, outcome => {
    if (outcome !== 'tooMany') done(empty(202));
    else done(failure(429, 'too many patches wait for the holder of the key: wait until it has ended'));
  });
}

/** Only workflows have state in scopes. */
function keyedOf(service: string, key: string, scope: string | undefined): Keyed {
  const problem = scopeProblem(scope, undefined);
  if (problem !== undefined) throw badField('scope', problem);
  return { service, key, ...(scope === undefined ? {} : { scope }) };
}

/** A lone surrogate would be stored as another character. */
function checkKey(field: string, key: string): void {
  if (key.length > KEY_LENGTH_MAX) throw badField(field, `a key is longer than ${KEY_LENGTH_MAX} characters`);
  if (!key.isWellFormed()) throw badField(field, 'a key is not well-formed Unicode: it has a lone surrogate');
}

function hasNoState(name: string): Refusal {
  return refuse(400, `'${name}' is a plain service: only virtual objects and workflows have state`);
}

function readEntries(value: unknown): readonly StateEntry[] {
  if (value === undefined) throw unreadable('it has no "new_state"');
  const entries = Object.entries(asObject(value, '"new_state"')).map(
    ([key, bytes]): StateEntry => [key, readBytes(key, bytes)],
  );
  const size = sizeOf(entries);
  if (size > STATE_BYTES_MAX) {
    throw refuse(413, `the new state has ${size} bytes: at most ${STATE_BYTES_MAX} can be set at a time`);
  }
  return entries;
}

function readBytes(key: string, value: unknown): Uint8Array {
  const isByte = (byte: unknown): boolean =>
    typeof byte === 'number' && Number.isInteger(byte) && byte >= 0 && byte <= 255;
  if (Array.isArray(value) && value.every(isByte)) return Uint8Array.from(value as number[]);
  throw unreadable(`"new_state" has no list of bytes (0 to 255) for '${key.slice(0, 100)}'`);
}

function sizeOf(entries: readonly StateEntry[]): number {
  return entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + value.byteLength, 0);
}
