/** The fetch adapter as a host calls it: a Request in, a Response out. */

import { fileURLToPath } from 'node:url';
import {
  contentTypeOf,
  type DecodedFrame,
  decodeFrame,
  decodeFrames,
  encodeFrame,
  FrameDecoder,
} from '@holdfast/protocol';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { MAX_PROTOCOL } from './discovery.ts';
import { type Context, createEndpointHandler, endpoint, serde, service } from './fetch.ts';
import { json, requestBody, text } from './journal.testkit.ts';

let over = 0;
let sent = 0;
const demo = service({
  name: 'Demo',
  handlers: {
    echo: async (_ctx: Context, input: unknown) => input,
    two: async (ctx: Context) => (await ctx.run('a', () => 'A')) + (await ctx.run('b', async () => 'B')),
    extra: async (ctx: Context) => ctx.request().extraArgs,
    hang: async (ctx: Context) => {
      const { attemptCompletedSignal: signal } = ctx.request();
      signal.addEventListener('abort', () => over++);
      await ctx.sleep(1000);
    },
    flood: async (ctx: Context, times: number) => {
      for (let i = 0; i < times; i++) {
        const parameter = await ctx.signal<string>('more');
        ctx.genericSend({ service: 'X', method: 'x', parameter, inputSerde: serde.json });
        sent++;
      }
    },
  },
});
const VERSION = MAX_PROTOCOL;
const oneWay = createEndpointHandler({ services: [demo] });
const twoWay = createEndpointHandler({ services: [demo], bidirectional: true });

const requestOf = (path: string, body?: Uint8Array | ReadableStream<Uint8Array>, signal?: AbortSignal) =>
  new Request(`https://host/base${path}?query`, {
    method: 'POST',
    headers: { 'content-type': contentTypeOf(VERSION) },
    // The types of `fetch` do not know the option that streams need.
    ...({ body, duplex: 'half', ...(signal === undefined ? {} : { signal }) } as RequestInit),
  });

/** A body that is written by hand, with what has come of the answer. */
class Peer {
  readonly input = new TransformStream<Uint8Array, Uint8Array>();
  readonly writer = this.input.writable.getWriter();
  readonly #decoder = new FrameDecoder();
  readonly #frames: DecodedFrame[] = [];
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  async open(method: string, signal?: AbortSignal): Promise<Response> {
    const response = await twoWay(requestOf(`/invoke/Demo/${method}`, this.input.readable, signal));
    this.#reader = response.body?.getReader();
    return response;
  }

  send(...frames: Uint8Array[]): Promise<void> {
    return this.writer.write(Buffer.concat(frames));
  }

  async next(): Promise<DecodedFrame | undefined> {
    while (this.#frames.length === 0) {
      const chunk = await this.#reader?.read();
      if (chunk?.value === undefined) return undefined;
      this.#frames.push(...this.#decoder.push(chunk.value).map(decodeFrame));
    }
    return this.#frames.shift();
  }

  async names(until: string): Promise<string[]> {
    const names: string[] = [];
    while (names.at(-1) !== until) names.push((await this.next())?.name ?? 'nothing');
    return names.filter(name => name !== 'AwaitingOn');
  }

  cancel(): Promise<void> | undefined {
    return this.#reader?.cancel();
  }
}

test('request and response', async () => {
  const response = await oneWay(requestOf('/invoke/Demo/echo', requestBody({ input: json('hi') })));
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe(contentTypeOf(VERSION));
  const [output] = decodeFrames(await response.bytes()).map(decodeFrame);
  expect(output?.name === 'OutputCommand' && text(output.message.value)).toBe('"hi"');
  const two = await oneWay(requestOf('/invoke/Demo/two', requestBody({})));
  expect(decodeFrames(await two.bytes()).map(frame => decodeFrame(frame).name)).toEqual([
    'RunCommand',
    'ProposeRunCompletion',
    'Suspension',
  ]);
});

test('what the host passes reaches the handler', async () => {
  const response = await oneWay(requestOf('/invoke/Demo/extra', requestBody({})), { env: 1 });
  const [output] = decodeFrames(await response.bytes()).map(decodeFrame);
  expect(output?.name === 'OutputCommand' && text(output.message.value)).toBe('[{"env":1}]');
});

