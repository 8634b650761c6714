/** Typed clients: a call is a property access, its name the handler's. */
import type { Attempt } from '../attempt.ts';
import type { Duration } from '../duration.ts';
import type { Serde } from '../serde.ts';
import { type CallTarget, call, send } from './call.ts';
import type { InvocationHandle, InvocationPromise } from './context.ts';

/** Of one call. */
export interface ClientCallOptions<I, O> {
  /** @default the option `serde` of the calling handler, then JSON */
  input?: Serde<I>;
  /** @default the option `serde` of the calling handler, then JSON */
  output?: Serde<O>;
  /** The same key, target and retention: the same invocation. */
  idempotencyKey?: string;
  /** Within the scope, calls with one key share a limit of how many run at once. */
  limitKey?: string;
  /** The callee reads them in `ctx.request().headers`. */
  headers?: Record<string, string>;
  /** Shown in the journal. */
  name?: string;
}

/** Of one send. */
export interface ClientSendOptions<I> extends Omit<ClientCallOptions<I, never>, 'output'> {
  /** Start the callee after this long; a number is ms. @default at once */
  delay?: Duration | number;
}

/** Wrapped, so that options can be told from an input. */
class Wrapped<O> {
  readonly #options: O;
  protected constructor(options: O) {
    this.#options = options;
  }
  /** What was wrapped. */
  getOpts(): O {
    return this.#options;
  }
}

/** Options of a call, as a typed client takes them after the input. */
export class Opts<I, O> extends Wrapped<ClientCallOptions<I, O>> {
  /** As `rpc.opts`. */
  static from<I, O>(options: ClientCallOptions<I, O>): Opts<I, O> {
    return new Opts(options);
  }
}

/** Options of a send, as a typed send client takes them after the input. */
export class SendOpts<I> extends Wrapped<ClientSendOptions<I>> {
  /** As `rpc.sendOpts`. */
  static from<I>(options: ClientSendOptions<I>): SendOpts<I> {
    return new SendOpts(options);
  }
}

// Functions of their own, so that a bundle which does not use them leaves all of it out.
/** Options for typed clients: `client.greet('x', rpc.opts({ idempotencyKey }))`. */
export const rpc = {
  /** Of a call. */
  opts: <I, O>(options: ClientCallOptions<I, O>): Opts<I, O> => Opts.from(options),
  /** Of a send. */
  sendOpts: <I>(options: ClientSendOptions<I>): SendOpts<I> => SendOpts.from(options),
};

/** The input in the list of a handler's parameters after its context. */
export type InferArg<P> = P extends [infer A, ...unknown[]] ? A : unknown;

/** Calls the handlers of `M`. */
export type Client<M> = {
  [K in keyof M as M[K] extends never ? never : K]: M[K] extends (
    context: never,
    ...args: infer P
  ) => PromiseLike<infer O>
    ? (...args: [...P, ...[opts?: Opts<InferArg<P>, O>]]) => InvocationPromise<O>
    : never;
};

/** Starts the handlers of `M` without waiting for them. */
export type SendClient<M> = {
  [K in keyof M as M[K] extends never ? never : K]: M[K] extends (context: never, ...args: infer P) => unknown
    ? (...args: [...P, ...[opts?: SendOpts<InferArg<P>>]]) => InvocationHandle
    : never;
};

// biome-ignore lint/suspicious/noExplicitAny: the caller's types come from the definition
type AnyClient = any;

type ClientTarget = Omit<CallTarget, 'handler'>;

interface Caller {
  readonly attempt: Attempt;
  readonly defaultSerde: Serde<unknown>;
}

export const createClient = ({ attempt, defaultSerde }: Caller, of: ClientTarget): AnyClient =>
  clientOf(attempt, of, (target, input, options: ClientCallOptions<unknown, unknown>) => {
    const parameter = (options.input ?? defaultSerde).serialize(input);
    return call(attempt, target, parameter, options.output ?? defaultSerde, options);
  });

export const createSendClient = ({ attempt, defaultSerde }: Caller, of: ClientTarget): AnyClient =>
  clientOf(attempt, of, (target, input, options: ClientSendOptions<unknown>) =>
    send(attempt, target, (options.input ?? defaultSerde).serialize(input), options),
  );

function clientOf(
  attempt: Attempt,
  of: ClientTarget,
  invoke: (target: CallTarget, input: unknown, options: object) => unknown,
): AnyClient {
  return new Proxy(
    {},
    {
      get: (_target, handler) =>
        // `then` and symbols: the client itself may be awaited or printed.
        typeof handler === 'symbol' || handler === 'then'
          ? undefined
          : function verb(...args: readonly unknown[]) {
              attempt.via = verb;
              const [first] = args;
              const last = args.at(-1);
              const input = first instanceof Wrapped ? undefined : first;
              return invoke({ ...of, handler }, input, last instanceof Wrapped ? last.getOpts() : {});
            },
    },
  );
}
