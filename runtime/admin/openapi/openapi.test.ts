import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { handlerMetadata, serviceMetadata } from '../../ingress/testing/scripted-engine.ts';
import { ROUTES } from '../routes.ts';
import { problemsOf } from '../testing/openapi.ts';
import { ask, setUp } from '../testing/setup.ts';
import { embedSchema, isSchema } from './embed-schema.ts';

const json = (contentType: string, jsonSchema: unknown) => ({ required: true, contentType, jsonSchema });

const SERVICES = [
  serviceMetadata(
    'shop.Checkout-1',
    [
      handlerMetadata('place', {
        documentation: 'Places an order.',
        input: json('application/json', {
          $schema: 'http://json-schema.org/draft-07/schema#',
          type: 'object',
          properties: {
            items: { type: 'array', items: { $ref: '#/definitions/Item' } },
            self: { $ref: '#' },
          },
          definitions: { Item: { type: 'string' } },
        }),
        output: { contentType: 'application/json', setContentTypeIfEmpty: false, jsonSchema: true },
      }),
      // Names that meet those of other operations if these are put together carelessly.
      handlerMetadata('place_send', { input: { required: false }, output: { setContentTypeIfEmpty: false } }),
      handlerMetadata('placeInput', { input: json('image/*', 'no schema') }),
      handlerMetadata('resolveAwakeable', { input: { required: true } }),
      handlerMetadata('hidden', { public: false }),
    ],
    { documentation: 'Sells.', revision: 7 },
  ),
  serviceMetadata('Counter', [handlerMetadata('add', { type: 'exclusive' })], { type: 'virtualObject' }),
  serviceMetadata(
    'Signup',
    [handlerMetadata('run', { type: 'workflow' }), handlerMetadata('click', { type: 'shared' })],
    { type: 'workflow' },
  ),
  serviceMetadata('Private', [handlerMetadata('h')], { public: false }),
];

async function documentOf(url: string) {
  const { engine, admin } = setUp();
  engine.found = SERVICES;
  const { status, body } = await ask(admin, 'GET', url);
  expect(status).toBe(200);
  return JSON.parse(body);
}

test.each(['/openapi', ...SERVICES.map(({ name }) => `/services/${name}/openapi`)])(
  '%s is valid',
  async url => {
    const document = await documentOf(url);
    // The public schema of OpenAPI 3.1, and what that cannot say.
    expect(await new Validator().validate(document)).toMatchObject({ valid: true });
    expect(problemsOf(document)).toEqual([]);
  },
);

test('the routes of a plain service', async () => {
  const { info, servers, paths, components } = await documentOf('/services/shop.Checkout-1/openapi');
  expect(info).toEqual({ title: 'shop.Checkout-1', version: '7', description: 'Sells.' });
  expect(servers).toEqual([{ url: 'http://127.0.0.1:8080' }]);
  const target = 'shop.Checkout-1/place';
  expect(Object.keys(paths).filter(path => path.includes(`${target}/`) || path.endsWith(target))).toEqual([
    `/${target}`,
    `/${target}/send`,
    `/restate/scope/{scope}/call/${target}`,
    `/restate/scope/{scope}/send/${target}`,
    `/restate/invocation/${target}/{idempotencyKey}/attach`,
    `/restate/invocation/${target}/{idempotencyKey}/output`,
  ]);
  expect(Object.keys(paths).slice(-2)).toEqual([
    '/restate/awakeables/{awakeableId}/resolve',
    '/restate/awakeables/{awakeableId}/reject',
  ]);
  expect(JSON.stringify(paths)).not.toContain('hidden');
  const { post } = paths[`/${target}/send`];
  expect(post).toEqual({
    operationId: 'place.send',
    summary: expect.any(String),
    description: 'Places an order.',
    parameters: [
      { $ref: '#/components/parameters/delay' },
      { $ref: '#/components/parameters/idempotencyKey' },
    ],
    requestBody: {
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/placeInput' } } },
    },
    responses: {
      202: { $ref: '#/components/responses/Sent' },
      default: { $ref: '#/components/responses/Error' },
    },
  });
  expect(Object.keys(components.schemas).sort()).toEqual(['Error', 'Sent', 'placeInput', 'placeOutput']);
  expect(components.schemas.placeInput.properties.self).toEqual({ $ref: '#/components/schemas/placeInput' });
  expect(paths['/shop.Checkout-1/place_send'].post.requestBody).toBeUndefined();
  expect(paths['/shop.Checkout-1/place_send'].post.responses[200].content).toBeUndefined();
  expect(paths['/shop.Checkout-1/placeInput'].post.requestBody.content).toEqual({ 'image/*': {} });
  expect(paths['/shop.Checkout-1/resolveAwakeable'].post.requestBody.content).toEqual({ '*/*': {} });
});

test('the run of a workflow is known by its key', async () => {
  const { paths } = await documentOf('/services/Signup/openapi');
  expect(Object.keys(paths).filter(path => !path.includes('wakeable'))).toEqual([
    '/Signup/{key}/run',
    '/Signup/{key}/run/send',
    '/restate/scope/{scope}/call/Signup/{key}/run',
    '/restate/scope/{scope}/send/Signup/{key}/run',
    '/restate/workflow/Signup/{key}/attach',
    '/restate/workflow/Signup/{key}/output',
    '/Signup/{key}/click',
    '/Signup/{key}/click/send',
    '/restate/scope/{scope}/call/Signup/{key}/click',
    '/restate/scope/{scope}/send/Signup/{key}/click',
    '/restate/invocation/Signup/{key}/click/{idempotencyKey}/attach',
    '/restate/invocation/Signup/{key}/click/{idempotencyKey}/output',
  ]);
  expect(paths['/Signup/{key}/run'].post.parameters).toEqual([{ $ref: '#/components/parameters/key' }]);
  expect(paths['/restate/workflow/Signup/{key}/output'].get.responses).toHaveProperty('470');
});

