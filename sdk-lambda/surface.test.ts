/**
 * All that the Restate SDK exports is here too, or left out for a reason; and code written for it compiles with this SDK and
 * makes the same services.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as official from '@restatedev/restate-sdk/lambda';
import { build } from 'esbuild';
import { expect, expectTypeOf, test } from 'vitest';
import * as ours from './index.ts';
import { attempt } from './journal.testkit.ts';
import { exportsOf } from './public-names.testkit.ts';

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, '..');

const INTERFACES = 'interfaces apart from their implementation, a preview of the Restate SDK';
const MARKER = 'an empty interface of its core package, which the contexts extend';
const LEFT_OUT: Readonly<Record<string, string>> = {
  ClientFromDescriptors: INTERFACES,
  Descriptor: INTERFACES,
  DescriptorOpts: INTERFACES,
  FnOf: INTERFACES,
  HandlerDescriptor: INTERFACES,
  ImplementedDefinition: INTERFACES,
  ImplementedObjectDefinition: INTERFACES,
  ImplementedServiceDefinition: INTERFACES,
  ImplementedWorkflowDefinition: INTERFACES,
  InferInput: INTERFACES,
  InferOutput: INTERFACES,
  ObjectDescriptor: INTERFACES,
  ObjectImplHandlers: INTERFACES,
  ObjectPerHandlerOpts: INTERFACES,
  SendClientFromDescriptors: INTERFACES,
  ServiceDescriptor: INTERFACES,
  ServiceImplHandlers: INTERFACES,
  ServiceInterface: INTERFACES,
  ServicePerHandlerOpts: INTERFACES,
  WorkflowDescriptor: INTERFACES,
  WorkflowImplHandlers: INTERFACES,
  WorkflowPerHandlerOpts: INTERFACES,
  iface: INTERFACES,
  implement: INTERFACES,
  RestateContext: MARKER,
  RestateObjectContext: MARKER,
  RestateObjectSharedContext: MARKER,
  RestateWorkflowContext: MARKER,
  RestateWorkflowSharedContext: MARKER,
  LogSource: 'an enum that is exported as a type only; here the field is the literal',
  RestateEndpoint: 'what endpoint() of /node returns; exported there',
};

test('what the official SDK exports is exported, types and values, or left out for a reason', () => {
  const declared = readFileSync(join(ROOT, 'node_modules/@restatedev/restate-sdk/dist/lambda.d.ts'), 'utf8');
  const list = /^export \{(.*)\};$/m.exec(declared)?.[1] ?? '';
  const theirs = list.split(',').map(item => item.trim().replace(/^type |.* as /g, ''));
  expect(theirs.length).toBeGreaterThan(100);
  const mine = exportsOf(join(FOLDER, 'index.ts'));
  expect(theirs.filter(name => !mine.has(name)).sort()).toEqual(Object.keys(LEFT_OUT).sort());
});

/** Of the surface that handlers are written with. */
const VALUES = {
  function: `service object workflow createServiceHandler createObjectHandler createObjectSharedHandler
    createWorkflowHandler createWorkflowSharedHandler handlers.handler handlers.object.exclusive
    handlers.object.shared handlers.workflow.workflow handlers.workflow.shared rpc.opts rpc.sendOpts Opts.from
    SendOpts.from InvocationIdParser.fromString RestatePromise.all RestatePromise.race RestatePromise.any
    RestatePromise.allSettled RestatePromise.resolve RestatePromise.reject CombineablePromise.all isRestatePromise
    TerminalError RetryableError RetryableError.from PauseError PauseError.from CancelledError TimeoutError
    RestateError createEndpointHandler endpoint serde.JsonSerde serde.schema internal.isSuspendedError`,
  object: 'handlers rpc serde serde.json serde.binary serde.empty RestatePromise CombineablePromise internal',
};

test.each(Object.entries(VALUES))('every %s is there, in both SDKs', (kind, names) => {
  const missing = names
    .split(/\s+/)
    .filter(path => typeof at(ours, path) !== kind || typeof at(official, path) !== kind);
  expect(missing).toEqual([]);
});

const at = (from: object, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], from);

const CONTEXT = `run sleep awakeable resolveAwakeable rejectAwakeable signal invocation cancel attach genericCall
  genericSend scope request rand.random rand.uuidv4 date.now date.toJSON console.log serviceClient serviceSendClient
  objectClient objectSendClient workflowClient workflowSendClient get set clear clearAll stateKeys promise isProcessing
  cancellation cancelPreviousCalls`;

