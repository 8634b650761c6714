/** A connection: what its options must be, and typed clients in front of the requests. */
import type { ConnectionOpts, HandlerDescriptor, Ingress, ScopedIngress } from './api.ts';
import {
  type Any,
  attach,
  call,
  output,
  rejectAwakeable,
  resolveAwakeable,
  result,
  send,
  type Target,
  type Wire,
} from './caller.ts';
import { type IngressCallOptions, Opts, SendOpts } from './options.ts';
import { retriesOf } from './retry.ts';
import { refuse } from './usage.ts';

/**
 * Callers' side of handlers: in browsers, Node, Lambda and wherever there is `fetch`. Nothing is sent until something is
 * called; there is nothing to close.
 *
 * @throws SdkUsageError options that cannot be
 */
export function connect(options: ConnectionOpts): Ingress {
  const { retry = true, url } = options;
  const wire: Wire = {
    ...options,
    url: baseOf(url),
    retry: retry ? retriesOf(Object(retry)) : undefined,
  };
  return {
    ...clientsIn(wire),
    scope: scope => clientsIn(wire, scope),
    call: ({ parameter, opts, ...target }) => call(wire, target, parameter, opts?.opts),
    send: ({ parameter, opts, ...target }) => send(wire, target, parameter, opts?.opts),
    result: (...args) => result(wire, ...args),
    resolveAwakeable: (...args) => resolveAwakeable(wire, ...args),
    rejectAwakeable: (...args) => rejectAwakeable(wire, ...args),
  };
}

function baseOf(given: string): string {
  try {
    // In a browser, relative to the page.
    const { location } = globalThis as { readonly location?: { readonly href: string } };
    const { protocol, origin, pathname, search, hash, username } = new URL(given, location?.href);
    if (/^https?:$/.test(protocol) && !(search + hash + username))
      return origin + pathname.replace(/\/+$/, '');
  } catch {
    // Refused below, which says what it should be.
  }
  // Not the URL itself: it may hold a secret.
  return refuse('The url must be like http://localhost:8080, without query and credentials.');
}

interface Definition {
  readonly name: string;
  /** Of a description without code. */
  readonly _handlers?: Readonly<Record<string, HandlerDescriptor>>;
}

type Invoke = (wire: Wire, target: Target, input: unknown, options: IngressCallOptions<Any, Any>) => unknown;

/** Verbs of a workflow that are about its run. Those that look at it take no input. */
const ON_RUN = new Map<string, Invoke>([
  ['workflowSubmit', (wire, run, ...rest) => send(wire, { ...run, handler: 'run' }, ...rest, true)],
  ['workflowAttach', (wire, run, _input, options) => attach(wire, run, options)],
  ['workflowOutput', (wire, run, _input, options) => output(wire, run, options)],
]);

function clientsIn(wire: Wire, scope?: string): ScopedIngress {
  const client =
    (invoke: Invoke) =>
    ({ name, _handlers = {} }: Definition, key?: string): Any =>
      methods((handler, input, options) => {
        const { _inputSerde, _outputSerde } = _handlers[handler] ?? {};
        return invoke(wire, { service: name, key, handler, scope }, input, {
          ...options,
          input: options.input ?? _inputSerde,
          output: options.output ?? _outputSerde,
        });
      });
  const calls = client(call);
  const sends = client(send);
  const ofWorkflows = client((at, target, ...rest) =>
    (ON_RUN.get(target.handler) ?? call)(at, target, ...rest),
  );
  return {
    serviceClient: calls,
    serviceSendClient: sends,
    // A key that is missing must not make a service of it.
    objectClient: (definition, key = '') => calls(definition, key),
    objectSendClient: (definition, key = '') => sends(definition, key),
    workflowClient: (definition, key = '') => ofWorkflows(definition, key),
    client: calls,
    sendClient: sends,
  };
}

/** A method for every name. */
function methods(
  invoke: (handler: string, input: unknown, options: IngressCallOptions<Any, Any>) => unknown,
): Any {
  const isOptions = (value: unknown) => value instanceof Opts || value instanceof SendOpts;
  return new Proxy(
    {},
    {
      get: (_target, handler) =>
        // `then` and symbols: the client itself may be awaited or printed.
        typeof handler === 'symbol' || handler === 'then'
          ? undefined
          : (...args: readonly Any[]) => {
              const last = args.at(-1);
              const input = isOptions(args[0]) ? undefined : args[0];
              return invoke(handler, input, isOptions(last) ? last.opts : {});
            },
    },
  );
}
