/**
 * Whether the head of a handler's response is acceptable, and which error it is if not. Pure; the same for
 * Lambda and HTTP. Every one of these is an attempt that failed and may be retried; none ends an invocation.
 */

import type { HeaderMap } from './envelope.ts';
import { parseRetryAfterMs } from './retry-after.ts';

export type ResponseClass =
  | { readonly kind: 'ok' }
  | {
      readonly kind: 'failed';
      readonly code: string;
      /** The failure's code as users see it, an HTTP status. */
      readonly failureCode: number;
      readonly message: string;
      readonly retryAfterMs?: number;
    };

interface StatusRow {
  readonly code: string;
  readonly failureCode: number;
  readonly message: string;
  readonly retryAfter?: true;
}

const GATEWAY: StatusRow = { code: 'RT0010', failureCode: 500, message: 'a gateway found it unavailable' };
const LIMITED: StatusRow = {
  code: 'RT0023',
  failureCode: 500,
  message: 'it is rate limited',
  retryAfter: true,
};

const BY_STATUS: Readonly<Record<number, StatusRow>> = {
  413: { code: 'RT0019', failureCode: 500, message: 'it found the content too large' },
  415: {
    code: 'RT0015',
    failureCode: 415,
    message: 'its SDK does not speak the protocol version found at discovery (any more); register it again',
  },
  429: LIMITED,
  502: GATEWAY,
  503: LIMITED,
  504: GATEWAY,
};

export function classifyResponse(
  status: number,
  headers: HeaderMap,
  expectedContentType: string,
  nowMs: number,
): ResponseClass {
  if (status >= 200 && status <= 299) return classifySuccess(headers, expectedContentType);
  const row = BY_STATUS[status];
  if (row === undefined) return failed('RT0012', `the handler answered with status ${status}`);
  const retryAfter = row.retryAfter ? headers['retry-after'] : undefined;
  const retryAfterMs = retryAfter === undefined ? undefined : parseRetryAfterMs(retryAfter, nowMs);
  return {
    kind: 'failed',
    code: row.code,
    failureCode: row.failureCode,
    message: `the handler answered with status ${status}: ${row.message}`,
    // A time that has passed (clocks differ) is no wait: a host that is overloaded must not be called again at once.
    ...(retryAfterMs === undefined || retryAfterMs === 0 ? {} : { retryAfterMs }),
  };
}

const OK: ResponseClass = { kind: 'ok' };

function classifySuccess(headers: HeaderMap, expected: string): ResponseClass {
  const contentType = headers['content-type'];
  if (contentType !== expected) {
    const found = contentType === undefined ? 'no content type' : `'${contentType.slice(0, 100)}'`;
    return failed('RT0012', `the handler answered with ${found} in place of '${expected}'`);
  }
  // What a transport can decode, it has decoded and taken from the headers.
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return failed(
      'RT0012',
      `the handler's answer has an encoding that is not understood here ('${encoding.slice(0, 100)}')`,
    );
  }
  return OK;
}

function failed(code: string, message: string): ResponseClass {
  return { kind: 'failed', code, failureCode: 500, message };
}

const MESSAGE_CHARS_MAX = 512;

/** The text an SDK gives with an error status: `{"message": "…"}`. Undefined if there is none. */
export function sdkErrorMessage(body: Uint8Array): string | undefined {
  if (body.length === 0 || body.length > 64 * 1024) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString());
    const message =
      typeof value === 'object' && value !== null && 'message' in value ? value.message : undefined;
    return typeof message === 'string' ? message.slice(0, MESSAGE_CHARS_MAX) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
