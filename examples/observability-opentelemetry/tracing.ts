/**
 * One trace for each invocation, over all its attempts, whichever functions they run on: a span for each attempt and for
 * each step that executes, below the span that the original call was made in.
 */
import { createHash } from 'node:crypto';
import { type HooksProvider, internal, type Request } from '@holdfast/sdk-lambda';
import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';

/** `flush` sends what has been recorded: on Lambda, nothing runs once an attempt is answered. */
export function tracing(tracer: Tracer, flush: () => Promise<void>): HooksProvider {
  return ({ request, recordedSteps }) => {
    const attributes = { 'holdfast.invocation': request.id, 'holdfast.target': `${request.target}` };
    const ofAttempt = { 'holdfast.recorded_steps': recordedSteps, 'holdfast.replay': recordedSteps > 0 };
    return {
      interceptor: {
        handler: async next => {
          const options = { kind: SpanKind.SERVER, attributes: { ...attributes, ...ofAttempt } };
          const name = `attempt ${request.target.service}/${request.target.handler}`;
          try {
            await tracer.startActiveSpan(name, options, parentOf(request), span => within(span, next));
          } finally {
            await flush();
          }
        },
        // Below the attempt, or below what the handler has opened around its `ctx.run`.
        run: (name, next) =>
          tracer.startActiveSpan(`run ${name}`, { attributes }, span => within(span, next)),
      },
    };
  };
}

async function within(span: Span, next: () => Promise<void>): Promise<void> {
  try {
    await next();
  } catch (error) {
    if (internal.isSuspendedError(error)) span.setAttribute('holdfast.suspended', true);
    else {
      span.recordException(error as Error);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    throw error;
  } finally {
    span.end();
  }
}

const TRACEPARENT = /^00-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/;

/**
 * The span of the original call, by its header, which is the same at every attempt. Where there is none, one that follows
 * from the invocation id, so that the attempts are in one trace all the same.
 */
function parentOf({ headers, id }: Request): Context {
  const [, traceId, spanId, flags = ''] = TRACEPARENT.exec(headers.get('traceparent') ?? '') ?? [];
  const digest = createHash('sha256').update(id).digest('hex');
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: traceId ?? digest.slice(0, 32),
    spanId: spanId ?? digest.slice(32, 48),
    traceFlags: traceId === undefined ? TraceFlags.SAMPLED : Number.parseInt(flags, 16),
    isRemote: true,
  });
}

/**
 * For `rpc.opts({ headers: traceHeaders(ctx.request()) })`: what the handler calls is then in its trace. The header is the
 * one of the original call and not of the span that is open, for what is passed to a step must be the same at each attempt.
 */
export function traceHeaders({ headers }: Request): Record<string, string> {
  const traceparent = headers.get('traceparent');
  return traceparent === undefined ? {} : { traceparent };
}
