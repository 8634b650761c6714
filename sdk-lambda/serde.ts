/**
 * How values become bytes and back. JSON is the default everywhere but for generic calls, which pass bytes.
 *
 * `undefined` is zero bytes in JSON, both ways: a handler without input or result costs nothing on the wire.
 */
import { EMPTY } from '@holdfast/protocol';

export interface Serde<T> {
  readonly contentType?: string;
  /** Shown by discovery; has no effect on the values. */
  readonly jsonSchema?: object | undefined;
  serialize(value: T): Uint8Array;
  deserialize(data: Uint8Array): T;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// biome-ignore lint/suspicious/noExplicitAny: must fit wherever a Serde of some type is asked for
export const json: Serde<any> = {
  contentType: 'application/json',
  serialize: value => (value === undefined ? EMPTY : encoder.encode(JSON.stringify(value))),
  deserialize: data => (data.length === 0 ? undefined : JSON.parse(decoder.decode(data))),
};

class JsonSerde<T> implements Serde<T> {
  readonly contentType = 'application/json';
  readonly jsonSchema?: object | undefined;
  constructor(jsonSchema?: object) {
    this.jsonSchema = jsonSchema;
  }
  serialize(value: T): Uint8Array {
    return json.serialize(value);
  }
  deserialize(data: Uint8Array): T {
    return json.deserialize(data);
  }
}

export const binary: Serde<Uint8Array> = {
  contentType: 'application/octet-stream',
  serialize: value => value,
  deserialize: data => data,
};

const empty: Serde<void> = {
  serialize(value) {
    if (value !== undefined) throw new TypeError('expected no value');
    return EMPTY;
  },
  deserialize(data) {
    if (data.length !== 0) throw new TypeError('expected no data');
  },
};

export const serde = { JsonSerde, json, binary, empty };
