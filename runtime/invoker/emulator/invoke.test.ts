import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { InvokeCommand, type LambdaClient, TooManyRequestsException } from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalLambda, type LogEvent, startLocalLambda } from './local-lambda.ts';
import { call, clientFor, type RawOptions, rawCall, workspace } from './testing.ts';

const space = workspace();
const logged: LogEvent[] = [];
let lambda: LocalLambda;
let client: LambdaClient;

beforeAll(async () => {
  process.env['SECRET_OF_THE_SERVER'] = 'leaked';
  const { entry } = space;
  const broken = space.write(
    'broken.ts',
    `throw new SyntaxError('not today');\nexport const handler = () => 1;`,
  );
  const endless = space.write(
    'endless.ts',
    `await new Promise(r => setTimeout(r, 60_000));\nexport const handler = () => 1;`,
  );
  lambda = await startLocalLambda({
    functions: [
      { name: 'verbs', entry, env: { GREETING: 'hi' }, timeoutMs: 5000 },
      { name: 'solo', entry },
      { name: 'warm', entry },
      { name: 'brief', entry, timeoutMs: 150 },
      { name: 'small', entry, memoryMb: 120 },
      { name: 'cramped', entry, env: { NODE_OPTIONS: '--max-old-space-size=24' } },
      { name: 'guarded', entry, reservedConcurrency: 1 },
      { name: 'closed', entry, reservedConcurrency: 0 },
      { name: 'called', entry, handler: 'withCallback' },
      { name: 'plain', entry, handler: 'plain' },
      { name: 'nameless', entry, handler: 'missing' },
      { name: 'broken', entry: broken },
      { name: 'endless', entry: endless },
    ],
    maxEnvironments: 2,
    initTimeoutMs: 700,
    log: event => logged.push(event),
  });
  client = clientFor(lambda.url);
});

afterAll(async () => {
  await lambda.close();
  client.destroy();
  space.remove();
});

const raw = (path: string, options: RawOptions = {}) => rawCall(lambda.url + path, options);
const at = (name: string) => `/2015-03-31/functions/${name}/invocations`;

describe('a function is named', () => {
  const account = '123456789012';
  test.each([
    ['verbs'],
    ['verbs:$LATEST'],
    [`${account}:function:verbs`],
    ['function:verbs'],
    [`arn:aws:lambda:us-east-1:${account}:function:verbs`],
    [`arn:aws:lambda:us-east-1:${account}:function:verbs:$LATEST`],
  ])('as %s, encoded by the SDK and as it is', async name => {
    expect((await call(client, name, { do: 'echo', value: 7 })).value).toBe(7);
    expect((await raw(at(name), { body: '{"do":"echo","value":8}' })).body).toBe('8');
  });
});

test.each([
  ['an object', { a: [1, 'ü', null] }, { a: [1, 'ü', null] }],
  ['a string', 'text', 'text'],
  ['no payload', undefined, {}],
  ['nothing returned', { do: 'echo' }, null],
  ['a promise that can never settle', { do: 'never' }, null],
  ['5 MB both ways', { do: 'echo', value: 'y'.repeat(5_000_000) }, 'y'.repeat(5_000_000)],
])('returns: %s', async (_name, event, expected) => {
  const answer = await call(client, 'verbs', event);
  expect(answer.functionError).toBeUndefined();
  expect(answer.value).toEqual(expected);
  expect(answer.output.ExecutedVersion).toBe('$LATEST');
});

