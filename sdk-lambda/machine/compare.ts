/**
 * Compares a recorded command with the one the code issues now.
 *
 * Invariant: two are the same when their canonical encodings are, which is what the wire can tell apart: a field left
 * out equals one set to its default, unless it is optional.
 */
import { type Encodable, type Fields, type MessageSpec, readMessage, scratchFrame } from '@holdfast/protocol';

const HEADER_BYTES = 8;

/** The name of the first field that differs, or undefined. Throws when `issued` does not encode. */
export function firstDifference<F extends Fields>(
  spec: MessageSpec<F>,
  recorded: Uint8Array,
  issued: Encodable<F>,
): string | undefined {
  const encoded = scratchFrame(spec, issued).subarray(HEADER_BYTES);
  if (sameBytes(recorded, encoded)) return undefined;
  // The recorded one may be encoded in another way.
  const before = readMessage(spec, recorded);
  const alone = (message: Values, field: string) =>
    String(scratchFrame<Fields>(spec, { [field]: message[field] }));
  return Object.keys(spec.fields).find(field => alone(before, field) !== alone(issued, field));
}

type Values = Readonly<Record<string, unknown>>;

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}
