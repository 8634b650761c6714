/**
 * One request and its answer: attempts, the pauses between them, and the time that all of it may take.
 *
 * Invariants:
 * - A request that is not `repeatable` is sent once.
 * - `timeout` and `signal` end whatever is under way, pauses too, and leave no timer and no listener behind.
 */
import { errorOf } from './http-call-error.ts';
import type { RequestOptions } from './options.ts';
import type { RetryFailure, StartRetries } from './retry.ts';
import { millis } from './usage.ts';

export interface ExchangeOptions extends RequestOptions {
  /** Path and query, as they are sent. */
  readonly path: string;
  /** With one, if only an empty one, the method is POST. */
  readonly body?: Uint8Array;
  /** Headers that are ours, such as the type of the body. */
  readonly own?: Readonly<Record<string, string | undefined>>;
  /** Whether the same request twice is the same as once. @default true */
  readonly repeatable?: boolean;
  /** Whether the first attempt has the header that counts them. The following ones always do. @default true */
  readonly counted?: boolean;
  /** A status that is an answer although it is none of success. */
  readonly alsoStatus?: number;
}

/** An answer that was read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

export interface Connection {
  /** Without a slash at its end. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Undefined: nothing is retried. */
  readonly retry: StartRetries | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** @throws HttpCallError, `unanswered`, a `TimeoutError`, or the reason of the signal */
export async function exchange(connection: Connection, options: ExchangeOptions): Promise<Answer> {
  const { path, body, repeatable = true, counted = true } = options;
  const request = `${methodOf(body)} ${connection.url}${path}`;
  const pauseMs = repeatable ? connection.retry?.() : undefined;
  // Before anything is sent: headers that cannot be are no failure of the network.
  const headers = headersOf(connection, options);
  const { signal, release } = limits(request, options);
  try {
    for (let attempt = 1; ; attempt++) {
      if (counted || attempt > 1) headers.set('x-restateclient-retry-attempt', String(attempt));
      const startedAt = performance.now();
      const outcome = await attemptOnce(connection, options, headers, signal);
      if ('bytes' in outcome) return outcome;
      const ms = pauseMs?.(outcome, performance.now() - startedAt);
      if (ms === undefined)
        throw outcome.kind === 'network' ? unanswered(request, outcome.error) : errorOf(request, outcome);
      signal.throwIfAborted();
      await pause(ms, signal);
    }
  } finally {
    release();
  }
}

const methodOf = (body: Uint8Array | undefined) => (body ? 'POST' : 'GET');

async function attemptOnce(
  { url, fetch = globalThis.fetch }: Connection,
  { path, body, alsoStatus }: ExchangeOptions,
  headers: Headers,
  signal: AbortSignal,
): Promise<Answer | RetryFailure> {
  try {
    signal.throwIfAborted();
    const response = await fetch(url + path, {
      method: methodOf(body),
      headers,
      body: (body ?? null) as Uint8Array<ArrayBuffer> | null,
      signal,
    });
    const { status, headers: answered } = response;
    if (response.ok || status === alsoStatus)
      return { status, headers: answered, bytes: new Uint8Array(await response.arrayBuffer()) };
    const text = await response.text();
    return { kind: 'response', status, headers: answered, ...(text && { body: text }) };
  } catch (error) {
    // Not every implementation of `fetch` rejects with the reason.
    signal.throwIfAborted();
    return { kind: 'network', error };
  }
}

/** What the user says wins over what we say. */
function headersOf(connection: Connection, { own, headers }: ExchangeOptions): Headers {
  const all = new Headers(connection.headers);
  for (const [name, value] of new Headers(headers)) all.set(name, value);
  for (const name in own) if (own[name] !== undefined && !all.has(name)) all.set(name, own[name]);
  return all;
}

/** `fetch` says neither what was asked for nor, in its stack, by whom. */
const unanswered = (request: string, error: unknown): unknown =>
  error instanceof TypeError
    ? new TypeError(`${request} got no answer: ${error.message}`, { cause: error.cause ?? error })
    : error;

/** One signal of both, of this request alone. Not `AbortSignal.any`, which would keep the timer until it has run out. */
function limits(
  request: string,
  { timeout, signal }: RequestOptions,
): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  if (timeout !== undefined) {
    const ms = millis('timeout', timeout);
    // Made now and not by the timer: its stack leads to the caller.
    const late = new DOMException(`${request} took longer than ${ms} ms`, 'TimeoutError');
    timer = after(ms, () => controller.abort(late));
  }
  const aborted = () => controller.abort(signal?.reason);
  if (signal?.aborted) aborted();
  signal?.addEventListener('abort', aborted);
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    },
  };
}

/** A longer time would be over at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;
const after = (ms: number, act: () => void) => setTimeout(act, Math.min(ms, TIMER_MAX_MS));

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = after(ms, resolve);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
