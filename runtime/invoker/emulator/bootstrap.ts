/**
 * Runs inside an environment's process: loads the function's module, then answers one request after another.
 * Bundled on its own and started as `node bootstrap.mjs <module> <export> <frozen|live>`; it sees nothing of the
 * server but the pipes.
 *
 * Invariants:
 * - One request at a time: the next is read only after the answer to the last was written.
 * - Frozen: it asks for the next request with a *blocking* read, so the event loop stands still in between, and
 *   with it every timer and callback of the function, as in a frozen Lambda environment. It costs nothing, and
 *   an end of file wakes it: a process stopped by SIGSTOP would outlive a server that is killed.
 * - Answers and logs are written synchronously, in order, so that `process.exit` right after a console.log or a
 *   crash loses neither.
 * - The process ends when the server does, whether it is busy (the lifeline closes) or frozen (the request pipe ends).
 */

import { readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format, types } from 'node:util';
import { RESPONSE_BYTES_MAX, RESPONSE_TOO_LARGE } from './faults.ts';
import {
  BAD_EVENT,
  decodeInvoke,
  encodeAnswer,
  encodeText,
  FAILED,
  FATAL,
  type Fault,
  FRAME_HEADER_BYTES,
  FrameReader,
  INIT_FAILED,
  type InvokeMeta,
  LOG,
  READY,
  RESULT,
} from './frames.ts';

const REQUESTS_FD = 3;
const ANSWERS_FD = 4;
/** Carries nothing: its end is the server's. */
const LIFELINE_FD = 5;

type Callback = (error?: unknown, result?: unknown) => void;
type Handler = (event: unknown, context: Context, callback: Callback) => unknown;

interface Context {
  callbackWaitsForEmptyEventLoop: boolean;
  readonly functionName: string;
  readonly functionVersion: string;
  readonly invokedFunctionArn: string;
  readonly memoryLimitInMB: string;
  readonly awsRequestId: string;
  readonly logGroupName: string;
  readonly logStreamName: string;
  readonly clientContext?: unknown;
  getRemainingTimeInMillis(): number;
}

const [, , modulePath = '', exportName = 'handler', mode] = process.argv;

/** The request being served, or the last one: what console output is attributed to. */
let requestId: string | undefined;
/** Ends the request being served, once. Undefined between requests. */
let finish: ((kind: number, json: string) => void) | undefined;
/** What a callback-style handler answered while its event loop still had work. */
let held: (() => void) | undefined;

function send(frame: Buffer): void {
  for (let at = 0; at < frame.length; ) at += writeSync(ANSWERS_FD, frame, at);
}

function faultOf(error: unknown): Fault {
  if (types.isNativeError(error)) {
    return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function attributeOutput(): void {
  const write = (chunk: string | Uint8Array): boolean => {
    send(encodeText(LOG, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()));
    return true;
  };
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = ((chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
      write(chunk);
      const callback = typeof encoding === 'function' ? encoding : done;
      if (typeof callback === 'function') process.nextTick(callback as () => void);
      return true;
    }) as typeof stream.write;
  }
  const levels = { log: 'INFO', info: 'INFO', debug: 'DEBUG', trace: 'TRACE', warn: 'WARN', error: 'ERROR' };
  for (const [method, level] of Object.entries(levels)) {
    console[method as keyof typeof levels] = (...args: unknown[]) => {
      const at = new Date().toISOString();
      send(encodeText(LOG, `${at}\t${requestId ?? 'undefined'}\t${level}\t${format(...args)}\n`));
    };
  }
}

/** The process is over; what it was doing fails with `fault`. */
function die(fault: Fault, exitCode: number): never {
  send(
    encodeText(finish === undefined && requestId === undefined ? INIT_FAILED : FATAL, JSON.stringify(fault)),
  );
  process.exit(exitCode);
}

async function load(): Promise<Handler> {
  // Bundled CommonJS dependencies expect these, and an ES module has none of them.
  const scope = globalThis as Record<string, unknown>;
  scope['require'] = createRequire(modulePath);
  scope['__filename'] = modulePath;
  scope['__dirname'] = dirname(modulePath);
  const module = (await import(pathToFileURL(modulePath).href)) as Record<string, unknown>;
  const found =
    module[exportName] ?? (module['default'] as Record<string, unknown> | undefined)?.[exportName];
  if (typeof found === 'function') return found as Handler;
  return die(
    {
      errorType: 'Runtime.HandlerNotFound',
      errorMessage: `index.${exportName} is undefined or not exported`,
      trace: [],
    },
    1,
  );
}

function contextOf(meta: InvokeMeta): Context {
  const env = process.env;
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env['AWS_LAMBDA_FUNCTION_NAME'] ?? '',
    functionVersion: env['AWS_LAMBDA_FUNCTION_VERSION'] ?? '',
    invokedFunctionArn: meta.arn,
    memoryLimitInMB: env['AWS_LAMBDA_FUNCTION_MEMORY_SIZE'] ?? '',
    awsRequestId: meta.requestId,
    logGroupName: env['AWS_LAMBDA_LOG_GROUP_NAME'] ?? '',
    logStreamName: env['AWS_LAMBDA_LOG_STREAM_NAME'] ?? '',
    ...(meta.clientContext === undefined
      ? {}
      : { clientContext: JSON.parse(Buffer.from(meta.clientContext, 'base64').toString()) as unknown }),
    getRemainingTimeInMillis: () => Math.max(0, meta.deadlineMs - Date.now()),
  };
}