test('the context has every verb', async () => {
  let missing: readonly string[] | undefined;
  const run = async (ctx: ours.WorkflowContext) => {
    missing = CONTEXT.split(/\s+/).filter(path => typeof at(ctx, path) !== 'function');
    return ctx.key;
  };
  await attempt(ours.workflow({ name: 'W', handlers: { run } }), 'run', { start: { key: 'k' } });
  expect(missing).toEqual([]);
});

test('handlers written for the official SDK compile with this one in its place', () => {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', join(FOLDER, 'portable.tsconfig.json')], {
    encoding: 'utf8',
  });
  // What is wrong in the SDK itself is found elsewhere.
  const errors = stdout.split('\n').filter(line => /error TS/.test(line));
  expect(errors.filter(line => line.includes('portable') || !/\.ts\(/.test(line))).toEqual([]);
}, 60_000);

test('and are the same services', async () => {
  const { outputFiles } = await build({
    entryPoints: [join(FOLDER, 'portable.testkit.ts')],
    alias: { '@restatedev/restate-sdk/lambda': join(FOLDER, 'index.ts') },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
  });
  const moved = await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')}`
  );
  const original = await import('./portable.testkit.ts');
  const discovered = await manifest(original.handler);
  expect(discovered.services).toHaveLength(6);
  for (const handler of [moved.handler, moved.built]) expect(await manifest(handler)).toEqual(discovered);
});

type Endpoint = (event: unknown, context: unknown) => Promise<{ body: string }>;
async function manifest(handler: Endpoint): Promise<{ services: unknown[] }> {
  const accept = 'application/vnd.restate.endpointmanifest.v4+json';
  const event = { path: '/discover', headers: { accept }, body: '', isBase64Encoded: true };
  const { body } = await handler(event, {});
  const { lambdaCompression: _, ...rest } = JSON.parse(Buffer.from(body, 'base64').toString());
  return rest;
}

test('types are assignable where values of them cross between modules', () => {
  // What the code of a project has typed with the official names, it can pass to ours.
  expectTypeOf<official.Duration>().toExtend<ours.Duration>();
  expectTypeOf<official.RetryPolicy>().toExtend<ours.RetryPolicy>();
  expectTypeOf<official.Serde<string>>().toExtend<ours.Serde<string>>();
  expectTypeOf<official.GenericCall<string, number>>().toExtend<ours.GenericCall<string, number>>();
  expectTypeOf<official.GenericSend<string>>().toExtend<ours.GenericSend<string>>();
  expectTypeOf<official.RunOptions<string>>().toExtend<ours.RunOptions<string>>();
  expectTypeOf<official.ClientCallOptions<string, number>>().toExtend<
    ours.ClientCallOptions<string, number>
  >();
  expectTypeOf<official.ClientSendOptions<string>>().toExtend<ours.ClientSendOptions<string>>();
  expectTypeOf<official.RunAction<string>>().toExtend<ours.RunAction<string>>();
  // And what ours give it, it can take for the official ones.
  expectTypeOf<ours.RestatePromise<string>>().toExtend<official.RestatePromise<string>>();
  expectTypeOf<ours.InvocationPromise<string>>().toExtend<official.InvocationPromise<string>>();
  expectTypeOf<ours.DurablePromise<string>>().toExtend<official.DurablePromise<string>>();
  expectTypeOf<ours.Request>().toExtend<official.Request>();
  expectTypeOf<ours.Target>().toExtend<official.Target>();
  expectTypeOf<ours.Rand>().toExtend<official.Rand>();
  expectTypeOf<ours.ContextDate>().toExtend<official.ContextDate>();
  expectTypeOf<ours.TerminalError>().toExtend<official.RestateError>();
  expectTypeOf<ours.InvocationId>().toExtend<official.InvocationId>();
  // But for clients, whose generics the checker cannot compare; the handlers above use each of them.
  type Clients =
    | `${'service' | 'object' | 'workflow'}${'Client' | 'SendClient'}`
    | 'client'
    | 'sendClient'
    | 'scope';
  expectTypeOf<ours.Context>().toExtend<Omit<official.Context, Clients>>();
  expectTypeOf<ours.KeyValueStore<{ a: number }>>().toExtend<official.KeyValueStore<{ a: number }>>();
});
