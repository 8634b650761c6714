/**
 * The OpenAPI document of one service, as its callers reach it through ingress: its public handlers, what became of
 * an invocation, and awakeables. Operations of a handler have ids with a dot, `place.send`, and others have none, so
 * that no name of a handler can make two the same.
 */
import type { HandlerMetadata, ServiceMetadata } from '../../core/model.ts';
import {
  content,
  described,
  type Json,
  jsonContent,
  map,
  OPENAPI_VERSION,
  object,
  oneOf,
  schemaRef,
  text,
  whole,
} from './document.ts';
import { embedSchema, isSchema } from './embed-schema.ts';

export function serviceDocument(service: ServiceMetadata, ingressEndpoint: string): Json {
  const handlers = service.public ? service.handlers.filter(handler => handler.public) : [];
  return {
    openapi: OPENAPI_VERSION,
    info: {
      title: service.name,
      version: String(service.revision),
      ...described(service.documentation),
    },
    servers: [{ url: ingressEndpoint.replace(/\/+$/, '') }],
    paths: Object.fromEntries([
      ...handlers.flatMap(handler => handlerPaths(service, handler)),
      awakeablePath('resolve', 'Completes an awakeable with a value: the body, as it is', '*/*'),
      awakeablePath('reject', 'Fails an awakeable; the body is the reason', 'text/plain'),
    ]),
    components: {
      schemas: { ...SCHEMAS, ...Object.fromEntries(handlers.flatMap(handlerSchemas)) },
      parameters: PARAMETERS,
      headers: HEADERS,
      responses: RESPONSES,
    },
  };
}

type Path = readonly [path: string, item: Json];

const parameter = (name: keyof typeof PARAMETERS): Json => ({ $ref: `#/components/parameters/${name}` });
const header = (name: keyof typeof HEADERS): Json => ({ $ref: `#/components/headers/${name}` });
const response = (name: keyof typeof RESPONSES): Json => ({ $ref: `#/components/responses/${name}` });

/** The run of a workflow is known by its key alone, everything else by an idempotency key. */
const isRun = ({ type }: HandlerMetadata): boolean => type === 'workflow';

function handlerPaths(service: ServiceMetadata, handler: HandlerMetadata): Path[] {
  const keyed = service.type !== 'service';
  const target = keyed ? `${service.name}/{key}/${handler.name}` : `${service.name}/${handler.name}`;
  const key = keyed ? [parameter('key')] : [];
  const inScopes = service.type !== 'virtualObject';
  return [...invokePaths(target, key, handler, inScopes), ...resultPaths(service, target, key, handler)];
}

function invokePaths(
  target: string,
  key: readonly Json[],
  handler: HandlerMetadata,
  inScopes: boolean,
): Path[] {
  const { name, documentation } = handler;
  const known = isRun(handler) ? [] : [parameter('idempotencyKey')];
  const body = requestBody(handler);
  const call = {
    operationId: `${name}.call`,
    summary: `Calls ${name} and waits for its result`,
    ...described(documentation),
    parameters: [...key, ...known],
    ...body,
    responses: { 200: result(handler), default: response('Error') },
  };
  const send = {
    operationId: `${name}.send`,
    summary: `Sends to ${name}: answers as soon as the invocation is durable`,
    ...described(documentation),
    parameters: [...key, parameter('delay'), ...known],
    ...body,
    responses: { 202: response('Sent'), default: response('Error') },
  };
  return [
    [`/${target}`, { post: call }],
    [`/${target}/send`, { post: send }],
    ...(inScopes ? [inScope(`call/${target}`, call), inScope(`send/${target}`, send)] : []),
  ];
}

/** The same in a scope, under an id of its own. */
function inScope(
  path: string,
  operation: { operationId: string; summary: string; parameters: Json[] },
): Path {
  const { operationId, summary, parameters } = operation;
  const scoped = {
    ...operation,
    operationId: `${operationId}InScope`,
    summary: `${summary}, in a scope`,
    parameters: [parameter('scope'), ...parameters, parameter('limitKey')],
  };
  return [`/restate/scope/{scope}/${path}`, { post: scoped }];
}

function resultPaths(
  service: ServiceMetadata,
  target: string,
  key: readonly Json[],
  handler: HandlerMetadata,
): Path[] {
  const { name } = handler;
  const path = isRun(handler)
    ? `/restate/workflow/${service.name}/{key}`
    : `/restate/invocation/${target}/{idempotencyKey}`;
  const parameters = isRun(handler) ? key : [...key, parameter('idempotencyKeyInPath')];
  const attach = {
    operationId: `${name}.attach`,
    summary: `Waits for the result of an earlier ${name}`,
    parameters,
    responses: { 200: result(handler), default: response('Error') },
  };
  const output = {
    operationId: `${name}.output`,
    summary: `The result of an earlier ${name}, if there is one yet`,
    parameters,
    responses: { 200: result(handler), 470: response('NotReady'), default: response('Error') },
  };
  return [
    [`${path}/attach`, { get: attach }],
    [`${path}/output`, { get: output }],
  ];
}

