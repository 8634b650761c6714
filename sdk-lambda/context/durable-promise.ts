/**
 * Durable promises of a workflow. Waiting for one is a step of its own, each time: awaiting it twice asks twice.
 */
import { CompletePromiseCommand, GetPromiseCommand, PeekPromiseCommand } from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import type { TerminalError } from '../errors.ts';
import { type Decode, type RestatePromise, valueWith } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { DurablePromise } from './keyed.ts';

export class WorkflowPromise<T> implements DurablePromise<T> {
  readonly [Symbol.toStringTag] = 'DurablePromise';
  readonly #attempt: Attempt;
  readonly #key: string;
  readonly #serde: Serde<T>;

  constructor(attempt: Attempt, key: string, serde: Serde<T>) {
    this.#attempt = attempt;
    this.#key = key;
    this.#serde = serde;
  }

  get(): RestatePromise<T> {
    return this.#leaf(this.#attempt.command(GetPromiseCommand, { key: this.#key }), valueWith(this.#serde));
  }

  peek(): RestatePromise<T | undefined> {
    return this.#leaf<T | undefined>(
      this.#attempt.command(PeekPromiseCommand, { key: this.#key }),
      valueWith(this.#serde),
    );
  }

  resolve(value?: T): RestatePromise<void> {
    return this.#complete({ completionValue: this.#serde.serialize(value as T) });
  }

  reject(reason: string | TerminalError): RestatePromise<void> {
    return this.#complete({ completionFailure: this.#attempt.wireFailure(reason) });
  }

  #complete(outcome: object): RestatePromise<void> {
    const id = this.#attempt.command(CompletePromiseCommand, { key: this.#key, ...outcome });
    return this.#leaf<void>(id, () => undefined);
  }

  #leaf<U>(id: number, decode: Decode<U>): RestatePromise<U> {
    return this.#attempt.leaf(id, decode) as unknown as RestatePromise<U>;
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaitable is the point
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.get().then(onFulfilled, onRejected);
  }
  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.get().catch(onRejected);
  }
  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.get().finally(onFinally);
  }
}
