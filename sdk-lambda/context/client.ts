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
  headers?: Record<string, string>;
  /** Shown in the journal. */
  name?: string;
}

export interface ClientSendOptions<I> extends Omit<ClientCallOptions<I, never>, 'output'> {
  /** Start the callee after this long. */
  delay?: Duration | number;
}

/** Wrapped, so that options can be told from an input. */
export class Opts<I, O> {
  readonly #options: ClientCallOptions<I, O>;
  private constructor(options: ClientCallOptions<I, O>) {
    this.#options = options;
  }
  static from<I, O>(options: ClientCallOptions<I, O>): Opts<I, O> {
    return new Opts(options);
  }
  getOpts(): ClientCallOptions<I, O> {
    return this.#options;
  }
}

export class SendOpts<I> {
  readonly #options: ClientSendOptions<I>;
  private constructor(options: ClientSendOptions<I>) {
    this.#options = options;
  }
  static from<I>(options: ClientSendOptions<I>): SendOpts<I> {
    return new SendOpts(options);
  }
  getOpts(): ClientSendOptions<I> {
    return this.#options;
  }
}

export const rpc = { opts: Opts.from, sendOpts: SendOpts.from };

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

/** `defaultSerde` is the caller's. */
export function createClient(
  attempt: Attempt,
  service: string,
  key: string | undefined,
  defaultSerde: Serde<unknown>,
): AnyClient {
  return clientOf(service, key, (target, args) => {
    const { input, output, ...rest } = optionsOf(args) as ClientCallOptions<unknown, unknown>;
    const parameter = (input ?? defaultSerde).serialize(inputOf(args));
    return call(attempt, target, parameter, output ?? defaultSerde, rest);
  });
}

export function createSendClient(
  attempt: Attempt,
  service: string,
  key: string | undefined,
  defaultSerde: Serde<unknown>,
): AnyClient {
  return clientOf(service, key, (target, args) => {
    const { input, ...rest } = optionsOf(args) as ClientSendOptions<unknown>;
    return send(attempt, target, (input ?? defaultSerde).serialize(inputOf(args)), rest);
  });
}

function clientOf(
  service: string,
  key: string | undefined,
  invoke: (target: CallTarget, args: readonly unknown[]) => unknown,
): AnyClient {
  return new Proxy(
    {},
    {
      get: (_target, handler) =>
        // `then` and symbols: the client itself may be awaited or printed.
        typeof handler === 'symbol' || handler === 'then'
          ? undefined
          : (...args: readonly unknown[]) => invoke({ service, handler, key }, args),
    },
  );
}

const isOptions = (arg: unknown): arg is Opts<unknown, unknown> | SendOpts<unknown> =>
  arg instanceof Opts || arg instanceof SendOpts;
const inputOf = ([first]: readonly unknown[]): unknown => (isOptions(first) ? undefined : first);
const optionsOf = (args: readonly unknown[]): object => {
  const last = args.at(-1);
  return isOptions(last) ? last.getOpts() : {};
};
