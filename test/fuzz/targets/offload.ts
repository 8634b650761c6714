/** The list of parts that a request to our SDK may come in. Parts that lie elsewhere are not fetched here. */
import { joinParts } from '../../../sdk-lambda/offload.ts';
import { mutateJsonText } from '../mutate-json.ts';
import { demand, type Target, type Verdict } from '../target.ts';

const inline = (text: string) => ({ inline: Buffer.from(text).toString('base64') });
const elsewhere = { url: 'ftp://192.0.2.1/', sha256: 'ab'.repeat(32), bytes: 3 };
const LISTS = [
  { parts: [] },
  { parts: [inline('abc')] },
  { parts: [inline('abc'), inline(''), inline('x'.repeat(1000))] },
  { parts: [inline('abc'), elsewhere] },
];

async function pass(input: Uint8Array): Promise<Verdict> {
  // No input may make this a client of somebody.
  if (/https?:/i.test(Buffer.from(input).toString('latin1'))) return 'refused';
  try {
    const body = await joinParts(input);
    demand(body.length <= input.length, `${body.length} bytes out of ${input.length}`);
    return 'accepted';
  } catch (error) {
    // Its caller answers with whatever went wrong.
    if (error instanceof Error && error.name !== 'Finding') return 'refused';
    throw error;
  }
}

export const createTarget = (): Target => ({
  seeds: LISTS.map(list => Buffer.from(JSON.stringify(list))),
  mutate: mutateJsonText,
  pass,
});
