/**
 * How values become bytes and back. JSON is the default everywhere but for generic calls, which pass bytes.
 *
 * `undefined` is zero bytes in JSON, both ways: a handler without input or result costs nothing on the wire.
 */
export interface Serde<T> {
  readonly contentType?: string;
  /** Shown by discovery; has no effect on the values. */
  readonly jsonSchema?: object;
  serialize(value: T): Uint8Array;
  deserialize(data: Uint8Array): T;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const EMPTY = new Uint8Array();

class JsonSerde<T> implements Serde<T> {
  readonly contentType = 'application/json';
  readonly jsonSchema?: object;
  constructor(jsonSchema?: object) {
    if (jsonSchema !== undefined) this.jsonSchema = jsonSchema;
  }
  serialize(value: T): Uint8Array {
    return value === undefined ? EMPTY : encoder.encode(JSON.stringify(value));
  }
  deserialize(data: Uint8Array): T {
    return data.length === 0 ? (undefined as T) : (JSON.parse(decoder.decode(data)) as T);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: must fit wherever a Serde of some type is asked for
const json: Serde<any> = new JsonSerde<any>();

const binary: Serde<Uint8Array> = {
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
