/** Calls, sends and results as requests: the paths, headers and bodies of each. */
import { binary, json, type Serde } from '../serde.ts';
import type { JournalValueCodec, ValuePlace } from '../value-codec.ts';
import type { Output, Send, WorkflowSubmission } from './api.ts';
import { type Answer, type Connection, type ExchangeOptions, exchange } from './exchange.ts';
import type { IngressCallOptions, IngressSendOptions, RequestOptions } from './options.ts';
import { millis, refuse } from './usage.ts';

// biome-ignore lint/suspicious/noExplicitAny: values of handlers, whose types are those of their definitions
export type Any = any;

export interface Target {
  readonly service: string;
  readonly handler: string;
  readonly key?: string | undefined;
  readonly scope?: string | undefined;
}

export interface Wire extends Connection {
  readonly serde?: Serde<Any> | undefined;
  readonly journalValueCodec?: JournalValueCodec | undefined;
}

export async function call(
  wire: Wire,
  target: Target,
  input: unknown,
  options: IngressCallOptions<Any, Any> = {},
): Promise<Any> {
  return decoded(wire, await invoke(wire, 'call', target, input, options), options.output);
}

/** `once`: the target runs once whatever is sent, as the run of a workflow does. */
export async function send(
  wire: Wire,
  target: Target,
  input: unknown,
  options: IngressSendOptions<Any> = {},
  once = false,
): Promise<Send & WorkflowSubmission<unknown>> {
  const { bytes } = await invoke(wire, 'send', target, input, options, once);
  const { invocationId, status } = json.deserialize(bytes);
  return { invocationId, status, attachable: (once || options.idempotencyKey !== undefined) as true };
}

async function invoke(
  wire: Wire,
  verb: 'call' | 'send',
  target: Target,
  input: unknown,
  options: IngressSendOptions<Any>,
  once = false,
): Promise<Answer> {
  const { service, handler, key = '', scope } = target;
  const { idempotencyKey, limitKey } = options;
  // Nobody wants the JSON of bytes: it is that of an object with a field for each.
  const serde = options.input ?? wire.serde ?? (input instanceof Uint8Array ? binary : json);
  if (idempotencyKey === '') refuse('The idempotency key is empty.');
  if (limitKey !== undefined && scope === undefined)
    refuse(`The limit key for ${service}/${handler} has no scope.`);
  return exchange(wire, {
    ...options,
    path: pathOf(verb, target) + (verb === 'send' ? delayOf(options) : ''),
    body: encoded(wire, serde.serialize(input), ['input', service, handler, key]),
    own: {
      'Content-Type': serde.contentType,
      'idempotency-key': idempotencyKey,
      'x-restate-limit-key': limitKey,
    },
    repeatable: once || idempotencyKey !== undefined,
  });
}

export async function result<T>(
  wire: Wire,
  { invocationId, attachable }: Send<T> | WorkflowSubmission<T>,
  serde?: Serde<T>,
  options: RequestOptions = {},
): Promise<T> {
  if (!attachable) refuse(`The result of ${invocationId} is not kept: send it with an idempotency key.`);
  const path = `/restate/invocation/${segments(invocationId)}/attach`;
  return decoded(wire, await exchange(wire, { ...options, path }), serde, invocationId);
}

export async function attach(
  wire: Wire,
  run: Target,
  options: IngressCallOptions<void, Any> = {},
): Promise<Any> {
  return decoded(wire, await ofRun(wire, 'attach', run, options), options.output);
}

const NOT_READY = 470;

export async function output(
  wire: Wire,
  run: Target,
  options: IngressCallOptions<void, Any> = {},
): Promise<Output<Any>> {
  const answer = await ofRun(wire, 'output', run, { ...options, alsoStatus: NOT_READY });
  if (answer.status === NOT_READY)
    return Object.defineProperty({ ready: false } as Output<Any>, 'result', {
      get: () => refuse('There is no result yet: look at `ready` first.'),
    });
  return { ready: true, result: await decoded(wire, answer, options.output) };
}

type GetOptions = RequestOptions & Pick<ExchangeOptions, 'alsoStatus'>;

function ofRun(
  wire: Wire,
  what: 'attach' | 'output',
  { service, key, scope }: Target,
  options: GetOptions,
): Promise<Answer> {
  if (scope === undefined)
    return exchange(wire, { ...options, path: `/restate/workflow/${segments(service, key)}/${what}` });
  // That path has no place for a scope.
  return exchange(wire, {
    ...options,
    path: `/restate/${what}`,
    own: { 'Content-Type': json.contentType },
    body: json.serialize({ target: 'workflow', workflowName: service, workflowKey: key, scope }),
  });
}

export async function resolveAwakeable(
  wire: Wire,
  id: string,
  value: unknown,
  serde: Serde<Any> = wire.serde ?? json,
  options?: RequestOptions,
): Promise<void> {
  const body = encoded(wire, serde.serialize(value), ['awakeable', id]);
  await settle(wire, `${segments(id)}/resolve`, body, serde.contentType, options);
}

export async function rejectAwakeable(
  wire: Wire,
  id: string,
  reason: string,
  options?: RequestOptions,
): Promise<void> {
  await settle(wire, `${segments(id)}/reject`, new TextEncoder().encode(reason), 'text/plain', options);
}

/** The first one settles it; those that follow change nothing, so it is safe to repeat. */
const settle = (
  wire: Wire,
  path: string,
  body: Uint8Array,
  contentType: string | undefined,
  options: RequestOptions | undefined,
): Promise<Answer> =>
  exchange(wire, {
    ...options,
    path: `/restate/a/${path}`,
    own: { 'Content-Type': contentType },
    body,
    counted: false,
  });

const encoded = ({ journalValueCodec: codec }: Wire, bytes: Uint8Array, place: ValuePlace): Uint8Array =>
  codec ? codec.encode(bytes, place) : bytes;

async function decoded(
  { journalValueCodec: codec, serde }: Wire,
  { bytes, headers }: Answer,
  given: Serde<Any> | undefined,
  invocationId = headers.get('x-restate-id') ?? '',
): Promise<Any> {
  const value = codec ? await codec.decode(bytes, ['output', invocationId]) : bytes;
  const usual = headers.get('content-type') === binary.contentType ? binary : json;
  return (given ?? serde ?? usual).deserialize(value);
}

/** Of a path. An empty one would name something else. */
const segments = (...parts: readonly (string | undefined)[]): string =>
  parts
    .filter(part => part !== undefined)
    .map(part => encodeURIComponent(part) || refuse('A service, handler, key, scope or id is empty.'))
    .join('/');

function pathOf(verb: 'call' | 'send', { service, key, handler, scope }: Target): string {
  const target = segments(service, key, handler);
  if (scope !== undefined) return `/restate/scope/${segments(scope)}/${verb}/${target}`;
  return `/${target}${verb === 'send' ? '/send' : ''}`;
}

function delayOf({ delay = 0 }: IngressSendOptions<Any>): string {
  const ms = Math.trunc(millis('delay', delay));
  return ms > 0 ? `?delay=${ms}ms` : '';
}
