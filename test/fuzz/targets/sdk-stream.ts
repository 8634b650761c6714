/** The same requests to our SDK over a bidirectional stream: in pieces, while its handlers run. */
import { createEndpointHandler } from '../../../sdk-lambda/fetch.ts';
import { envelopes } from '../seeds.ts';
import { demand, type Target, type Verdict } from '../target.ts';
import { mutateEnvelope } from './lambda-envelope.ts';
import { checkAnswer, eventIn, PENDING, settled } from './sdk.ts';
import { services } from './sdk-services.ts';

const handler = createEndpointHandler({ services, logger: () => {}, bidirectional: true });

function requestOf(input: Uint8Array): Request | undefined {
  const event = eventIn(input);
  if (event === undefined) return undefined;
  const body = Buffer.from(event.body ?? '', 'base64');
  // Pieces whose sizes depend on the input alone.
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= body.length) return controller.close();
      const size = 1 + ((input.length * 7 + at * 13) % 97);
      controller.enqueue(new Uint8Array(body.subarray(at, at + size)));
      at += size;
    },
  });
  try {
    const headers = (event.headers ?? {}) as Record<string, string>;
    const url = new URL(event.path ?? '/', 'http://localhost');
    return new Request(url, { method: 'POST', headers, body: stream, duplex: 'half' });
  } catch (error) {
    // Names and values that no HTTP header can have, or a path that is none.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

async function pass(input: Uint8Array): Promise<Verdict> {
  const request = requestOf(input);
  if (request === undefined) return 'refused';
  const response = await settled(handler(request));
  demand(response !== PENDING, 'there is no answer');
  const body = await settled(response.bytes());
  demand(body !== PENDING, 'the answer never ends');
  if (response.status !== 200) return 'refused';
  if (response.headers.get('content-type')?.includes('invocation') === true) checkAnswer(body);
  return 'accepted';
}

export const createTarget = (): Target => ({
  seeds: envelopes('lambda_event'),
  mutate: mutateEnvelope,
  pass,
  coverageInputs: 512,
});
