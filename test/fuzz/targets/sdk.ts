/**
 * What a function of our SDK is called with: the orchestrator is trusted, but its frames come through Lambda, may be
 * another version's, and a wrong one must end the attempt and never hang it.
 */
import { setImmediate } from 'node:timers/promises';
import { decodeFrame, decodeFrames, ProtocolError } from '@holdfast/protocol';
import * as holdfast from '@holdfast/sdk-lambda';
import { parsed } from '../mutate-json.ts';
import { envelopes } from '../seeds.ts';
import { demand, refusable, type Target, type Verdict } from '../target.ts';
import { mutateEnvelope } from './lambda-envelope.ts';
import { services } from './sdk-services.ts';

const handler = holdfast.createEndpointHandler({
  services,
  logger: () => {},
});

export const PENDING = Symbol('pending');
const TURNS_MAX = 2000;

/** Whether it is over after as many turns of the event loop as it can need. */
export async function settled<T>(promise: Promise<T>): Promise<T | typeof PENDING> {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const outcome = await Promise.race([promise, Promise.resolve(PENDING)]);
    if (outcome !== PENDING) return outcome as T;
    await setImmediate();
  }
  return PENDING;
}

async function pass(input: Uint8Array): Promise<Verdict> {
  const event = eventIn(input);
  if (event === undefined) return 'refused';
  const answer = await settled(handler(event, { awsRequestId: 'r' }));
  demand(answer !== PENDING, 'the attempt never ends');
  if (answer.statusCode !== 200) return 'refused';
  if (answer.headers['content-type']?.includes('invocation') === true) {
    checkAnswer(Buffer.from(answer.body, 'base64'));
  }
  return 'accepted';
}

/** Whole frames, and an end. */
export function checkAnswer(body: Uint8Array): void {
  const frames = refusable(() => decodeFrames(body).map(decodeFrame), ProtocolError);
  demand('value' in frames, 'the answer does not decode');
  const last = frames.value.at(-1)?.name;
  demand(last === 'End' || last === 'Suspension' || last === 'Error', 'the answer has no end');
}

/** Lambda gives what the types say: names and texts. Other JSON is no event of the orchestrator's. */
export function eventIn(input: Uint8Array): holdfast.LambdaEvent | undefined {
  const event = parsed(input);
  if (typeof event !== 'object' || event === null) return undefined;
  const { path, rawPath, headers, body } = event as holdfast.LambdaEvent;
  const texts = [path, rawPath, body, ...(isObject(headers) ? Object.values(headers) : [])];
  return texts.every(each => each === undefined || each === null || typeof each === 'string')
    ? event
    : undefined;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

export const createTarget = (): Target => ({
  seeds: envelopes('lambda_event'),
  mutate: mutateEnvelope,
  pass,
});
