/**
 * A place in a parsed JSON document that knows its path, for checking input whose errors must say where they
 * are. Pure. `null` counts as absent for optional members, as SDKs in other languages write it.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Makes the error; `path` is like `$.services[0].name`. */
export type CursorError = (path: string, reason: string) => Error;

export class JsonCursor {
  readonly path: string;
  readonly #value: Json;
  readonly #error: CursorError;

  constructor(path: string, value: Json, error: CursorError) {
    this.path = path;
    this.#value = value;
    this.#error = error;
  }

  /** The root of a document of at most `bytesMax`, which must be an object. */
  static parse(bytes: Uint8Array, bytesMax: number, error: CursorError): JsonCursor {
    if (bytes.length > bytesMax) throw error('$', `has ${bytes.length} bytes and may have ${bytesMax}`);
    let value: Json;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch (cause) {
      // TypeError: not UTF-8.
      if (cause instanceof SyntaxError || cause instanceof TypeError) throw error('$', 'is not JSON');
      throw cause;
    }
    const root = new JsonCursor('$', value, error);
    root.#object();
    return root;
  }

  error(reason: string): Error {
    return this.#error(this.path, reason);
  }

  required(name: string): JsonCursor {
    const found = this.optional(name);
    if (found === undefined) throw this.#error(`${this.path}.${name}`, 'is missing');
    return found;
  }

  optional(name: string): JsonCursor | undefined {
    const object = this.#object();
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    if (value === undefined || value === null) return undefined;
    return new JsonCursor(`${this.path}.${name}`, value, this.#error);
  }

  items(countMax: number): JsonCursor[] {
    const value = this.#value;
    if (!Array.isArray(value)) throw this.error('must be an array');
    if (value.length > countMax) throw this.error(`has ${value.length} items and may have ${countMax}`);
    return value.map((item: Json, i) => new JsonCursor(`${this.path}[${i}]`, item, this.#error));
  }

  text(charsMax: number, pattern?: RegExp): string {
    const value = this.#value;
    if (typeof value !== 'string') throw this.error('must be a string');
    if (value.length > charsMax) throw this.error(`has ${value.length} characters and may have ${charsMax}`);
    if (pattern !== undefined && !pattern.test(value)) throw this.error(`must match ${pattern.source}`);
    return value;
  }

  boolean(): boolean {
    if (typeof this.#value !== 'boolean') throw this.error('must be a boolean');
    return this.#value;
  }

  integer(min: number, max: number): number {
    const value = this.#value;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw this.error(`must be an integer from ${min} to ${max}`);
    }
    return value;
  }

  positive(): number {
    const value = this.#value;
    // `1e999` is valid JSON and parses to Infinity.
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
      throw this.error('must be a positive number');
    }
    return value;
  }

  /** The value that `names` gives to the text found. */
  oneOf<Value>(names: Readonly<Record<string, Value>>): Value {
    const value = this.#value;
    const found = typeof value === 'string' && Object.hasOwn(names, value) ? names[value] : undefined;
    if (found === undefined) throw this.error(`must be one of ${Object.keys(names).join(', ')}`);
    return found;
  }

  /** An object of strings, as a map without prototype. */
  textMap(countMax: number, charsMax: number): Readonly<Record<string, string>> {
    const object = this.#object();
    const names = Object.keys(object);
    if (names.length > countMax) throw this.error(`has ${names.length} members and may have ${countMax}`);
    const map: Record<string, string> = Object.create(null);
    for (const name of names) {
      if (name.length > charsMax) throw this.error('has a name that is too long');
      map[name] = this.required(name).text(charsMax);
    }
    return map;
  }

  /** Whatever is there, nested no deeper than `depthMax`: deeper ones break recursive readers. */
  json(depthMax: number): Json {
    if (deeperThan(this.#value, depthMax)) throw this.error(`is nested deeper than ${depthMax} levels`);
    return this.#value;
  }

  #object(): { readonly [name: string]: Json } {
    const value = this.#value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.error('must be an object');
    }
    return value as { readonly [name: string]: Json };
  }
}

function deeperThan(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some(child => deeperThan(child, levels - 1));
}
