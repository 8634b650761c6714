/** The captured frames and bodies of `vectors/`, for tests. */
import { readdirSync, readFileSync } from 'node:fs';

/** A frame as the capture shows it: decoded by somebody else, and its bytes. */
export interface CapturedFrame {
  readonly file: string;
  readonly type: string;
  readonly name: string;
  readonly flags: string;
  readonly message: unknown;
  readonly bytes: Uint8Array;
}

/** A whole Lambda request or response body with the frames it is known to consist of. */
export interface CapturedBody {
  readonly file: string;
  readonly body: Uint8Array;
  readonly frames: readonly CapturedFrame[];
}

type Json = { readonly [key: string]: unknown };

const folder = new URL('./vectors/', import.meta.url);

export function readVector(file: string): Json {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Json;
}

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

function framesIn(file: string, json: unknown): CapturedFrame[] {
  if (typeof json !== 'object' || json === null) return [];
  const { type, name, flags, message, frame_hex } = json as { [key: string]: unknown };
  if (typeof frame_hex === 'string') {
    const bytes = fromHex(frame_hex);
    return [{ file, type: String(type), name: String(name), flags: String(flags), message, bytes }];
  }
  return Object.values(json).flatMap(each => framesIn(file, each));
}

function bodiesIn(file: string, exchange: Json): CapturedBody[] {
  const pairs = [
    [exchange['lambda_event'], exchange['request_frames']],
    [exchange['lambda_response'], exchange['response_frames']],
  ] as const;
  return pairs.flatMap(([envelope, frames]) => {
    const { body, headers } = (envelope ?? {}) as { body?: string; headers?: { [name: string]: string } };
    if (body === undefined || frames === undefined || headers?.['content-encoding'] !== undefined) return [];
    return [{ file, body: new Uint8Array(Buffer.from(body, 'base64')), frames: framesIn(file, frames) }];
  });
}

const scenarios = readdirSync(folder)
  .filter(file => /^v[567]-.*\.json$/.test(file))
  .sort()
  .map(file => ({ file, json: readVector(file) }));

export const capturedFrames: readonly CapturedFrame[] = scenarios.flatMap(({ file, json }) =>
  framesIn(file, json),
);

export const capturedBodies: readonly CapturedBody[] = scenarios.flatMap(({ file, json }) =>
  ((json['lambda_exchanges'] ?? []) as readonly Json[]).flatMap(exchange => bodiesIn(file, exchange)),
);
