/** What Lambda gives back for an invocation: JSON of whoever wrote the function. */
import { isDeepStrictEqual } from 'node:util';
import { decodeInvokeResponse, type InvokeResponse } from '../../../runtime/invoker/envelope.ts';
import { CodedError } from '../../../runtime/platform/error.ts';
import type { SimRandom } from '../../sim/random.ts';
import { concat } from '../mutate-bytes.ts';
import { mutateFrames } from '../mutate-frames.ts';
import { mutateJsonText, parsed } from '../mutate-json.ts';
import { envelopes } from '../seeds.ts';
import { demand, refusable, type Target, type Verdict } from '../target.ts';

/** Long responses are read another way; spaces before JSON mean nothing. */
const LONG = new Uint8Array(16 * 1024).fill(0x20);

/** Also damages what is in the body, so that base64 stays what it is. */
export function mutateEnvelope(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array {
  const envelope = parsed(input);
  if (random.chance(0.5) && isEnvelope(envelope)) {
    const body = Buffer.from(envelope.body, 'base64');
    const donor = parsed(other);
    const second = isEnvelope(donor) ? Buffer.from(donor.body, 'base64') : other;
    const mutated = Buffer.from(mutateFrames(random, body, second)).toString('base64');
    return Buffer.from(JSON.stringify({ ...envelope, body: mutated }));
  }
  return mutateJsonText(random, input, other);
}

function isEnvelope(value: unknown): value is { readonly body: string } {
  return typeof value === 'object' && value !== null && 'body' in value && typeof value.body === 'string';
}

function pass(input: Uint8Array): Verdict {
  const short = refusable(() => decodeInvokeResponse(input), CodedError);
  const long = refusable(() => decodeInvokeResponse(concat(LONG, input)), CodedError);
  if ('error' in short) {
    demand('error' in long, 'it is refused when it is short and accepted when it is long');
    return 'refused';
  }
  demand('value' in long, 'it is accepted when it is short and refused when it is long');
  demand(
    isDeepStrictEqual(comparable(short.value), comparable(long.value)),
    'long and short read differently',
  );
  check(short.value);
  return 'accepted';
}

const comparable = ({ statusCode, headers, body }: InvokeResponse): unknown => [
  statusCode,
  Object.entries(headers),
  Buffer.from(body).toString('latin1'),
];

function check({ statusCode, headers }: InvokeResponse): void {
  demand(Number.isInteger(statusCode) && statusCode >= 100 && statusCode <= 999, 'the status is none');
  demand(Object.getPrototypeOf(headers) === null, 'the headers have a prototype');
  for (const [name, value] of Object.entries(headers)) {
    demand(name === name.toLowerCase() && typeof value === 'string', 'a header is none');
  }
}

export const createTarget = (): Target => ({
  seeds: envelopes('lambda_response'),
  mutate: mutateEnvelope,
  pass,
});
