/** Calls and sends to other handlers. */
import { CallCommand, OneWayCallCommand } from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import { SdkUsageError } from '../coded-error.ts';
import { type Duration, toMillis } from '../duration.ts';
import { type Leaf, valueWith } from '../promise.ts';
import { binary, type Serde } from '../serde.ts';
import type { InvocationHandle, InvocationId, InvocationPromise } from './context.ts';

export interface CallTarget {
  readonly service: string;
  readonly handler: string;
  readonly key: string | undefined;
  /** Resources of one scope are apart from those of another. */
  readonly scope?: string | undefined;
}

interface CallOptions {
  readonly idempotencyKey?: string | undefined;
  readonly limitKey?: string | undefined;
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
  const { machine } = attempt;
  const completion = attempt.command(CallCommand, fieldsOf(attempt, target, parameter, options));
  const invocationId = invocationIdOf(attempt, completion);
  attempt.childCalled(invocationId);
  // The id comes with the call, and its result later.
  const coded = attempt.coded(output, () => ['output', machine.received(completion)?.invocationId ?? '']);
  const result = attempt.leaf(completion + 1, valueWith(coded));
  return Object.assign(result, { invocationId }) as unknown as InvocationPromise<T>;
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
  const fields = { ...fieldsOf(attempt, target, parameter, options), invokeTime };
  const invocationId = invocationIdOf(attempt, attempt.command(OneWayCallCommand, fields, ['invokeTime']));
  return { invocationId: invocationId as unknown as Promise<InvocationId> };
}

const invocationIdOf = (attempt: Attempt, completion: number): Leaf<InvocationId> =>
  attempt.leaf(completion, ({ invocationId }) => invocationId as InvocationId);

/** What the server would refuse, attempt after attempt, is refused here. */
function fieldsOf(
  attempt: Attempt,
  { service, handler, key, scope }: CallTarget,
  parameter: Uint8Array,
  { idempotencyKey, limitKey, headers, name }: CallOptions,
) {
  const optional = { idempotencyKey, scope, limitKey };
  if (Object.values(optional).includes('') || (limitKey && !scope))
    throw new SdkUsageError(
      'HF_SDK_ARGUMENT',
      `A key or scope for ${service}/${handler} is empty, or its limitKey has no scope.`,
    );
  if (scope) attempt.requireVersion(7, 'A scope');
  return {
    serviceName: service,
    handlerName: handler,
    parameter: attempt.coded(binary, () => ['input', service, handler, key ?? '']).serialize(parameter),
    key,
    headers: Object.entries(headers ?? {}).map(([header, value]) => ({ key: header, value })),
    name,
    ...(optional as Partial<Record<keyof typeof optional, string>>),
  };
}
