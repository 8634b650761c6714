/** Calls and sends to other handlers. */
import type { WireHeader } from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import { SdkUsageError } from '../coded-error.ts';
import { type Duration, toMillis } from '../duration.ts';
import { CallLeaf, type RestatePromise, valueWith } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { InvocationHandle, InvocationId, InvocationPromise } from './context.ts';

export interface CallTarget {
  readonly service: string;
  readonly handler: string;
  readonly key: string | undefined;
}

interface CallOptions {
  readonly idempotencyKey?: string | undefined;
  readonly headers?: Record<string, string> | undefined;
  readonly name?: string | undefined;
}

export function call<T>(
  attempt: Attempt,
  target: CallTarget,
  parameter: Uint8Array,
  output: Serde<T>,
  options: CallOptions,
): InvocationPromise<T> {
  const idCompletion = attempt.command('CallCommand', fieldsOf(target, parameter, options));
  attempt.childCalled(idCompletion);
  const leaf = new CallLeaf(attempt, idCompletion + 1, valueWith(output), () =>
    invocationIdOf(attempt, idCompletion),
  );
  return leaf as unknown as InvocationPromise<T>;
}

export function send(
  attempt: Attempt,
  target: CallTarget,
  parameter: Uint8Array,
  { delay, ...options }: CallOptions & { readonly delay?: Duration | number | undefined },
): InvocationHandle {
  const delayMs = delay === undefined ? 0 : toMillis(delay);
  // No delay is no time: the server's clock may be behind this one.
  const invokeTime = delayMs <= 0 ? 0 : attempt.timeAfter(delayMs);
  const fields = { ...fieldsOf(target, parameter, options), invokeTime };
  const idCompletion = attempt.command('OneWayCallCommand', fields);
  let id: RestatePromise<InvocationId> | undefined;
  return {
    get invocationId(): Promise<InvocationId> {
      id ??= invocationIdOf(attempt, idCompletion);
      return id;
    },
  };
}

export const invocationIdOf = (attempt: Attempt, completion: number): RestatePromise<InvocationId> =>
  attempt.leaf(
    completion,
    ({ invocationId }) => invocationId as InvocationId,
  ) as unknown as RestatePromise<InvocationId>;

const NO_HEADERS: readonly WireHeader[] = [];

function fieldsOf(
  { service, handler, key }: CallTarget,
  parameter: Uint8Array,
  { idempotencyKey, headers, name }: CallOptions,
) {
  // The server would refuse it, attempt after attempt.
  if (idempotencyKey === '')
    throw new SdkUsageError(
      'HF_SDK_ARGUMENT',
      `The idempotency key for ${service}/${handler} is empty. Leave it out, or make it one.`,
    );
  return {
    serviceName: service,
    handlerName: handler,
    parameter,
    key: key ?? '',
    headers:
      headers === undefined
        ? NO_HEADERS
        : Object.entries(headers).map(([headerName, value]) => ({ key: headerName, value })),
    name: name ?? '',
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}
