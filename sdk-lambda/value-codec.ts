/**
 * Transforms values between their serialized form and the journal, such as to encrypt them. What is in the journal, in
 * state and in the server's log is then what `encode` made.
 *
 * Invariants:
 * - A codec that fails ends the attempt, to be retried: user code cannot mistake it for a failure of what it waits for,
 *   and nothing that follows from catching it is recorded.
 * - Both sides of a value name the same place: it has only what both know.
 */
import { SdkUsageError } from './coded-error.ts';
import { asError } from './errors.ts';
import type { Serde } from './serde.ts';

/**
 * What a value is and where it belongs, alike when it is encoded and when it is decoded. A service without keys has the
 * key ''.
 *
 * | kind        | value                                            | encoded by           | decoded by                      |
 * | ----------- | ------------------------------------------------ | -------------------- | ------------------------------- |
 * | `input`     | parameter of a call or send                      | the caller           | the handler that is called      |
 * | `output`    | result of an invocation                          | the handler          | whoever called it, or attached  |
 * | `run`       | result of `ctx.run` and `ctx.date`               | the attempt that ran | later attempts                  |
 * | `state`     | value of a key of state                          | `ctx.set`            | `ctx.get`, of any invocation    |
 * | `awakeable` | value that an awakeable is resolved with         | whoever resolves it  | the invocation that made it     |
 * | `signal`    | value of a signal; the id is that of its target  | the sender           | the target                      |
 * | `promise`   | value of a workflow's durable promise            | `.resolve`           | `.get`, `.peek`                 |
 *
 * The caller does not know the invocation id when it encodes the parameter, and one who attaches knows nothing else. A
 * run is numbered by its completion id, which depends on the order of the steps alone.
 */
export type ValuePlace =
  | readonly [kind: 'input', service: string, handler: string, key: string]
  | readonly [kind: 'output', invocationId: string]
  | readonly [kind: 'run', invocationId: string, completionId: number]
  | readonly [kind: 'state', service: string, key: string, name: string]
  | readonly [kind: 'awakeable', id: string]
  | readonly [kind: 'signal', invocationId: string, name: string]
  | readonly [kind: 'promise', workflow: string, key: string, name: string];

/** Transforms values on their way to and from the journal, such as encryption. */
export interface JournalValueCodec {
  /** After serialization. Gets empty values too. */
  encode(value: Uint8Array, place: ValuePlace): Uint8Array;
  /** Before deserialization. A promise costs a turn of the event loop or more for each value; plain bytes cost none. */
  decode(value: Uint8Array, place: ValuePlace): Uint8Array | Promise<Uint8Array>;
  /**
   * Whether these two, of one place, are the same bytes if they are the same value. Replay compares what the code passes
   * to its steps now with what was recorded, and for values that are not comparable leaves it out.
   *
   * @default never
   */
  comparable?(recorded: Uint8Array, issued: Uint8Array): boolean;
}

/** `serde` with the codec behind it. `crash` ends the attempt. */
export function coded<T>(
  codec: JournalValueCodec,
  serde: Serde<T>,
  place: () => ValuePlace,
  crash: (error: Error) => void,
): Serde<T> {
  const failed = (thrown: unknown): never => {
    const error = new SdkUsageError(
      'HF_SDK_CODEC',
      `The codec failed at ${place().join(' ')}: ${asError(thrown).message}.`,
    );
    crash(error);
    throw error;
  };
  const applied = (step: 'encode' | 'decode', bytes: Uint8Array): Uint8Array | Promise<Uint8Array> => {
    try {
      const result = codec[step](bytes, place());
      // What is neither throws here, and a promise of another kind becomes one of the platform.
      return 'then' in result ? Promise.resolve(result) : result;
    } catch (error) {
      return failed(error);
    }
  };
  return {
    serialize: value => applied('encode', serde.serialize(value)) as Uint8Array,
    deserialize(data) {
      const decoded = applied('decode', data);
      // A promise in place of the value: whoever takes it waits.
      return 'then' in decoded
        ? (decoded.then(bytes => serde.deserialize(bytes), failed) as T)
        : serde.deserialize(decoded);
    },
  };
}

/** Asks the provider once; again only after it has failed. */
export function once<T>(provider: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    asked ??= (async () => provider())().catch(error => {
      asked = undefined;
      throw new SdkUsageError('HF_SDK_CODEC', `No codec: ${asError(error).message}.`);
    });
    return asked;
  };
}