function awakeablePath(how: 'resolve' | 'reject', summary: string, mediaType: string): Path {
  const operation = {
    operationId: `${how}Awakeable`,
    summary,
    parameters: [parameter('awakeableId')],
    requestBody: { content: { [mediaType]: {} } },
    responses: {
      202: { description: 'Durable, or nobody waits for it any more' },
      default: response('Error'),
    },
  };
  return [`/restate/awakeables/{awakeableId}/${how}`, { post: operation }];
}

const inputName = ({ name }: HandlerMetadata): string => `${name}Input`;
const outputName = ({ name }: HandlerMetadata): string => `${name}Output`;

function handlerSchemas(handler: HandlerMetadata): (readonly [name: string, schema: unknown])[] {
  const named: (readonly [string, unknown])[] = [
    [inputName(handler), handler.input.jsonSchema],
    [outputName(handler), handler.output.jsonSchema],
  ];
  return named.flatMap(([name, schema]) =>
    isSchema(schema) ? [[name, embedSchema(schema, name)] as const] : [],
  );
}

function requestBody(handler: HandlerMetadata): Json {
  const { required, contentType, jsonSchema } = handler.input;
  if (contentType === undefined && !required) return {};
  return { requestBody: { required, content: media(contentType ?? '*/*', jsonSchema, inputName(handler)) } };
}

function result(handler: HandlerMetadata): Json {
  const { contentType, jsonSchema } = handler.output;
  return {
    description: 'What the handler returned',
    headers: { 'x-restate-id': header('id'), 'idempotency-expires': header('idempotencyExpires') },
    ...(contentType === undefined ? {} : { content: media(contentType, jsonSchema, outputName(handler)) }),
  };
}

function media(contentType: string, jsonSchema: unknown, name: string): Json {
  return isSchema(jsonSchema) ? content(contentType, schemaRef(name)) : { [contentType]: {} };
}

const SCHEMAS = {
  Error: object({
    code: whole('As the HTTP status, where that can carry it'),
    message: text(),
    source: {
      ...oneOf('ingress', 'invocation'),
      description: '`ingress`: the request became no invocation. `invocation`: it failed with this.',
    },
    'metadata?': map(text()),
  }),
  Sent: object({
    invocationId: text(),
    'executionTime?': {
      type: 'string',
      format: 'date-time',
      description: 'When it starts, if it is delayed',
    },
    status: oneOf('Accepted', 'PreviouslyAccepted'),
  }),
};

const PARAMETERS = {
  key: {
    name: 'key',
    in: 'path',
    required: true,
    description: 'Key of the object or workflow',
    schema: text(),
  },
  idempotencyKey: {
    name: 'idempotency-key',
    in: 'header',
    description: 'The same key and target give one invocation and one result until the retention ends',
    schema: { type: 'string', minLength: 1, maxLength: 1024 },
  },
  idempotencyKeyInPath: {
    name: 'idempotencyKey',
    in: 'path',
    required: true,
    description: 'The idempotency key that it was called with',
    schema: text(),
  },
  delay: {
    name: 'delay',
    in: 'query',
    description: 'How long to wait before it starts: `10s`, `1h 30m` or ISO 8601, `PT10S`',
    schema: text(),
  },
  scope: {
    name: 'scope',
    in: 'path',
    required: true,
    description: 'A name space of keys and idempotency keys',
    schema: { type: 'string', pattern: '^[a-zA-Z0-9_.-]{1,36}$' },
  },
  limitKey: {
    name: 'x-restate-limit-key',
    in: 'header',
    description: 'What limits of running handlers go by within the scope: `a` or `a/b`',
    schema: { type: 'string', pattern: '^[a-zA-Z0-9_.-]{1,36}(/[a-zA-Z0-9_.-]{1,36})?$' },
  },
  awakeableId: { name: 'awakeableId', in: 'path', required: true, schema: text() },
};

const HEADERS = {
  id: { description: 'Id of the invocation', schema: text() },
  idempotencyExpires: {
    description: 'Until when a result that was kept is kept',
    schema: { type: 'string', format: 'date-time' },
  },
  errorSource: {
    description: 'As `source` of the body',
    schema: oneOf('ingress', 'invocation'),
  },
};

const error = (description: string): Json => ({
  description,
  headers: { 'x-restate-error-source': header('errorSource') },
  content: jsonContent(schemaRef('Error')),
});

const RESPONSES = {
  Sent: {
    description: 'Durable',
    headers: { 'x-restate-id': header('id') },
    content: jsonContent(schemaRef('Sent')),
  },
  NotReady: error('It has not ended yet'),
  Error: error('The request was refused, or the invocation failed: its code is the status'),
};
