/**
 * Durable promises of a workflow. Waiting for one is a step of its own, each time: awaiting it twice asks twice.
 */
import {
  CompletePromiseCommand,
  type Fields,
  GetPromiseCommand,
  type MessageSpec,
  PeekPromiseCommand,
} from '@holdfast/protocol';
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
    return this.#step(GetPromiseCommand, {}, valueWith(this.#serde));
  }

  peek(): RestatePromise<T | undefined> {
    return this.#step<T | undefined>(PeekPromiseCommand, {}, valueWith(this.#serde));
  }

  resolve(value?: T): RestatePromise<void> {
    return this.#complete({ completionValue: this.#serde.serialize(value as T) });
  }

  reject(reason: string | TerminalError): RestatePromise<void> {
    return this.#complete({ completionFailure: this.#attempt.wireFailure(reason) });
  }

  #complete(outcome: object): RestatePromise<void> {
    return this.#step<void>(CompletePromiseCommand, outcome, () => undefined);
  }

  #step<U>(spec: MessageSpec<Fields>, fields: object, decode: Decode<U>): RestatePromise<U> {
    this.#attempt.via = this;
    const id = this.#attempt.command(spec, { key: this.#key, ...fields });
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
