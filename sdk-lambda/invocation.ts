/**
 * One attempt over request/response, without any transport: the recorded journal in, response frames out. The
 * adapters wrap it; simulators and tests call it directly. Apart from what `ports` brings in it is deterministic.
 */
import { decodeFrames, EMPTY, ProtocolError } from '@holdfast/protocol';
import { Attempt, type Defer } from './attempt.ts';
import { withPage } from './coded-error.ts';
import type { InvocationId, Request, Target } from './context/context.ts';
import type { Definition, HandlerDefinition } from './definitions.ts';
import { asError, TerminalError } from './errors.ts';
import { withHooks } from './hooks.ts';
import type { LoggerTransport } from './logger.ts';
import { Machine } from './machine/machine.ts';
import { json, type Serde } from './serde.ts';

/** What an attempt needs of its surroundings. */
export interface InvocationPorts {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** @default process.nextTick behind a microtask: no timer, no turn of the event loop */
  readonly defer?: Defer;
  /** @default the global console */
  readonly console?: Console;
  /** As in `EndpointOptions`. */
  readonly logger?: LoggerTransport | undefined;
  /** @default none */
  readonly timeLimit?: TimeLimit | undefined;
}

/** Of platforms that stop a function after a time. */
export interface TimeLimit {
  /** When user code has to stop so that there is time for the answer, by `now`. */
  readonly until: number;
  /** How long that is from the beginning of the request. */
  readonly totalMs: number;
  /** Calls back then, and once more when hooks are no longer waited for. Returns what prevents it. */
  onTimeout(callback: () => void): () => void;
}

/** An attempt at a handler that was found. */
export interface AttemptRequest extends InvocationPorts {
  /** A Start message and the journal. */
  readonly body: Uint8Array;
  /** As of `Request`. */
  readonly attemptHeaders?: Readonly<Record<string, string | string[] | undefined>>;
  /** As of `Request`. */
  readonly extraArgs?: unknown[];
}

/** An attempt at a handler by its name. */
export interface InvocationRequest extends AttemptRequest {
  /** Its name. */
  readonly service: string;
  /** Its name. */
  readonly handler: string;
  /** Protocol version of the request, one of those advertised. */
  readonly version: number;
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
  version: number,
  invocation: AttemptRequest,
): Promise<Uint8Array> {
  const machine = machineOf(service, handler, version);
  machine.notify(decodeFrames(invocation.body));
  machine.inputClosed();
  if (machine.ready) {
    const { now, defer = drainMicrotasks, timeLimit } = invocation;
    const attempt = attemptOf(machine, handler, now, defer, timeLimit);
    const cancelTimer = timeLimit?.onTimeout(() => attempt.outOfTime());
    startHandler(attempt, service, handler, invocation);
    await attempt.done;
    cancelTimer?.();
  }
  return machine.takeOutput();
}

export const machineOf = (
  { facts }: Definition,
  { options, codec }: HandlerDefinition,
  version: number,
): Machine => new Machine(version, facts.commands, options.onJournalMismatchErrors, codec);

export function attemptOf(
  machine: Machine,
  { options, codec }: HandlerDefinition,
  now: () => number,
  defer: Defer,
  timeLimit?: TimeLimit,
): Attempt {
  const guarded: Defer = callback =>
    defer(() => {
      try {
        callback();
      } catch (error) {
        // Recorded commands are decoded when they are compared: one that does not decode is the server's, or damage.
        if (error instanceof ProtocolError) undecodable(machine, error);
        // Promises nested deeper than the stack, say. The process has other attempts, which go on.
        else attempt.crash(error);
        // Looks again, and finds the attempt over.
        callback();
      }
    });
  const attempt = new Attempt(machine, { now, defer: guarded, options, timeLimit, codec });
  return attempt;
}

const PROTOCOL_VIOLATION = 571;

/** Ends the attempt on a machine that was given what does not decode. */
export const undecodable = (machine: Machine, error: ProtocolError): void =>
  machine.fail({ code: PROTOCOL_VIOLATION, message: undecodableMessage(error) });
export const undecodableMessage = ({ message }: ProtocolError): string =>
  `The request body does not decode: ${message}`;

const INPUT_ERROR = 400;
/** Presigned URLs, tokens that are still valid and the pseudo headers of HTTP/2 are not for user code. */
const OF_TRANSPORT = /^(x-holdfast-|x-restate-(jwt|signature)-|:)/;

/** Runs user code on a ready machine. */
export function startHandler(
  attempt: Attempt,
  service: Definition,
  handler: HandlerDefinition,
  parts: Pick<InvocationRequest, 'attemptHeaders' | 'extraArgs' | 'console' | 'logger'>,
): void {
  const defaultSerde: Serde<unknown> = handler.options.serde ?? json;
  const request = createRequest(attempt, service, handler, parts);
  const {
    hooks = [],
    input: givenInput = defaultSerde,
    output: givenOutput = defaultSerde,
  } = handler.options;
  const { start } = attempt.machine;
  const input = attempt.coded(givenInput, () => ['input', service.name, handler.name, start.key]);
  const output = attempt.coded(givenOutput, () => ['output', start.debugId]);
  const contextParts = {
    attempt,
    request,
    defaultSerde,
    console: parts.console ?? console,
    logger: parts.logger,
  };
  const context = service.facts.createContext(contextParts, handler.kind);
  attempt.context = context;
  const run = async () => {
    let argument: unknown;
    try {
      argument = input.deserialize(request.body);
      if (argument instanceof Promise) argument = await attempt.untilDecoded(argument);
    } catch (error) {
      // No retry will make it readable.
      throw new TerminalError(`Failed to deserialize input: ${asError(error).message}`, {
        errorCode: INPUT_ERROR,
      });
    }
    const { self } = service.facts;
    const value = await attempt.insideHandler(async () => handler.fn.call(self, context, argument));
    for (const { relatedCommandName = '' } of attempt.runs.forgotten) {
      const message = `run "${relatedCommandName}" was not awaited: its closure did not run.`;
      contextParts.console.warn(withPage(message, 'HF_SDK_NOT_AWAITED'));
    }
    return output.serialize(value);
  };
  const started = attempt.start(hooks.length > 0 ? () => withHooks(attempt, hooks, request, run) : run);
  started.catch(error => attempt.crash(error));
}

function createRequest(
  attempt: Attempt,
  service: Definition,
  handler: HandlerDefinition,
  { attemptHeaders, extraArgs }: Pick<InvocationRequest, 'attemptHeaders' | 'extraArgs'>,
): Request {
  const { start, input } = attempt.machine;
  const { key } = start;
  const target: Target = {
    service: service.name,
    handler: handler.name,
    ...(key && { key }),
    toString: () => `${service.name}/${key && `${key}/`}${handler.name}`,
  };
  return {
    target,
    id: start.debugId as InvocationId,
    headers: new Map(input.headers.map(({ key, value }) => [key, value])),
    attemptHeaders: new Map(
      Object.entries(attemptHeaders ?? {}).filter(([name]) => !OF_TRANSPORT.test(name)),
    ),
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
