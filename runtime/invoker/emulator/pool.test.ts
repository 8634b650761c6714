import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startLocalLambda } from './local-lambda.ts';
import { StartGate } from './pool.ts';
import { call, clientFor, workspace } from './testing.ts';

test('one environment is started per turn of the event loop, in the order asked', async () => {
  const gate = new StartGate();
  const started: number[] = [];
  for (const one of [1, 2, 3]) gate.enter(() => started.push(one));
  const seen: number[][] = [];
  for (let turn = 0; turn < 4; turn++) {
    seen.push([...started]);
    await new Promise(setImmediate);
  }
  expect(seen).toEqual([[], [1], [1, 2], [1, 2, 3]]);
});

test('requests that wait are served in the order they came', async () => {
  const space = workspace();
  const settings = { functions: [{ name: 'fn', entry: space.entry }], maxEnvironments: 1 };
  const lambda = await startLocalLambda(settings);
  const client = clientFor(lambda.url);
  const slow = call(client, 'fn', { do: 'sleep', ms: 250 });
  const all = Array.from({ length: 8 }, async (_, at) => {
    await sleep(20 + at * 10);
    return (await call(client, 'fn', { do: 'calls' })).value;
  });
  expect(await Promise.all(all)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  await slow;
  client.destroy();
  await lambda.close();
  space.remove();
});
