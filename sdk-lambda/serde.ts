/**
 * How values become bytes and back. JSON is the default everywhere but for generic calls, which pass bytes.
 *
 * `undefined` is zero bytes in JSON, both ways: a handler without input or result costs nothing on the wire.
 */
import { EMPTY } from '@holdfast/protocol';
import { checked, jsonSchemaOf, type SchemaOutput, type StandardSchema } from './standard-schema.ts';

/** Makes bytes of values of one type, and the values of the bytes. */
export interface Serde<T> {
  /** MIME type of the bytes. Without one a handler takes, or returns, only nothing. */
  readonly contentType?: string;
  /** JSON Schema of the values, for discovery. Nothing is checked against it. */
  readonly jsonSchema?: object | undefined;
  /** For tools that show and edit values whose bytes are not JSON: to JSON text and back. Not used by handlers. */
  readonly preview?: {
    toJsonString(value: T): Promise<string> | string;
    fromJsonString(json: string): Promise<T> | T;
  };
  /** What it throws fails the attempt. */
  serialize(value: T): Uint8Array;
  /** What it throws fails the attempt; for the input of a handler, the invocation with code 400. */
  deserialize(data: Uint8Array): T;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The default: JSON, and no bytes for `undefined`. */
// biome-ignore lint/suspicious/noExplicitAny: must fit wherever a Serde of some type is asked for
export const json: Serde<any> = {
  contentType: 'application/json',
  serialize: value => (value === undefined ? EMPTY : encoder.encode(JSON.stringify(value))),
  deserialize: data => (data.length === 0 ? undefined : JSON.parse(decoder.decode(data))),
};

/** JSON that discovery describes with a JSON Schema. Checks nothing: for that there is `serde.schema`. */
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

/** Bytes as they are. */
export const binary: Serde<Uint8Array> = {
  contentType: 'application/octet-stream',
  serialize: value => value,
  deserialize: data => data,
};

/** `undefined` only: any byte, and any other value, is a TypeError. */
const empty: Serde<void> = {
  serialize(value) {
    if (value !== undefined) throw new TypeError('expected no value');
    return EMPTY;
  },
  deserialize(data) {
    if (data.length !== 0) throw new TypeError('expected no data');
  },
};

/**
 * JSON, checked by a Standard Schema (zod, valibot, arktype, ...) when it is read: what does not fit is a TypeError that
 * names the issues. Both `options` are passed to the schema's library, those of checks and those of its JSON Schema.
 */
const schema = <S extends StandardSchema>(
  checks: S,
  validateOptions?: Record<string, unknown>,
  jsonSchemaOptions?: Record<string, unknown>,
): Serde<SchemaOutput<S>> => ({
  ...json,
  get jsonSchema() {
    return jsonSchemaOf(checks, 'output', jsonSchemaOptions);
  },
  deserialize: data => checked(checks, json.deserialize(data), refuse, validateOptions) as SchemaOutput<S>,
});

function refuse(issues: string): never {
  throw new TypeError(`The value does not fit its schema: ${issues}`);
}

/** How values become bytes: as JSON, as they are, as nothing; or JSON that a schema checks. */
export const serde = { JsonSerde, json, binary, empty, schema };
