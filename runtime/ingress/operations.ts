/**
 * What the routes do. Each operation reads its request whole, refuses it or hands it to the engine, and answers
 * from the engine's callback.
 *
 * Invariants: a request that the engine was given is answered once or its client has gone; the end of a client
 * ends its waiting, never the invocation; each taken place in `Held`, and its bytes, are given back once.
 */
import {
  type HandlerOutput,
  type InvocationId,
  type NotificationResult,
  RUN_BEFORE,
  type Target,
} from '../core/model.ts';
import { scopeProblem } from '../core/scope.ts';
import type { Invocations, InvokeOutcome, InvokeRequest } from '../partition/engine.ts';
import type { HttpRequest } from '../platform/http-handler.ts';
import { formatInstantNanos } from '../platform/rfc3339.ts';
import {
  type Caller,
  Refusal,
  sendEmpty,
  sendFailure,
  sendJson,
  sendRefusal,
  sendResult,
} from './answers.ts';
import type { Held } from './held.ts';
import { checkInput } from './input.ts';
import { delayOf, queryParameter, readHeaders } from './request.ts';
import { handlerNotFound, type ResolvedTarget, runsWorkflow } from './target.ts';

/** One request on its way. */
export interface Call extends Caller {
  readonly engine: Invocations;
  readonly held: Held;
  readonly request: HttpRequest;
}

/** Invokes and waits for the result. */
export function call(call: Call, resolved: ResolvedTarget): void {
  if (queryParameter(call.request.query, 'delay') !== undefined) {
    throw new Refusal(400, 'a call cannot be delayed: use /send with the delay query parameter');
  }
  const invoke = readInvoke(call.request, resolved, undefined);
  const { engine, held } = call;
  const { byteLength } = invoke.body;
  held.take(byteLength);
  const waiting = new Waiting(call, resolved.handler.output);
  engine.invoke(invoke, outcome => {
    held.stored(byteLength);
    if (!('id' in outcome)) {
      if (waiting.leave()) sendRefusal(call, refusalOf(outcome, resolved.target));
    } else if (outcome.kind === 'alreadyAccepted' && runsWorkflow(resolved)) {
      if (waiting.leave()) sendFailure(call, outcome.id, RUN_BEFORE);
    } else waiting.for(outcome.id);
  });
}

/** Invokes and answers as soon as that is durable. */
export function send(call: Call, resolved: ResolvedTarget): void {
  const invoke = readInvoke(call.request, resolved, delayOf(call.request.query));
  const { engine, held } = call;
  const { byteLength } = invoke.body;
  held.take(byteLength);
  engine.invoke(invoke, outcome => {
    held.stored(byteLength);
    held.release();
    if (!('id' in outcome)) {
      sendRefusal(call, refusalOf(outcome, resolved.target));
      return;
    }
    const { id, startAt, kind } = outcome;
    const body = {
      invocationId: id,
      ...(startAt === undefined ? {} : { executionTime: formatInstantNanos(startAt) }),
      status: kind === 'accepted' ? 'Accepted' : 'PreviouslyAccepted',
    };
    sendJson(call, 202, body, id);
  });
}

type Refused = Exclude<InvokeOutcome, { readonly id: unknown }>;

function refusalOf(outcome: Refused, target: Target): Refusal {
  if (outcome.kind === 'unknownTarget') return handlerNotFound(target);
  return new Refusal(outcome.kind === 'overloaded' ? 429 : 503, outcome.reason);
}

function readInvoke(
  request: HttpRequest,
  resolved: ResolvedTarget,
  delayMs: number | undefined,
): InvokeRequest {
  const headers = readHeaders(request);
  const { idempotencyKey } = headers;
  const limitKey = headers.limitKey ?? queryParameter(request.query, 'limit-key');
  const problem = scopeProblem(resolved.target.scope, limitKey);
  if (problem !== undefined) throw new Refusal(400, problem);
  if (idempotencyKey !== undefined && runsWorkflow(resolved)) {
    throw new Refusal(
      400,
      'an idempotency-key cannot be used to run a workflow: the workflow key already makes it run once',
    );
  }
  const body = request.takeBody();
  checkInput(resolved.handler.input, headers.contentType, body);
  return {
    target: resolved.target,
    headers: headers.forwarded,
    body,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(limitKey === undefined ? {} : { limitKey }),
    ...(delayMs === undefined ? {} : { delayMs }),
  };
}

