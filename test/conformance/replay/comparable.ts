/** A frame of the server's as it is compared: what differs from run to run is left out. */
import { decodeFrame, decodeFrames } from '@holdfast/protocol';

const readable = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Bytes as text, fields without a value left out. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return readable(value);
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [name, plain(member)]),
  );
}

export interface Comparable {
  readonly name: string;
  readonly [field: string]: unknown;
}

/** `bytes`: one whole frame, with its ids in the words of the recording. */
export function comparable(bytes: Uint8Array): Comparable {
  const [frame] = decodeFrames(bytes);
  if (frame === undefined) throw new Error('no frame');
  const { name, message } = decodeFrame(frame);
  if (name !== 'Start') return { name, flags: frame.flags, ...(plain(message) as object) };
  const { id: _, randomSeed, durationSinceLastStoredEntry: __, ...rest } = message;
  return { name, flags: frame.flags, hasSeed: randomSeed !== 0n, ...(plain(rest) as object) };
}
