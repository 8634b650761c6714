/** The OpenAPI document of the admin API itself, from its route table. */

import { QUERY, type QueryName, SCHEMAS, type SchemaName } from './admin-schemas.ts';
import { type Json, jsonContent, OPENAPI_VERSION, schemaRef } from './document.ts';

/** What a row of the route table says about itself. */
export interface RouteDescription {
  readonly method: string;
  /** Without the leading slash; `{name}` is one segment. */
  readonly path: string;
  /** Unique among the routes. */
  readonly id: string;
  /** One line. */
  readonly summary: string;
  readonly query?: readonly QueryName[];
  readonly body?: SchemaName;
  /** What it answers where it succeeds; `empty`: without a body. */
  readonly answers: Readonly<Record<number, SchemaName | 'empty'>>;
  /** Statuses of its errors that are worth telling apart. */
  readonly errors?: readonly number[];
}

export function adminDocument(routes: readonly RouteDescription[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = `/${route.path}`;
    paths[path] ??= {};
    (paths[path] as Record<string, Json>)[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: OPENAPI_VERSION,
    info: {
      title: 'Holdfast admin API',
      version,
      description: 'Every route exists as it is and under /v2, /v3 and /v4.',
    },
    paths,
    components: { schemas: SCHEMAS, responses: { Error: ERROR } },
  };
}

function operation({ path, id, summary, query = [], body, answers, errors = [] }: RouteDescription): Json {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = query.map(name => ({ name, in: 'query', ...QUERY[name] }));
  const parameters = [...inPath, ...inQuery];
  const responses = Object.entries(answers).map(([status, name]) => [status, success(name)] as const);
  const refusals = errors.map(status => [status, ERROR_REF] as const);
  return {
    operationId: id,
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: jsonContent(schemaRef(body)) } }),
    responses: { ...Object.fromEntries([...responses, ...refusals]), default: ERROR_REF },
  };
}

function success(name: SchemaName | 'empty'): Json {
  return { description: 'Done', ...(name === 'empty' ? {} : { content: jsonContent(schemaRef(name)) }) };
}

const ERROR_REF = { $ref: '#/components/responses/Error' };
const ERROR = {
  description: 'Refused; the message says why and what to do',
  content: jsonContent(schemaRef('Error')),
};
