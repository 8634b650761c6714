/**
 * Replays a journal of completed steps in a process of its own, and prints what it took as JSON:
 *
 *     node sdk-replay.ts <bundle> <steps>
 *
 * The bundle's handler gets a Lambda event, as the orchestrator sends it, and answers it; the answer is checked.
 */
import { pathToFileURL } from 'node:url';
import { decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';

export interface Replayed {
  readonly steps: number;
  /** The first of the process. */
  readonly firstMs: number;
  readonly bestMs: number;
  /** By how much the process grew, at most, in the first; resident memory is what a function's is counted by. */
  readonly peakMiB: number;
}

interface Response {
  readonly statusCode: number;
  readonly body: string;
}
type Handler = (event: object, context: object) => Promise<Response>;

const VERSION = 6;
const REPEATS = 12;
const MAX_MS = 4000;

const [, , bundle = '', count = ''] = process.argv;
const { handler } = (await import(pathToFileURL(bundle).href)) as { handler: Handler };
console.log(JSON.stringify(await replay(Number(count))));

async function replay(steps: number): Promise<Replayed> {
  const event = eventOf(steps);
  const before = process.memoryUsage.rss();
  const samples: number[] = [];
  let peak = 0;
  const startedAt = performance.now();
  while (samples.length < REPEATS && performance.now() - startedAt < MAX_MS) {
    const from = performance.now();
    const response = await handler(event, {});
    samples.push(performance.now() - from);
    peak ||= process.resourceUsage().maxRSS * 1024;
    check(response, steps);
  }
  return {
    steps,
    firstMs: samples[0] ?? Number.NaN,
    bestMs: Math.min(...samples),
    peakMiB: (peak - before) / 2 ** 20,
  };
}

function eventOf(steps: number): object {
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
  const frames = [
    encodeFrame('Start', {
      id: new Uint8Array(24).fill(7),
      debugId: 'inv_1replay',
      knownEntries: 1 + 2 * steps,
      randomSeed: 42n,
    }),
    encodeFrame('InputCommand', { value: json(steps) }),
  ];
  for (let id = 1; id <= steps; id++) {
    frames.push(encodeFrame('RunCommand', { resultCompletionId: id, name: 'step' }));
    frames.push(encodeFrame('RunCompletion', { completionId: id, value: json(1) }));
  }
  return {
    path: '/invoke/Replay/steps',
    httpMethod: 'POST',
    headers: { 'content-type': `application/vnd.restate.invocation.v${VERSION}` },
    body: Buffer.concat(frames).toString('base64'),
    isBase64Encoded: true,
  };
}

/** It came to the end, and by way of every step. */
function check({ statusCode, body }: Response, steps: number): void {
  const frames = statusCode === 200 ? decodeFrames(Buffer.from(body, 'base64')).map(decodeFrame) : [];
  const output = frames.find(frame => frame.name === 'OutputCommand');
  const value = output?.name === 'OutputCommand' ? output.message.value : undefined;
  if (Buffer.from(value ?? []).toString() !== String(steps))
    throw new Error(`${bundle} answered ${statusCode} ${frames.map(({ name }) => name)}`);
}