/** Waits for the result of an invocation. An unknown one is answered as its failure. */
export function attach(call: Call, id: InvocationId): void {
  call.held.take();
  new Waiting(call, undefined).for(id);
}

/** Answers with the result if there is one. */
export function output(call: Call, id: InvocationId): void {
  const state = call.engine.output(id);
  if (state.kind === 'unknown') throw new Refusal(404, 'invocation not found');
  if (state.kind === 'pending') throw new Refusal(NOT_READY, 'the invocation has not completed yet');
  sendResult(call, state.reply, outputOf(call.engine, state.reply.target));
}

/** Not an HTTP status of any standard: "exists, but has no result yet". */
const NOT_READY = 470;

/** A reason is text for people. In a record it may take three times the bytes that came, and a record is bounded. */
const REASON_BYTES_MAX = 1024 * 1024;

/** Resolves or rejects the awakeable; first come, first served. */
export function completeAwakeable(
  call: Call,
  { id, signal }: { readonly id: InvocationId; readonly signal: number },
  how: 'resolve' | 'reject',
): void {
  const body = call.request.takeBody();
  if (how === 'reject' && body.byteLength > REASON_BYTES_MAX) {
    throw new Refusal(413, `the reason of a rejection is longer than ${REASON_BYTES_MAX} bytes`);
  }
  const result: NotificationResult =
    how === 'resolve'
      ? { kind: 'success', value: body }
      : { kind: 'failure', failure: { code: 500, message: new TextDecoder().decode(body) } };
  const { engine, held } = call;
  const { byteLength } = body;
  held.take(byteLength);
  // Whatever the outcome, the answer is the same: it must not tell which invocations exist.
  engine.signal(id, signal, result, () => {
    held.stored(byteLength);
    held.release();
    sendEmpty(call, 202);
  });
}

function outputOf(engine: Invocations, target: Target): HandlerOutput | undefined {
  return engine.resolve(target.service, target.handler)?.handler.output;
}

/** A client that waits for the end of an invocation; holds a place until it leaves. */
class Waiting {
  readonly #call: Call;
  readonly #output: HandlerOutput | undefined;
  #state: 'accepting' | 'waiting' | 'clientGone' | 'left' = 'accepting';
  #stop: (() => void) | undefined;

  /** `output`: what the handler returns, where that is known beforehand. */
  constructor(call: Call, output: HandlerOutput | undefined) {
    this.#call = call;
    this.#output = output;
    call.request.onClose(() => this.#clientGone());
  }

  for(id: InvocationId): void {
    if (this.#state === 'clientGone') {
      this.leave();
      return;
    }
    this.#state = 'waiting';
    const call = this.#call;
    const stop = call.engine.awaitResult(id, reply => {
      if (this.leave()) sendResult(call, reply, this.#output ?? outputOf(call.engine, reply.target));
    });
    if (stop !== undefined) this.#stop = stop;
    else if (this.leave()) sendFailure(call, id, { code: 404, message: 'not found' });
  }

  /** Gives the place back; false if the client is gone or has been answered. */
  leave(): boolean {
    if (this.#state === 'left') return false;
    const answer = this.#state !== 'clientGone';
    this.#state = 'left';
    this.#call.held.release();
    return answer;
  }

  #clientGone(): void {
    if (this.#state === 'waiting') {
      this.#stop?.();
      this.leave();
    } else if (this.#state === 'accepting') {
      // The engine has the request: its place stays taken until the engine calls back.
      this.#state = 'clientGone';
    }
  }
}
