import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { type LocalLambda, type LocalLambdaSettings, startLocalLambda } from './local-lambda.ts';
import { parseSettings } from './settings.ts';
import { call, clientFor, workspace } from './testing.ts';

const space = workspace();
afterAll(() => space.remove());

async function withLambda(
  settings: LocalLambdaSettings,
  use: (lambda: LocalLambda, client: ReturnType<typeof clientFor>) => Promise<void>,
): Promise<void> {
  const lambda = await startLocalLambda(settings);
  const client = clientFor(lambda.url);
  try {
    await use(lambda, client);
  } finally {
    client.destroy();
    await lambda.close();
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await sleep(5);
  }
  throw new Error('it did not become true within 5 s');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie that nobody has waited for is dead enough.
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.startsWith('Z') === false;
  } catch (error) {
    if (['ESRCH', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

test('an edit changes $LATEST at once, requests that run finish in the old code, a build error keeps it', async () => {
  const helper = space.write('helper.ts', `export const word = 'old';`);
  const slow = `if (event.ms) await new Promise(done => setTimeout(done, event.ms)); return word;`;
  const entry = space.write(
    'edited.ts',
    `import { word } from './helper.ts';\nexport const handler = async event => { ${slow} };`,
  );
  const log: string[] = [];
  const rebuilt: string[] = [];
  const settings: LocalLambdaSettings = {
    functions: [{ name: 'edited', entry }],
    maxEnvironments: 1,
    watch: true,
    publishOnChange: true,
    log: ({ text }) => log.push(text),
    onRebuilt: ({ arn }) => rebuilt.push(arn),
  };
  await withLambda(settings, async (lambda, client) => {
    const said = async (event: object = {}, name = 'edited') => (await call(client, name, event)).value;
    expect((await lambda.publish('edited')).version).toBe('1');
    const running = said({ ms: 700 });
    await until(() => lambda.environments().some(one => one.busy));
    const waiting = said();
    await sleep(30);
    writeFileSync(helper, `export const word: string = 'new';`);
    await until(() => rebuilt.length === 1);
    // What waited moved to the new code and did not wait for the old environment.
    expect(await waiting).toBe('new');
    expect(lambda.environments().filter(one => one.busy)).toHaveLength(1);
    expect(await running).toBe('old');
    await until(() => lambda.environments().length === 1);
    expect(rebuilt).toEqual([lambda.arn('edited', '2')]);
    expect([await said({}, 'edited:1'), await said({}, 'edited:2')]).toEqual(['old', 'new']);

    writeFileSync(helper, `export const word = ;`);
    await until(() => log.some(text => text.includes('does not build')));
    expect(await said()).toBe('new');
    writeFileSync(helper, `export const word = 'mended';`);
    await until(() => rebuilt.length === 2);
    expect(await said()).toBe('mended');
  });
});

test('close ends every environment and leaves no port, folder or process', async () => {
  const lambda = await startLocalLambda({ functions: [{ name: 'fn', entry: space.entry }] });
  const client = clientFor(lambda.url);
  const [{ value: root }] = await Promise.all([
    call(client, 'fn', { do: 'env' }),
    call(client, 'fn', { do: 'pid' }),
  ]);
  const cut = call(client, 'fn', { do: 'sleep', ms: 60_000 }).catch((error: Error) => error);
  await until(() => lambda.environments().some(one => one.busy));
  const pids = lambda.environments().map(one => one.pid);
  expect(pids.length).toBeGreaterThan(0);
  await lambda.close();
  await cut;
  expect(pids.filter(isAlive)).toEqual([]);
  expect(existsSync((root as Record<string, string>)['LAMBDA_TASK_ROOT'] ?? '')).toBe(false);
  client.destroy();
  await expect(fetch(lambda.url)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
});

test('idle environments are reaped, and a cold start follows', async () => {
  const settings = { functions: [{ name: 'fn', entry: space.entry }], idleTimeoutMs: 50 };
  await withLambda(settings, async (lambda, client) => {
    const { value: first } = await call(client, 'fn', { do: 'pid' });
    await until(() => lambda.environments().length === 0);
    expect((await call(client, 'fn', { do: 'pid' })).value).not.toBe(first);
  });
});

test('unfrozen, the timers of a function run between its requests', async () => {
  const settings = { functions: [{ name: 'fn', entry: space.entry }], freeze: false };
  await withLambda(settings, async (_lambda, client) => {
    expect((await call(client, 'fn', { do: 'never' })).value).toBe(null);
    await call(client, 'fn', { do: 'tick' });
    await sleep(200);
    expect((await call(client, 'fn', { do: 'tick' })).value).toBeGreaterThan(30);
    expect((await call(client, 'fn', { do: 'echo', value: 'z'.repeat(300_000) })).value).toHaveLength(
      300_000,
    );
  });
});

test('past the concurrency of the account it throttles', async () => {
  const settings = { functions: [{ name: 'fn', entry: space.entry }], accountConcurrency: 1 };
  await withLambda(settings, async (_lambda, client) => {
    const both = [1, 2].map(() => call(client, 'fn', { do: 'sleep', ms: 100 }));
    const [fine, refused] = (await Promise.allSettled(both)).sort((a, b) => (a.status < b.status ? -1 : 1));
    expect(fine?.status).toBe('fulfilled');
    expect(refused).toMatchObject({ reason: { Reason: 'ConcurrentInvocationLimitExceeded' } });
  });
});

test('a burst of cold starts does not lock new callers out', async () => {
  const settings = {
    functions: [{ name: 'fn', entry: space.entry, reservedConcurrency: 8, timeoutMs: 20_000 }],
  };
  await withLambda(settings, async (lambda, client) => {
    const burst = Array.from({ length: 8 }, () => call(client, 'fn', { do: 'sleep', ms: 400 }));
    await sleep(20);
    const { port } = new URL(lambda.url);
    const from = performance.now();
    const sockets = await Promise.all(
      Array.from({ length: 40 }, () => {
        const socket = connect(Number(port), '127.0.0.1');
        return new Promise<typeof socket>(done => {
          socket.on('data', () => done(socket));
          socket.write('GET /2016-08-19/account-settings HTTP/1.1\r\nHost: x\r\n\r\n');
        });
      }),
    );
    expect(performance.now() - from).toBeLessThan(1500);
    for (const socket of sockets) socket.destroy();
    await until(() => lambda.environments().length === 8);
    expect((await Promise.all(burst)).map(answer => answer.value)).toEqual(Array(8).fill('slept'));
  });
});

interface Ready {
  readonly child: ChildProcess;
  readonly url: string;
  readonly functions: readonly { name: string; arn: string; version: string; versionArn: string }[];
}

async function startMain(settings: object): Promise<Ready> {
  const path = space.write('settings.json', JSON.stringify(settings));
  const main = join(import.meta.dirname, 'main.ts');
  const child = spawn(process.execPath, [main, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>(ready =>
    createInterface({ input: child.stdout }).once('line', ready),
  );
  return { child, ...(JSON.parse(line) as Omit<Ready, 'child'>) };
}

const exitOf = (child: ChildProcess): Promise<void> =>
  new Promise(done =>
    (child.exitCode ?? child.signalCode) === null ? child.once('exit', () => done()) : done(),
  );

test('as its own process: versions outlive it, and its environments do not, even when it is killed', async () => {
  const entry = space.write(
    'main-entry.ts',
    `export const handler = async e => { if (e.ms) await new Promise(r => setTimeout(r, e.ms)); return process.pid; };`,
  );
  const dataDir = join(space.dir, 'data');
  const settings = {
    dataDir,
    logDir: join(space.dir, 'logs'),
    functions: [{ name: 'fn', entry, timeoutMs: 60_000 }],
  };

  const first = await startMain(settings);
  expect(first.functions[0]).toMatchObject({ name: 'fn', version: '1' });
  const name = first.functions[0]?.versionArn ?? '';
  let client = clientFor(first.url);
  const busy = call(client, name, { ms: 50_000 }).catch((error: Error) => error);
  await until(() => existsSync(`/proc/${first.child.pid}/task/${first.child.pid}/children`));
  const idlePid = (await call(client, name, {})).value as number;
  const children = readFileSync(`/proc/${first.child.pid}/task/${first.child.pid}/children`, 'latin1');
  const pids = children.trim().split(' ').map(Number);
  expect(pids).toContain(idlePid);
  first.child.kill('SIGKILL');
  await exitOf(first.child);
  await until(() => pids.every(pid => !isAlive(pid)));
  await busy;
  client.destroy();

  writeFileSync(entry, `export const handler = async () => 'changed';`);
  const second = await startMain(settings);
  expect(second.functions[0]).toMatchObject({ version: '2' });
  client = clientFor(second.url);
  expect((await call(client, name, {})).value).toEqual(expect.any(Number));
  expect((await call(client, 'fn:2', {})).value).toBe('changed');
  client.destroy();
  second.child.kill('SIGTERM');
  await exitOf(second.child);
  expect(second.child.exitCode).toBe(0);
  const log = readFileSync(join(space.dir, 'logs', 'fn.log'), 'utf8');
  expect(log).toMatch(/REPORT RequestId: [0-9a-f-]{36}\tDuration/);
});

test.each([
  [
    'HF_LOCAL_LAMBDA_BUILD',
    () => startLocalLambda({ functions: [{ name: 'a', entry: space.write('bad.ts', 'const =') }] }),
  ],
  [
    'HF_LOCAL_LAMBDA_DATA',
    () => {
      const dataDir = join(space.dir, 'broken-data');
      space.write('x', '');
      return startLocalLambda({ functions: [], dataDir })
        .then(lambda => lambda.close())
        .then(() => writeFileSync(join(dataDir, 'functions', 'a.json'), '{'))
        .then(() => startLocalLambda({ functions: [], dataDir }));
    },
  ],
  [
    'HF_LOCAL_LAMBDA_LISTEN',
    async () => {
      const holder = await startLocalLambda({ functions: [] });
      try {
        return await startLocalLambda({ functions: [], port: Number(new URL(holder.url).port) });
      } finally {
        await holder.close();
      }
    },
  ],
  [
    'HF_LOCAL_LAMBDA_FUNCTION_UNKNOWN',
    async () => {
      const lambda = await startLocalLambda({ functions: [] });
      try {
        return await lambda.publish('nobody');
      } finally {
        await lambda.close();
      }
    },
  ],
  [
    'HF_LOCAL_LAMBDA_SETTINGS',
    async () => parseSettings('{"functions":[{"name":"a","entry":"x","timeout":3}]}'),
  ],
  ['HF_LOCAL_LAMBDA_SETTINGS', async () => parseSettings('{"functions":[{"name":"a b","entry":"x"}]}')],
  ['HF_LOCAL_LAMBDA_SETTINGS', async () => parseSettings('{')],
  [
    'HF_LOCAL_LAMBDA_SETTINGS',
    () => startLocalLambda({ functions: [{ name: 'a', entry: space.entry, runtime: 'nodejs22.x' }] }),
  ],
])('%s says what to do', async (code, run) => {
  await expect(run()).rejects.toMatchObject({ code });
  rmSync(join(space.dir, 'broken-data'), { recursive: true, force: true });
});