test('calls in a scope have ids and parameters of their own; objects have none', async () => {
  const { paths } = await documentOf('/services/Signup/openapi');
  const named = (name: string) => ({ $ref: `#/components/parameters/${name}` });
  expect(paths['/restate/scope/{scope}/send/Signup/{key}/click'].post).toMatchObject({
    operationId: 'click.sendInScope',
    parameters: ['scope', 'key', 'delay', 'idempotencyKey', 'limitKey'].map(named),
  });
  const object = await documentOf('/services/Counter/openapi');
  expect(Object.keys(object.paths).some(path => path.includes('scope'))).toBe(false);
});

const AT = '#/components/schemas/S';

test.each<[name: string, schema: unknown, embedded: unknown]>([
  ['a flag', false, false],
  ['no schema', ['string'], undefined],
  ['null', null, undefined],
  ['its root', { items: { $ref: '#' } }, { items: { $ref: AT } }],
  [
    'definitions',
    { $defs: { 'a/b': { type: 'string' } }, $ref: '#/$defs/a~1b' },
    { $ref: `${AT}/$defs/a~1b`, $defs: { 'a/b': { type: 'string' } } },
  ],
  [
    'properties that are named like keywords',
    {
      properties: { $ref: { type: 'string' }, const: { $ref: '#/properties/$ref' }, $id: { type: 'number' } },
    },
    {
      properties: {
        $ref: { type: 'string' },
        const: { $ref: `${AT}/properties/$ref` },
        $id: { type: 'number' },
      },
    },
  ],
  [
    'data',
    { const: { $ref: '#/x' }, enum: [{ $id: 'x' }] },
    { const: { $ref: '#/x' }, enum: [{ $id: 'x' }] },
  ],
  [
    'its own name',
    {
      $id: 'https://e.org/a.json',
      $defs: { x: true },
      anyOf: [{ $ref: 'a.json#/$defs/x' }, { $ref: '#/$defs/x' }],
    },
    { $defs: { x: true }, anyOf: [{ $ref: `${AT}/$defs/x` }, { $ref: `${AT}/$defs/x` }] },
  ],
  [
    'a schema within that has a name',
    {
      $id: 'https://e.org/a.json',
      not: { $ref: 'b.json#/$defs/y' },
      $defs: { b: { $id: 'b.json', $defs: { y: {} }, not: { $ref: '#/$defs/y' } } },
    },
    {
      not: { $ref: `${AT}/$defs/b/$defs/y` },
      $defs: { b: { $defs: { y: {} }, not: { $ref: `${AT}/$defs/b/$defs/y` } } },
    },
  ],
  [
    'anchors',
    {
      $defs: { t: { $anchor: 'tree' }, u: { $dynamicAnchor: 'u' } },
      anyOf: [{ $ref: '#tree' }, { $dynamicRef: '#u' }],
    },
    { $defs: { t: {}, u: {} }, anyOf: [{ $ref: `${AT}/$defs/t` }, { $ref: `${AT}/$defs/u` }] },
  ],
  ['something outside', { $ref: 'https://e.org/x.json#/y' }, { $ref: 'https://e.org/x.json#/y' }],
  [
    'nothing',
    {
      anyOf: [
        { $ref: '#/$defs/no' },
        { $ref: 'b.json' },
        { $ref: '#no' },
        { $ref: '#/anyOf' },
        { $ref: '#/%' },
      ],
    },
    { anyOf: Array.from({ length: 5 }, () => ({ $comment: expect.stringContaining('nothing at') })) },
  ],
  [
    'a tuple of draft 7',
    { items: [{ $ref: '#/definitions/a' }], additionalItems: false, definitions: { a: {} } },
    { prefixItems: [{ $ref: `${AT}/definitions/a` }], items: false, definitions: { a: {} } },
  ],
  [
    'bounds of draft 4',
    { minimum: 1, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false },
    { exclusiveMinimum: 1, maximum: 9 },
  ],
])('a schema that refers to %s', (_name, schema, embedded) => {
  expect(isSchema(schema) ? embedSchema(schema, 'S') : undefined).toEqual(embedded);
});

test('the guide has every route', () => {
  const guide = readFileSync(new URL('../../../docs/guides/http-api.md', import.meta.url), 'utf8');
  const table = guide.slice(guide.indexOf('\n## Admin'), guide.indexOf('\n### Deployments'));
  const rows = table.matchAll(/^\| `\/([^`?]*)[^`]*` \| ([A-Z]+) \|/gm);
  const batch = 'internal/invocations_batch_operations/';
  const routes = ROUTES.map(
    ({ method, path }) => `${method} ${path.startsWith(batch) ? `${batch}{operation}` : path}`,
  );
  const told = [...rows].map(([, path, method]) => `${method} ${path}`);
  expect(told.sort()).toEqual([...new Set(routes)].sort());
});
