/**
 * Bodies that one Lambda payload does not hold: a request comes in parts, of which some lie in an object store, an
 * answer is put there. The server presigns every URL, and removes the objects with the invocation. It is our own
 * extension of the protocol: nothing here happens unless a header of the server asks for it.
 *
 * Invariants: of a part exactly the announced bytes are taken, and only if their digest is the announced one; nothing
 * is sent to or fetched from anything but https, or this machine outside of Lambda, where its API listens; what is in
 * memory at once is REQUEST_BYTES_MAX. Without identity keys whoever may call the function may send such headers.
 */
import { asError } from './errors.ts';
import { REQUEST_BYTES_MAX } from './limits.ts';

/** `inline` in base64, or where it is. From outside: what is no text or number counts as one all the same. */
interface Part {
  readonly inline?: string;
  readonly url: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** The server sends fewer than twenty. */
const PARTS_MAX = 100;
const PARALLEL_MAX = 4;
const RETRIES = 3;
const FIRST_DELAY_MS = 50;
const TIMEOUT_MS = 30_000;
const LOCAL = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?\//;

/** By WebCrypto, which is there: `node:crypto` takes longer to load than all of the SDK. */
const digest = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');

/** The body whose parts `list` names. Throws what went wrong. */
export async function joinParts(list: Uint8Array): Promise<Uint8Array> {
  const { parts } = JSON.parse(Buffer.from(list).toString()) as { parts: Part[] };
  let length = 0;
  const ends = parts.map(({ inline, bytes }) => {
    length += inline === undefined ? Math.max(0, Number(bytes)) : Buffer.byteLength(inline, 'base64');
    return length;
  });
  // What is not a number is not less either.
  if (!(length <= REQUEST_BYTES_MAX && parts.length <= PARTS_MAX))
    throw new Error(
      `${length} bytes in ${parts.length} parts are more than ${REQUEST_BYTES_MAX} in ${PARTS_MAX}`,
    );
  const body = Buffer.alloc(length);
  const queue = parts.entries();
  const worker = async () => {
    for (const [i, { inline, url, sha256 }] of queue) {
      const room = body.subarray(ends[i - 1] ?? 0, ends[i]);
      if (inline === undefined) await transfer(url, {}, room, sha256);
      else room.write(inline, 'base64');
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL_MAX }, worker));
  } finally {
    // After a failure the others fetch nothing more.
    parts.length = 0;
  }
  return body;
}

/** Puts an answer there; the headers that tell of it. Throws what went wrong. */
export async function upload(url: string, body: Uint8Array): Promise<Record<string, string>> {
  const content = body as Uint8Array<ArrayBuffer>;
  await transfer(url, { method: 'PUT', body: content });
  return { 'x-holdfast-body-sha256': await digest(content), 'x-holdfast-body-bytes': `${body.length}` };
}

/**
 * Fills `room`, if there is one. Repeated after failures that may pass: what is stored under a URL does not change, and
 * no more does what is put there.
 */
async function transfer(
  url: string,
  init: RequestInit,
  room?: Uint8Array<ArrayBuffer>,
  sha256?: string,
): Promise<void> {
  let failure = 'neither https nor this machine';
  const isAllowed = /^https:/.test(url) || (!process.env['AWS_LAMBDA_RUNTIME_API'] && LOCAL.test(url));
  for (let retry = 0; retry <= RETRIES && isAllowed; retry++) {
    if (retry > 0) await new Promise(resolve => setTimeout(resolve, FIRST_DELAY_MS * 2 ** retry));
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const { ok, status, body } = await fetch(url, { ...init, signal, redirect: 'error' });
      if (ok) {
        if (!room) return;
        let at = 0;
        for await (const chunk of body ?? []) {
          if (at + chunk.length <= room.length) room.set(chunk, at);
          at += chunk.length;
          if (at > room.length) break;
        }
        if (at === room.length && (await digest(room)) === sha256) return;
        failure = 'not what was announced';
      } else {
        failure = `status ${status}`;
        await body?.cancel();
        if (status < 500) break;
      }
    } catch (error) {
      failure = asError(error).message;
    }
  }
  // The permission is in the query.
  throw new Error(`${failure}, at ${String(url).replace(/\?.*/s, '')}`);
}
