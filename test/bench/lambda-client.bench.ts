/**
 * CPU per Invoke call of the hot-path client against `LambdaClient.send`, in one run on the same machine:
 * `node test/bench/lambda-client.bench.ts [calls] [concurrency]`. The server is a process of its own, so that
 * what is counted is the client's.
 */

import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InvokeCommand, LambdaClient as SdkClient } from '@aws-sdk/client-lambda';
import { encodeEvent } from '../../runtime/invoker/envelope.ts';
import { createLambdaClient } from '../../runtime/invoker/lambda-client.ts';
import { createLambdaTransport } from '../../runtime/invoker/lambda-transport.ts';
import type { HandlerRequest } from '../../runtime/invoker/transport.ts';
import { canonicalPath, createSigner } from '../../runtime/platform/aws/sigv4.ts';
import type { Logger, TimerHandle, Timers } from '../../runtime/platform/ports.ts';

const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:checkout:7';
const CONTENT_TYPE = 'application/vnd.restate.invocation.v6';
const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const ROUNDS = 3;

/** An event of about 600 bytes, as an empty handler gets it. */
const REQUEST: HandlerRequest = {
  method: 'POST',
  path: '/invoke/checkout/place',
  headers: {
    'content-type': CONTENT_TYPE,
    accept: CONTENT_TYPE,
    'x-restate-invocation-id': 'inv_1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  },
  body: new Uint8Array(210).fill(7),
};
const EVENT = encodeEvent(REQUEST);
const LIMITS = { responseBytesMax: 32 * 1024 * 1024, timeoutMs: 60_000 };

function server(): void {
  const answer = JSON.stringify({
    headers: { 'content-type': CONTENT_TYPE, 'x-restate-server': 'restate-sdk-typescript/1.17.2' },
    statusCode: 200,
    isBase64Encoded: true,
    body: Buffer.alloc(120, 7).toString('base64'),
  });
  const http = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'x-amzn-requestid': '0e738c37-8f2b-4d66-9051-742510ba7f11',
        'x-amz-executed-version': '7',
      });
      response.end(answer);
    });
  });
  http.listen(0, '127.0.0.1', () => process.send?.((http.address() as AddressInfo).port));
}

type Call = (done: () => void) => void;

/** CPU microseconds per call of this process. */
function measure(call: Call, calls: number, concurrency: number): Promise<number> {
  return new Promise(resolve => {
    let started = 0;
    let ended = 0;
    const before = process.cpuUsage();
    const next = (): void => {
      if (ended === calls) {
        const { user, system } = process.cpuUsage(before);
        resolve((user + system) / calls);
      }
      if (started === calls) return;
      started++;
      call(() => {
        ended++;
        next();
      });
    };
    for (let i = 0; i < concurrency; i++) next();
  });
}

function cpuOf(work: () => void, times: number): number {
  for (let i = 0; i < times / 5; i++) work();
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

async function main(): Promise<void> {
  const calls = Number(process.argv[2] ?? 10_000);
  const concurrency = Number(process.argv[3] ?? 32);
  const child = fork(import.meta.filename, ['server']);
  const port = await new Promise<number>(resolve =>
    child.once('message', message => resolve(Number(message))),
  );
  const url = `http://127.0.0.1:${port}`;

  const timers: Timers = {
    set: (delayMs, callback) => setTimeout(callback, delayMs) as unknown as TimerHandle,
    clear: handle => clearTimeout(handle as unknown as NodeJS.Timeout),
    soon: callback => void setImmediate(callback),
  };
  const silent = (): void => undefined;
  const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent };
  const ours = createLambdaClient({
    clock: { now: () => Date.now(), monotonicMs: () => performance.now() },
    timers,
    logger,
    env: { AWS_ENDPOINT_URL_LAMBDA: url },
    credentials: async () => KEYS,
  });
  const sdk = new SdkClient({ region: 'us-east-1', endpoint: url, credentials: KEYS, maxAttempts: 1 });

  const { of } = createLambdaTransport({ client: ours, timers });
  const plain = of({ kind: 'lambda', arn: ARN });
  const compressing = of({ kind: 'lambda', arn: ARN, compression: 'zstd' });
  const through =
    ({ exchange }: typeof plain): Call =>
    done => {
      exchange(REQUEST, LIMITS, result => {
        if (result.kind !== 'response') throw new Error(JSON.stringify(result));
        done();
      });
    };
  const callOurs = through(plain);
  const callCompressing = through(compressing);
  const callSdk: Call = done => {
    void sdk.send(new InvokeCommand({ FunctionName: ARN, Payload: EVENT })).then(done);
  };

  await measure(callOurs, Math.ceil(calls / 5), concurrency);
  await measure(callSdk, Math.ceil(calls / 20), concurrency);
  for (let round = 0; round < ROUNDS; round++) {
    const mine = await measure(callOurs, calls, concurrency);
    const offering = await measure(callCompressing, calls, concurrency);
    const theirs = await measure(callSdk, Math.ceil(calls / 5), concurrency);
    console.log(
      `CPU us per call, ${EVENT.length} B, ${concurrency} at once: ` +
        `ours ${mine.toFixed(1)}, with zstd offered ${offering.toFixed(1)}, LambdaClient.send ${theirs.toFixed(1)}, ratio ${(theirs / mine).toFixed(1)}`,
    );
  }

  const signer = createSigner();
  const path = `/2015-03-31/functions/${encodeURIComponent(ARN)}/invocations`;
  const target = { host: '127.0.0.1', path, canonicalPath: canonicalPath(path), region: 'us-east-1' };
  const now = Date.now();
  console.log(`  of which signing ${cpuOf(() => signer.sign(target, EVENT, KEYS, now), 100_000).toFixed(1)}`);
  await ours.close();
  sdk.destroy();
  child.kill();
}

if (process.argv[2] === 'server') server();
else await main();