describe('a function that fails answers 200 with', () => {
  const exit = (how: string) => new RegExp(`^RequestId: [0-9a-f-]{36} Error: Runtime exited ${how}$`);
  test.each([
    ['a throw', 'verbs', { do: 'throw' }, 'TypeError', /^boom$/],
    ['a rejection that is no error', 'verbs', { do: 'reject' }, 'string', /^just text$/],
    ['an uncaught exception', 'verbs', { do: 'uncaught' }, 'RangeError', /^later$/],
    [
      'an unhandled rejection',
      'verbs',
      { do: 'unhandled' },
      'Runtime.UnhandledPromiseRejection',
      /^Error: lost$/,
    ],
    ['exit(3)', 'verbs', { do: 'exit', code: 3 }, 'Runtime.ExitError', exit('with error: exit status 3')],
    ['exit(0)', 'verbs', { do: 'exit', code: 0 }, 'Runtime.ExitError', exit('without providing a reason')],
    [
      'a timeout',
      'brief',
      { do: 'sleep', ms: 9999 },
      'Sandbox.Timedout',
      /Task timed out after 0\.15 seconds$/,
    ],
    [
      'a timeout while it spins',
      'brief',
      { do: 'spin', ms: 9999 },
      'Sandbox.Timedout',
      /after 0\.15 seconds$/,
    ],
    ['too much heap', 'cramped', { do: 'heap' }, 'Runtime.ExitError', exit('with error: signal: aborted')],
    ['too much memory', 'small', { do: 'rss' }, 'Runtime.OutOfMemory', exit('with error: signal: killed')],
    [
      'a response over 6 MB',
      'verbs',
      { do: 'big', bytes: 6_291_555 },
      'Function.ResponseSizeTooLarge',
      /6291556/,
    ],
    ['an unserializable response', 'verbs', { do: 'cycle' }, 'Runtime.MarshalError', /circular/],
    ['a module that throws', 'broken', {}, 'SyntaxError', /^not today$/],
    [
      'a handler that is not there',
      'nameless',
      {},
      'Runtime.HandlerNotFound',
      /^index\.missing is undefined/,
    ],
    ['an init that does not end', 'endless', {}, 'Sandbox.Timedout', /Task timed out after 0\.70 seconds$/],
    ['an error called back', 'called', { fail: true }, 'Error', /^called back$/],
  ])('%s', async (_name, fn, event, errorType, message) => {
    const answer = await call(client, fn, event);
    expect(answer.output.StatusCode).toBe(200);
    expect(answer.functionError).toBe('Unhandled');
    expect(answer.fields['errorType']).toBe(errorType);
    expect(answer.fields['errorMessage']).toMatch(message);
  });

  test('and a trace, and the next request is served', async () => {
    const { fields } = await call(client, 'verbs', { do: 'throw' });
    expect(fields['trace']).toEqual(expect.arrayContaining([expect.stringContaining('TypeError: boom')]));
    await call(client, 'brief', { do: 'sleep', ms: 9999 });
    expect((await call(client, 'brief', { do: 'echo', value: 1 })).value).toBe(1);
  });
});

describe('the API refuses, in the words of AWS:', () => {
  test.each([
    [
      'an unknown function',
      at('nobody'),
      { body: '{}' },
      404,
      'ResourceNotFoundException',
      '{"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:nobody"}',
    ],
    [
      'an unknown version',
      at('verbs:99'),
      { body: '{}' },
      404,
      'ResourceNotFoundException',
      '{"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:verbs:99"}',
    ],
    [
      'another region',
      at('arn:aws:lambda:eu-west-1:123456789012:function:verbs'),
      { body: '{}' },
      404,
      'ResourceNotFoundException',
      undefined,
    ],
    ['a name no function can have', at('no%20name'), { body: '{}' }, 400, 'ValidationException', undefined],
    [
      'two qualifiers',
      `${at('verbs:1')}?Qualifier=2`,
      { body: '{}' },
      400,
      'InvalidParameterValueException',
      undefined,
    ],
    [
      'a strange invocation type',
      at('verbs'),
      { body: '{}', headers: { 'X-Amz-Invocation-Type': 'Later' } },
      400,
      'InvalidParameterValueException',
      undefined,
    ],
    ['what is not JSON', at('verbs'), { body: '{"a":' }, 400, 'InvalidRequestContentException', undefined],
    [
      'the same as an event',
      at('verbs'),
      { body: '{"a":', headers: { 'X-Amz-Invocation-Type': 'Event' } },
      400,
      'InvalidRequestContentException',
      undefined,
    ],
    [
      'a request over 6 MB',
      at('verbs'),
      { body: Buffer.alloc(6_291_457, ' ') },
      413,
      'RequestTooLargeException',
      '{"Type":"User","message":"6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"}',
    ],
    [
      'an event over 1 MB',
      at('verbs'),
      { body: Buffer.alloc(1_048_577, ' '), headers: { 'X-Amz-Invocation-Type': 'Event' } },
      413,
      'RequestTooLargeException',
      undefined,
    ],
    [
      'a function without concurrency',
      at('closed'),
      { body: '{}' },
      429,
      'TooManyRequestsException',
      '{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}',
    ],
    [
      'a web page',
      at('verbs'),
      { body: '{}', headers: { Origin: 'http://evil.example' } },
      403,
      'AccessDeniedException',
      undefined,
    ],
    [
      'an operation that is none',
      '/2015-03-31/nonsense',
      { method: 'GET' },
      404,
      'UnknownOperationException',
      undefined,
    ],
  ])('%s', async (_name, path, options, status, type, body) => {
    const answer = await raw(path, options);
    expect(answer.status).toBe(status);
    expect(answer.headers['x-amzn-errortype']).toBe(type);
    expect(answer.headers['x-amzn-requestid']).toMatch(/^[0-9a-f-]{36}$/);
    if (body !== undefined) expect(answer.body).toBe(body);
    if (status === 429) expect(answer.headers['retry-after']).toBe('1');
  });
});

