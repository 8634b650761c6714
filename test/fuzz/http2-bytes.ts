/** HTTP/2 as bytes: frames to start from, and damage that knows where frames begin. */
import type { SimRandom } from '../sim/random.ts';
import { concat, mutateBytes } from './mutate-bytes.ts';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const HEADER_BYTES = 9;
export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  window: 8,
  more: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;
const FLAGS = [0, 1, 4, 5, 8, 0x20, 0x25, 0xff] as const;
const STREAMS = [0, 1, 2, 3, 5, 0x7fffffff, 0xffffffff] as const;

export function h2Frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, payload.length << 8);
  header[3] = type;
  header[4] = flags;
  view.setUint32(5, stream);
  return concat(header, payload);
}

/** Literals that are not indexed and not Huffman coded; names and values below 127 bytes. */
export function headerBlock(headers: readonly (readonly [string, string])[]): Uint8Array {
  const parts = headers.flatMap(([name, value]) => [
    Uint8Array.of(0, name.length),
    Buffer.from(name, 'latin1'),
    Uint8Array.of(value.length),
    Buffer.from(value, 'latin1'),
  ]);
  return concat(...parts);
}

export interface H2Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

function split(bytes: Uint8Array): {
  readonly start: Uint8Array;
  readonly frames: H2Frame[];
  readonly rest: Uint8Array;
} {
  const isClient = Buffer.from(bytes.subarray(0, PREFACE.length)).equals(PREFACE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const frames: H2Frame[] = [];
  const first = isClient ? PREFACE.length : 0;
  let at = first;
  while (bytes.length - at >= HEADER_BYTES) {
    const end = at + HEADER_BYTES + (view.getUint32(at) >>> 8);
    if (end > bytes.length) break;
    const payload = bytes.subarray(at + HEADER_BYTES, end);
    frames.push({
      type: view.getUint8(at + 3),
      flags: view.getUint8(at + 4),
      stream: view.getUint32(at + 5),
      payload,
    });
    at = end;
  }
  return { start: bytes.subarray(0, first), frames, rest: bytes.subarray(at) };
}

export const h2Frames = (bytes: Uint8Array): readonly H2Frame[] => split(bytes).frames;

export function mutateHttp2(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array {
  const { start, frames, rest } = split(input);
  if (frames.length === 0 || random.chance(0.1)) return mutateBytes(random, input, other);
  const donors = split(other).frames;
  const i = random.int(0, frames.length - 1);
  const frame = frames[i] as H2Frame;
  const donor = donors.length === 0 ? frame : random.pick(donors);
  const how = random.int(0, 9);
  if (how === 0) frames.splice(i, 1);
  else if (how === 1) frames.splice(i, 0, ...Array.from({ length: random.int(1, 200) }, () => frame));
  else if (how === 2) frames.splice(random.int(0, frames.length), 0, donor);
  else if (how === 3) frames[i] = { ...frame, type: random.int(0, 12) };
  else if (how === 4) frames[i] = { ...frame, flags: random.pick(FLAGS) };
  else if (how === 5) frames[i] = { ...frame, stream: random.pick(STREAMS) };
  else if (how === 6) frames.push({ ...donor, stream: frame.stream + 2 });
  else frames[i] = { ...frame, payload: mutateBytes(random, frame.payload, donor.payload) };
  return concat(
    start,
    ...frames.map(each => h2Frame(each.type, each.flags, each.stream, each.payload)),
    rest,
  );
}
