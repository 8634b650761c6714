/**
 * Durable handlers where a server is a function of a `Request`: Workers, Deno, Bun, and frameworks. Web standards only,
 * but for the `AsyncLocalStorage` that attempts need everywhere.
 *
 * Invariant: as in `node.ts`. Back-pressure is the streams': a request body is read when there is room for the answer.
 */
import type { Defer } from './attempt.ts';
import {
  builderOf,
  type Endpoint,
  type EndpointBuilder,
  type EndpointOptions,
  endpointOf,
} from './endpoint.ts';
import { asError } from './errors.ts';
import { answerHeaders, type Opened, openRequest } from './http.ts';
import { StreamedAttempt, type StreamedInvocation } from './streamed-attempt.ts';

export * from './api.ts';

/** What an endpoint serves, and how. */
export interface FetchEndpointOptions extends EndpointOptions {
  /** Streams in both directions, which the host must be able to do. @default false */
  readonly bidirectional?: boolean | undefined;
}

/** Answers requests of the server. Further arguments are in `ctx.request().extraArgs`. */
export type FetchHandler = (request: Request, ...extraArgs: unknown[]) => Promise<Response>;

/** The function to export, or to give to the host. */
export function createEndpointHandler({ bidirectional, ...options }: FetchEndpointOptions): FetchHandler {
  return handlerOf(endpointOf(options), bidirectional ?? false);
}

/** What `endpoint` returns. */
export interface FetchEndpoint extends EndpointBuilder<FetchEndpoint> {
  /** Of all services that are bound by the time of a request. */
  handler(mode?: { readonly bidirectional?: boolean | undefined }): FetchHandler;
}

/** The same, one service at a time. */
export const endpoint = (): FetchEndpoint =>
  builderOf(target => ({ handler: mode => handlerOf(target, mode?.bidirectional ?? false) }));

const now = (): number => Date.now();
/**
 * A task of its own, before which the microtask queue drains on every host. `process.nextTick`, which is cheaper, is a
 * microtask on some.
 */
const asTask: Defer =
  typeof setImmediate === 'function'
    ? callback => void setImmediate(callback)
    : callback => void setTimeout(callback, 0);

/** What may wait for a peer that reads slowly, before the peer is no longer read from. */
const UNREAD_BYTES_MAX = 64 * 1024;

function handlerOf(target: Endpoint, bidirectional: boolean): FetchHandler {
  const traits = { protocolMode: bidirectional ? 'BIDI_STREAM' : 'REQUEST_RESPONSE' } as const;
  return async (request, ...extraArgs) => {
    const { headers: fields, url } = request;
    const headers = Object.fromEntries(fields);
    const opened = await openRequest(target, { path: new URL(url).pathname, headers }, traits, now);
    if ('status' in opened) return new Response(asBody(opened.body), opened);
    const ports = { now, defer: asTask, logger: target.logger, attemptHeaders: headers, extraArgs };
    const run = bidirectional ? stream : whole;
    return new Response(await run(opened, ports, request), { headers: answerHeaders(opened.version) });
  };
}

/** The streams of the platform never share their memory. */
const asBody = (bytes: Uint8Array) => bytes as Uint8Array<ArrayBuffer>;

/** The frames of an attempt that has ended. */
function whole(
  opened: Opened,
  ports: StreamedInvocation,
  request: Request,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const attempt = new StreamedAttempt(opened, ports, {
      write: () => true,
      end(frames) {
        resolve(asBody(frames));
        reading.stop();
      },
    });
    const reading = feed(attempt, request, reject);
  });
}

/** The frames of an attempt as they come. */
function stream(opened: Opened, ports: StreamedInvocation, request: Request): ReadableStream<Uint8Array> {
  let attempt: StreamedAttempt;
  let reading: Feed | undefined;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const isFull = () => Number(controller.desiredSize) <= 0;
        attempt = new StreamedAttempt(
          opened,
          { ...ports, atEndOfTurn: asTask },
          {
            write(frames) {
              controller.enqueue(frames);
              return !isFull();
            },
            end(frames) {
              if (frames.length > 0) controller.enqueue(frames);
              controller.close();
              reading?.stop();
            },
          },
        );
        reading = feed(attempt, request, error => controller.error(error), isFull);
      },
      pull() {
        attempt.drained();
        reading?.resume();
      },
      cancel() {
        attempt.abort();
        reading?.stop();
      },
    },
    { highWaterMark: UNREAD_BYTES_MAX, size: ({ length }) => length },
  );
}

interface Feed {
  /** There is room again. */
  resume(): void;
  stop(): void;
}

/** Reads the body of the request into the attempt. `gone` is called when the peer has gone away before the end. */
function feed(
  attempt: StreamedAttempt,
  { body, signal }: Request,
  gone: (error: Error) => void,
  isFull?: () => boolean,
): Feed {
  let resume = () => {};
  const reader = body?.getReader();
  const abort = (error: unknown) => {
    if (attempt.ended) return;
    attempt.abort();
    gone(asError(error));
  };
  const read = async () => {
    for (;;) {
      const chunk = await reader?.read();
      if (chunk?.value === undefined) break;
      attempt.push(chunk.value);
      // What user code makes of it fills the answer in a later task, so a source that is always ready waits for one.
      if (isFull !== undefined) await new Promise<void>(asTask);
      while (isFull?.() && !attempt.ended)
        await new Promise<void>(resolve => {
          resume = resolve;
        });
    }
    attempt.inputClosed();
  };
  read().catch(abort);
  signal.addEventListener('abort', () => abort(signal.reason));
  if (signal.aborted) abort(signal.reason);
  return {
    resume: () => resume(),
    stop() {
      resume();
      // It may have failed already, and then there is nothing to cancel.
      reader?.cancel().catch(abort);
    },
  };
}