function succeed(result: unknown): void {
  if (finish === undefined) return;
  let json: string;
  try {
    json = JSON.stringify(result) ?? 'null';
  } catch (error) {
    // A cycle or a BigInt: the function's fault, and it should read like one.
    const reason = error instanceof Error ? error.message : String(error);
    fail({ errorType: 'Runtime.MarshalError', errorMessage: `Unable to stringify response body: ${reason}` });
    return;
  }
  if (Buffer.byteLength(json) > RESPONSE_BYTES_MAX) fail(RESPONSE_TOO_LARGE);
  else finish(RESULT, json);
}

function fail(fault: Fault): void {
  finish?.(FAILED, JSON.stringify(fault));
}

function invoke(handler: Handler, body: Buffer, next: () => void): void {
  const { meta, event: bytes } = decodeInvoke(body);
  requestId = meta.requestId;
  process.env['_X_AMZN_TRACE_ID'] = meta.traceId;
  let event: unknown;
  try {
    event = bytes.length === 0 ? {} : JSON.parse(bytes.toString());
  } catch (error) {
    // Reported as the caller's mistake, not as the function's.
    send(encodeText(BAD_EVENT, error instanceof Error ? error.message : String(error)));
    setImmediate(next);
    return;
  }
  finish = (kind, json) => {
    finish = undefined;
    held = undefined;
    send(encodeAnswer(kind, Math.round(process.memoryUsage.rss() / 1024), json));
    // Not at once: a handler that never waits would keep its own timers from ever running.
    setImmediate(next);
  };
  const context = contextOf(meta);
  const callback: Callback = (error, result) => {
    const answer = () => (error === undefined || error === null ? succeed(result) : fail(faultOf(error)));
    if (context.callbackWaitsForEmptyEventLoop) held ??= answer;
    else answer();
  };
  try {
    const returned = handler(event, context, callback);
    if (returned !== null && typeof (returned as PromiseLike<unknown> | undefined)?.then === 'function') {
      (returned as PromiseLike<unknown>).then(succeed, error => fail(faultOf(error)));
    } else if (handler.length < 3) {
      succeed(returned);
    }
  } catch (error) {
    fail(faultOf(error));
  }
}

/** The next frame of a pipe in blocking mode; the process ends with the pipe. */
function readBlocking(fd: number): Buffer {
  const fill = (buffer: Buffer, from: number, atLeast: number): number => {
    let at = from;
    while (at < atLeast) {
      const read = readSync(fd, buffer, at, buffer.length - at, null);
      if (read === 0) process.exit(0);
      at += read;
    }
    return at;
  };
  // The server sends a request only when the last was answered, so nothing but this frame can be in the pipe.
  const first = Buffer.allocUnsafe(16 * 1024);
  const held = fill(first, 0, FRAME_HEADER_BYTES);
  const total = 4 + first.readUInt32LE(0);
  if (total <= first.length) {
    fill(first, held, total);
    return first.subarray(FRAME_HEADER_BYTES, total);
  }
  const frame = Buffer.allocUnsafe(total);
  first.copy(frame, 0, 0, held);
  fill(frame, held, total);
  return frame.subarray(FRAME_HEADER_BYTES);
}

function serveFrozen(handler: Handler): void {
  const next = (): void => invoke(handler, readBlocking(REQUESTS_FD), next);
  setImmediate(next);
}

function serveLive(handler: Handler): void {
  const requests = new Socket({ fd: REQUESTS_FD, readable: true, writable: false });
  const next = (): void => void requests.ref();
  const reader = new FrameReader((_kind, body) => {
    // Unreferenced while busy, so that the event loop counts as empty when only the pipes are left.
    requests.unref();
    invoke(handler, body, next);
  });
  requests.on('data', chunk => reader.push(chunk));
  requests.on('close', () => process.exit(0));
}

function dieWithServer(): void {
  const lifeline = new Socket({ fd: LIFELINE_FD, readable: true, writable: false });
  lifeline.on('close', () => process.kill(process.pid, 'SIGKILL'));
  lifeline.resume();
  lifeline.unref();
}

attributeOutput();
dieWithServer();
process.on('uncaughtException', error => die(faultOf(error), 129));
process.on('unhandledRejection', reason => {
  const fault = faultOf(reason);
  const errorMessage = `${fault.errorType}: ${fault.errorMessage}`;
  die({ ...fault, errorType: 'Runtime.UnhandledPromiseRejection', errorMessage }, 128);
});
process.on('beforeExit', () => {
  if (held !== undefined) held();
  else if (finish !== undefined) {
    // Nothing is left that could ever answer: say so now rather than at the timeout.
    succeed(undefined);
  }
});

const handler = await load().catch((error: unknown) => die(faultOf(error), 1));
send(encodeText(READY, ''));
if (mode === 'live') serveLive(handler);
else serveFrozen(handler);
