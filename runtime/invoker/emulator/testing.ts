/** Shared by this folder's tests: a function that does what its event says, and a real SDK client for it. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvokeCommand, type InvokeCommandOutput, LambdaClient } from '@aws-sdk/client-lambda';

const SOURCE = `
import { setTimeout as sleep } from 'node:timers/promises';
let calls = 0, ticks = 0, interval;
const verbs = {
  echo: e => e.value,
  calls: () => ++calls,
  sleep: async e => (await sleep(e.ms), 'slept'),
  spin: e => { const end = Date.now() + e.ms; while (Date.now() < end); return 'spun'; },
  pid: () => process.pid,
  throw: () => { throw new TypeError('boom'); },
  reject: () => Promise.reject('just text'),
  uncaught: () => new Promise(() => setTimeout(() => { throw new RangeError('later'); }, 1)),
  unhandled: () => new Promise(() => { Promise.reject(new Error('lost')); }),
  exit: e => { console.log('last words'); process.exit(e.code); },
  heap: () => { const keep = []; for (;;) keep.push(new Array(1e5).fill({}).map(x => ({ ...x }))); },
  rss: async () => { const keep = []; for (;;) { keep.push(Buffer.alloc(8 << 20, 1)); await sleep(1); } },
  big: e => 'x'.repeat(e.bytes),
  cycle: () => { const a = {}; a.a = a; return a; },
  never: () => new Promise(() => {}),
  tick: () => { interval ??= setInterval(() => ticks++, 2); const before = ticks; ticks = 0; return before; },
  say: e => { console.log('hello %s', e.name); process.stdout.write('raw\\n'); console.error(new Error('oops').message); return 1; },
  env: () => process.env,
  context: async (_e, c) => { await sleep(20); return { ...c, left: c.getRemainingTimeInMillis() }; },
};
export const handler = async (event, context) => {
  const verb = verbs[event?.do];
  return verb === undefined ? event : verb(event, context);
};
export const withCallback = (event, context, callback) => {
  if (event.late) setTimeout(() => { event.seen = true; }, 10);
  if (event.impatient) { context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 60_000); }
  if (event.fail) callback(new Error('called back'));
  else callback(null, event);
};
export const plain = event => ({ plain: event });
`;

export interface Workspace {
  readonly dir: string;
  readonly entry: string;
  write(name: string, source: string): string;
  remove(): void;
}

export function workspace(): Workspace {
  const dir = mkdtempSync(join(tmpdir(), 'local-lambda-test-'));
  const write = (name: string, source: string): string => {
    const path = join(dir, name);
    writeFileSync(path, source);
    return path;
  };
  return {
    dir,
    entry: write('verbs.ts', SOURCE),
    write,
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

export function clientFor(url: string): LambdaClient {
  return new LambdaClient({
    endpoint: url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKID', secretAccessKey: 'secret' },
    maxAttempts: 1,
  });
}

export interface Answer {
  /** The payload, parsed. */
  readonly value: unknown;
  /** The same, where it is an object. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly functionError: string | undefined;
  readonly output: InvokeCommandOutput;
}

export async function call(
  client: LambdaClient,
  name: string,
  event: unknown,
  more: { Qualifier?: string; LogType?: 'Tail'; ClientContext?: string } = {},
): Promise<Answer> {
  const output = await client.send(
    new InvokeCommand({
      FunctionName: name,
      ...(event === undefined ? {} : { Payload: JSON.stringify(event) }),
      ...more,
    }),
  );
  const value: unknown = JSON.parse(Buffer.from(output.Payload ?? []).toString());
  return {
    value,
    fields: Object(value) as Readonly<Record<string, unknown>>,
    functionError: output.FunctionError,
    output,
  };
}

export interface RawOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** The SDK hides what it does not model, so the exact bytes are looked at without it. */
export function rawCall(
  url: string,
  { method = 'POST', headers, body }: RawOptions,
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers });
    sent.on('response', response => {
      let text = '';
      response.on('data', chunk => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