test('past reserved concurrency it throttles; within it, and without it, nothing is lost', async () => {
  const slow = call(client, 'guarded', { do: 'sleep', ms: 300 });
  while (!lambda.environments().some(one => one.function === 'guarded' && one.busy)) await sleep(5);
  const refused = await call(client, 'guarded', {}).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(TooManyRequestsException);
  expect(refused).toMatchObject({
    Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
    retryAfterSeconds: '1',
  });
  expect((await slow).value).toBe('slept');
  expect((await call(client, 'guarded', { do: 'echo', value: 1 })).value).toBe(1);

  const pids = await Promise.all(Array.from({ length: 12 }, () => call(client, 'verbs', { do: 'pid' })));
  expect(new Set(pids.map(answer => answer.value)).size).toBeLessThanOrEqual(2);
});

test('dry runs answer 204 and run nothing; events answer 202, run, and are tried three times', async () => {
  const count = () =>
    logged.filter(one => one.functionName === 'solo' && one.text.startsWith('START')).length;
  const send = (InvocationType: 'DryRun' | 'Event', event: unknown) =>
    client.send(new InvokeCommand({ FunctionName: 'solo', InvocationType, Payload: JSON.stringify(event) }));
  expect((await send('DryRun', {})).StatusCode).toBe(204);
  expect(count()).toBe(0);
  expect((await send('Event', { do: 'calls' })).StatusCode).toBe(202);
  while (count() < 1) await sleep(5);
  await send('Event', { do: 'throw' });
  await sleep(3600);
  expect(count()).toBe(1 + 3);
});

test('the environment sees what Lambda defines and its own variables, nothing of the server', async () => {
  const { fields } = await call(client, 'verbs', { do: 'env' });
  expect(fields).toMatchObject({
    GREETING: 'hi',
    AWS_LAMBDA_FUNCTION_NAME: 'verbs',
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
    AWS_REGION: 'us-east-1',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_ACCESS_KEY_ID: 'local',
    _X_AMZN_TRACE_ID: expect.stringMatching(
      /^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$/,
    ),
    LAMBDA_TASK_ROOT: expect.stringContaining('/code/'),
  });
  expect(fields).not.toHaveProperty('SECRET_OF_THE_SERVER');
  expect(fields).not.toHaveProperty('HOME');
});

test('the context says who is asked, by which name, and how long is left', async () => {
  const ClientContext = Buffer.from('{"custom":{"a":"b"}}').toString('base64');
  const { fields, output } = await call(
    client,
    'verbs',
    { do: 'context' },
    { Qualifier: '$LATEST', ClientContext },
  );
  expect(fields).toMatchObject({
    awsRequestId: output.$metadata.requestId,
    functionName: 'verbs',
    functionVersion: '$LATEST',
    invokedFunctionArn: lambda.arn('verbs', '$LATEST'),
    memoryLimitInMB: '1024',
    logGroupName: '/aws/lambda/verbs',
    logStreamName: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/),
    callbackWaitsForEmptyEventLoop: true,
    clientContext: { custom: { a: 'b' } },
  });
  expect(fields['left']).toBeLessThanOrEqual(4985);
  expect(fields['left']).toBeGreaterThan(4500);
});

