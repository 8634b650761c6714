/**
 * What an answer of the Lambda API other than a function's result means.
 *
 * Every one of them is an attempt that failed and may be retried, as the service protocol has it (RT0010), with
 * two exceptions: a throttle, which concurrency control handles and no retry policy sees, and a request that is
 * too large, which would be too large again.
 */

import type { HttpHeaders } from '../platform/http-client.ts';
import { parseRetryAfterMs } from './retry-after.ts';

export interface AwsError {
  /** `TooManyRequestsException`, …; empty if the answer does not say. */
  readonly type: string;
  readonly message: string;
}

export type InvokeFailure =
  | { readonly kind: 'throttled'; readonly message: string; readonly retryAfterMs?: number }
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly retryAfterMs?: number;
      /** The same request would fail in the same way: pause, do not retry. */
      readonly deterministic?: true;
      /** Of the function's error. */
      readonly stack?: string;
    };

/** What can be done about an error that somebody has to act on. */
const ADVICE: Readonly<Record<string, string>> = {
  AccessDeniedException: "Allow the orchestrator's role lambda:InvokeFunction on this ARN.",
  ExpiredTokenException: 'The credentials have expired; they are being renewed.',
  InvalidSignatureException: "Check the secret key and the clock of the orchestrator's machine.",
  KMSAccessDeniedException: "Allow the function's role to use its KMS key.",
  ResourceNotFoundException:
    'The function or version does not exist (any more). Register another deployment.',
  UnrecognizedClientException: 'The credentials are not valid in this account; check them.',
};

/** Error types upon which the credentials are renewed before the next call. */
export const CREDENTIAL_ERRORS: ReadonlySet<string> = new Set([
  'ExpiredTokenException',
  'ExpiredToken',
  'InvalidSignatureException',
  'UnrecognizedClientException',
]);

const MESSAGE_CHARS_MAX = 512;
const STACK_CHARS_MAX = 16_384;

export function parseAwsError(status: number, headers: HttpHeaders, body: Uint8Array): AwsError {
  const fields = parseObject(body);
  const header = headers['x-amzn-errortype'];
  const type = typeof header === 'string' ? header : text(fields['__type'] ?? fields['code']);
  const message = text(fields['message'] ?? fields['Message']) || `HTTP status ${status}`;
  return {
    // `Name:http://…` and `namespace#Name` are both in use.
    type: type.replace(/:.*$/s, '').replace(/^.*#/s, '').slice(0, 100),
    message: message.slice(0, MESSAGE_CHARS_MAX),
  };
}

export function classifyAwsError(
  arn: string,
  status: number,
  error: AwsError,
  headers: HttpHeaders,
  nowMs: number,
): InvokeFailure {
  const retryAfter = headers['retry-after'];
  const retryAfterMs = typeof retryAfter === 'string' ? parseRetryAfterMs(retryAfter, nowMs) : undefined;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  const name = error.type === '' ? '' : `${error.type}: `;
  if (status === 429) {
    return { kind: 'throttled', message: `Lambda throttled '${arn}': ${name}${error.message}`, ...wait };
  }
  if (status === 413) {
    return {
      kind: 'failed',
      code: 'RT0003',
      message: `Lambda refused the request to '${arn}' as too large: ${name}${error.message}`,
      deterministic: true,
    };
  }
  const advice = Object.hasOwn(ADVICE, error.type) ? ` ${ADVICE[error.type]}` : '';
  const message = `Lambda answered ${status} when calling '${arn}': ${name}${error.message}${advice}`;
  return { kind: 'failed', code: 'RT0010', message, ...wait };
}

/**
 * A function that ended with an error instead of an answer: crash, timeout, out of memory, or an exception that
 * no handler caught. `payload` is the JSON that Lambda made of it.
 */
export function classifyFunctionError(
  arn: string,
  functionError: string,
  payload: Uint8Array,
): InvokeFailure {
  const fields = parseObject(payload);
  const type = (text(fields['errorType']) || functionError).slice(0, 100);
  const message = (text(fields['errorMessage']) || 'no message').slice(0, MESSAGE_CHARS_MAX);
  if (type === 'Function.ResponseSizeTooLarge') {
    return {
      kind: 'failed',
      code: 'RT0019',
      message: `The response of '${arn}' exceeds Lambda's 6 MB: ${message}`,
      deterministic: true,
    };
  }
  const { trace } = fields;
  const stack = Array.isArray(trace) ? trace.map(text).join('\n').slice(0, STACK_CHARS_MAX) : '';
  return {
    kind: 'failed',
    code: 'RT0010',
    message: `The function '${arn}' failed with ${type}: ${message}`,
    ...(stack === '' ? {} : { stack }),
  };
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    // Proxies answer in HTML; the status says enough then.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
