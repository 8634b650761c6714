/** Typed clients: a call is a property access, its name the handler's. */
import type { Attempt } from '../attempt.ts';
import type { Duration } from '../duration.ts';
import type { Serde } from '../serde.ts';
import { type CallTarget, call, send } from './call.ts';
import type { InvocationHandle, InvocationPromise } from './context.ts';

export interface ClientCallOptions<I, O> {
  input?: Serde<I>;
  output?: Serde<O>;
  /** The same key, target and retention: the same invocation. */
  idempotencyKey?: string;
  /** Within the scope, calls with one key share a limit of how many run at once. */
  limitKey?: string;
  headers?: Record<string, string>;
  /** Shown in the journal. */
  name?: string;
}

export interface ClientSendOptions<I> extends Omit<ClientCallOptions<I, never>, 'output'> {
  /** Start the callee after this long. */
  delay?: Duration | number;
}

/** Wrapped, so that options can be told from an input. */
class Wrapped<O> {
  readonly #options: O;
  protected constructor(options: O) {
    this.#options = options;
  }
  getOpts(): O {
    return this.#options;
  }
}

export class Opts<I, O> extends Wrapped<ClientCallOptions<I, O>> {
  static from<I, O>(options: ClientCallOptions<I, O>): Opts<I, O> {
    return new Opts(options);
  }
}

export class SendOpts<I> extends Wrapped<ClientSendOptions<I>> {
  static from<I>(options: ClientSendOptions<I>): SendOpts<I> {
    return new SendOpts(options);
  }
}

// Functions of their own, so that a bundle which does not use them leaves all of it out.
export const rpc = {
  opts: <I, O>(options: ClientCallOptions<I, O>): Opts<I, O> => Opts.from(options),
  sendOpts: <I>(options: ClientSendOptions<I>): SendOpts<I> => SendOpts.from(options),
};

export type InferArg<P> = P extends [infer A, ...unknown[]] ? A : unknown;

export type Client<M> = {
  [K in keyof M as M[K] extends never ? never : K]: M[K] extends (
    context: never,
    ...args: infer P
  ) => PromiseLike<infer O>
    ? (...args: [...P, ...[opts?: Opts<InferArg<P>, O>]]) => InvocationPromise<O>
    : never;
};

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
  clientOf(of, (target, input, options: ClientCallOptions<unknown, unknown>) => {
    const parameter = (options.input ?? defaultSerde).serialize(input);
    return call(attempt, target, parameter, options.output ?? defaultSerde, options);
  });

export const createSendClient = ({ attempt, defaultSerde }: Caller, of: ClientTarget): AnyClient =>
  clientOf(of, (target, input, options: ClientSendOptions<unknown>) =>
    send(attempt, target, (options.input ?? defaultSerde).serialize(input), options),
  );

function clientOf(
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
          : (...args: readonly unknown[]) => {
              const [first] = args;
              const last = args.at(-1);
              const input = first instanceof Wrapped ? undefined : first;
              return invoke({ ...of, handler }, input, last instanceof Wrapped ? last.getOpts() : {});
            },
    },
  );
}
