/**
 * One attempt over request/response, without any transport: the recorded journal in, response frames out. The
 * adapters wrap it; simulators and tests call it directly. Apart from what `ports` brings in it is deterministic.
 */
import { decodeFrames } from '@holdfast/protocol';
import { Attempt, type Defer } from './attempt.ts';
import type { InvocationId, Request, Target } from './context/context.ts';
import type { Definition, HandlerDefinition } from './definitions.ts';
import { asError, TerminalError } from './errors.ts';
import type { LoggerTransport } from './logger.ts';
import { Machine } from './machine/machine.ts';
import { type Serde, serde } from './serde.ts';

export interface InvocationPorts {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** @default process.nextTick behind a microtask: no timer, no turn of the event loop */
  readonly defer?: Defer;
  /** @default the global console */
  readonly console?: Console;
  readonly logger?: LoggerTransport | undefined;
}

export interface InvocationRequest extends InvocationPorts {
  readonly service: string;
  readonly handler: string;
  /** Protocol version of the request, one of those advertised. */
  readonly version: number;
  readonly body: Uint8Array;
  readonly attemptHeaders?: Readonly<Record<string, string | string[] | undefined>>;
  readonly extraArgs?: unknown[];
}

/** Both phases run within the current turn, so nothing else can interleave. */
export const drainMicrotasks: Defer = callback => {
  // The tick queue runs once the microtask queue is empty. Entering it from a microtask matters: a tick that is
  // queued by a tick runs before the microtasks that the first one caused.
  queueMicrotask(() => process.nextTick(callback));
};

/** The response frames. Throws a ProtocolError on an undecodable body. */
export async function runAttempt(
  service: Definition,
  handler: HandlerDefinition,
  invocation: InvocationRequest,
): Promise<Uint8Array> {
  const { asTerminalError, explicitCancellation, onJournalMismatchErrors } = handler.options;
  const machine = new Machine(invocation.version, onJournalMismatchErrors === 'fail');
  machine.notify(decodeFrames(invocation.body));
  machine.inputClosed();
  if (machine.ready) {
    const attempt = new Attempt(machine, {
      now: invocation.now,
      defer: invocation.defer ?? drainMicrotasks,
      asTerminalError,
      explicitCancellation,
    });
    startHandler(attempt, service, handler, invocation);
    await attempt.done;
  }
  return machine.takeOutput();
}

const INPUT_ERROR = 400;
const EMPTY = new Uint8Array();

/** Runs user code on a ready machine. */
export function startHandler(
  attempt: Attempt,
  service: Definition,
  handler: HandlerDefinition,
  parts: Pick<InvocationRequest, 'attemptHeaders' | 'extraArgs' | 'console' | 'logger'>,
): void {
  const defaultSerde: Serde<unknown> = handler.options.serde ?? serde.json;
  const input = handler.options.input ?? defaultSerde;
  const output = handler.options.output ?? defaultSerde;
  const request = createRequest(attempt, service, handler, parts);
  const contextParts = {
    attempt,
    request,
    defaultSerde,
    console: parts.console ?? console,
    logger: parts.logger,
  };
  const context = service.parts.createContext(contextParts, handler.kind);
  void attempt.start(async () => {
    let argument: unknown;
    try {
      argument = input.deserialize(request.body);
    } catch (error) {
      // No retry will make it readable.
      throw new TerminalError(`Failed to deserialize input: ${asError(error).message}`, {
        errorCode: INPUT_ERROR,
      });
    }
    return output.serialize(await handler.fn.call(service.parts.self, context, argument));
  });
}

function createRequest(
  attempt: Attempt,
  service: Definition,
  handler: HandlerDefinition,
  { attemptHeaders, extraArgs }: Pick<InvocationRequest, 'attemptHeaders' | 'extraArgs'>,
): Request {
  const { start, input } = attempt.machine;
  let headers: ReadonlyMap<string, string> | undefined;
  let ofAttempt: Request['attemptHeaders'] | undefined;
  const { key } = start;
  const target: Target = {
    service: service.name,
    handler: handler.name,
    ...(key === '' ? {} : { key }),
    toString: () => [service.name, ...(key === '' ? [] : [key]), handler.name].join('/'),
  };
  return {
    target,
    id: start.debugId as InvocationId,
    get headers() {
      headers ??= new Map(input.headers.map(({ key, value }) => [key, value]));
      return headers;
    },
    get attemptHeaders() {
      ofAttempt ??= new Map(Object.entries(attemptHeaders ?? {}));
      return ofAttempt;
    },
    body: input.value ?? EMPTY,
    extraArgs: extraArgs ?? [],
    idempotencyKey: start.idempotencyKey,
    scope: start.scope,
    limitKey: start.limitKey,
    get attemptCompletedSignal() {
      return attempt.completedSignal;
    },
    // The cast: optional ones that are there and undefined.
  } as Request;
}
