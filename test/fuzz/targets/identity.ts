/** Tokens of whoever calls a handler: none that the key has not signed is ever taken. */
import { readVector } from '../../../protocol/vectors.testkit.ts';
import { verifierOf } from '../../../sdk-lambda/identity.ts';
import type { SimRandom } from '../../sim/random.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { mutateJsonText } from '../mutate-json.ts';
import { demand, type Target, type Verdict } from '../target.ts';

const KEY = 'publickeyv1_FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z';
const AUDIENCE = '/discover';
const { headers } = readVector('lambda-discovery.json')['lambda_event'] as {
  readonly headers: Readonly<Record<string, string>>;
};
const SIGNED = headers['x-restate-jwt-v1'] ?? '';
const { iat } = JSON.parse(Buffer.from(SIGNED.split('.')[1] ?? '', 'base64url').toString()) as {
  iat: number;
};

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Mostly in the JSON of its first two parts. */
function mutate(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array {
  const parts = text(input).split('.');
  const i = random.int(0, 1);
  if (parts.length !== 3 || random.chance(0.3)) return mutateBytes(random, input, other);
  const json = mutateJsonText(random, Buffer.from(parts[i] ?? '', 'base64url'), other);
  parts[i] = Buffer.from(json).toString('base64url');
  return Buffer.from(parts.join('.'), 'latin1');
}

export function createTarget(): Target {
  const verify = verifierOf([KEY]);
  const pass = async (input: Uint8Array): Promise<Verdict> => {
    const token = text(input);
    const given = { 'x-restate-signature-scheme': 'v1', 'x-restate-jwt-v1': token };
    const refusal = await verify(given, AUDIENCE, iat * 1000);
    if (refusal !== undefined) return 'refused';
    // Base64 has spellings that mean the same; what is signed is the text of the first two parts.
    const signed = (each: string): string => each.slice(0, each.lastIndexOf('.'));
    demand(signed(token) === signed(SIGNED), 'a token is taken that was never signed');
    return 'accepted';
  };
  return { seeds: [Buffer.from(SIGNED)], mutate, pass };
}
