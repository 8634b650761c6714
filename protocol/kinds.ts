/**
 * What a field of a message can be, as the codec's loops tell them apart: numbers rather than names, for these are on
 * the hot path. The scalars come first: `kind <= UINT64` is a varint on the wire.
 */
export const BOOL = 0;
export const UINT32 = 1;
export const TIME = 2;
export const UINT64 = 3;
export const STRING = 4;
export const BYTES = 5;
export const VALUE = 6;
export const VOID = 7;
export const MESSAGE = 8;

export type FieldKind = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** In that order, as the schema spells them. */
export const KINDS: readonly string[] = [
  'bool',
  'uint32',
  'time',
  'uint64',
  'string',
  'bytes',
  'value',
  'void',
  'message',
];
