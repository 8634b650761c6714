/** Options of single requests, and what tells them from an input: they are wrapped. */
import { type Duration, toMillis } from '../duration.ts';
import type { Serde } from '../serde.ts';

/** Options of any request. */
export interface RequestOptions {
  /** Sent with the request, in place of those of the connection and of the client with the same names. */
  headers?: Record<string, string> | undefined;
  /**
   * Milliseconds, or a duration: how long the whole may take, all attempts and the pauses between them. Then it rejects
   * with the DOMException `TimeoutError`; what was accepted goes on.
   *
   * @default as long as it takes
   */
  timeout?: Duration | number | undefined;
  /** Rejects with the signal's reason, a DOMException `AbortError` unless another was given. Works beside `timeout`. */
  signal?: AbortSignal | undefined;
}

/** Options of a call. */
export interface IngressCallOptions<I = unknown, O = unknown> extends RequestOptions {
  /**
   * 1 to 1,024 visible ASCII characters. The same key and target give one invocation and one result, until the retention
   * of the handler ends; therefore such a request is retried, and the result of a send can be had.
   */
  idempotencyKey?: string | undefined;
  /** `a` or `a/b`, each 1 to 36 of `a-z A-Z 0-9 _ . -`. Only within a scope. */
  limitKey?: string | undefined;
  /** How the input becomes bytes. @default the connection's */
  input?: Serde<I> | undefined;
  /** How bytes become the result. @default the connection's */
  output?: Serde<O> | undefined;
}

/** Options of a send. */
export interface IngressSendOptions<I> extends IngressCallOptions<I, void> {
  /** Milliseconds, or a duration, until the handler is started. Accepted is it at once. @default 0 */
  delay?: Duration | number | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: options without serdes suit every handler
type Any = any;

/** Options of a call, to be passed after its input. */
export class Opts<I, O> {
  readonly opts: IngressCallOptions<I, O>;
  constructor(opts: IngressCallOptions<I, O>) {
    this.opts = opts;
  }
  static from<I = Any, O = Any>(opts: IngressCallOptions<I, O>): Opts<I, O> {
    return new Opts(opts);
  }
}

/** Options of a send, to be passed after its input. */
export class SendOpts<I = unknown> {
  readonly opts: IngressSendOptions<I>;
  constructor(opts: IngressSendOptions<I>) {
    this.opts = opts;
  }
  static from<I = Any>(opts: IngressSendOptions<I>): SendOpts<I> {
    return new SendOpts(opts);
  }
  /** In milliseconds. */
  delay(): number | undefined {
    return this.opts.delay === undefined ? undefined : toMillis(this.opts.delay);
  }
}

/** `client.greet(name, rpc.opts({ idempotencyKey }))` */
export const rpc = {
  opts: <I = Any, O = Any>(opts: IngressCallOptions<I, O>): Opts<I, O> => new Opts(opts),
  sendOpts: <I = Any>(opts: IngressSendOptions<I>): SendOpts<I> => new SendOpts(opts),
};