test('a stream in both directions goes from step to step, and then ends', async () => {
  const peer = new Peer();
  expect((await peer.open('two')).status).toBe(200);
  await peer.send(requestBody({}));
  for (const [id, value] of [
    [1, 'A'],
    [2, 'B'],
  ] as const) {
    expect(await peer.names('ProposeRunCompletion')).toEqual(['RunCommand', 'ProposeRunCompletion']);
    await peer.send(encodeFrame('RunCompletion', { completionId: id, value: json(value) }));
  }
  expect(await peer.names('End')).toEqual(['OutputCommand', 'End']);
  expect(await peer.next()).toBeUndefined();
});

test('a stream whose input ends suspends', async () => {
  const peer = new Peer();
  await peer.open('hang');
  await peer.send(requestBody({}));
  await peer.writer.close();
  expect(await peer.names('Suspension')).toEqual(['SleepCommand', 'Suspension']);
});

test.each(['its signal', 'its body', 'its answer'])(
  'a request that is gone by %s ends the attempt',
  async how => {
    const before = over;
    const peer = new Peer();
    const controller = new AbortController();
    await peer.open('hang', controller.signal);
    await peer.send(requestBody({}));
    await peer.names('SleepCommand');
    if (how === 'its signal') controller.abort();
    else if (how === 'its body') await peer.writer.abort(new Error('gone'));
    else await peer.cancel();
    await expect.poll(() => over).toBe(before + 1);
  },
);

test('without streams a request that is gone is no answer', async () => {
  const controller = new AbortController();
  const { readable } = new TransformStream<Uint8Array, Uint8Array>();
  const response = oneWay(requestOf('/invoke/Demo/echo', readable, controller.signal));
  controller.abort(new Error('gone'));
  await expect(response).rejects.toThrow('gone');
});

test('a peer that does not read is not read from', async () => {
  const peer = new Peer();
  await peer.open('flood');
  const times = 200;
  const value = json('x'.repeat(64 * 1024));
  const frames = Array.from({ length: times }, () =>
    encodeFrame('SignalNotification', { signalName: 'more', value }),
  );
  const written = peer.send(requestBody({ input: json(times) })).then(async () => {
    for (const frame of frames) await peer.send(frame);
  });
  for (let before = -1; before !== sent; await new Promise(resolve => setTimeout(resolve, 50))) before = sent;
  // What came within the turn before the first flush, and one window.
  expect(sent).toBeLessThan(times / 2);
  expect((await peer.names('End')).length).toBe(times + 2);
  await written;
});

test('statuses are those of the protocol, and the mode is told', async () => {
  const statusOf = async (path: string) => (await oneWay(new Request(`https://host${path}`))).status;
  expect(await statusOf('/health')).toBe(200);
  expect(await statusOf('/discover')).toBe(415);
  expect(await statusOf('/invoke/Demo/echo')).toBe(415);
  expect(await statusOf('/nothing')).toBe(404);
  const headers = { accept: 'application/vnd.restate.endpointmanifest.v4+json' };
  for (const [handler, protocolMode] of [
    [oneWay, 'REQUEST_RESPONSE'],
    [twoWay, 'BIDI_STREAM'],
    [endpoint().bind(demo).handler(), 'REQUEST_RESPONSE'],
  ] as const)
    expect(await (await handler(new Request('https://host/discover', { headers }))).json()).toMatchObject({
      protocolMode,
    });
});

test.each(['fetch', 'lambda'])('the bundle of %s has nothing of the other hosts', async entry => {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: `import { createEndpointHandler } from '@holdfast/sdk-lambda/${entry}';
        export const handler = createEndpointHandler({ services: [] });`,
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    platform: 'node',
    format: 'esm',
  });
  const used = Object.values(metafile.outputs)[0];
  const builtins = used?.imports.map(({ path }) => path).sort();
  const adapters = Object.keys(used?.inputs ?? {}).filter(path =>
    /(node|fetch|lambda|streamed-attempt)\.ts$/.test(path),
  );
  expect(outputFiles.length).toBe(1);
  expect([builtins, adapters.map(path => path.split('/').at(-1)).sort()]).toEqual([
    ['node:async_hooks'],
    entry === 'fetch' ? ['fetch.ts', 'streamed-attempt.ts'] : ['lambda.ts'],
  ]);
});