test.each([
  ['a callback waits for the event loop', 'called', { late: true }, { late: true, seen: true }],
  ['a callback that does not wait', 'called', { impatient: true }, { impatient: true }],
  ['a plain return', 'plain', 5, { plain: 5 }],
])('handlers: %s', async (_name, fn, event, expected) => {
  expect((await call(client, fn, event)).value).toEqual(expected);
});

test('logs carry the request id, in order; the tail comes back in the response', async () => {
  const { output } = await call(client, 'verbs', { do: 'say', name: 'Ann' }, { LogType: 'Tail' });
  const id = output.$metadata.requestId;
  const tail = Buffer.from(output.LogResult ?? '', 'base64').toString();
  const shape = [
    `START RequestId: ${id} Version: \\$LATEST`,
    `\\S+Z\\t${id}\\tINFO\\thello Ann`,
    'raw',
    `\\S+Z\\t${id}\\tERROR\\toops`,
    `END RequestId: ${id}`,
    `REPORT RequestId: ${id}\\tDuration: [\\d.]+ ms\\tBilled Duration: \\d+ ms\\tMemory Size: 1024 MB\\tMax Memory Used: \\d+ MB(\\tInit Duration: [\\d.]+ ms)?`,
  ];
  expect(tail).toMatch(new RegExp(`^${shape.join('\\n')}\\n$`));
  const own = logged.filter(one => one.requestId === id);
  expect(own.map(one => one.text).join('')).toBe(tail);

  const long = await call(client, 'verbs', { do: 'say', name: 'x'.repeat(9000) }, { LogType: 'Tail' });
  expect(Buffer.from(long.output.LogResult ?? '', 'base64')).toHaveLength(4096);

  await call(client, 'verbs', { do: 'exit', code: 1 });
  expect(logged.some(one => one.text.includes('last words') && one.requestId !== undefined)).toBe(true);
});

test('an environment killed in the middle of a request says so, and is replaced', async () => {
  const running = call(client, 'solo', { do: 'sleep', ms: 60_000 });
  const busy = () => lambda.environments().find(one => one.function === 'solo' && one.busy);
  while (busy() === undefined) await sleep(5);
  const victim = busy();
  process.kill(victim?.pid ?? 0, 'SIGKILL');
  const { fields, functionError } = await running;
  expect(functionError).toBe('Unhandled');
  expect(fields).toEqual({
    errorType: 'Runtime.ExitError',
    errorMessage: `RequestId: ${victim?.requestId} Error: Runtime exited with error: signal: killed`,
  });
  expect((await call(client, 'solo', { do: 'pid' })).value).not.toBe(victim?.pid);
});

test('a warm environment is used again, and stands still in between', async () => {
  await call(client, 'warm', { do: 'tick' });
  await sleep(200);
  const { value } = await call(client, 'warm', { do: 'tick' });
  // A 2 ms interval would have come 100 times.
  expect(value).toBeLessThan(10);
  const calls = [await call(client, 'warm', { do: 'calls' }), await call(client, 'warm', { do: 'calls' })];
  expect(calls.map(answer => answer.value)).toEqual([1, 2]);
});

test('a waiting request whose caller has gone is not started', async () => {
  const slow = [1, 2].map(() => call(client, 'verbs', { do: 'sleep', ms: 60_000 }));
  const busy = () => lambda.environments().filter(one => one.function === 'verbs' && one.busy);
  while (busy().length < 2) await sleep(5);
  const left = request(`${lambda.url}${at('verbs')}`, { method: 'POST' });
  left.on('error', () => left.destroy());
  left.end('{"do":"say","name":"Nobody"}');
  await sleep(100);
  left.destroy();
  await sleep(100);
  // Now there is room for those who wait.
  for (const { pid } of busy()) process.kill(pid, 'SIGKILL');
  await Promise.all(slow);
  await call(client, 'verbs', {});
  expect(logged.some(one => one.text.includes('Nobody'))).toBe(false);
});
