import {
  CreateAliasCommand,
  CreateFunctionCommand,
  DeleteAliasCommand,
  DeleteFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  GetAccountSettingsCommand,
  GetAliasCommand,
  GetFunctionCommand,
  GetFunctionConcurrencyCommand,
  GetFunctionConfigurationCommand,
  type LambdaClient,
  ListAliasesCommand,
  ListFunctionsCommand,
  ListVersionsByFunctionCommand,
  PublishVersionCommand,
  PutFunctionConcurrencyCommand,
  UpdateAliasCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalLambda, startLocalLambda } from './local-lambda.ts';
import { call, clientFor, workspace } from './testing.ts';

const space = workspace();
const FunctionName = 'made';
let lambda: LocalLambda;
let client: LambdaClient;
const code = (name: string) => ({ S3Bucket: 'local', S3Key: name });

beforeAll(async () => {
  lambda = await startLocalLambda({ functions: [{ name: 'given', entry: space.entry }] });
  client = clientFor(lambda.url);
});

afterAll(async () => {
  await lambda.close();
  client.destroy();
  space.remove();
});

/** One story, because each step stands on the one before; the SDK's own parsing of the answers is the check. */
test('a function is made, published, aliased, changed and deleted through the AWS SDK', async () => {
  const one = space.write('one.ts', `export const run = () => 'one ' + process.env.WHO;`);
  const two = space.write('two.ts', `export const run = () => 'two ' + process.env.WHO;`);
  const said = async (Qualifier?: string) =>
    (await call(client, FunctionName, {}, Qualifier === undefined ? {} : { Qualifier })).value;

  const create = new CreateFunctionCommand({
    FunctionName,
    Code: code(one),
    Handler: 'index.run',
    Role: 'any',
    Timeout: 7,
    Environment: { Variables: { WHO: 'Ann' } },
  });
  const created = await client.send(create);
  expect(created).toMatchObject({ Version: '$LATEST', Timeout: 7, Handler: 'index.run', State: 'Active' });
  await waitUntilFunctionActiveV2({ client, maxWaitTime: 5 }, { FunctionName });
  await expect(client.send(create)).rejects.toMatchObject({ name: 'ResourceConflictException' });
  await expect(
    client.send(
      new CreateFunctionCommand({ FunctionName: 'zip', Code: { ZipFile: new Uint8Array(3) }, Role: 'any' }),
    ),
  ).rejects.toMatchObject({ name: 'InvalidParameterValueException' });
  expect(await said()).toBe('one Ann');

  const publish = () => client.send(new PublishVersionCommand({ FunctionName }));
  expect(await publish()).toMatchObject({ Version: '1', FunctionArn: lambda.arn(FunctionName, '1') });
  expect((await publish()).Version).toBe('1');
  await expect(
    client.send(new PublishVersionCommand({ FunctionName, CodeSha256: 'other' })),
  ).rejects.toMatchObject({ name: 'InvalidParameterValueException' });

  const alias = { FunctionName, Name: 'live' };
  expect(await client.send(new CreateAliasCommand({ ...alias, FunctionVersion: '1' }))).toMatchObject({
    AliasArn: lambda.arn(FunctionName, 'live'),
    FunctionVersion: '1',
  });

  await client.send(new UpdateFunctionCodeCommand({ FunctionName, ...code(two) }));
  await client.send(
    new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables: { WHO: 'Bob' } } }),
  );
  expect([await said(), await said('1'), await said('live')]).toEqual(['two Bob', 'one Ann', 'one Ann']);

  expect((await publish()).Version).toBe('2');
  await client.send(new UpdateAliasCommand({ ...alias, FunctionVersion: '2' }));
  expect(await client.send(new GetAliasCommand(alias))).toMatchObject({ FunctionVersion: '2' });
  const throughAlias = await call(client, lambda.arn(FunctionName, 'live'), {});
  expect(throughAlias.value).toBe('two Bob');
  expect(throughAlias.output.ExecutedVersion).toBe('2');
  await expect(
    client.send(new DeleteFunctionCommand({ FunctionName, Qualifier: '2' })),
  ).rejects.toMatchObject({
    name: 'ResourceConflictException',
  });
  await client.send(new DeleteFunctionCommand({ FunctionName, Qualifier: '1' }));

  const listed = await client.send(new ListVersionsByFunctionCommand({ FunctionName }));
  expect(listed.Versions?.map(version => version.Version)).toEqual(['$LATEST', '2']);
  const first = await client.send(new ListFunctionsCommand({ MaxItems: 1 }));
  const rest = await client.send(new ListFunctionsCommand({ Marker: first.NextMarker }));
  expect([first, rest].flatMap(page => page.Functions?.map(f => f.FunctionName))).toEqual(['given', 'made']);
  expect((await client.send(new ListAliasesCommand({ FunctionName }))).Aliases?.map(a => a.Name)).toEqual([
    'live',
  ]);

  await client.send(new DeleteAliasCommand(alias));
  await client.send(new DeleteFunctionCommand({ FunctionName }));
  await expect(client.send(new GetFunctionCommand({ FunctionName }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
    message: `Function not found: ${lambda.arn(FunctionName)}`,
  });
  await expect(said()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test('reserved concurrency is put, got, obeyed and deleted; settings and limits can be read', async () => {
  const given = { FunctionName: 'given' };
  const reserved = async () =>
    (await client.send(new GetFunctionConcurrencyCommand(given))).ReservedConcurrentExecutions;
  expect(await reserved()).toBeUndefined();
  await client.send(new PutFunctionConcurrencyCommand({ ...given, ReservedConcurrentExecutions: 0 }));
  expect(await reserved()).toBe(0);
  await expect(call(client, 'given', {})).rejects.toMatchObject({ name: 'TooManyRequestsException' });
  expect((await client.send(new GetFunctionCommand(given))).Concurrency).toEqual({
    ReservedConcurrentExecutions: 0,
  });
  await client.send(new DeleteFunctionConcurrencyCommand(given));
  expect((await call(client, 'given', 5)).value).toBe(5);

  const configuration = await client.send(new GetFunctionConfigurationCommand(given));
  expect(configuration).toMatchObject({
    Timeout: 3,
    MemorySize: 1024,
    Runtime: 'nodejs24.x',
    PackageType: 'Zip',
  });
  const { AccountLimit } = await client.send(new GetAccountSettingsCommand({}));
  expect(AccountLimit?.ConcurrentExecutions).toBe(1000);
});
