/**
 * What users combine promises of the context with. Anything else is refused: its result is in no journal, so that the
 * combination would depend on more than the order of notifications.
 */
import { SdkUsageError } from './coded-error.ts';
import type { Duration } from './duration.ts';
import type { TerminalError } from './errors.ts';
import { Combinator, Durable, FULFILLED, REJECTED, type Rule, Settled } from './promise.ts';

function combine<T>(rule: Exclude<Rule, 'timeout'>, promises: Iterable<unknown>): RestatePromise<T> {
  const children = [...promises];
  const stranger = children.findIndex(child => !(child instanceof Durable));
  if (stranger >= 0) {
    throw new SdkUsageError(
      'HF_SDK_NOT_DURABLE',
      `RestatePromise.${rule} got something at index ${stranger} that is not a promise of the context. Pass the promise that ctx.run, ctx.sleep and the like return, unawaited; use .map in place of .then, and ctx.run to wrap other asynchronous work.`,
    );
  }
  if (rule === 'race' && children.length === 0) {
    // In the language it stays pending; here that would hold the function until it times out.
    throw new SdkUsageError(
      'HF_SDK_NEVER_SETTLES',
      'RestatePromise.race of no promises never settles. Check for the empty list before it.',
    );
  }
  return new Combinator(rule, children as Durable<unknown>[]) as unknown as RestatePromise<T>;
}

/** A promise of the context. Combine these with `RestatePromise.all` and its siblings. */
export interface RestatePromise<T> extends Promise<T> {
  /** Rejects with a TimeoutError unless this settles within the duration. The timer starts now and is durable. */
  orTimeout(duration: Duration | number): RestatePromise<T>;
  /** The mapped promise; the mapper runs once, when the result is there and awaited. */
  map<U>(mapper: (value?: T, failure?: TerminalError) => U): RestatePromise<U>;
}

type Promises = readonly RestatePromise<unknown>[];

/** The combinators of promises of the context. Others are refused with `HF_SDK_NOT_DURABLE`; use `.map` for `.then`. */
export const RestatePromise = {
  /** Has this value; a promise of the context is returned as it is. */
  resolve: <T>(value: T): RestatePromise<Awaited<T>> =>
    (value instanceof Durable ? value : new Settled(FULFILLED, value)) as unknown as RestatePromise<
      Awaited<T>
    >,
  /** Has failed with this. */
  reject: <T = never>(reason: TerminalError): RestatePromise<T> =>
    new Settled(REJECTED, reason) as unknown as RestatePromise<T>,
  /** All values in order, or the first failure. */
  all: <const T extends Promises>(values: T) =>
    combine<{ -readonly [P in keyof T]: Awaited<T[P]> }>('all', values),
  /** What settles first. Of none it throws `HF_SDK_NEVER_SETTLES`. */
  race: <const T extends Promises>(values: T) => combine<Awaited<T[number]>>('race', values),
  /** The first value, or an AggregateError of all failures. */
  any: <const T extends Promises>(values: T) => combine<Awaited<T[number]>>('any', values),
  /** All outcomes in order. */
  allSettled: <const T extends Promises>(values: T) =>
    combine<{ -readonly [P in keyof T]: PromiseSettledResult<Awaited<T[P]>> }>('allSettled', values),
};

/** Older name of `RestatePromise`. */
export type CombineablePromise<T> = RestatePromise<T>;
/** Older name of `RestatePromise`. */
export const CombineablePromise = RestatePromise;
/** Whether it is a promise of the context, which the combinators take. */
export const isRestatePromise = (value: unknown): value is RestatePromise<unknown> =>
  value instanceof Durable;
