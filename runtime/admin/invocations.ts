/** What an operator does to one invocation. */
import { decodeInvocationId, ProtocolError } from '@holdfast/protocol';
import type { Outcome } from '../core/effect.ts';
import type { InvocationId } from '../core/model.ts';
import type { Operations } from '../partition/engine.ts';
import type { HttpRequest } from '../platform/http-handler.ts';
import { type Answer, badField, empty, failure } from './answers.ts';
import { badParameter, queryParameter } from './query.ts';

type Done = (answer: Answer) => void;

export function parseInvocationId(id: string): InvocationId {
  try {
    decodeInvocationId(id);
    return id as InvocationId;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw badField('invocation_id', error.message);
  }
}

export function unknownInvocation(id: string): Answer {
  return failure(404, `no invocation '${id}': it never was, or its retention has passed`);
}

export function cancelInvocation(engine: Operations, id: string, done: Done): void {
  // Ended at once, or told: its handler decides when it ends.
  engine.cancel(parseInvocationId(id), outcome =>
    done(answerTo(outcome, id, outcome === 'ended' ? 200 : 202)),
  );
}

export function killInvocation(engine: Operations, id: string, done: Done): void {
  engine.kill(parseInvocationId(id), outcome => done(answerTo(outcome, id, 200)));
}

export function resumeInvocation(engine: Operations, id: string, request: HttpRequest, done: Done): void {
  const deployment = queryParameter(request.query, 'deployment') ?? 'keep';
  if (deployment !== 'keep') {
    throw badParameter('deployment', "only 'keep' is supported yet: an invocation stays on its deployment");
  }
  engine.resume(parseInvocationId(id), outcome => done(answerTo(outcome, id, 200)));
}

/** The older form: answers when the request is durable and does not tell what became of it. */
export function terminateInvocation(engine: Operations, id: string, request: HttpRequest, done: Done): void {
  const mode = queryParameter(request.query, 'mode') ?? 'cancel';
  if (mode !== 'cancel' && mode !== 'kill') throw badParameter('mode', "it is neither 'cancel' nor 'kill'");
  engine[mode](parseInvocationId(id), () => done(empty(202)));
}

function answerTo(outcome: Outcome, id: string, success: number): Answer {
  switch (outcome) {
    case 'unknown':
      return unknownInvocation(id);
    case 'alreadyCompleted':
      return failure(409, `the invocation '${id}' has already completed`);
    case 'notPaused':
      return failure(409, `the invocation '${id}' is not paused, so there is nothing to resume`);
    default:
      return empty(success);
  }
}
