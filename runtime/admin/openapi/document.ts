/** The parts of OpenAPI 3.1 that both documents are made of. */

export type Json = Readonly<Record<string, unknown>>;

export const OPENAPI_VERSION = '3.1.0';

export const text = (description?: string): Json => ({ type: 'string', ...described(description) });
export const whole = (description?: string): Json => ({ type: 'integer', ...described(description) });
export const flag = (description?: string): Json => ({ type: 'boolean', ...described(description) });
export const oneOf = (...values: readonly string[]): Json => ({ type: 'string', enum: values });
export const list = (items: Json): Json => ({ type: 'array', items });
export const map = (values: Json): Json => ({ type: 'object', additionalProperties: values });

/** Fields whose name ends in `?` may be absent. */
export function object(fields: Readonly<Record<string, Json>>, description?: string): Json {
  const names = Object.keys(fields);
  const required = names.filter(name => !name.endsWith('?'));
  return {
    type: 'object',
    ...described(description),
    properties: Object.fromEntries(names.map(name => [name.replace(/\?$/, ''), fields[name]])),
    ...(required.length === 0 ? {} : { required }),
  };
}

export const schemaRef = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

/** What may be said about the value of a parameter, a header or a body. */
export const content = (mediaType: string, schema: unknown): Json => ({ [mediaType]: { schema } });

export const jsonContent = (schema: Json): Json => content('application/json', schema);

export function described(description: string | undefined): Json {
  return description === undefined || description === '' ? {} : { description };
}
